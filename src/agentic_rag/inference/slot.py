"""The slot: which version of an adapter speaks, and to whom; one file, changed in one step."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

logger = logging.getLogger(__name__)

SLOT = "slot.json"
FRESH_S = 0.5  # that what was read is good for: so long agents take to follow
_PARTS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A version that may answer.

    Attributes:
        served_as: the name that replicas serve it by.
        digest: of its files.
    """

    number: int
    served_as: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of the slot that has not come to its end.

    Attributes:
        kind: promote or rollback.
        to, of: who is to speak, and who spoke; None is the base model.
        older: the number that was `previous` before.
    """

    kind: str
    to: Speaker | None
    of: Speaker | None
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Who speaks.

    Attributes:
        live: the version; None is the base model.
        candidate: who answers a share of the sessions.
        share: of the sessions, 0 to 1.
        move: what was begun and not ended.
        last: the kind of the last move that came to its end.
    """

    live: Speaker | None = None
    candidate: Speaker | None = None
    share: float = 0.0
    move: Move | None = None
    last: str = ""

    def speaks_to(self, session: str | None) -> Speaker | None:
        """Return who answers a session: always the same one, while nobody changes the slot.

        What is asked in no session is answered by who is live.

        >>> one = Speaker(number=1, served_as="clinic-v1", digest="")
        >>> two = Speaker(number=2, served_as="clinic-v2", digest="")
        >>> Slot(live=one, candidate=two, share=1.0).speaks_to("s-1").number
        2
        """
        if self.candidate is None or session is None:
            return self.live
        found = hashlib.blake2b(session.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        is_theirs = int.from_bytes(found) < self.share * _PARTS
        return self.candidate if is_theirs else self.live


Speaks = Callable[[str | None], Awaitable[Speaker | None]]
"""Tells who speaks in a session; None: the base model."""


async def nobody(session: str | None) -> Speaker | None:
    """Name no adapter, whose session it may be."""
    return None


class Follower:
    """Reads the slot anew when somebody asks and what was read is old; there is no timer."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet; `clock` is one that never goes back."""
        self._path, self._clock = path, clock
        self._slot = Slot()
        self._read_at: float | None = None

    async def speaker(self, session: str | None) -> Speaker | None:
        """Return who speaks in a session; where the slot cannot be read, as it was last read."""
        if self._read_at is None or self._clock() - self._read_at > FRESH_S:
            await self._read()
        return self._slot.speaks_to(session)

    async def _read(self) -> None:
        try:
            found = await asyncio.to_thread(read_slot, self._path)
            self._slot = found or Slot()
        except ValueError as error:
            logger.warning("the slot cannot be read: %s", error)
        self._read_at = self._clock()


def read_slot(path: Path) -> Slot | None:
    """Read a slot; None where there is none.

    Raises:
        ValueError: it cannot be read as one.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path.name}: cannot be read: {error.strerror}") from error
    try:
        return slot_of(orjson.loads(text)["record"])
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: is no slot") from error


def slot_of(told: dict[str, object]) -> Slot:
    """Read a slot's record.

    Raises:
        LookupError, TypeError, ValueError: it is none.
    """
    move = told["move"]
    return Slot(
        live=_speaker(told["live"]),
        candidate=_speaker(told["candidate"]),
        share=float(told["share"]),  # type: ignore[arg-type]  # raises where it is no number
        move=_move(move) if isinstance(move, dict) else None,
        last=str(told["last"]),
    )


def _speaker(told: object) -> Speaker | None:
    return Speaker(**told) if isinstance(told, dict) else None


def _move(told: dict[str, object]) -> Move:
    older = told["older"]
    return Move(
        kind=str(told["kind"]),
        to=_speaker(told["to"]),
        of=_speaker(told["of"]),
        older=older if isinstance(older, int) else None,
    )
