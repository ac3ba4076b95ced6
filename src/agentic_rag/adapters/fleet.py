"""The fleet: all replicas of one model, found and treated alike."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from agentic_rag.adapters.replica import TIMEOUT_S, Replica
from agentic_rag.errors import AgenticRagError, ReplicaUnavailable
from agentic_rag.inference.affinity.replicas import Source

T = TypeVar("T")
_FIND_S, _LOOK_S = 10.0, 0.2


class Fleet:
    """Whoever serves the model now; a replica that comes later is in it from then on."""

    def __init__(self, source: Source, base_url: str, key: str) -> None:
        """Look for nobody yet.

        Args:
            source: knows the replicas.
            base_url: the service's, whose scheme is the replicas' own.
            key: that they ask for.
        """
        self._source = source
        self._scheme = urlsplit(base_url).scheme or "http"
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(TIMEOUT_S, connect=5.0),
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
        )

    async def replicas(self) -> list[Replica]:
        """Return all of them.

        Raises:
            ReplicaUnavailable: none is found.
        """
        end = time.monotonic() + _FIND_S
        while not (found := await self._source.ready()):
            if time.monotonic() > end:
                raise ReplicaUnavailable("no replica is found: see LLM_REPLICAS and LLM_BASE_URL")
            await asyncio.sleep(_LOOK_S)
        return [Replica(f"{self._scheme}://{each}", self._client) for each in found]

    async def each(self, do: Callable[[Replica], Awaitable[T]]) -> dict[str, T]:
        """Do something to all, at the same time; return what came of it, by address.

        Raises:
            AgenticRagError: the first replica's that failed, when all have ended.
        """
        replicas = await self.replicas()
        done = await asyncio.gather(*map(do, replicas), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return {
            str(replica): result
            for replica, result in zip(replicas, done, strict=True)
            if not isinstance(result, BaseException)
        }

    async def tried(self, do: Callable[[Replica], Awaitable[T]]) -> dict[str, T | AgenticRagError]:
        """Do something to all; return what came of it, by address, an error of ours among it."""

        async def attempt(replica: Replica) -> T | AgenticRagError:
            try:
                return await do(replica)
            except AgenticRagError as error:
                return error

        return await self.each(attempt)

    async def close(self) -> None:
        """Leave off looking, and close the connections."""
        await self._source.close()
        await self._client.aclose()
