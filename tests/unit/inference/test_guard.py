"""A rung behind its guard: asleep, sick, hurried or cut off."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from tests.fakes import ScriptedLlm
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

from agentic_rag.agent.deps import Brief
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Degraded, Draft, WhenCold
from agentic_rag.errors import LlmStumbled, LlmUnavailable
from agentic_rag.inference.breaker import Breaker
from agentic_rag.inference.guard import GuardedRung, RetryBudget
from agentic_rag.inference.wake import State

BRIEF = Brief(
    messages=(("user", "How long does scaling take?"),),
    wants=("How long does scaling take?",),
    passages=(),
    max_tokens=None,
    temperature=None,
)


def inflight() -> float:
    labels = {"llm": "vllm/llm-server"}
    return REGISTRY.get_sample_value("agentic_rag_llm_inflight", labels) or 0.0


@asynccontextmanager
async def house_of(settings, service, **fields):
    house = build_house(settings(llm_base_url=service.base_url, **fields))
    try:
        yield house
    finally:
        await house.close()


def within(seconds: float, **wishes) -> Brief:
    return replace(BRIEF, deadline=time.monotonic() + seconds, **wishes)


SHAPES = {
    "Knative": {"cold": "hold"},
    "Knative, whose activator gives up": {"cold": "hold", "hold_limit_s": 0.2},
    "Standard, refused": {"cold": "refuse", "demand": inflight},
    "Standard, 503": {"cold": "503", "demand": inflight},
    "Standard, 404": {"cold": "404", "demand": inflight},
}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@each_shape
async def test_twenty_callers_get_the_documents_at_once_and_one_server_is_started(settings, shape):
    with Activator(command(start_s=1.0, reply="Better."), **shape) as service:
        async with house_of(settings, service) as house:
            ladder = house.deps.ladder
            start = time.monotonic()
            drafts = await asyncio.gather(*(ladder.write(BRIEF) for _ in range(20)))
            took = time.monotonic() - start
            await house.models.wake.wait(30)
            better = await ladder.write(BRIEF)

            assert {draft.degraded for draft in drafts} == {Degraded.LLM_COLD}
            assert all(draft.eta_s > 0 for draft in drafts)
            assert took < 1.5
            assert (better.text, better.degraded, better.eta_s) == ("Better.", None, None)
            assert len(service.starts) == 1


@each_shape
async def test_who_waits_gets_the_model_and_one_server_is_started_for_all(settings, shape):
    with Activator(command(start_s=0.5, reply="Better."), **shape) as service:
        async with house_of(settings, service) as house:
            brief = within(30, when_cold=WhenCold.WAIT)
            drafts = await asyncio.gather(*(house.deps.ladder.write(brief) for _ in range(20)))

            assert {(draft.text, draft.degraded) for draft in drafts} == {("Better.", None)}
            assert len(service.starts) == 1
            assert inflight() == 0


async def test_who_waits_too_short_gets_the_documents_in_time(settings):
    with Activator(command(start_s=30)) as service:
        async with house_of(settings, service) as house:
            start = time.monotonic()
            draft = await house.deps.ladder.write(within(0.8, when_cold=WhenCold.WAIT))

            assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_COLD)
            assert 0.7 < time.monotonic() - start < 10


async def test_who_finds_no_seat_to_wait_in_gets_the_documents_at_once(settings):
    with Activator(command(start_s=30)) as service:
        async with house_of(settings, service, llm_most_waiting=0) as house:
            start = time.monotonic()
            draft = await house.deps.ladder.write(within(20, when_cold=WhenCold.WAIT))

            assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_COLD)
            assert draft.eta_s > 0
            assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("when_cold", "generator"),
    [(WhenCold.FALLBACK, "ollama/llama"), (WhenCold.EXTRACTIVE, "extractive")],
)
async def test_the_next_model_is_asked_for_one_that_sleeps_only_where_that_is_wanted(
    settings, when_cold, generator
):
    with Activator(command(start_s=30)) as service, ScriptedLlm(model="llama") as other:
        fields = {
            "llm_fallbacks": "ollama",
            "ollama_base_url": other.base_url.removesuffix("/v1"),
            "ollama_model_name": "llama",
        }
        async with house_of(settings, service, **fields) as house:
            draft = await house.deps.ladder.write(replace(BRIEF, when_cold=when_cold))

            assert (draft.generator, draft.degraded) == (generator, Degraded.LLM_COLD)


@each_shape
async def test_one_that_falls_asleep_unseen_is_noticed_soon_and_woken(settings, shape):
    with Activator(command(start_s=3.0, reply="Here."), **shape) as service:
        async with house_of(settings, service) as house:
            ladder = house.deps.ladder
            await ladder.write(within(30, when_cold=WhenCold.WAIT))
            await asyncio.to_thread(service.stop_server)
            start = time.monotonic()
            asleep = await ladder.write(BRIEF)
            took = time.monotonic() - start
            waited = await ladder.write(within(30, when_cold=WhenCold.WAIT))

            assert (asleep.generator, asleep.degraded) == ("extractive", Degraded.LLM_COLD)
            assert took < 2.0
            assert waited.text == "Here."
            assert len(service.starts) == 2


async def test_a_slow_answer_of_one_that_is_awake_is_not_taken_for_sleep(settings):
    with ScriptedLlm(reply="In time.", delay_s=2.0) as llm:
        async with house_of(settings, llm) as house:
            draft = await house.deps.ladder.write(BRIEF)

    assert (draft.text, draft.degraded, len(llm.asked)) == ("In time.", None, 1)


async def test_a_server_that_loads_its_model_sleeps_and_is_not_asked_to_write(settings):
    with ScriptedLlm(loading=True) as llm:
        async with house_of(settings, llm) as house:
            draft = await house.deps.ladder.write(BRIEF)

            assert draft.degraded is Degraded.LLM_COLD
            assert house.models.wake.status.state is State.WAKING
    assert llm.asked == []


async def test_one_that_would_not_wake_is_unavailable_and_left_alone(settings):
    with Activator(command(start_s=60), cold="503") as service:
        async with house_of(settings, service, llm_wake_limit_s=0.2) as house:
            first = await house.deps.ladder.write(BRIEF)
            await house.models.wake.wait(5)
            asked = len(service.seen)
            second = await house.deps.ladder.write(BRIEF)

            assert (first.degraded, second.degraded) == (
                Degraded.LLM_COLD,
                Degraded.LLM_UNAVAILABLE,
            )
            assert len(service.seen) == asked


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"api_key": "another"}, "LLM_API_KEY"),
        ({"model": "another"}, "LLM_MODEL_NAME"),
        (
            {"status": 400, "error": '{"error": {"message": "maximum context length is 512"}}'},
            "MAX_CTX_CHARS",
        ),
    ],
)
async def test_what_the_operator_has_to_mend_is_told_and_is_not_taken_for_sleep(
    settings, script, told, caplog
):
    with ScriptedLlm(**script) as llm:
        async with house_of(settings, llm) as house:
            draft = await house.deps.ladder.write(BRIEF)

            assert draft.degraded is Degraded.LLM_UNAVAILABLE
            assert house.models.wake.status.state is State.AWAKE
    assert told in caplog.text


async def test_a_question_whose_time_is_short_is_not_kept_longer_and_makes_nobody_sick(settings):
    with ScriptedLlm(fault="hang") as llm:
        async with house_of(settings, llm) as house:
            start = time.monotonic()
            drafts = [await house.deps.ladder.write(within(0.3)) for _ in range(7)]
            took = time.monotonic() - start
            llm.fault = None
            well = await house.deps.ladder.write(BRIEF)

    assert {draft.degraded for draft in drafts} == {Degraded.LLM_UNAVAILABLE}
    assert took < 7 * 0.7
    assert well.degraded is None


async def test_a_question_without_any_time_left_asks_nobody(settings):
    with ScriptedLlm() as llm:
        async with house_of(settings, llm) as house:
            draft = await house.deps.ladder.write(within(-1))

    assert draft.degraded is Degraded.LLM_UNAVAILABLE
    assert llm.asked == []


async def test_a_sick_model_is_left_alone_after_five_calls(settings):
    with ScriptedLlm(fault="html") as llm:
        async with house_of(settings, llm) as house:
            for _ in range(30):
                await house.deps.ladder.write(BRIEF)

    assert len(llm.asked) == 5


async def test_a_caller_who_goes_away_closes_the_call(settings):
    with ScriptedLlm(fault="hang") as llm:
        async with house_of(settings, llm) as house:
            writing = asyncio.create_task(house.deps.ladder.write(BRIEF))
            await asyncio.to_thread(until, lambda: llm.asked)
            gone = time.monotonic()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await asyncio.to_thread(until, lambda: llm.aborted)

            assert llm.aborted[0] - gone < 5
            assert inflight() == 0


def until(is_so) -> None:
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


class Clumsy:
    """A rung that fails so many times before it writes."""

    generator = "vllm/clumsy"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def write(self, brief) -> Draft:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return Draft(text="Done.", generator=self.generator)


async def test_another_try_follows_a_stumble():
    rung = Clumsy(LlmStumbled("500"), LlmStumbled("500"))

    draft = await GuardedRung(rung).write(BRIEF)

    assert (draft.text, rung.calls) == ("Done.", 3)


async def test_no_other_try_follows_what_may_have_cost_tokens():
    rung = Clumsy(LlmUnavailable("cut half way"))

    with pytest.raises(LlmUnavailable, match="half way"):
        await GuardedRung(rung).write(BRIEF)

    assert rung.calls == 1


async def test_as_long_as_it_asks_to_be_left_alone_it_is():
    rung = Clumsy(LlmStumbled("429", retry_after_s=0.5))
    start = time.monotonic()

    await GuardedRung(rung).write(BRIEF)

    assert time.monotonic() - start >= 0.5


@pytest.mark.parametrize("retry_after_s", [9.0, 3600.0])
async def test_no_other_try_is_made_for_which_there_is_no_time(retry_after_s):
    rung = Clumsy(LlmStumbled("429", retry_after_s=retry_after_s))
    start = time.monotonic()

    with pytest.raises(LlmStumbled):
        await GuardedRung(rung).write(within(8.0))

    assert rung.calls == 1
    assert time.monotonic() - start < 8.0


async def test_retries_are_a_small_share_of_many_calls():
    rung = Clumsy(*[LlmStumbled("500")] * 1000)
    guarded = GuardedRung(rung, breaker=Breaker(failures=10_000), budget=RetryBudget(most=2.0))

    for _ in range(30):
        with pytest.raises(LlmStumbled):
            await guarded.write(BRIEF)

    assert 30 < rung.calls <= 30 + 2 + 3
