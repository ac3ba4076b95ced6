"""The doorman: tells from the Authorization header who somebody is. Needs no other part alive."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentic_rag.callers import UNNAMED, Caller
from agentic_rag.serving.keys.bearer import token_of
from agentic_rag.serving.keys.ring import KeyRing
from agentic_rag.settings import Settings

if TYPE_CHECKING:  # what it needs takes a while to import, and is not always wanted
    from agentic_rag.serving.keys.tokens import TokenReader

_DOTS_OF_A_JWT = 2


class Doorman:
    """Knows the keys and tokens that the settings name; where they name none, lets everyone in."""

    def __init__(self, settings: Settings) -> None:
        """Read the keys.

        Raises:
            BadSettings: an entry of API_KEYS cannot be used.
        """
        self._ring = KeyRing(settings.api_keys)
        self._tokens = _token_reader(settings) if settings.jwt_jwks_url else None
        self.asks = bool(settings.api_keys or self._tokens)

    async def admit(self, authorization: Sequence[str]) -> Caller | None:
        """Return who it is, or none: they are not to be let in."""
        if not self.asks:
            return UNNAMED
        token = token_of(authorization)
        if token is None:
            return None
        if self._tokens and token.count(".") == _DOTS_OF_A_JWT:
            return await self._tokens.find(token)
        return self._ring.find(token)


def _token_reader(settings: Settings) -> "TokenReader":
    from agentic_rag.serving.keys.tokens import TokenReader

    return TokenReader(settings)
