"""The line before a session: one speaks at a time, in the order of arrival."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agentic_rag.errors import Overloaded

_MOST = 16  # who stand in one line: more talk past each other, and each holds a request open


@dataclass(slots=True)
class _Queue:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # which is fair
    standing: int = 0


class Line:
    """The lines of all sessions that are spoken in now, in this process."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    def is_taken(self, thread: str) -> bool:
        """Tell whether anybody speaks there now, or waits to."""
        return thread in self._queues

    @asynccontextmanager
    async def turn(self, thread: str, until: float) -> AsyncIterator[None]:
        """Wait for those before, at most until then, as `time.monotonic` has it.

        Raises:
            Overloaded: too many wait already, or it took too long.
        """
        queue = self._queues.setdefault(thread, _Queue())
        if queue.standing >= _MOST:
            raise Overloaded("full", retry_after_s=1.0)
        queue.standing += 1
        try:
            await _within(queue.turn, until)
            try:
                yield
            finally:
                queue.turn.release()
        finally:
            queue.standing -= 1
            if not queue.standing:
                del self._queues[thread]


async def _within(turn: asyncio.Lock, until: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            await turn.acquire()
    except TimeoutError:
        raise Overloaded("late", retry_after_s=1.0) from None
