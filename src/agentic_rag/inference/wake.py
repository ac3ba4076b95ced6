"""Wake: whether a model sleeps, as far as was seen; and one wake-up for all who ask."""

import asyncio
import logging
import random
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from agentic_rag.inference import gauges
from agentic_rag.inference.sight import Sight

logger = logging.getLogger(__name__)


_FIRST = asyncio.FIRST_COMPLETED
_STEPS = 8
_STALLED = 4  # times as long as it would take, a ring may take where we are busy ourselves


class State(StrEnum):
    """What a model is doing."""

    UNKNOWN = "unknown"
    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known; `eta_s`: seconds until it may be awake, where that can be told."""

    state: State
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient the engine is, in seconds, and with how many.

    Attributes:
        limit_s: after which a wake-up has failed.
        trust_s: for which a model that answered is taken to be awake; platforms wait longer.
        look_s: that somebody waits to learn whether it sleeps.
        hold_s: that one request is left with an activator; whoever is dead holds for ever.
        fresh_s: for which one that answered is not doubted.
        pause_s: before nobody's door is rung at again, at first and at most.
        rest_s: that one that would not wake is left alone, at first and at most.
        seats: for those who wait until it is awake.
        idle_s: that the platform leaves it running which nobody asks; then it sleeps.
    """

    limit_s: float = 900.0
    trust_s: float = 30.0
    look_s: float = 0.6
    hold_s: float = 55.0
    fresh_s: float = 1.0
    pause_s: tuple[float, float] = (0.2, 2.0)
    rest_s: tuple[float, float] = (30.0, 600.0)
    seats: int = 500
    idle_s: float = 300.0


class Bell(Protocol):
    """Where a model's server is asked whether it is there."""

    async def ring(self, within_s: float) -> Sight:
        """Return what is seen."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class Memory(Protocol):
    """How long past wake-ups took."""

    def left_s(self, spent_s: float) -> float:
        """Return how much longer one takes that has taken so long."""
        ...

    def add(self, seconds: float) -> None:
        """Remember one."""
        ...


_THERE = frozenset(
    (
        Sight.HERE,
        Sight.STRANGER,
        Sight.KEY_REFUSED,
        Sight.NAME_UNKNOWN,
        Sight.REFUSED,
        Sight.TOO_LONG,
        Sight.ELSEWHERE,
    )
)
"""Somebody answers: what is wrong with the question, the call for an answer will tell."""


class Wake:
    """One model's state and its wake-up, which is a task of its own and outlives who caused it."""

    def __init__(self, llm: str, bell: Bell, memory: Memory, pace: Pace | None = None) -> None:
        self.llm = llm
        self._bell = bell
        self._memory = memory
        self._pace = pace or Pace()
        self._state = State.UNKNOWN
        self._since = self._there_at = time.monotonic()
        self._slept_until = self._there_at  # as far as its sleep is counted
        self._rest_s = 0.0
        self._waking: asyncio.Task[None] | None = None
        self._doubting: asyncio.Task[Sight] | None = None
        self._seen, self._over = asyncio.Event(), asyncio.Event()
        self._slept = False
        self._seats = self._pace.seats
        self._tell()

    @property
    def status(self) -> Status:
        """What is known now."""
        state = self._now()
        if state is State.WAKING:
            return Status(state=state, eta_s=self._memory.left_s(self._spent_s()))
        if state is State.FAILING:
            return Status(state=state, eta_s=max(0.0, self._rest_s - self._spent_s()))
        known = state in {State.ASLEEP, State.UNKNOWN}
        return Status(state=state, eta_s=self.takes_s if known else 0.0)

    @property
    def takes_s(self) -> float:
        """How long waking takes, as far as was learned."""
        return self._memory.left_s(0.0)

    async def look(self) -> bool:
        """Tell whether it is awake; where it is not, its wake-up has begun, and nobody waits."""
        if self._now() is State.AWAKE:
            return True
        if self._begin() and not self._seen.is_set():
            await _within(self._pace.look_s - self._spent_s(), (self._seen, self._over))
        return self._now() is State.AWAKE

    async def wait(self, within_s: float) -> bool:
        """Tell whether it is awake, having waited for that so long at most."""
        if self._now() is State.AWAKE:
            return True
        if self._begin():
            with gauges.inflight.labels(self.llm).track_inprogress():
                await _within(within_s, (self._over,))
        return self._now() is State.AWAKE

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Lend one of the seats of those who wait; tells whether there was one."""
        if self._seats <= 0:
            yield False
            return
        self._seats -= 1
        try:
            yield True
        finally:
            self._seats += 1

    async def answers(self, within_s: float) -> bool:
        """Tell whether one that was believed to be awake is there: it, or one of its replies.

        All who doubt at once share one look.
        """
        since = time.monotonic()
        if since - self._there_at < self._pace.fresh_s:
            return True
        if self._doubting is None or self._doubting.done():
            self._doubting = asyncio.create_task(self._bell.ring(_STALLED * within_s))
        doubting = self._doubting  # whoever doubts next begins another
        seen = await _patiently({doubting}, within_s)
        sight = doubting.result() if seen else Sight.SILENT
        if sight in _THERE or self._there_at > since:
            self.saw(Sight.HERE)
            return True
        self.saw(sight)
        return False

    def saw(self, sight: Sight) -> None:
        """Learn from what somebody else saw; a call that was answered is worth most."""
        if sight in _THERE:
            self._there_at = time.monotonic()
            if self._state is not State.AWAKE:
                self._awoke()
        elif self._now() in {State.AWAKE, State.UNKNOWN}:
            self._become(State.ASLEEP)

    async def close(self) -> None:
        """Leave off waking."""
        tasks = [task for task in (self._waking, self._doubting) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._bell.close()

    def _now(self) -> State:
        """Return the state; who has not been heard of for long may have gone to sleep since."""
        stale = time.monotonic() - self._there_at > self._pace.trust_s
        return State.UNKNOWN if self._state is State.AWAKE and stale else self._state

    def _spent_s(self) -> float:
        return time.monotonic() - self._since

    def _begin(self) -> bool:
        """Have a wake-up under way; tells whether there is one to wait for."""
        if self._waking and not self._waking.done():
            return True
        if self._state is State.FAILING and self._spent_s() < self._rest_s:
            return False
        self._seen.clear()
        self._over.clear()
        self._slept = False
        if self._state is State.ASLEEP:
            self._seen.set()
        self._become(State.WAKING if self._seen.is_set() else State.UNKNOWN)
        self._waking = asyncio.create_task(self._wake())
        return True

    async def _wake(self) -> None:
        """Ring until somebody answers, or the limit is reached."""
        first, longest = self._pace.pause_s
        pause = first
        try:
            with gauges.inflight.labels(self.llm).track_inprogress():
                async with asyncio.timeout(self._pace.limit_s):
                    while not self._is_there(await self._ring()):
                        await asyncio.sleep(pause * random.uniform(0.7, 1.0))
                        pause = min(pause * 1.5, longest)
        except TimeoutError:
            self._failed()
        else:
            self._awoke()

    async def _ring(self) -> Sight:
        """Ring once; who is silent for longer than a look is held by an activator, so it sleeps."""
        ringing = asyncio.create_task(self._bell.ring(self._pace.hold_s))
        try:
            if not self._slept and not await _patiently({ringing}, self._pace.look_s):
                self._sleeps()
            return await ringing
        finally:
            ringing.cancel()

    def _is_there(self, sight: Sight) -> bool:
        if sight in _THERE:
            return True
        self._sleeps()
        return False

    def _sleeps(self) -> None:
        """Learn that it does sleep: who looks need not wait, and how long it takes is of worth."""
        if not self._slept:
            asleep_at = max(self._there_at + self._pace.idle_s, self._slept_until)
            gauges.gpu_seconds_saved.labels(self.llm).inc(max(0.0, self._since - asleep_at))
            self._slept_until = max(self._since, self._slept_until)
        self._slept = True
        self._become(State.WAKING, since=self._since)
        self._seen.set()

    def _awoke(self) -> None:
        self._there_at = time.monotonic()
        under_way = self._waking is not None and not self._over.is_set()
        if self._slept and under_way:
            took = self._spent_s()
            gauges.wake_seconds.labels(self.llm).observe(took)
            self._memory.add(took)
        self._rest_s = 0.0
        self._end(State.AWAKE)

    def _failed(self) -> None:
        first, most = self._pace.rest_s
        self._rest_s = min(max(first, 2 * self._rest_s), most)
        self._end(State.FAILING)

    def _end(self, state: State) -> None:
        self._slept = False
        self._become(state)
        self._over.set()
        if self._waking and self._waking is not asyncio.current_task():
            self._waking.cancel()

    def _become(self, state: State, *, since: float | None = None) -> None:
        if state is not self._state:
            logger.info("%s is %s", self.llm, state)
        self._state = state
        self._since = time.monotonic() if since is None else since
        self._tell()

    def _tell(self) -> None:
        for each in State:
            gauges.state.labels(self.llm, each).set(each is self._state)


async def _within(seconds: float, events: Iterable[asyncio.Event]) -> None:
    """Wait for the first of some events, or for so long."""
    waiting = {asyncio.create_task(event.wait()) for event in events}
    try:
        await _patiently(waiting, max(0.0, seconds))
    finally:
        for task in waiting:
            task.cancel()


async def _patiently(tasks: Collection["asyncio.Task[Any]"], seconds: float) -> bool:
    """Tell whether one of some tasks ends in time; a stall of ours is not their silence.

    Time is counted in steps: what came while we were busy is read before the next one is over.
    """
    for _ in range(_STEPS):
        if (await asyncio.wait(tasks, timeout=seconds / _STEPS, return_when=_FIRST))[0]:
            return True
    return False
