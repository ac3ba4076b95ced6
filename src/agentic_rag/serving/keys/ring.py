"""The key ring: API keys by their hashes, each with a name and scopes.

A key is 256 random bits, which nobody finds by trying: a fast hash keeps it as well as a slow one.
"""

import re
import secrets
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest

from agentic_rag.callers import Caller, Scope
from agentic_rag.errors import BadSettings

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PREFIX = "arag_"  # by which a scanner of repositories knows a key that was left lying about
_PARTS = 3


class KeyRing:
    """The keys of API_KEYS. Several may have one name, so that a new one can follow an old one."""

    def __init__(self, entries: Sequence[str]) -> None:
        """Read entries `name:scopes:sha256`.

        Raises:
            BadSettings: tells which entry, and never what is in it: it may be a key.
        """
        self._callers = [_read(entry, at) for at, entry in enumerate(entries, 1)]

    def find(self, token: str) -> Caller | None:
        """Return whose key it is, in the same time whichever it is, or none."""
        found = None
        shown = sha256(token.encode()).digest()
        for kept, caller in self._callers:
            if compare_digest(kept, shown):
                found = caller
        return found


def scopes_of(words: Sequence[str]) -> frozenset[Scope]:
    """Return the scopes among some words; who may administer may ask."""
    scopes = {Scope(word) for word in words if word in set(Scope)}
    return frozenset(Scope) if Scope.ADMIN in scopes else frozenset(scopes)


def new_key(name: str, scope: Scope) -> tuple[str, str]:
    """Make a key, and its entry in API_KEYS.

    Raises:
        BadSettings: the name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise BadSettings("NAME: expected at most 64 letters, digits, dots, dashes and underscores")
    key = _PREFIX + secrets.token_urlsafe(32)
    scopes = "+".join(each for each in Scope if each in scopes_of([scope]))
    return key, f"{name}:{scopes}:{sha256(key.encode()).hexdigest()}"


def _read(entry: str, at: int) -> tuple[bytes, Caller]:
    parts = entry.split(":")
    if len(parts) == _PARTS and _NAME.fullmatch(parts[0]) and _HASH.fullmatch(parts[2]):
        words = parts[1].split("+")
        if set(words) <= set(Scope):
            return bytes.fromhex(parts[2]), Caller(parts[0], scopes_of(words))
    raise BadSettings(
        f"API_KEYS: entry {at}: expected name:ask:<sha256> or name:ask+admin:<sha256>,"
        " as `agentic-rag keys new` prints it"
    )
