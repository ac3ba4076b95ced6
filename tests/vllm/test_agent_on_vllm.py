"""The agent in front of a real vLLM; its words are nonsense, so these tests hold the plumbing."""

import pytest

from agentic_rag.agent.ask import ask
from agentic_rag.agent.prompts import safety_prompt
from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.clinic.profile import read_clinic
from agentic_rag.domain import Degraded, Outcome, Question
from agentic_rag.settings import Settings, read_settings

pytestmark = pytest.mark.vllm

PRICE = "Whats the price range for Root Canal Therapy?"


@pytest.fixture
def settings(vllm_server, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "agent-on-vllm"  # indexed once for all tests here
    return read_settings(
        _env_file=None,
        data_dir=folder,
        llm_base_url=vllm_server.base_url,
        llm_model_name=vllm_server.model,
    )


async def ask_once(settings: Settings, question: Question):
    house: House = build_house(settings)
    await house.library.open()
    try:
        return await ask(question, deps=house.deps)
    finally:
        await house.close()


async def test_nonsense_of_a_model_gives_way_to_the_documents(settings):
    answer = await ask_once(settings, Question(text=PRICE, max_tokens=32))

    assert answer.outcome is Outcome.ANSWERED
    assert answer.generator == "extractive"
    assert answer.degraded is Degraded.LLM_REJECTED
    assert "6,000" in answer.text
    assert answer.sources[0] == "treatments.json#TX-RCT-01"


async def test_the_tokens_that_vllm_counted_are_told(settings, vllm_server):
    before = vllm_server.metrics()

    answer = await ask_once(settings, Question(text=PRICE, max_tokens=16))

    after = vllm_server.metrics()
    prompt = after["vllm:prompt_tokens_total"] - before["vllm:prompt_tokens_total"]
    assert answer.usage.prompt_tokens == prompt > 0
    assert 0 < answer.usage.completion_tokens <= 16
    assert answer.usage.total_tokens == prompt + answer.usage.completion_tokens


async def test_the_model_gets_the_safety_prompt_the_fenced_passages_and_the_question(
    settings, vllm_server
):
    answer = await ask_once(settings, Question(text=PRICE, max_tokens=8, debug=True))

    composed = next(step for step in answer.trace if step["step"] == "compose")
    [(role, asked)] = composed["messages"]  # the rules are told to the model, and to nobody else
    assert role == "user"
    assert asked.startswith("<documents>")
    assert asked.endswith(PRICE)
    rules = safety_prompt(read_clinic(settings.clinic_pack).profile)
    assert answer.usage.prompt_tokens == vllm_server.count_tokens(system=rules, user=asked)


async def test_an_unknown_model_is_a_rung_that_does_not_answer(settings):
    wrong = settings.model_copy(update={"llm_model_name": "no-such-model"})

    answer = await ask_once(wrong, Question(text=PRICE))

    assert answer.degraded is Degraded.LLM_UNAVAILABLE
    assert answer.generator == "extractive"
    assert "6,000" in answer.text


async def test_a_model_slower_than_its_time_is_not_waited_for(settings):
    hasty = settings.model_copy(update={"llm_timeout_s": 0.05})

    answer = await ask_once(hasty, Question(text=PRICE, max_tokens=4096))

    assert answer.degraded is Degraded.LLM_UNAVAILABLE
    assert "6,000" in answer.text


async def test_an_emergency_asks_no_model(settings, vllm_server):
    before = vllm_server.metrics()["vllm:prompt_tokens_total"]

    answer = await ask_once(settings, Question(text="My gums are bleeding and won't stop"))

    assert answer.outcome is Outcome.EMERGENCY
    assert vllm_server.metrics()["vllm:prompt_tokens_total"] == before
