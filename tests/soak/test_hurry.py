"""Emergencies with 200 requests in flight: all answered, at once."""

import statistics
from pathlib import Path

import pytest
from tests.fakes import ScriptedLlm
from tests.integration.conftest import StartAgent, first_ingest, indexed, start  # noqa: F401
from tests.integration.hurry import Hurried, hurry

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

OTHERS = 200
EMERGENCIES = 500
WANTED_MS = 50


@pytest.fixture
async def hurried(start: StartAgent, indexed: Path) -> Hurried:  # noqa: F811  # the fixtures
    """What came of 500 emergencies while 200 callers waited for a model that hangs."""
    with ScriptedLlm(fault="hang") as llm:
        agent = start(
            DATA_DIR=str(indexed),
            LLM_BASE_URL=llm.base_url,
            LLM_MODEL_NAME=llm.model,
            LLM_TIMEOUT_S="300",
        )
        agent.wait_until_ready()
        return await hurry(agent, llm, others=OTHERS, emergencies=EMERGENCIES)


async def test_each_emergency_is_answered_within_50_ms_of_the_server_while_200_wait(
    hurried: Hurried,
) -> None:
    assert hurried.waiting == OTHERS
    assert {answer["outcome"] for answer in hurried.answers} == {"emergency"}
    assert statistics.quantiles(hurried.served_ms, n=100)[98] < WANTED_MS
