"""What keeps conversations, as the narrowest protocol."""

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from agentic_rag.domain import Turn

_SHARE = 0.25  # of the time that a question has left, which its conversation may take of it
_LEAST_S = 0.1


def patience(most_s: float, until: float) -> float:
    """Return how long a step may take for one who has until then, as `time.monotonic` has it."""
    return min(most_s, max(_LEAST_S, _SHARE * (until - time.monotonic())))


class Store(Protocol):
    """Keeps the turns of sessions, each under the name of its thread.

    Each of these raises SessionUnavailable where it cannot be done now.
    """

    @property
    def is_shared(self) -> bool:
        """Tell whether other processes may speak in its sessions."""
        ...

    def alone(self, thread: str, until: float) -> AbstractAsyncContextManager[None]:
        """Speak in a session while no other process does; as `time.monotonic` has `until`.

        Raises:
            Overloaded: others spoke until then.
        """
        ...

    async def read(self, thread: str) -> tuple[Turn, ...]:
        """Return the turns that are kept.

        Raises:
            SessionDamaged: what is kept cannot be read; the next turn takes its place.
        """
        ...

    async def append(self, thread: str, said: Sequence[Turn]) -> None:
        """Keep turns behind those that are kept, in one step: nobody writes in between."""
        ...

    async def delete(self, thread: str) -> None:
        """Delete a session and everything of it; nothing happens where there is none."""
        ...

    async def sweep(self) -> int:
        """Delete the sessions whose time is up, and return how many there were."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
