"""The transport: takes a session's requests to its own replica, or to the next one."""

from collections.abc import AsyncIterator, Callable, Sequence

import httpx

from agentic_rag.inference.affinity.rendezvous import ranked
from agentic_rag.inference.affinity.replicas import Replica, Source
from agentic_rag.inference.affinity.seats import Seats
from agentic_rag.inference.affinity.session import session

_NO_WAY_THERE = (httpx.ConnectError, httpx.ConnectTimeout)
_NO_REPLY = (httpx.NetworkError, httpx.RemoteProtocolError, *_NO_WAY_THERE)
_BROKEN = {500, 502, 503, 504}
# shorter than a model's server keeps a connection that idles: one that it closes looks like a fault
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=3.0)


class _Broken(Exception):  # noqa: N818  # never seen outside
    """A replica failed before its reply began: with a status, or without a word."""

    def __init__(self, told: httpx.Response | httpx.TransportError) -> None:
        super().__init__()
        self.told = told


class AffinityTransport(httpx.AsyncBaseTransport):
    """Sends on as httpx does, but a session's requests to a replica; the rest as addressed.

    They go as addressed, too, where no replica is known, or all are left out.
    """

    def __init__(self, source: Source, seats: Seats | None = None) -> None:
        """Ask nobody yet."""
        self._source = source
        self._seats = seats or Seats()
        self._pool = httpx.AsyncHTTPTransport(limits=_LIMITS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask the session's own replica and, where that fails before it replies, the next."""
        whose = session.get()
        ranking = ranked(whose, await self._source.ready()) if whose else []
        own = self._seats.pick(ranking)
        if own is None:
            return await self._pool.handle_async_request(request)
        await request.aread()  # so that it can be sent again
        try:
            return await self._asked(own, request)
        except _Broken as broken:
            others = [each for each in ranking if each != own]
            return await self._elsewhere(request, own, others, broken.told)

    async def aclose(self) -> None:
        """Close the connections, and leave off looking for replicas."""
        await self._source.close()
        await self._pool.aclose()

    async def _elsewhere(
        self,
        request: httpx.Request,
        own: Replica,
        others: Sequence[Replica],
        told: httpx.Response | httpx.TransportError,
    ) -> httpx.Response:
        """Ask the next; where that one does better the fault was the first one's."""
        other = self._seats.pick(others)
        if isinstance(told, httpx.Response):
            if other is None:
                return told
            await told.aclose()
        if other is None:
            return await self._pool.handle_async_request(request)
        try:
            reply = await self._asked(other, request)
        except _Broken as again:  # what fails alike at two is the request's fault, for all we know
            if isinstance(again.told, httpx.Response):
                return again.told
            raise again.told from None
        self._seats.leave_out(own)
        return reply

    async def _asked(self, replica: Replica, request: httpx.Request) -> httpx.Response:
        leave = self._seats.take(replica)
        try:
            reply = await self._pool.handle_async_request(_towards(replica, request))
        except BaseException as error:
            leave()
            if isinstance(error, _NO_WAY_THERE):
                self._seats.leave_out(replica)
            if isinstance(error, _NO_REPLY):
                raise _Broken(error) from error
            raise
        reply.stream = _Counted(reply, leave)
        if reply.status_code in _BROKEN:
            raise _Broken(reply)
        self._seats.let_in(replica)
        return reply


class _Counted(httpx.AsyncByteStream):
    """The body of a reply, which is in flight until it is closed."""

    def __init__(self, reply: httpx.Response, leave: Callable[[], None]) -> None:
        self._body = reply.stream
        self._leave = leave

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._body, httpx.AsyncByteStream)
        async for block in self._body:
            yield block

    async def aclose(self) -> None:
        self._leave()
        assert isinstance(self._body, httpx.AsyncByteStream)
        await self._body.aclose()


def _towards(replica: Replica, request: httpx.Request) -> httpx.Request:
    """Readdress a request; by TLS and the Host header the replica is the service that it is of."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=replica.host, port=replica.port),
        headers=request.headers,
        stream=request.stream,
        extensions={"sni_hostname": request.url.host, **request.extensions},
    )
