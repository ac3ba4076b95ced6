"""The ladder: one call a rung, and the documents where no model answers."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from tests.fakes import ScriptedLlm
from tests.unit.agent.parts import Pen

from agentic_rag.agent.admission import Admission
from agentic_rag.agent.deps import Brief
from agentic_rag.bootstrap.house import build_house
from agentic_rag.bootstrap.models import Awaited
from agentic_rag.domain import Degraded, Draft
from agentic_rag.errors import LlmUnavailable
from agentic_rag.inference.ladder import Ladder

BRIEF = Brief(
    messages=(("system", "Be brief."), ("user", "How long does scaling take?")),
    wants=("How long does scaling take?",),
    passages=(),
    max_tokens=None,
    temperature=None,
)
FLOOR = Draft(text="", generator="extractive")  # what there is to quote of no passages


@asynccontextmanager
async def ladder_of(settings):
    """Build the ladder that the settings ask for."""
    house = build_house(settings)
    try:
        yield house.deps.ladder
    finally:
        await house.close()


async def write(settings, **wishes) -> Draft:
    async with ladder_of(settings) as ladder:
        return await ladder.write(replace(BRIEF, **wishes))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_without_a_model_the_documents_are_quoted_and_nothing_is_lacking(settings):
    assert await write(settings()) == FLOOR


async def test_the_model_writes_where_it_answers(settings):
    with ScriptedLlm(reply="40 minutes. [1]", usage=(11, 7)) as llm:
        draft = await write(settings(llm_base_url=llm.base_url))

    assert (draft.text, draft.generator) == ("40 minutes. [1]", "vllm/llm-server")
    assert draft.degraded is None
    assert (draft.usage.prompt_tokens, draft.usage.completion_tokens) == (11, 7)
    assert draft.usage.total_tokens == 18


async def test_what_the_model_gets_is_the_prompt_and_the_settings(settings):
    with ScriptedLlm() as llm:
        await write(settings(llm_base_url=llm.base_url, llm_temperature=0.3, llm_max_tokens=99))

    body = llm.asked[0].body
    assert body["model"] == "llm-server"
    assert [(m["role"], m["content"]) for m in body["messages"]] == list(BRIEF.messages)
    assert body["temperature"] == 0.3
    assert {body.get(name) for name in ("max_tokens", "max_completion_tokens")} == {99, None}


@pytest.mark.parametrize(("max_tokens", "temperature"), [(5, 0.0), (1, 2.0), (8192, 1.0)])
async def test_the_callers_wishes_go_before_the_settings(settings, max_tokens, temperature):
    with ScriptedLlm(reply="one two three four five six") as llm:
        draft = await write(
            settings(llm_base_url=llm.base_url), max_tokens=max_tokens, temperature=temperature
        )

    body = llm.asked[0].body
    assert body["temperature"] == temperature
    sent = {body.get(name) for name in ("max_tokens", "max_completion_tokens")}
    assert sent == {max_tokens, None}
    assert len(draft.text.split()) == min(6, max_tokens)


FINAL = {
    **{f"status {code}": {"status": code} for code in (400, 401, 404, 409)},
    "too much to do, come back in 30 s": {"status": 429},
    "a full queue, come back in 30 s": {"status": 503},
    "a key that is wrong": {"api_key": "another"},
    "a model that is not served": {"model": "another"},
    "a connection cut half way": {"fault": "cut"},
    "a page instead of JSON": {"fault": "html"},
    "half a JSON object": {"fault": "bad_json"},
    "no choices": {"fault": "no_choices"},
    "no content": {"fault": "null_content"},
    "another JSON": {"fault": "not_chat"},
    "an empty text": {"reply": ""},
    "only white space": {"reply": " \n"},
}
PASSING = {
    **{f"status {code}": {"status": code} for code in (408, 500, 502, 504)},
    "an empty error": {"status": 500, "error": ""},
}


@pytest.mark.parametrize("script", FINAL.values(), ids=FINAL.keys())
async def test_a_failure_that_stays_falls_to_the_documents_after_one_call(settings, script):
    with ScriptedLlm(**script) as llm:
        draft = await write(settings(llm_base_url=llm.base_url))

    assert (draft.text, draft.generator) == (FLOOR.text, FLOOR.generator)
    assert draft.degraded is Degraded.LLM_UNAVAILABLE
    assert len(llm.asked) == 1


@pytest.mark.parametrize("script", PASSING.values(), ids=PASSING.keys())
async def test_a_failure_that_may_pass_falls_to_the_documents_after_a_few_calls(settings, script):
    with ScriptedLlm(**script) as llm:
        draft = await write(settings(llm_base_url=llm.base_url))

    assert (draft.text, draft.generator) == (FLOOR.text, FLOOR.generator)
    assert draft.degraded is Degraded.LLM_UNAVAILABLE
    assert len(llm.asked) == 3


async def test_a_failure_that_passes_is_not_noticed(settings):
    with ScriptedLlm(status=500, stumbles=1, reply="Well again.") as llm:
        draft = await write(settings(llm_base_url=llm.base_url))

    assert (draft.text, draft.degraded, len(llm.asked)) == ("Well again.", None, 2)


async def test_a_model_that_is_away_is_taken_to_sleep_and_is_being_woken(settings, closed_port):
    draft = await write(settings(llm_base_url=f"http://127.0.0.1:{closed_port}/v1"))

    assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_COLD)
    assert 0 < draft.eta_s <= 120


async def test_a_gateways_page_before_a_model_that_is_there_is_a_stumble(settings):
    with ScriptedLlm(status=502, error="<html>Bad gateway</html>") as llm:
        draft = await write(settings(llm_base_url=llm.base_url))

    assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_UNAVAILABLE)
    assert len(llm.asked) == 3


async def test_a_rung_that_never_sleeps_and_is_away_did_not_answer(settings, closed_port):
    draft = await write(settings(ollama_base_url=f"http://127.0.0.1:{closed_port}"))

    assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_UNAVAILABLE)


@pytest.mark.parametrize("fault", ["hang", "drip"])
async def test_a_model_that_takes_longer_than_the_limit_is_not_waited_for(settings, fault):
    with ScriptedLlm(reply="Too late.", fault=fault) as llm:
        draft = await write(settings(llm_base_url=llm.base_url, llm_timeout_s=0.5))

    assert (draft.generator, draft.degraded) == ("extractive", Degraded.LLM_UNAVAILABLE)
    assert len(llm.asked) == 1


async def test_a_model_that_takes_its_time_within_the_limit_is_waited_for(settings):
    with ScriptedLlm(reply="In time.", delay_s=0.4) as llm:
        draft = await write(settings(llm_base_url=llm.base_url, llm_timeout_s=30))

    assert draft.text == "In time."


@pytest.mark.parametrize(
    ("fallbacks", "generator"),
    [("", "extractive"), ("openai", "openai/gpt"), ("ollama", "extractive")],
)
async def test_openai_stands_behind_vllm_only_where_it_is_named(settings, fallbacks, generator):
    with ExitStack() as open_both:
        vllm = open_both.enter_context(ScriptedLlm(status=503))
        openai = open_both.enter_context(ScriptedLlm(reply="From afar.", model="gpt"))
        draft = await write(
            settings(
                llm_base_url=vllm.base_url,
                llm_fallbacks=fallbacks,
                openai_api_key="sk-1",
                openai_base_url=openai.base_url,
                openai_model_name="gpt",
            )
        )

    assert draft.generator == generator
    assert draft.degraded is Degraded.LLM_UNAVAILABLE
    assert len(openai.asked) == (generator == "openai/gpt")


async def test_the_rungs_are_tried_from_the_top_each_once(settings):
    with ExitStack() as opened:
        vllm, openai, ollama = (
            opened.enter_context(ScriptedLlm(model=name, status=503)) for name in ("v", "o", "l")
        )
        draft = await write(
            settings(
                llm_base_url=vllm.base_url,
                llm_model_name="v",
                llm_fallbacks="ollama,openai",
                openai_api_key="sk-1",
                openai_base_url=openai.base_url,
                openai_model_name="o",
                ollama_base_url=ollama.base_url.removesuffix("/v1"),
                ollama_model_name="l",
            )
        )

    assert draft.generator == "extractive"
    assert [len(llm.asked) for llm in (vllm, openai, ollama)] == [1, 1, 1]


async def test_a_rung_that_comes_back_is_used_again(settings):
    with ScriptedLlm(reply="Back.", status=503) as llm:
        async with ladder_of(settings(llm_base_url=llm.base_url)) as ladder:
            away = await ladder.write(BRIEF)
            llm.status = 200
            back = await ladder.write(BRIEF)

    assert (away.degraded, back.degraded) == (Degraded.LLM_UNAVAILABLE, None)
    assert back.text == "Back."


async def test_a_failure_tells_the_log_neither_the_key_nor_the_patients_words(settings, caplog):
    with ScriptedLlm(api_key="another") as llm:
        await write(settings(llm_base_url=llm.base_url, llm_api_key="sk-my-secret"))

    assert "vllm/llm-server" in caplog.text
    own = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("agentic_rag"))
    assert "sk-my-secret" not in caplog.text
    assert "How long" not in own


MESSAGES = (("system", "Plan."), ("user", "How much?"))


async def ask_awake(ladder: Ladder) -> str | None:
    return await ladder.ask_awake(MESSAGES, max_tokens=50, timeout_s=0.2)


async def test_only_a_model_that_answered_lately_is_asked_to_plan():
    pen = Pen("A plan.")
    ladder = Ladder([pen], floor=Pen())

    before = await ask_awake(ladder)
    await ladder.write(BRIEF)
    after = await ask_awake(ladder)

    assert (before, after) == (None, "A plan.")


async def test_a_model_that_failed_since_is_not_asked_to_plan():
    pen = Pen("A plan.")
    ladder = Ladder([pen], floor=Pen())
    await ladder.write(BRIEF)
    pen.error = LlmUnavailable("asleep")
    await ladder.write(BRIEF)
    pen.error = None

    assert await ask_awake(ladder) is None


async def test_a_model_that_plans_slowly_is_not_waited_for(settings):
    with ScriptedLlm(reply="40 minutes. [1]") as llm:
        async with ladder_of(settings(llm_base_url=llm.base_url)) as ladder:
            await ladder.write(BRIEF)
            llm.fault = "hang"
            start = time.monotonic()

            assert await ask_awake(ladder) is None
            assert await ask_awake(ladder) is None
            assert time.monotonic() - start < 10


async def test_who_waits_to_be_worked_at_again_has_the_plan_of_a_model_that_was_quick():
    admission = Admission(places=1)
    ladder = Ladder([Awaited(Pen("A plan."))], floor=Pen())

    async def hold() -> None:
        async with admission.admitted():
            await asyncio.sleep(0.4)  # longer than a model may plan

    async with admission.admitted():
        await ladder.write(BRIEF)
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)  # it is in the queue
        planned = await ask_awake(ladder)
        assert holding.done()

    assert planned == "A plan."
