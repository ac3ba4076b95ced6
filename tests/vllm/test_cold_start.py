"""A real vLLM asleep behind the activator, and twenty callers who find it so."""

import asyncio
import time
from dataclasses import replace

import pytest
from tests.sleeping.activator import Activator
from tests.vllm.conftest import MODEL, OPTIONS, PYTHON, START_LIMIT_S, environment

from agentic_rag.agent.ask import ask
from agentic_rag.agent.live import ask_live
from agentic_rag.bootstrap.house import build_house
from agentic_rag.domain import Answer, Degraded, Provisional, Question
from agentic_rag.settings import read_settings

pytestmark = pytest.mark.vllm

CALLERS = 20
PRICE = Question(
    text="Whats the price range for Root Canal Therapy?", max_tokens=16, timeout_s=START_LIMIT_S
)


@pytest.fixture
def asleep(tiny_llama, tmp_path):
    """A vLLM at zero replicas, as Knative has it."""
    # on a cluster it starts on a node of its own; here it is not to take the agent's cores
    start = ["nice", "-n", "19", str(PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
    with Activator(
        [*start, *OPTIONS, f"--model={tiny_llama}", "--port={port}"],
        cwd=tmp_path,
        environment=environment(),
    ) as service:
        yield service


async def listen(deps) -> tuple[float, Answer, Answer]:
    """Return when the first answer came, that answer, and the last."""
    first = None
    async for event in ask_live(PRICE, deps=deps):
        if isinstance(event, Provisional):
            first = (time.monotonic(), event.answer)
    assert first is not None
    assert isinstance(event, Answer)
    return *first, event


async def test_twenty_who_find_it_asleep_are_answered_at_once_and_all_hear_of_it_again(
    asleep, tmp_path_factory
):
    settings = read_settings(
        _env_file=None,
        data_dir=tmp_path_factory.getbasetemp() / "agent-on-vllm",
        llm_base_url=asleep.base_url,
        llm_model_name=MODEL,
    )
    house = build_house(settings)
    await house.library.open()
    try:
        # a server is warm by the time that a model has gone to sleep behind it
        await ask(PRICE, deps=replace(house.deps, ladder=house.deps.quoter))
        heard = await asyncio.gather(*(listen(house.deps) for _ in range(CALLERS)))
    finally:
        await house.close()

    last_first = max(at for at, _, _ in heard)
    assert last_first < asleep.ups[0]  # how soon, benchmarks/cold_start.py measures
    assert {first.degraded for _, first, _ in heard} == {Degraded.LLM_COLD}
    assert all("6,000" in first.text for _, first, _ in heard)
    # what so small a model says is not proven, but it was asked, and has written
    assert {last.degraded for _, _, last in heard} == {Degraded.LLM_REJECTED}
    assert all(last.usage.completion_tokens > 0 for _, _, last in heard)
    assert len(asleep.starts) == 1
