"""The guard of a rung: does not wait for one asleep, nor storm one that is sick."""

import asyncio
from typing import Protocol

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from agentic_rag.domain import Draft, WhenCold
from agentic_rag.errors import LlmAsleep, LlmPromptRefused, LlmRefused, LlmStumbled, LlmUnavailable
from agentic_rag.inference import gauges
from agentic_rag.inference.breaker import Breaker
from agentic_rag.inference.ladder import Brief, Rung
from agentic_rag.inference.model_rung import time_left
from agentic_rag.inference.sight import Sight
from agentic_rag.inference.wake import State, Wake

_TRIES = 3
_JITTER = wait_random_exponential(multiplier=0.1, max=2.0)
_PATIENCE_S = 10.0  # that retries of one call may take, where the question sets no time
_DOUBT_S = 0.5  # that a call may be silent before the model is asked whether it is there
_ANSWER_S = 0.8  # that it has to say so
_SECOND_LOOK_S = 0.3  # before one whose gateway saw nobody is taken to sleep


class Guarded(Rung, Protocol):
    """A rung, by name."""

    @property
    def generator(self) -> str:
        """Name it as an answer does."""
        ...


class RetryBudget(stop_base):
    """Retries as a share of calls: a handful at once, and a tenth in the long run."""

    def __init__(self, *, share: float = 0.1, most: float = 5.0) -> None:
        self._share = share
        self._most = self._left = most

    def earn(self) -> None:
        """Count a call."""
        self._left = min(self._left + self._share, self._most)

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Take one retry, or tell that there is none left."""
        if self._left < 1:
            return True
        self._left -= 1
        return False


class GuardedRung:
    """A rung behind its wake engine, its breaker and its budget of retries."""

    def __init__(
        self,
        rung: Guarded,
        *,
        wake: Wake | None = None,
        breaker: Breaker | None = None,
        budget: RetryBudget | None = None,
    ) -> None:
        """Guard a rung; without `wake` it is one that never sleeps."""
        self._rung = rung
        self._wake = wake
        self._breaker = breaker or Breaker()
        self._budget = budget or RetryBudget()
        self._inflight = gauges.inflight.labels(rung.generator)

    async def write(self, brief: Brief) -> Draft:
        """Return the rung's draft; one that falls asleep is waited for once more by who waits.

        Raises:
            LlmUnavailable: there is none, and LlmAsleep where it will come.
        """
        await self._be_awake(brief)
        try:
            return await self._tried(brief)
        except LlmAsleep:
            if brief.when_cold is not WhenCold.WAIT or not self._wake:
                raise
        await self._be_awake(brief)
        return await self._tried(brief)

    async def _be_awake(self, brief: Brief) -> None:
        """See to it that it is awake: by a look, or as long as the question waits."""
        if not self._wake or await self._wake.look():
            return
        if brief.when_cold is WhenCold.WAIT:
            with self._wake.seat() as seated:
                if seated and await self._wake.wait(time_left(brief)):
                    return
        raise self._why_not(self._wake)

    def _why_not(self, wake: Wake) -> LlmUnavailable:
        status = wake.status
        if status.state is State.FAILING:
            return LlmUnavailable(f"{self._rung.generator} would not wake")
        return LlmAsleep(f"{self._rung.generator} is {status.state}", status.eta_s)

    async def _tried(self, brief: Brief) -> Draft:
        self._budget.earn()
        patience_s = min(time_left(brief), _PATIENCE_S)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(LlmStumbled),
            # the budget is asked last, when all else would let it
            stop=stop_after_attempt(_TRIES) | stop_before_delay(patience_s) | self._budget,
            wait=_pause,
            reraise=True,
        )
        return await retrying(self._once, brief)

    async def _once(self, brief: Brief) -> Draft:
        if time_left(brief) <= 0:
            raise LlmUnavailable(f"{self._rung.generator}: no time is left to ask it")
        with self._breaker.trying(), self._inflight.track_inprogress():
            try:
                draft = await self._call(brief)
            except (LlmRefused, LlmPromptRefused):
                self._saw(Sight.HERE)
                raise
        self._saw(Sight.HERE)
        return draft

    async def _call(self, brief: Brief) -> Draft:
        """Call; as long as nothing comes, ask now and then whether anybody is there to answer."""
        calling = asyncio.ensure_future(self._rung.write(brief))
        try:
            while self._wake and not calling.done():
                await asyncio.wait({calling}, timeout=_DOUBT_S)
                if not calling.done() and not await self._wake.answers(_ANSWER_S):
                    raise await self._asleep(0.0)
            return await self._heard(calling)
        finally:
            calling.cancel()  # once: a second time would cut its cleaning short
            await asyncio.wait({calling})

    async def _heard(self, calling: asyncio.Future[Draft]) -> Draft:
        try:
            return await calling
        except LlmAsleep:
            raise await self._asleep(_SECOND_LOOK_S) from None

    async def _asleep(self, look_s: float) -> LlmUnavailable:
        """Have it woken, and say how long that takes; one that is there after all only stumbled."""
        if not self._wake:
            return LlmUnavailable(f"{self._rung.generator}: nobody is there")
        self._wake.saw(Sight.NOBODY)
        if await self._wake.wait(look_s):
            return LlmStumbled(f"{self._rung.generator}: nobody was there, and now somebody is")
        return self._why_not(self._wake)

    def _saw(self, sight: Sight) -> None:
        if self._wake:
            self._wake.saw(sight)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, LlmStumbled) else 0.0
    return max(asked_s, _JITTER(state))
