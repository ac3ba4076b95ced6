"""The LLM ladder: rungs tried from the top, the last of which always answers."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from agentic_rag.domain import Degraded, Draft, Likeness, Passage, Sampling, WhenCold
from agentic_rag.errors import LlmAsleep, LlmUnavailable

logger = logging.getLogger(__name__)

_AWAKE_S = 60.0  # a model that answered so lately has not been put to sleep since

Messages = Sequence[tuple[str, str]]
Hide = Callable[[Messages, Sequence[str]], tuple[Messages, Callable[[str], str]]]
"""Of messages and the documents in them, makes what may leave, and how a reply is made whole."""


def in_clear(messages: Messages, documents: Sequence[str]) -> tuple[Messages, Callable[[str], str]]:
    """Hide nothing: the model lives where the documents do."""
    return messages, str


class Brief(Protocol):
    """What a rung is given."""

    @property
    def messages(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102

    @property
    def wants(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def passages(self) -> tuple[Passage, ...]: ...  # noqa: D102

    @property
    def max_tokens(self) -> int | None: ...  # noqa: D102

    @property
    def temperature(self) -> float | None: ...  # noqa: D102

    @property
    def sampling(self) -> Sampling: ...  # noqa: D102

    @property
    def when_cold(self) -> WhenCold: ...  # noqa: D102

    @property
    def deadline(self) -> float | None: ...  # noqa: D102

    @property
    def expected(self) -> Mapping[str, Likeness]: ...  # noqa: D102

    @property
    def hear(self) -> Callable[[str], None] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """A brief of messages alone."""

    messages: tuple[tuple[str, str], ...]
    max_tokens: int | None
    deadline: float | None
    wants: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    temperature: float | None = 0.0
    sampling: Sampling = field(default_factory=Sampling)
    when_cold: WhenCold = WhenCold.EXTRACTIVE
    expected: Mapping[str, Likeness] = field(default_factory=dict)
    hear: Callable[[str], None] | None = None


class Rung(Protocol):
    """Writes a draft, or raises LlmUnavailable."""

    async def write(self, brief: Brief) -> Draft:
        """Return a draft."""
        ...


class Ladder:
    """Tries the model rungs in order; the floor, which needs no model, is always there."""

    def __init__(self, rungs: Sequence[Rung], floor: Rung) -> None:
        self._rungs = tuple(rungs)
        self._floor = floor
        self._answered: dict[int, float] = {}  # when each rung did, unless it failed since

    async def write(self, brief: Brief) -> Draft:
        """Return the draft of the first rung that gives one, and why it was none above.

        Where one sleeps, those below it are asked only for a question that wants that.
        """
        degraded: Degraded | None = None
        eta_s: float | None = None
        for at, rung in enumerate(self._rungs):
            try:
                draft = await rung.write(brief)
            except LlmAsleep as error:
                logger.info("a rung sleeps: %s", error)
                degraded, eta_s = degraded or Degraded.LLM_COLD, error.eta_s
                if brief.when_cold is not WhenCold.FALLBACK:
                    break
            except LlmUnavailable as error:
                logger.warning("a rung did not answer: %s", error)
                self._answered.pop(at, None)
                degraded = degraded or Degraded.LLM_UNAVAILABLE
            else:
                self._answered[at] = time.monotonic()
                return replace(draft, degraded=degraded, eta_s=eta_s)
        return replace(await self._floor.write(brief), degraded=degraded, eta_s=eta_s)

    async def ask_awake(
        self, messages: tuple[tuple[str, str], ...], *, max_tokens: int, timeout_s: float
    ) -> str | None:
        """Return what the first rung writes that answered lately; None where none does in time.

        A rung that is not known to be awake is not asked: that could wake it, and would take long.
        The time is the model's: who waits for a place at work behind it still has what it wrote.
        """
        since = time.monotonic() - _AWAKE_S
        awake = (at for at, answered in sorted(self._answered.items()) if answered > since)
        at = next(awake, None)
        if at is None:
            return None
        deadline = time.monotonic() + timeout_s
        note = _Note(messages=messages, max_tokens=max_tokens, deadline=deadline)
        try:
            return (await self._rungs[at].write(note)).text
        except LlmUnavailable as error:
            logger.info("a rung did not plan: %s", type(error).__name__)
            self._answered.pop(at, None)
            return None
