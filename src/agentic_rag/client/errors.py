"""What can go wrong for who asks a server, split by what to do about it.

ClientError
├── Refused      the request or the key is wrong: mend it
├── Busy         too many ask, or it is not ready: ask again in a while
├── Failed       the server's own fault, or no server of ours
└── Unreachable  nobody answered in time
"""


class ClientError(Exception):
    """The root of the tree."""


class Refused(ClientError):  # noqa: N818  # named for what happened
    """The server will not: a field is wrong, the key is, or there is no such thing.

    Attributes:
        status: of HTTP.
        field: what is wrong, as the server calls it; empty where it is not a field.
    """

    def __init__(self, message: str, *, status: int, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class Busy(ClientError):  # noqa: N818
    """The server cannot now.

    Attributes:
        retry_after_s: when it may; None where it did not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Failed(ClientError):  # noqa: N818
    """The server failed, or answered what cannot be read."""


class Unreachable(ClientError):  # noqa: N818
    """Nobody was there, or not for long enough."""
