"""The turnstile: how often, and how much at once, one caller may ask of this replica."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from agentic_rag.errors import Overloaded
from agentic_rag.settings import Settings

if TYPE_CHECKING:  # importing it takes a fifth of a second, and a rate is not always set
    from throttled import Throttled

_MOST_NAMES = 65_536  # that are kept: tokens bring names without end; the oldest is forgotten
_SOON_S = 1.0
_PERIODS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


class Turnstile:
    """Counts each caller's requests, in memory: with more replicas each counts its own."""

    def __init__(self, settings: Settings, *, most_names: int = _MOST_NAMES) -> None:
        self._rate = _sliding(settings.rate_limit, most_names) if settings.rate_limit else None
        self._most_at_once = settings.max_concurrency_per_key or math.inf
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def passed(self, name: str) -> Iterator[Overloaded | None]:
        """Count one request of a caller while it lasts; yields what speaks against it, if any."""
        self._under_way[name] += 1
        try:
            yield self._fault(name)
        finally:
            self._under_way[name] -= 1
            if not self._under_way[name]:
                del self._under_way[name]

    def _fault(self, name: str) -> Overloaded | None:
        if self._under_way[name] > self._most_at_once:
            return Overloaded("key", retry_after_s=_SOON_S)
        told = self._rate.limit(f"of {name}") if self._rate else None
        if told and told.limited:
            return Overloaded("rate", retry_after_s=max(_SOON_S, told.state.retry_after))
        return None


def _sliding(rate: str, most_names: int) -> "Throttled":
    """Return the limiter for a rate as RATE_LIMIT has it: a number of requests, and of what."""
    from throttled import RateLimiterType, Throttled
    from throttled.rate_limiter import per_duration
    from throttled.store import MemoryStore

    count, _, period = rate.partition("/")
    quota = per_duration(_PERIODS[period], limit=int(count))
    store = MemoryStore(options={"MAX_SIZE": most_names})
    return Throttled(using=RateLimiterType.SLIDING_WINDOW.value, quota=quota, store=store)
