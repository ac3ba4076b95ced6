"""Bounded: of a model's server's reply no more is read than an honest one could be."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx

MOST_BYTES = 4_000_000
"""A stream has about 300 bytes for a token, and nobody may ask for more than 8,192 of those."""

_TURN_S = 0.01  # that reading what has come already may take before others have their turn

PLAIN = {"accept-encoding": "identity"}
"""The header that asks for a reply as it is: of one that is packed nobody knows how long it is."""


async def bound(response: httpx.Response) -> None:
    """Have a reply fail where it becomes too long, or is packed; an event hook of a client.

    Raises:
        httpx.DecodingError: it is packed, though nobody asked for that.
    """
    packed = response.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise httpx.DecodingError("a packed reply", request=response.request)
    response.stream = _Bounded(response)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read, turn = 0, time.monotonic()
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for block in self._stream:
            read += len(block)
            if read > MOST_BYTES:
                raise httpx.DecodingError("an endless reply", request=self._response.request)
            yield block
            if time.monotonic() - turn > _TURN_S:
                await asyncio.sleep(0)  # else no time-out is seen until all has been read
                turn = time.monotonic()

    async def aclose(self) -> None:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        await self._stream.aclose()
