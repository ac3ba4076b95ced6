"""Warm hours: a model that may sleep is kept awake while the clinic is open."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from agentic_rag.inference import gauges
from agentic_rag.inference.wake import State, Status

_ANSWER_S = 5.0  # that it has to say that it is there: nobody waits for it
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class OpenHours:
    """When a clinic is open, in its own time."""

    def __init__(self, timezone: str, spans: Mapping[str, Sequence[str]]) -> None:
        """Take the spans of each weekday, as "09:30-18:30"."""
        self._zone = ZoneInfo(timezone)
        self._spans = spans

    def open_within(self, now: datetime, lead_s: float) -> bool:
        """Tell whether the clinic is open, or will be before so long has passed.

        >>> hours = OpenHours("Asia/Kolkata", {"monday": ["09:30-18:30"]})
        >>> monday = datetime(2026, 11, 23, 3, 58, tzinfo=UTC)  # two minutes before it opens
        >>> hours.open_within(monday, 60), hours.open_within(monday, 180)
        (False, True)
        """
        today = now.astimezone(self._zone).date()
        days = (today, today + timedelta(days=1))
        spans = (span for day in days for span in self._spans_on(day))
        return any(start - timedelta(seconds=lead_s) <= now < end for start, end in spans)

    def _spans_on(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for span in self._spans.get(_DAYS[day.weekday()], ()):
            start, end = (self._at(day, told) for told in span.split("-"))
            yield start, end

    def _at(self, day: date, told: str) -> datetime:
        if told == "24:00":
            day, told = day + timedelta(days=1), "00:00"
        # within one zone Python compares what clocks show, which may go back
        return datetime.combine(day, time.fromisoformat(told), self._zone).astimezone(UTC)


class Sleeper(Protocol):
    """A model that may sleep."""

    @property
    def llm(self) -> str: ...  # noqa: D102

    @property
    def status(self) -> Status: ...  # noqa: D102

    @property
    def takes_s(self) -> float:
        """Return how long it takes to wake."""
        ...

    async def answers(self, within_s: float) -> bool:
        """Ask whether one is there that is believed to be awake."""
        ...

    async def look(self) -> bool:
        """Have its wake-up under way, where it does not answer."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class Warmer:
    """Wakes one model before the clinic opens, and asks for it until the clinic shuts."""

    def __init__(
        self,
        sleeper: Sleeper,
        hours: OpenHours,
        *,
        every_s: float,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """Ask nobody yet.

        Args:
            sleeper: the model.
            hours: when it is to be awake.
            every_s: how often it is asked for; less than its platform waits before it is stopped.
            now: the clock, which may jump.
        """
        self._demand = gauges.inflight.labels(sleeper.llm)
        self._sleeper = sleeper
        self._hours = hours
        self._every_s = every_s
        self._now = now

    async def run(self) -> None:
        """Keep it awake in warm hours, until cancelled."""
        while True:
            if self._is_wanted():
                with self._demand.track_inprogress():  # what KEDA sees between two looks
                    while self._is_wanted():
                        await self._tend()
                        await asyncio.sleep(self._every_s)
            await asyncio.sleep(self._every_s)

    def _is_wanted(self) -> bool:
        return self._hours.open_within(self._now(), self._sleeper.takes_s + self._every_s)

    async def _tend(self) -> None:
        """Ask for it; where it does not answer its wake-up begins."""
        is_awake = self._sleeper.status.state is State.AWAKE
        if not (is_awake and await self._sleeper.answers(_ANSWER_S)):
            await self._sleeper.look()
