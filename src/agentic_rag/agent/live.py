"""The live way in: what becomes of a question as it happens, and the better answer that comes."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TypeVar, cast

from agentic_rag.agent.admission import Admission
from agentic_rag.agent.ask import arrived, hurried, rescued, seen, setting_out
from agentic_rag.agent.deps import Deps, Sleeper
from agentic_rag.agent.graph import build_graph
from agentic_rag.agent.state import Heard, Journey
from agentic_rag.agent.steps.cite import Proven, assembled, prove, speaks_to, unopposed
from agentic_rag.agent.talking import hastened, talking
from agentic_rag.domain import (
    Answer,
    Degraded,
    Draft,
    Event,
    LlmStatus,
    Provisional,
    Question,
    Sentence,
    StepBegun,
    WhenCold,
)
from agentic_rag.errors import Overloaded
from agentic_rag.safety.drafts import Claim, claims
from agentic_rag.safety.wording import dictionary, groups_of

T = TypeVar("T")

TICK_S = 2.0
"""How often a caller who waits is told of the model that is waited for."""

_UPGRADES = 3
_NEXT_BEGINS = re.compile(r"(?:[.!?\u0964][\s\[\]\d,]*|\n\s*)[^\s\[\]\d,]")
"""A sentence's end, its markers if any, and the first letter of what comes behind."""

_GROWN = 1.1  # all that was said is read anew each time, so of much it is read less often
_AWAKE = "awake"
_AWAY = frozenset(("asleep", "waking", "failing"))


async def ask_live(
    question: Question, *, deps: Deps, tick_s: float = TICK_S
) -> AsyncGenerator[Event, None]:
    """Tell what becomes of a question; the last event is the Answer.

    Where the model sleeps the documents answer first and, as long as the question has time, it is
    waited for. Who stops listening stops it all.

    Raises:
        Overloaded: too many ask at once; before anything else is told.
    """
    began = time.monotonic()
    if urgent := await rescued(question, deps):
        for event in _told_of_urgent(urgent):
            yield event
        return
    async with (
        talking(hastened(question, began), deps) as asked,
        aclosing(_told(asked.question, deps, tick_s)) as events,
    ):
        async for event in events:
            if isinstance(event, Answer):
                yield seen(asked.question, await asked.answered(event), deps)
            else:
                yield event


async def _told(question: Question, deps: Deps, tick_s: float) -> AsyncGenerator[Event, None]:
    """Tell what becomes of a question, with all that was said before; the Answer is the last."""
    until = None if question.timeout_s is None else time.monotonic() + question.timeout_s
    async with deps.retriever.pinned() as pinned:
        live = replace(deps, retriever=pinned, live=True)
        answer = None
        async with aclosing(_journey(question, live, tick_s)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    answer = event
                else:
                    yield event
        if answer and _may_improve(answer, question, deps):
            async with aclosing(_improved(answer, question, live, until, tick_s)) as events:
                async for event in events:
                    yield event
        elif answer:
            yield answer


async def _improved(
    answer: Answer, question: Question, deps: Deps, until: float | None, tick_s: float
) -> AsyncGenerator[Event, None]:
    """Tell the documents' answer and, when the model is awake, a better one in its place.

    A model that is taken to sleep again while it is asked is waited for anew, a few times. Where
    too many wait already, the documents' answer is the last word.
    """
    sleeper = cast(Sleeper, deps.sleeper)
    with sleeper.seat() as seated:
        if seated:
            yield Provisional(answer=answer)
        for _ in range(_UPGRADES if seated else 0):
            async with aclosing(_awaited(sleeper, deps.admission, until, tick_s)) as statuses:
                async for status in statuses:
                    yield status
            if sleeper.status.state != _AWAKE:
                break
            left_s = None if until is None else until - time.monotonic()
            again = replace(question, timeout_s=left_s)
            with suppress(Overloaded):  # the answer that was given stands
                async with aclosing(_journey(again, deps, tick_s)) as events:
                    async for event in events:
                        if isinstance(event, Answer):
                            answer = event
                        else:
                            yield event
            if not _may_improve(answer, question, deps):
                break
    yield answer


def _may_improve(answer: Answer, question: Question, deps: Deps) -> bool:
    is_cold = answer.degraded is Degraded.LLM_COLD
    return is_cold and question.when_cold is WhenCold.EXTRACTIVE and deps.sleeper is not None


async def _awaited(
    sleeper: Sleeper, admission: Admission, until: float | None, tick_s: float
) -> AsyncGenerator[LlmStatus, None]:
    """Tell of a model until it is awake, would not wake, or the time is up: be it the server's."""
    while True:
        told = _told_of(sleeper)
        yield told
        left_s = tick_s if until is None else min(tick_s, until - time.monotonic())
        if left_s <= 0 or told.state == _AWAKE or admission.closing:
            return
        start = time.monotonic()
        await sleeper.wait(left_s)
        if time.monotonic() - start < left_s and sleeper.status.state != _AWAKE:
            return  # nobody wakes it any more


async def _journey(question: Question, deps: Deps, tick_s: float) -> AsyncGenerator[Event, None]:
    """Go the way once, when there is a place for it; an emergency is answered without one."""
    start, journey = time.perf_counter(), setting_out(question)
    if question.history and (urgent := await hurried(question, deps, start)):
        for event in _told_of_urgent(urgent):
            yield event
        return
    async with (
        deps.admission.admitted(journey["deadline"]),
        aclosing(_walked(journey, deps, tick_s, start)) as events,
    ):
        async for event in events:
            yield event


async def _walked(
    journey: Journey, deps: Deps, tick_s: float, start: float
) -> AsyncGenerator[Event, None]:
    """Walk the graph; while nothing happens on the way, tell what the model is doing."""
    spoken = _Spoken(deps)
    walk = build_graph().astream(
        journey,
        {"recursion_limit": deps.limits.max_steps},
        context=deps,
        stream_mode=["custom", "values"],
    )
    async with aclosing(paced(walk, tick_s)) as happenings:
        async for happened in happenings:
            if happened is None:
                if deps.sleeper and deps.sleeper.status.state in _AWAY:
                    yield _told_of(deps.sleeper)
                continue
            _, said = happened
            if isinstance(said, StepBegun):
                yield said
            elif isinstance(said, Heard):
                for sentence in await spoken.hear(said.text, journey):
                    yield sentence
            else:
                journey = cast(Journey, said)
    answer = arrived(journey, time.perf_counter() - start)
    for sentence in await spoken.end(answer, journey):
        yield sentence
    yield answer


def _told_of_urgent(answer: Answer) -> list[Event]:
    steps = (step for step in answer.timings if step != "total")
    return [*(StepBegun(step=step) for step in steps), answer]


def _told_of(sleeper: Sleeper) -> LlmStatus:
    status = sleeper.status
    return LlmStatus(state=status.state, eta_s=status.eta_s)


async def paced(source: AsyncIterator[T], idle_s: float) -> AsyncGenerator[T | None, None]:
    """Yield what comes, and None whenever nothing does for so long.

    The source runs in a task of its own, which whoever leaves cancels once: web servers cancel
    again and again, and would cut short what it does to end as it should.
    """
    coming: asyncio.Queue[T | object] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for each in source:
                coming.put_nowait(each)
        finally:
            coming.put_nowait(_OVER)

    pumping = asyncio.create_task(pump())
    try:
        while (each := await _next(coming, idle_s)) is not _OVER:
            yield cast("T | None", each)
        await pumping
    finally:
        pumping.cancel()
        await asyncio.wait({pumping})


_OVER = object()


async def _next(coming: "asyncio.Queue[T | object]", idle_s: float) -> T | object | None:
    try:
        async with asyncio.timeout(idle_s):
            return await coming.get()
    except TimeoutError:
        return None


class _Spoken:
    """Proves sentences one by one, as a model writes them."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._words = dictionary(groups_of(deps.profile.synonyms))
        self._begin()

    def _begin(self) -> None:
        self._text = ""
        self._looked = 0  # how far in it for where sentences end
        self._judged: set[str] = set()
        self._proven: list[Proven] = []
        self._told = 0
        self._due = 0.0

    async def hear(self, text: str, journey: Journey) -> list[Sentence]:
        """Return the sentences that are whole now, proven, and not told yet.

        None is told before they speak of what was asked: an answer that never does is not given.
        """
        if not text:
            self._begin()
        self._text += text
        ended = _NEXT_BEGINS.search(self._text, self._looked)
        if not ended or len(self._text) < self._due:
            return []
        self._looked, self._due = ended.end() - 1, _GROWN * len(self._text)
        begun = f"{self._text}."  # what goes on is a sentence, too: the last, which is left out
        return await self._proved(claims(begun)[:-1], journey)

    async def end(self, answer: Answer, journey: Journey) -> list[Sentence]:
        """Return the sentences that are left of an answer that is the model's."""
        if not self._text or answer.generator != journey["draft"].generator:
            return []
        return await self._proved(claims(self._text), journey)

    async def _proved(self, said: Sequence[Claim], journey: Journey) -> list[Sentence]:
        for claim in said:
            if claim.text not in self._judged:
                self._judged.add(claim.text)
                proven = prove(claim, journey["evidence"], self._words)
                self._proven += await unopposed([proven] if proven else [], self._deps)
        if not speaks_to(journey["wants"], self._proven):
            return []
        return self._untold()

    def _untold(self) -> list[Sentence]:
        whole = assembled(Draft(text="", generator=""), self._proven)
        lines = whole.text.splitlines()[:-1]
        new = [
            Sentence(
                text=line,
                citations=tuple(c for c in whole.citations if _names(line, c.number)),
                index=at,
            )
            for at, line in enumerate(lines[self._told :], start=self._told)
        ]
        self._told = len(lines)
        return new


def _names(line: str, number: int) -> bool:
    return line.endswith(f"[{number}]")
