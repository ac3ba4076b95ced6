"""The one way in: a question goes through the graph and comes out as an answer."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from agentic_rag.agent.deps import Deps
from agentic_rag.agent.graph import build_graph, rushed
from agentic_rag.agent.replies import declined
from agentic_rag.agent.state import Journey
from agentic_rag.agent.steps.triage import alarm_of
from agentic_rag.agent.talking import Placed, by_session, hastened, noted, overheard, talking
from agentic_rag.agent.way import way_of
from agentic_rag.domain import Answer, Degraded, Prompt, Question, Way
from agentic_rag.errors import Overloaded
from agentic_rag.inference.affinity.session import session
from agentic_rag.telemetry import request_id


async def ask(question: Question, *, deps: Deps) -> Answer:
    """Answer one question, from one version of the index; an emergency waits for nobody.

    Raises:
        Overloaded: too many ask at once.
        LlmUnavailable, RetrievalUnavailable: never; they end in `Answer.degraded`.
    """
    start, began = time.perf_counter(), time.monotonic()
    if urgent := await rescued(question, deps):
        return urgent
    async with talking(hastened(question, began), deps) as asked:
        urgent = await hurried(asked.question, deps, start) if asked.question.history else None
        answer = await asked.answered(urgent or await _walked(asked.question, deps, start))
        return seen(asked.question, answer, deps)


def seen(question: Question, answer: Answer, deps: Deps) -> Answer:
    """Return a final answer, which whoever looks after the agent has seen."""
    if deps.observer:
        deps.observer.see(question, answer)
    return answer


async def rescued(question: Question, deps: Deps) -> Answer | None:
    """Answer an emergency past whoever speaks in its session, and remember it; None: it is none."""
    start = time.perf_counter()
    urgent = await hurried(question, deps, start)
    if not urgent and (known := await overheard(question, deps)):
        question, urgent = known, await hurried(known, deps, start)
    if not urgent:
        return None
    noted(question, urgent, deps)
    return seen(question, urgent, deps)


async def hurried(question: Question, deps: Deps, start: float) -> Answer | None:
    """Answer an emergency past every queue; None: it is none."""
    urgent = await rushed(setting_out(question), deps)
    return arrived(urgent, time.perf_counter() - start) if urgent else None


async def _walked(question: Question, deps: Deps, start: float) -> Answer:
    journey = setting_out(question)
    async with deps.admission.admitted(journey["deadline"]), deps.retriever.pinned() as pinned:
        journey = cast(
            Journey,
            await build_graph().ainvoke(
                journey,
                {"recursion_limit": deps.limits.max_steps},
                context=replace(deps, retriever=pinned),
            ),
        )
    return arrived(journey, time.perf_counter() - start)


async def rehearse(question: Question, *, deps: Deps) -> Journey:
    """Go the way as far as to the `messages` for a model, and ask none, not even to plan.

    A journey that ends before, in an emergency or a decline, has its answer and no messages.

    Raises:
        Overloaded: too many ask at once.
    """
    journey = setting_out(question)
    if urgent := await rushed(journey, deps):
        return urgent
    async with deps.admission.admitted(journey["deadline"]), deps.retriever.pinned() as pinned:
        gone = await build_graph().ainvoke(
            journey,
            {"recursion_limit": deps.limits.max_steps},
            context=replace(deps, retriever=pinned, planner=None),
            interrupt_before=["generate"],
        )
    return cast(Journey, gone)


async def ask_all(questions: Sequence[Question], *, deps: Deps) -> list[Answer]:
    """Answer questions together, in order, and those of one session one behind the other.

    Where one cannot be taken on, none is. But an emergency among them is answered, and the others
    are told what became of them. Several that brought no session are no conversation.

    Raises:
        Overloaded: too many ask at once.
    """
    alone = deps if len(questions) == 1 else replace(deps, conversations=None)
    try:
        async with asyncio.TaskGroup() as together:
            is_urgent = any(alarm_of(each, deps.red_flags) for each in questions)
            asking = [
                together.create_task(
                    _in_turn(talk, alone if _is_new(talk) else deps, is_urgent=is_urgent)
                )
                for talk in by_session(questions)
            ]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    answers = {at: answer for talk in asking for at, answer in talk.result()}
    return [answers[at] for at in range(len(questions))]


def _is_new(talk: Sequence[Placed]) -> bool:
    return talk[0][1].session_is_new


async def _in_turn(
    talk: Sequence[Placed], deps: Deps, *, is_urgent: bool
) -> list[tuple[int, Answer]]:
    """Answer one behind the other; the time of all runs from now on."""
    start = time.monotonic()
    return [
        (at, await _asked(hastened(each, start), deps, is_urgent=is_urgent)) for at, each in talk
    ]


async def _asked(question: Question, deps: Deps, *, is_urgent: bool) -> Answer:
    try:
        return await ask(question, deps=deps)
    except Overloaded:
        if not is_urgent:
            raise
        refused = declined(deps.profile, Degraded.OVERLOADED)
        way = Way(reason=Degraded.OVERLOADED.value)
        return seen(question, replace(refused, request_id=request_id.get(), way=way), deps)


def setting_out(question: Question) -> Journey:
    """Return the journey at its beginning, from when on the question's time runs.

    Whose it is goes along by itself, to all that the way leads to.
    """
    session.set(question.session_id)
    within_s = question.timeout_s
    deadline = None if within_s is None else time.monotonic() + within_s
    return {"question": question, "deadline": deadline, "timings": {}, "trace": ()}


def arrived(journey: Journey, total_s: float) -> Answer:
    """Return the answer at a journey's end, with what the caller is told of the way."""
    is_debugged = journey["question"].debug
    return replace(
        journey["answer"],
        eta_s=journey["draft"].eta_s if "draft" in journey else None,
        timings={**journey["timings"], "total": total_s},
        request_id=request_id.get(),
        trace=journey["trace"] if is_debugged else None,
        prompt=_prompt(journey) if is_debugged else None,
        way=way_of(journey),
    )


def _prompt(journey: Journey) -> Prompt:
    draft = journey.get("draft")
    if draft and draft.told:
        return Prompt(messages=draft.told, seen_by=draft.generator)
    return Prompt(messages=journey.get("messages", ()))
