"""The breaker: leaves a sick rung alone for a while, then lets one call try."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentic_rag.errors import LlmUnavailable

FAILURES = 5  # in a row, from which a rung is sick
REST_S, LONGEST_S = 5.0, 120.0


class Breaker:
    """Closed it lets every call through, open none, and half open one at a time."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        rest_s: float = REST_S,
        longest_s: float = LONGEST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin closed.

        Args:
            failures: in a row, that open it.
            rest_s: how long it is open at first; twice as long after each trial that fails.
            longest_s: how long it is open at most.
            clock: one that never goes back.
        """
        self._most = failures
        self._first_s, self._longest_s = rest_s, longest_s
        self._clock = clock
        self._failures = 0
        self._rest_s = 0.0
        self._opened_at = 0.0
        self._is_on_trial = False

    @property
    def left_s(self) -> float:
        """Tell for how long it stays open; nothing where it is closed or half open."""
        return max(0.0, self._opened_at + self._rest_s - self._clock()) if self._rest_s else 0.0

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Let one call through, and learn from its end; a caller who goes away teaches nothing.

        Raises:
            LlmUnavailable: not now.
        """
        trial = self._admit()
        try:
            yield
        except LlmUnavailable as error:
            if error.is_sick:
                self._fail(trial=trial)
            raise
        else:
            self._failures, self._rest_s = 0, 0.0
        finally:
            if trial:
                self._is_on_trial = False

    def _admit(self) -> bool:
        """Tell whether the call is the one on trial."""
        if not self._rest_s:
            return False
        if self.left_s > 0 or self._is_on_trial:
            raise LlmUnavailable(f"left alone after {self._failures} failures in a row")
        self._is_on_trial = True
        return True

    def _fail(self, *, trial: bool) -> None:
        self._failures += 1
        if trial or (not self._rest_s and self._failures >= self._most):
            self._rest_s = min(max(self._first_s, 2 * self._rest_s), self._longest_s)
            self._opened_at = self._clock()
