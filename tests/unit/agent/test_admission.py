"""Admission: a few work, the others queue in order, and who cannot be served is told at once."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.unit.agent.parts import Pen, Shelf

from agentic_rag.agent.admission import Admission, put_aside
from agentic_rag.agent.ask import ask, ask_all
from agentic_rag.agent.live import ask_live
from agentic_rag.domain import Degraded, Draft, Outcome, Question
from agentic_rag.errors import Overloaded

HOW_LONG = Question(text="How long does scaling take?")
SWOLLEN = Question(text="My face is badly swollen and I cannot breathe")


class Worker:
    """Work that ends when it is told to; it keeps the order in which it was begun."""

    def __init__(self, admission: Admission) -> None:
        self.begun: list[str] = []
        self.done = asyncio.Event()
        self._admission = admission

    async def work(self, name: str, until: float | None = None) -> None:
        async with self._admission.admitted(until):
            self.begun.append(name)
            await self.done.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_work_than_there_are_places_and_the_rest_come_in_order():
    admission = Admission(places=2)
    worker = Worker(admission)

    asking = [asyncio.create_task(worker.work(name)) for name in "abcd"]
    await settle()
    at_first, queued = list(worker.begun), admission.queued
    worker.done.set()
    await asyncio.gather(*asking)

    assert (at_first, queued) == (["a", "b"], 2)
    assert worker.begun == ["a", "b", "c", "d"]
    assert (admission.under_way, admission.queued) == (0, 0)


async def test_one_too_many_is_refused_at_once():
    admission = Admission(most=1)
    worker = Worker(admission)
    first = asyncio.create_task(worker.work("first"))
    await settle()

    with pytest.raises(Overloaded) as refused:
        await worker.work("second")

    assert refused.value.reason == "full"
    assert refused.value.retry_after_s >= 1
    worker.done.set()
    await first


async def test_who_waits_in_vain_is_refused_when_the_time_is_up():
    admission = Admission(places=1)
    worker = Worker(admission)
    first = asyncio.create_task(worker.work("first"))
    await settle()

    with pytest.raises(Overloaded) as refused:
        await worker.work("second", until=time.monotonic() + 0.05)

    assert refused.value.reason == "late"
    assert (admission.under_way, admission.queued) == (1, 0)
    worker.done.set()
    await first


async def test_who_would_not_be_done_in_time_is_refused_before_waiting():
    admission = Admission(places=1)
    for _ in range(20):  # it learns what a question takes
        async with admission.admitted():
            await asyncio.sleep(0.02)
    worker = Worker(admission)
    first = asyncio.create_task(worker.work("first"))
    await settle()

    with pytest.raises(Overloaded):
        await worker.work("second", until=time.monotonic() + 0.04)

    worker.done.set()
    await first


async def test_without_a_queue_a_short_time_is_no_reason_to_refuse():
    admission = Admission()
    async with admission.admitted():
        await asyncio.sleep(0.05)

    async with admission.admitted(until=time.monotonic()):
        at_work = admission.under_way

    assert at_work == 1


async def test_who_hangs_up_leaves_the_queue():
    admission = Admission(places=1)
    worker = Worker(admission)
    first, gone, last = (asyncio.create_task(worker.work(name)) for name in ("1", "gone", "3"))
    await settle()

    gone.cancel()
    await settle()
    queued = admission.queued
    worker.done.set()
    await asyncio.gather(first, last)

    assert queued == 1
    assert worker.begun == ["1", "3"]
    with suppress(asyncio.CancelledError):
        await gone


async def test_a_place_that_is_given_to_who_hangs_up_that_moment_is_not_lost():
    admission = Admission(places=1)
    worker = Worker(admission)
    first, gone = (asyncio.create_task(worker.work(name)) for name in ("first", "gone"))
    await settle()

    worker.done.set()
    await asyncio.wait([first])  # the place has just been given on
    gone.cancel()
    await asyncio.wait([gone])

    await asyncio.wait_for(worker.work("next"), 1)
    assert admission.under_way == 0


async def test_who_waits_for_a_model_leaves_the_place_and_comes_back_before_newcomers():
    admission = Admission(places=1)
    worker, said = Worker(admission), asyncio.Event()

    async def with_model() -> None:
        async with admission.admitted():
            async with put_aside():
                await said.wait()
            worker.begun.append("came back")

    first = asyncio.create_task(with_model())
    others = [asyncio.create_task(worker.work(name)) for name in ("second", "third")]
    await settle()
    meanwhile = list(worker.begun)
    said.set()
    await settle()
    worker.done.set()
    await asyncio.gather(first, *others)

    assert meanwhile == ["second"]
    assert worker.begun == ["second", "came back", "third"]


async def test_who_gives_up_coming_back_and_tries_again_takes_no_place_with_him():
    admission = Admission(places=1)
    worker = Worker(admission)

    async def impatient() -> None:
        async with admission.admitted():
            for limit_s in (0.05, 10):
                with suppress(TimeoutError):
                    async with asyncio.timeout(limit_s), put_aside():
                        await settle()
            worker.begun.append("came back")

    asking = [asyncio.create_task(impatient()), asyncio.create_task(worker.work("other"))]
    await asyncio.sleep(0.2)
    worker.done.set()
    await asyncio.wait_for(asyncio.gather(*asking), 5)
    await asyncio.wait_for(worker.work("next"), 5)

    assert worker.begun == ["other", "came back", "next"]
    assert admission.queued == 0


async def test_who_has_a_place_too_long_waits_for_somebody_and_another_may_work():
    admission = Admission(places=1)
    worker = Worker(admission)
    asking = [asyncio.create_task(worker.work(name)) for name in "ab"]

    await asyncio.sleep(3.2)
    begun = list(worker.begun)
    worker.done.set()
    await asyncio.gather(*asking)

    assert begun == ["a", "b"]
    assert admission.wait_s == 0


async def test_a_hundred_who_come_and_go_leave_nothing_behind():
    admission = Admission(places=3)

    async def visit(number: int) -> None:
        async with admission.admitted():
            await asyncio.sleep(0.001)
            async with put_aside():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)

    asking = [asyncio.create_task(visit(number)) for number in range(100)]
    for at, each in enumerate(asking):
        if at % 3 == 0:
            await asyncio.sleep(0.0005)
            each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)

    assert (admission.under_way, admission.queued) == (0, 0)
    worker = Worker(admission)
    again = [asyncio.create_task(worker.work(name)) for name in "abcd"]
    await settle()
    assert worker.begun == ["a", "b", "c"]  # as many places as there were
    worker.done.set()
    await asyncio.gather(*again)


# at the agent's door


class Stuck(Pen):
    """A writer that does not come to an end."""

    async def write(self, brief: object) -> Draft:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
async def full(make_deps):
    """An agent that has as much to do as it takes on."""
    deps = make_deps(admission=Admission(most=1), ladder=Stuck())
    busy = asyncio.create_task(ask(HOW_LONG, deps=deps))
    await asyncio.sleep(0.05)
    yield deps
    busy.cancel()


async def test_an_emergency_is_answered_where_nobody_else_is(full):
    answer = await ask(SWOLLEN, deps=full)
    [*_, told] = [event async for event in ask_live(SWOLLEN, deps=full)]

    assert answer.outcome is told.outcome is Outcome.EMERGENCY
    with pytest.raises(Overloaded):
        await ask(HOW_LONG, deps=full)
    with pytest.raises(Overloaded):
        [event async for event in ask_live(HOW_LONG, deps=full)]


async def test_an_emergency_among_others_is_answered_and_they_are_told(full):
    other, emergency = await ask_all([HOW_LONG, SWOLLEN], deps=full)

    assert emergency.outcome is Outcome.EMERGENCY
    assert (other.outcome, other.degraded) == (Outcome.DECLINED, Degraded.OVERLOADED)


async def test_questions_that_cannot_all_be_taken_on_are_refused_together(make_deps):
    shelf = Shelf()
    deps = make_deps(admission=Admission(most=2), ladder=Stuck(), retriever=shelf)

    with pytest.raises(Overloaded):
        await ask_all([HOW_LONG] * 3, deps=deps)

    assert deps.admission.under_way == 0


async def test_an_emergency_tells_what_it_took_and_on_request_what_was_done(make_deps):
    answer = await ask(replace(SWOLLEN, debug=True), deps=make_deps())

    assert answer.timings.keys() == {"triage", "escalate", "total"}
    assert [step["step"] for step in answer.trace] == ["triage", "escalate"]
