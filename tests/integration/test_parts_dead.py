"""What is answered while parts are dead: an emergency always, the rest as well as can be."""

import statistics
from pathlib import Path

import httpx
import pytest
from tests.fakes import ScriptedLlm
from tests.integration.conftest import StartAgent
from tests.integration.doors import PROTOCOLS, Answer
from tests.integration.facts import (
    BLEEDING,
    FRONT_DESK,
    ROOT_CANAL,
    SUNDAY,
    SWOLLEN,
    assert_refused,
    essence,
)
from tests.integration.hurry import hurry
from tests.integration.servers import HOST, Agent, Chroma, Readiness
from tests.ports import free_port

NO_MODEL = "nobody/no-such-model"
SECRET = "sk-very-secret"


@pytest.fixture(scope="module")
def emergencies(reference: list[Answer]) -> list[Answer]:
    """The answers to SWOLLEN and BLEEDING from a server whose parts are all well."""
    return [essence(answer) for answer in reference if answer["outcome"] == "emergency"]


@pytest.fixture(scope="module")
def all_dead(start: StartAgent) -> Agent:
    """No index, no embedder, no Chroma server, no LLM."""
    return start(
        CHROMA_HOST=HOST,
        CHROMA_PORT=str(free_port()),
        EMBEDDING_MODEL=NO_MODEL,
        LLM_BASE_URL=f"http://{HOST}:{free_port()}/v1",
        LLM_API_KEY=SECRET,
    )


@pytest.fixture(scope="module")
def no_embedder(start: StartAgent, indexed: Path) -> Agent:
    """A good index, and nothing to embed a question with."""
    return start(DATA_DIR=str(indexed), EMBEDDING_MODEL=NO_MODEL)


@pytest.fixture(scope="module")
def no_llm(start: StartAgent, small_pack: Path) -> Agent:
    """All well but for the LLM, which refuses connections."""
    address = f"http://{HOST}:{free_port()}/v1"
    return start(CLINIC_PACK=str(small_pack), LLM_BASE_URL=address, LLM_API_KEY=SECRET)


@pytest.fixture(scope="module")
def by_chroma(start: StartAgent, chroma: Chroma, small_pack: Path) -> Agent:
    """A server without an index, whose Chroma server has never been there."""
    return start(CLINIC_PACK=str(small_pack), CHROMA_TIMEOUT_S="2", **chroma.settings)


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> Agent:
    """The server that the parameter names."""
    found: Agent = request.getfixturevalue(request.param)
    return found.wait_until_live()


DEAD = ["all_dead", "no_embedder", "no_llm", "by_chroma"]


@pytest.mark.parametrize("agent", DEAD, indirect=True)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_emergency_is_answered_the_same_whatever_is_dead(
    protocol: str, agent: Agent, emergencies: list[Answer]
):
    answers = await PROTOCOLS[protocol](agent, [SWOLLEN, BLEEDING])

    assert [essence(answer) for answer in answers] == emergencies


@pytest.mark.parametrize("agent", ["all_dead", "no_embedder"], indirect=True)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_without_the_documents_a_question_is_declined_with_the_reason_and_a_phone(
    protocol: str, agent: Agent
):
    (answer,) = await PROTOCOLS[protocol](agent, [SUNDAY])

    assert_declined_for_trouble(answer)


def assert_declined_for_trouble(answer: Answer) -> None:
    assert answer["outcome"] == "declined"
    assert answer["degraded"] == "retrieval_unavailable"
    assert FRONT_DESK in answer["answer"]
    assert (answer["sources"], answer["citations"]) == ([], [])


@pytest.mark.parametrize("agent", ["all_dead", "no_embedder"], indirect=True)
def test_without_the_documents_a_server_lives_and_is_not_ready(agent: Agent):
    health = httpx.get(f"{agent.base}/health", timeout=30)

    assert agent.readiness() == Readiness(503, 503)
    assert httpx.get(f"{agent.base}/healthz", timeout=30).status_code == 200
    assert (health.status_code, health.json()["status"]) == (200, "degraded")


@pytest.mark.parametrize("agent", ["all_dead", "no_embedder"], indirect=True)
def test_without_the_documents_a_search_is_told_to_come_back(agent: Agent):
    reply = httpx.post(f"{agent.base}/search", json={"query": SUNDAY}, timeout=30)

    assert_refused(reply, 503)
    assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize("agent", ["all_dead"], indirect=True)
async def test_an_emergency_in_a_batch_does_not_wait_for_what_is_dead(
    agent: Agent, emergencies: list[Answer]
):
    swollen, sunday, bleeding = await PROTOCOLS["v1"](agent, [SWOLLEN, SUNDAY, BLEEDING])

    assert [essence(swollen), essence(bleeding)] == emergencies
    assert_declined_for_trouble(sunday)


async def test_an_emergency_is_answered_while_many_wait_for_a_model_that_hangs(
    start: StartAgent, indexed: Path, emergencies: list[Answer]
):
    with ScriptedLlm(fault="hang") as llm:
        agent = start(DATA_DIR=str(indexed), LLM_BASE_URL=llm.base_url, LLM_MODEL_NAME=llm.model)
        agent.wait_until_ready()

        hurried = await hurry(agent, llm, others=60, emergencies=10)

    assert [essence(answer) for answer in hurried.answers] == [emergencies[1]] * 10
    assert hurried.waiting == 60
    assert statistics.median(hurried.served_ms) < 1000  # tests/soak has what is wanted


@pytest.mark.parametrize("agent", ["all_dead", "no_llm"], indirect=True)
async def test_no_answer_shows_a_secret_or_an_address(agent: Agent):
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"instances": [{"question": ROOT_CANAL, "debug": True}]}
        told = (await client.post(agent.v1, json=body)).text

    assert SECRET not in told
    assert HOST not in told
    assert SECRET not in agent.log()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_without_the_llm_the_documents_are_quoted_and_the_answer_says_why(
    protocol: str, no_llm: Agent
):
    no_llm.wait_until_ready()

    (answer,) = await PROTOCOLS[protocol](no_llm, [SUNDAY])

    assert (answer["outcome"], answer["generator"]) == ("answered", "extractive")
    assert answer["degraded"] == "llm_cold"
    assert answer["eta_seconds"] > 0
    assert "emergency slots" in answer["answer"]


# a Chroma server that comes, goes and comes back; each test brings about what it needs


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_makes_its_index_by_itself_once_its_chroma_server_is_there(
    protocol: str, by_chroma: Agent, chroma: Chroma
):
    chroma.start()
    by_chroma.wait_until_ready()

    (answer,) = await PROTOCOLS[protocol](by_chroma, [SUNDAY])

    assert (answer["outcome"], answer["degraded"]) == ("answered", None)
    assert "emergency slots" in answer["answer"]


async def test_without_its_chroma_server_it_is_not_ready_and_declines_but_for_emergencies(
    by_chroma: Agent, chroma: Chroma, emergencies: list[Answer]
):
    chroma.start()
    by_chroma.wait_until_ready()

    chroma.stop()

    by_chroma.wait_until_not_ready()
    for ask in PROTOCOLS.values():
        swollen, sunday, bleeding = await ask(by_chroma, [SWOLLEN, SUNDAY, BLEEDING])
        assert [essence(swollen), essence(bleeding)] == emergencies
        assert_declined_for_trouble(sunday)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_when_its_chroma_server_comes_back_it_is_ready_again_by_itself(
    protocol: str, by_chroma: Agent, chroma: Chroma
):
    chroma.start()
    by_chroma.wait_until_ready()
    if protocol == "v1":  # once is enough
        chroma.stop()
        by_chroma.wait_until_not_ready()
        chroma.start()

    by_chroma.wait_until_ready()

    (answer,) = await PROTOCOLS[protocol](by_chroma, [SUNDAY])
    assert (answer["outcome"], answer["degraded"]) == ("answered", None)
