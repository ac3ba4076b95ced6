"""The signing keys of an identity provider, fetched when they are wanted and kept for a while."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

logger = logging.getLogger(__name__)

_MOST_BYTES = 1_000_000
_NONSENSE = (PyJWTError, ValueError, TypeError, AttributeError)
"""What the reading of a document ends in that is no set of keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long keys are good for.

    Attributes:
        fresh_s: after which a key that is used is looked for anew: it may have been withdrawn.
        trusted_s: after which it is used no longer, where nobody can be asked.
        pause_s: between two fetches, however many unknown names are tried.
        timeout_s: of a fetch.
    """

    fresh_s: float = 300.0
    trusted_s: float = 3600.0
    pause_s: float = 10.0
    timeout_s: float = 3.0


class Jwks:
    """The keys at one URL. A server that is gone leaves them as they are, for an hour."""

    def __init__(self, url: str, pace: Pace) -> None:
        self._url = url
        self._pace = pace
        # made now, for that takes a while; its connections belong to no event loop that has ended
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
        self._keys: Mapping[str, PyJWK] = {}
        self._fetched_at = self._tried_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> PyJWK | None:
        """Return a key by its name; waits for the server only where the name is unknown."""
        known = self._known(kid)
        if not known or time.monotonic() - self._fetched_at > self._pace.fresh_s:
            self._begin()
        if not known and self._fetching:
            await asyncio.shield(self._fetching)
            known = self._known(kid)
        return known

    def _known(self, kid: str) -> PyJWK | None:
        is_trusted = time.monotonic() - self._fetched_at < self._pace.trusted_s
        return self._keys.get(kid) if is_trusted else None

    def _begin(self) -> None:
        now = time.monotonic()
        if now - self._tried_at > self._pace.pause_s and not self._fetching:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._pace.timeout_s):
                self._keys = _read(await self._load())
            self._fetched_at = time.monotonic()
        except (httpx.HTTPError, TimeoutError, *_NONSENSE) as error:
            logger.warning("the keys of JWT_JWKS_URL cannot be read: %s", type(error).__name__)
        finally:
            self._fetching = None

    async def _load(self) -> bytes:
        loaded = bytearray()
        async with self._client.stream("GET", self._url) as reply:
            reply.raise_for_status()
            async for chunk in reply.aiter_bytes():
                loaded += chunk
                if len(loaded) > _MOST_BYTES:
                    raise ValueError("too large")
        return bytes(loaded)


def _read(document: bytes) -> dict[str, PyJWK]:
    keys = PyJWKSet.from_json(document.decode()).keys
    return {
        key.key_id: key
        for key in keys
        if key.key_id and key.key_type != "oct" and key.public_key_use in {None, "sig"}
    }
