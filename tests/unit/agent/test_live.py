"""The live way in: steps, proven sentences, a provisional answer and the better one."""

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from tests.fakes import ScriptedLlm
from tests.sleeping.activator import Activator
from tests.sleeping.server import command
from tests.unit.agent.parts import Pen, Shelf, make_passage

from agentic_rag.agent.ask import ask
from agentic_rag.agent.live import ask_live
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import (
    Answer,
    Degraded,
    LlmStatus,
    Outcome,
    Provisional,
    Question,
    Sentence,
    StepBegun,
    WhenCold,
)
from agentic_rag.inference.guard import GuardedRung
from agentic_rag.inference.ladder import Ladder

HOW_LONG = Question(text="How long does scaling take?")
SAID = "Scaling takes 40 minutes. [1] It costs INR 1,200. [1] Scaling needs no anaesthetic. [1]"
TEXT = "Scaling takes 40 minutes.\nScaling needs no anaesthetic."
SHELF = Shelf([make_passage(TEXT)])


async def told(deps, question=HOW_LONG, tick_s=0.2) -> list:
    return [event async for event in ask_live(question, deps=deps, tick_s=tick_s)]


def of(kind, events) -> list:
    return [event for event in events if isinstance(event, kind)]


@asynccontextmanager
async def agent(make_deps, settings, service, **fields):
    """Make an agent whose ladder has the model at an address, and a quoter that embeds nothing."""
    house = build_house(settings(llm_base_url=service.base_url, **fields))
    quoter = Pen(generator="extractive")
    (model,) = house.models.models
    ladder = Ladder([GuardedRung(model, wake=house.models.wake)], floor=quoter)
    try:
        yield make_deps(ladder=ladder, quoter=quoter, sleeper=house.models.wake, retriever=SHELF)
    finally:
        await house.close()


async def test_an_answer_comes_last_and_is_the_one_that_is_given_otherwise(make_deps):
    deps = make_deps(ladder=Pen(SAID), retriever=SHELF)

    events = await told(deps)
    otherwise = await ask(HOW_LONG, deps=deps)

    assert [type(event) for event in events[:-1]] == [StepBegun] * (len(events) - 1)
    assert replace(events[-1], timings={}) == replace(otherwise, timings={})


async def test_the_steps_are_told_in_the_order_of_the_journey(make_deps):
    events = await told(make_deps(ladder=Pen(SAID), retriever=SHELF), replace(HOW_LONG, debug=True))

    steps = [event.step for event in of(StepBegun, events)]
    assert steps == [step["step"] for step in events[-1].trace]
    assert (steps[0], steps[-1]) == ("triage", "cite")


async def test_an_emergency_is_told_in_two_steps_and_asks_no_model(make_deps, settings):
    question = Question(text="My face is badly swollen and I cannot breathe")
    with Activator(command()) as service:
        async with agent(make_deps, settings, service) as deps:
            events = await told(deps, question)

            assert [event.step for event in of(StepBegun, events)] == ["triage", "escalate"]
            assert events[-1].outcome is Outcome.EMERGENCY
            assert service.seen == []


async def test_sentences_are_told_as_they_are_proven_and_no_other(make_deps, settings):
    with ScriptedLlm(reply=SAID, token_s=0.05) as llm:
        async with agent(make_deps, settings, llm) as deps:
            at, events = [], []
            async for event in ask_live(HOW_LONG, deps=deps):
                events.append(event)
                at.append(time.monotonic())

    sentences = of(Sentence, events)
    answer = events[-1]
    assert [s.text for s in sentences] == [
        "Scaling takes 40 minutes. [1]",
        "Scaling needs no anaesthetic. [2]",
    ]
    assert [s.citations for s in sentences] == [(c,) for c in answer.citations]
    assert answer.text.splitlines()[:-1] == [s.text for s in sentences]
    assert "1,200" not in str(events)
    assert at[-1] - at[events.index(sentences[0])] > 0.3  # told long before the end
    assert (answer.generator, answer.degraded) == ("vllm/llm-server", None)
    assert answer.usage.completion_tokens > 0


async def test_nothing_is_told_of_an_answer_that_speaks_of_something_else(make_deps, settings):
    shelf = Shelf([make_passage("Parking is free.\nScaling takes 40 minutes.")])
    with ScriptedLlm(reply="Parking is free. [1] Parking is free for all. [1]") as llm:
        async with agent(make_deps, settings, llm) as deps:
            events = await told(replace(deps, retriever=shelf))

    assert of(Sentence, events) == []
    assert events[-1].degraded is Degraded.LLM_REJECTED


@pytest.mark.parametrize("fault", ["cut", "bad_json", "no_choices", "html", "null_content"])
async def test_a_stream_that_dies_is_ended_by_the_documents_and_says_so(make_deps, settings, fault):
    with ScriptedLlm(reply=SAID, fault=fault) as llm:
        async with agent(make_deps, settings, llm) as deps:
            events = await told(deps)

    assert (events[-1].generator, events[-1].degraded) == ("extractive", Degraded.LLM_UNAVAILABLE)
    assert "Scaling takes 40 minutes." in events[-1].text
    assert all("1,200" not in s.text for s in of(Sentence, events))
    assert len(llm.asked) == 1


LONG = (
    "Scaling takes 40 minutes. [1] " + "It is said to be so by everybody who knows about it. " * 4
)


async def test_sentences_of_a_stream_that_dies_are_void_when_the_next_model_begins_anew(
    make_deps, settings
):
    with ScriptedLlm(reply=LONG, fault="cut") as dying, ScriptedLlm(reply=SAID) as other:
        first, second = (
            build_house(settings(llm_base_url=each.base_url)).models for each in (dying, other)
        )
        quoter = Pen(generator="extractive")
        ladder = Ladder([*first.guarded, *second.guarded], floor=quoter)
        events = await told(make_deps(ladder=ladder, quoter=quoter, retriever=SHELF))
        for models in (first, second):
            await models.close()

    assert [(s.index, s.text) for s in of(Sentence, events)] == [
        (0, "Scaling takes 40 minutes. [1]"),
        (0, "Scaling takes 40 minutes. [1]"),
        (1, "Scaling needs no anaesthetic. [2]"),
    ]
    assert (events[-1].generator, events[-1].degraded) == (
        "vllm/llm-server",
        Degraded.LLM_UNAVAILABLE,
    )


async def test_the_answer_replaces_what_was_told_of_a_stream_that_dies(make_deps, settings):
    with ScriptedLlm(reply=LONG, fault="cut") as llm:
        async with agent(make_deps, settings, llm) as deps:
            events = await told(deps)

    assert [s.index for s in of(Sentence, events)] == [0]
    assert (events[-1].generator, events[-1].degraded) == ("extractive", Degraded.LLM_UNAVAILABLE)
    assert events[-1].text == "Scaling takes 40 minutes. [1]\nSource: faq.md#scaling"


@pytest.mark.parametrize("hold_limit_s", [600.0, 0.2])
async def test_who_stays_gets_the_better_answer_in_the_same_stream(
    make_deps, settings, hold_limit_s
):
    slow = command(start_s=1.0, reply=SAID)
    with Activator(slow, hold_limit_s=hold_limit_s) as service:
        async with agent(make_deps, settings, service) as deps:
            events = await told(deps)

            (provisional,) = of(Provisional, events)
            statuses = of(LlmStatus, events)
            at = events.index(provisional)
            assert provisional.answer.degraded is Degraded.LLM_COLD
            assert provisional.answer.generator == "extractive"
            assert statuses[0].state == "waking"
            assert statuses[0].eta_s > 0
            assert of(Sentence, events[:at]) == []
            assert len(of(Sentence, events[at:])) == 2
            assert (events[-1].generator, events[-1].degraded) == ("vllm/llm-server", None)
            assert len(service.starts) == 1


async def test_all_who_stay_are_all_given_it_by_one_server(make_deps, settings):
    with Activator(command(start_s=1.0, reply=SAID)) as service:
        async with agent(make_deps, settings, service) as deps:
            all_events = await asyncio.gather(*(told(deps) for _ in range(8)))

            assert {events[-1].generator for events in all_events} == {"vllm/llm-server"}
            assert all(len(of(Provisional, events)) == 1 for events in all_events)
            assert len(service.starts) == 1


async def test_who_has_no_time_to_stay_gets_the_provisional_answer_as_the_last(make_deps, settings):
    with Activator(command(start_s=60)) as service:
        async with agent(make_deps, settings, service) as deps:
            start = time.monotonic()
            events = await told(deps, replace(HOW_LONG, timeout_s=2.0))

            assert 1.5 < time.monotonic() - start < 20
            assert events[-1] == of(Provisional, events)[0].answer


async def test_who_waits_is_told_that_it_wakes_and_gets_one_answer(make_deps, settings):
    with Activator(command(start_s=1.0, reply=SAID)) as service:
        async with agent(make_deps, settings, service) as deps:
            question = replace(HOW_LONG, when_cold=WhenCold.WAIT, timeout_s=30)
            events = await told(deps, question)

            assert of(Provisional, events) == []
            assert "waking" in {event.state for event in of(LlmStatus, events)}
            assert events[-1].degraded is None


@dataclass
class Status:
    state: str
    eta_s: float | None = None


class Dead:
    """A model that would not wake."""

    status = Status("failing")
    seat = partial(nullcontext, True)

    async def wait(self, within_s):
        return False


@dataclass
class Restless(Dead):
    """A model that is awake whenever somebody waits for it."""

    status: Status = field(default_factory=lambda: Status("awake"))


@dataclass
class Cold(Pen):
    """A ladder that finds the model asleep, the first times that it is asked."""

    times: int = 1_000

    async def write(self, brief):
        self.times -= 1
        draft = await super().write(brief)
        return replace(draft, degraded=Degraded.LLM_COLD, eta_s=9.0) if self.times >= 0 else draft


async def test_a_model_that_would_not_wake_ends_the_wait(make_deps):
    events = await told(make_deps(ladder=Cold(), sleeper=Dead(), retriever=SHELF))

    assert [status.state for status in of(LlmStatus, events)] == ["failing"]
    assert isinstance(events[-1], Answer)


async def test_one_that_falls_asleep_again_while_it_is_asked_is_waited_for_anew(make_deps):
    events = await told(make_deps(ladder=Cold(times=2), sleeper=Restless(), retriever=SHELF))

    assert len(of(Provisional, events)) == 1
    assert events[-1].degraded is None


async def test_one_that_falls_asleep_again_and_again_is_given_up(make_deps):
    ladder = Cold()

    events = await told(make_deps(ladder=ladder, sleeper=Restless(), retriever=SHELF))

    assert len(ladder.briefs) == 4
    assert events[-1].degraded is Degraded.LLM_COLD


async def test_who_finds_no_seat_to_wait_in_gets_the_documents_as_the_last_word(
    make_deps, settings
):
    with Activator(command(start_s=1.0, reply=SAID)) as service:
        async with agent(make_deps, settings, service, llm_most_waiting=3) as deps:
            all_events = await asyncio.gather(*(told(deps) for _ in range(8)))
            stayed = [events for events in all_events if of(Provisional, events)]
            left = [events for events in all_events if not of(Provisional, events)]

            assert {events[-1].generator for events in stayed} == {"vllm/llm-server"}
            assert {events[-1].degraded for events in left} == {Degraded.LLM_COLD}
            assert all(events[-1].eta_s > 0 for events in left)
            assert (len(stayed), len(left)) == (3, 5)
            assert len(service.starts) == 1
            with deps.sleeper.seat() as seated:  # all seats are free again
                assert seated


@pytest.mark.parametrize("script", [{"token_s": 0.05}, {"fault": "hang"}], ids=str)
async def test_who_goes_away_stops_the_model_and_leaves_nothing(make_deps, settings, script):
    before = asyncio.all_tasks()
    with ScriptedLlm(reply=SAID, **script) as llm:
        async with agent(make_deps, settings, llm) as deps:
            listening = asyncio.create_task(told(deps))
            await asyncio.to_thread(until, lambda: llm.asked)
            gone = time.monotonic()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await asyncio.to_thread(until, lambda: llm.aborted)

            assert llm.aborted[0] - gone < 0.3
    assert asyncio.all_tasks() == before


async def test_who_leaves_off_listening_in_mid_answer_stops_the_model(make_deps, settings):
    with ScriptedLlm(reply=SAID, token_s=0.1) as llm:
        async with agent(make_deps, settings, llm) as deps:
            async with aclosing(ask_live(HOW_LONG, deps=deps)) as events:
                async for event in events:
                    if isinstance(event, Sentence):
                        break
            await asyncio.to_thread(until, lambda: llm.aborted)


async def test_a_caller_who_hangs_up_on_a_held_request_leaves_the_wake_up_and_nothing_else(
    make_deps, settings
):
    with Activator(command(start_s=1.0)) as service:
        async with agent(make_deps, settings, service) as deps:
            before = len(asyncio.all_tasks())
            async with aclosing(ask_live(HOW_LONG, deps=deps)) as events:
                async for event in events:
                    if isinstance(event, Provisional):
                        break
            await asyncio.sleep(0.05)

            assert len(asyncio.all_tasks()) - before <= 2  # the wake-up and its ring
            assert await deps.sleeper.wait(20)


def until(is_so) -> None:
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


class Halting(Pen):
    """A model that writes so much, and then nothing for a long while."""

    async def write(self, brief):
        for word in ("", "Scaling", " takes", " 40 minutes", ".", " [1", "]", " Scaling"):
            brief.hear(word)
        await asyncio.Event().wait()


async def test_a_sentence_is_told_when_the_next_begins(make_deps):
    deps = make_deps(ladder=Halting(), retriever=SHELF)

    async with asyncio.timeout(20), aclosing(ask_live(HOW_LONG, deps=deps)) as events:
        sentence = await anext(event async for event in events if isinstance(event, Sentence))

    assert sentence.text == "Scaling takes 40 minutes. [1]"
