"""Seats: how much each replica has to do, and which are left out for a while."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from agentic_rag.inference.affinity.replicas import Replica

logger = logging.getLogger(__name__)

REST_S = 10.0
BOUND = 1.5  # times the mean that one replica may have in flight
FREE = 32  # calls in flight that no replica is too busy for: vLLM batches far more


class Seats:
    """Counts calls in flight, and remembers who failed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody busy; `clock` is one that never goes back."""
        self._clock = clock
        self._in_flight: Counter[Replica] = Counter()
        self._out_until: dict[Replica, float] = {}

    def pick(self, ranking: Sequence[Replica]) -> Replica | None:
        """Return the first that is neither left out nor has too much to do; None: all are out.

        Whoever gets one whose rest is over tries it; until that went well others stay away.
        """
        now = self._clock()
        usable = [each for each in ranking if self._out_until.get(each, now) <= now]
        if not usable:
            return None
        under_way = sum(self._in_flight[each] for each in usable)
        most = max(FREE, math.ceil(BOUND * (under_way + 1) / len(usable)))
        # there always is one: no mean is above all that it is the mean of
        picked = next(each for each in usable if self._in_flight[each] < most)
        if picked in self._out_until:
            self._out_until[picked] = now + REST_S
        return picked

    def take(self, replica: Replica) -> Callable[[], None]:
        """Count a call; returns what ends it, once however often it is called."""
        self._in_flight[replica] += 1
        call = ExitStack()
        call.callback(self._end, replica)
        return call.close

    def leave_out(self, replica: Replica) -> None:
        """Send no more there for a while."""
        if replica not in self._out_until:
            logger.warning("a replica is left out: %s", replica)
        self._out_until[replica] = self._clock() + REST_S

    def let_in(self, replica: Replica) -> None:
        """Have it back: it answered."""
        self._out_until.pop(replica, None)

    def _end(self, replica: Replica) -> None:
        self._in_flight[replica] -= 1
        if not self._in_flight[replica]:  # those that are gone for good shall be forgotten
            del self._in_flight[replica]
