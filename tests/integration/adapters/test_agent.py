"""The agent follows the slot, and every answer says which version spoke."""

import json
import time

import httpx
import pytest
from tests.adapting.visitors import Visitors
from tests.fakes import Body
from tests.integration.servers import AWAKE, until

from agentic_rag.adapters.gates import Gate
from agentic_rag.adapters.steps.promote import promote
from agentic_rag.adapters.steps.rollback import rollback
from agentic_rag.adapters.steps.stage import stage
from agentic_rag.adapters.versions import Reference

QUESTION = "Whats the price range for Root Canal Therapy?"
SAID = {
    "v1": "Root Canal Therapy costs INR 6,000 to 9,500. [1]",
    "v2": "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]",
}
BASE = "Root Canal Therapy: INR 6,000 to 9,500. [1]"


def write(body: Body) -> str:
    """Write as the model that is asked."""
    return SAID.get(str(body["model"]).rpartition("-")[2], BASE)


@pytest.fixture
def agent(works, start, indexed):
    for replica in works.replicas:
        replica.chats = write
    agent = start(
        DATA_DIR=str(indexed),
        LLM_BASE_URL=works.settings["llm_base_url"],
        LLM_REPLICAS=works.settings["llm_replicas"],
        LLM_MODEL_NAME=works.replicas[0].model,
        ADAPTERS_FOLLOW="true",
        ADAPTERS_NAME=works.settings["adapters_name"],
        ADAPTERS_DIR=str(works.settings["adapters_dir"]),
        **AWAKE,
    )
    return agent.wait_until_ready()


def ask(agent, session: str = "visit-1") -> dict:
    reply = httpx.post(
        agent.v1,
        json={"instances": [QUESTION]},
        headers={"X-Session-ID": session},
        timeout=60,
    )
    assert reply.status_code == 200, reply.text
    return reply.json()["predictions"][0]


def get(agent, path: str) -> httpx.Response:
    return httpx.get(f"{agent.base}{path}", timeout=60)


async def test_answers_metrics_and_receipts_say_which_version_spoke(works, agent):
    before = ask(agent)
    version = await works.promoted(0)
    until(lambda: ask(agent).get("adapter") == version.served_as)

    told = ask(agent)
    receipt = get(agent, f"/answers/{told['request_id']}/receipt").json()
    metrics = get(agent, "/metrics").text

    assert "adapter" not in before
    assert told["generator"] == f"vllm/{version.served_as}"
    assert receipt["receipts"][0]["adapter"] == version.served_as
    counted = f'agentic_rag_adapter_answers_total{{adapter="{version.served_as}"'
    assert counted in metrics


async def test_patients_are_answered_while_versions_come_and_go(works, agent):
    first = await works.promoted(0)
    second = await works.passed(1)
    until(lambda: ask(agent).get("adapter") == first.served_as)

    with Visitors(agent, [QUESTION], [f"visit-{at}" for at in range(20)]) as patients:
        await promote(works.bench, Reference(number=second.number))
        patients.until_told(by=second.served_as)
        begun = time.monotonic()
        await rollback(works.bench)
        took_s = time.monotonic() - begun
        patients.until_told(by=first.served_as)

    assert took_s < 10
    assert not patients.failed
    assert {(each["outcome"], each["degraded"]) for each in patients.told} == {("answered", None)}
    for each in patients.told:
        said = SAID[each["adapter"].rpartition("-")[2]]
        assert each["answer"].startswith(said.removesuffix(" [1]")), json.dumps(each)


async def test_a_share_of_the_sessions_is_answered_by_the_candidate(works, agent):
    first = await works.promoted(0)
    second = await works.staged(1)
    await works.passes(Gate.EVALUATE, second)

    await stage(works.bench, Reference(number=second.number), share=0.5)

    until(lambda: any(ask(agent, f"s-{at}")["adapter"] == second.served_as for at in range(8)))
    spoke = [ask(agent, f"s-{at}")["adapter"] for at in range(16)]
    again = [ask(agent, f"s-{at}")["adapter"] for at in range(16)]
    assert set(spoke) == {first.served_as, second.served_as}
    assert spoke == again
