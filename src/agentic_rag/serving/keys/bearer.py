"""The `Authorization` header, read as RFC 6750 has it. Pure."""

import re
from collections.abc import Sequence

MOST_CHARS = 8192
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.ASCII | re.IGNORECASE)


def token_of(headers: Sequence[str]) -> str | None:
    """Return the bearer token among a request's Authorization headers, of which one is right.

    >>> token_of(["Bearer abc="])
    'abc='
    >>> token_of(["Basic abc="])
    """
    if len(headers) != 1 or len(headers[0]) > MOST_CHARS:
        return None
    read = _BEARER.fullmatch(headers[0])
    return read[1] if read else None
