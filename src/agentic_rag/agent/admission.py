"""Admission: who works now, who waits for a place, and who is told at once to come again.

A question holds one of few places while it works, for all work is done by one event loop; it puts
the place down while a model writes. Who cannot be done in its time is refused before it waits.
"""

import asyncio
import heapq
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from itertools import count

from prometheus_client import Counter, Gauge

from agentic_rag.errors import Overloaded

_PLACES = 3  # with more they take the loop from one another, and an emergency waits for all
_LONGEST_S = 3.0  # who has had a place for so long waits for somebody else: the next may work
_WAITED = 0.3  # of its time a question may have to wait, as it seems: to refuse others takes time
_NEWEST = 0.2  # how much the newest question says about how long one works

turned_away: ContextVar[Overloaded | None] = ContextVar("turned_away", default=None)
"""Why this request is not to be taken on, whoever has room: its caller asks too much."""

_under_way = Gauge("agentic_rag_inflight", "Questions that were taken on and are not answered yet.")
_queued = Gauge("agentic_rag_queued", "Questions that wait for a place to be worked at.")
_refused = Counter("agentic_rag_refused", "Questions that were refused.", ["reason"])


class Admission:
    """Few places to work at, and a queue before them in the order of arrival.

    Attributes:
        closing: whether the server is about to end, and wants no more questions.
        under_way: questions that were taken on; `queued` of them wait for a place.
    """

    def __init__(self, *, most: int = 256, patience_s: float = 60.0, places: int = _PLACES) -> None:
        """Let nobody in yet.

        Args:
            most: questions under way, those included that wait for a place or for a model.
            patience_s: what a question may wait that names no time of its own.
            places: questions that are worked at together.
        """
        self.closing = False
        self.under_way = self.queued = 0
        self._most = most
        self._patience_s = patience_s
        self._places = self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap: the oldest first
        self._numbers, self._turns = count(), count()
        self._work_s = 0.0  # that a question takes of a place

    @asynccontextmanager
    async def admitted(self, until: float | None = None) -> AsyncIterator[None]:
        """Work at one question, as soon as there is a place.

        Args:
            until: when it has to be done, as `time.monotonic` has it.

        Raises:
            Overloaded: there are too many, or it would not be done in time.
        """
        if fault := turned_away.get():
            _refused.labels(fault.reason).inc()
            raise fault
        now = time.monotonic()
        left_s = min(until - now if until else math.inf, self._patience_s)
        self._check(_WAITED * left_s - self._work_s)
        visit = _Visit(self, next(self._numbers))
        with self._counted():
            await self._begin(visit, now + left_s - self._work_s)
            outer = _visit.set(visit)
            try:
                yield
                visit.end()
                self._work_s += _NEWEST * (visit.worked_s - self._work_s)
            finally:
                _visit.reset(outer)
                visit.end()

    async def take(self, number: int, latest: float = math.inf) -> None:
        """Take a place, when all that came before have had one.

        Raises:
            TimeoutError: there was none by then.
        """
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # one who gave up is still in the heap when it comes again: futures have no order
        heapq.heappush(self._waiting, (number, next(self._turns), turn))
        self._count_queued(1)
        try:
            async with asyncio.timeout(max(0.0, latest - time.monotonic())):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # given to somebody who was just leaving
                self.give()
            raise
        finally:
            self._count_queued(-1)

    def give(self) -> None:
        """Give a place back, or on to who has waited longest."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():  # who has left is still in the heap
                turn.set_result(None)
                return
        self._free += 1

    @property
    def wait_s(self) -> float:
        """What a newcomer would wait for a place, going by what the last ones took."""
        return 0.0 if self._free else (self.queued + 1) * self._work_s / self._places

    def _check(self, within_s: float) -> None:
        if self.under_way >= self._most:
            self._refuse("full")
        if self.wait_s > within_s and not self._free:
            self._refuse("late")

    async def _begin(self, visit: "_Visit", latest: float) -> None:
        try:
            await visit.begin(latest)
        except TimeoutError:
            self._refuse("late")

    def _refuse(self, reason: str) -> None:
        _refused.labels(reason).inc()
        raise Overloaded(reason, retry_after_s=max(1.0, self.wait_s)) from None

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.under_way += 1
        _under_way.inc()
        try:
            yield
        finally:
            self.under_way -= 1
            _under_way.dec()

    def _count_queued(self, step: int) -> None:
        self.queued += step
        _queued.inc(step)


class _Visit:
    """One question on its way: at a place, or put aside."""

    def __init__(self, admission: Admission, number: int) -> None:
        self.worked_s = 0.0
        self._admission = admission
        self._number = number
        self._since: float | None = None

    async def begin(self, latest: float = math.inf) -> None:
        """Take a place: newcomers come behind who has been at work before."""
        await self._admission.take(self._number, latest)
        self._since = time.monotonic()
        self._lapse = asyncio.get_running_loop().call_later(_LONGEST_S, self.end)

    def end(self) -> None:
        """Give the place back, if it is still held."""
        if self._since is not None:
            self._lapse.cancel()
            self.worked_s += time.monotonic() - self._since
            self._since = None
            self._admission.give()


_visit: ContextVar[_Visit | None] = ContextVar("_visit", default=None)


@asynccontextmanager
async def put_aside() -> AsyncIterator[None]:
    """Give the place up while somebody outside is waited for."""
    visit = _visit.get()
    if visit is None:
        yield
        return
    visit.end()
    try:
        yield
    finally:
        await visit.begin()
