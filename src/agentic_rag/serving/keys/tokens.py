"""JSON Web Tokens: who it is that an identity provider vouches for."""

from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from agentic_rag.callers import Caller
from agentic_rag.serving.keys.jwks import Jwks, Pace
from agentic_rag.serving.keys.ring import scopes_of
from agentic_rag.settings import Settings

# Public keys only: with a shared one, whoever can check a token can make one.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")  # fmt: skip # noqa: E501
_MOST_NAME_CHARS = 256
_USUAL = Pace()


class TokenReader:
    """Reads the tokens of one issuer that are meant for us."""

    def __init__(self, settings: Settings, pace: Pace = _USUAL) -> None:
        self._jwks = Jwks(settings.jwt_jwks_url, pace)
        self._wanted: dict[str, Any] = {
            "issuer": settings.jwt_issuer,
            "audience": settings.jwt_audience,
            "leeway": settings.jwt_leeway_s,
        }

    async def find(self, token: str) -> Caller | None:
        """Return who the token speaks of, or none: it is expired, not for us, not signed, ..."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._jwks.key(kid) if kid else None
            return _caller(self._claims(token, key)) if key else None
        except (PyJWTError, ValueError, RecursionError):  # whatever was sent to us
            return None

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            **self._wanted,
        )


def _caller(claims: dict[str, Any]) -> Caller | None:
    subject, granted = claims["sub"], claims.get("scope", "")
    if not (0 < len(subject) <= _MOST_NAME_CHARS and isinstance(granted, str)):
        return None
    # a colon is in no name of an API key: nobody becomes another by a well chosen subject
    return Caller(f"jwt:{subject}", scopes_of(granted.split()))
