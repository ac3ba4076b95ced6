"""Four times what a server can do: who is taken on is served, who is not is told so at once."""

import asyncio
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.fakes import ScriptedLlm
from tests.integration.crowd import Reply, storm
from tests.integration.doors import tensor
from tests.integration.facts import BLEEDING, ROOT_CANAL, SUNDAY
from tests.integration.servers import MODEL, Agent

AT_ONCE = 4
WITHIN_S = 10.0
WRITES_S = 0.5


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    """A model that takes its time."""
    with ScriptedLlm(reply="It is INR 6,000 to 9,500. [1]", delay_s=WRITES_S) as slow:
        yield slow


@pytest.fixture(scope="module")
def agent(start, indexed, llm) -> Agent:
    """A server before it, which takes on few questions, and has answered some."""
    agent = start(
        DATA_DIR=str(indexed), LLM_BASE_URL=llm.base_url, MAX_CONCURRENCY=str(AT_ONCE)
    ).wait_until_ready()
    body = {"instances": [ROOT_CANAL, SUNDAY]}
    httpx.post(agent.v1, json=body, timeout=60).raise_for_status()
    return agent


@pytest.fixture(scope="module")
def stormed(agent: Agent) -> list[Reply]:
    """What came of five seconds of a storm."""
    rate = 4 * AT_ONCE / WRITES_S
    return asyncio.run(storm(agent, rate=rate, seconds=5, within_s=WITHIN_S))


def test_everybody_is_told_something(stormed: list[Reply]):
    assert {reply.status for reply in stormed} == {200, 429}


def test_who_is_refused_is_told_when_to_come_again(stormed: list[Reply]):
    refused = [reply for reply in stormed if reply.status == 429]

    assert all(int(reply.retry_after) >= 1 for reply in refused)


def test_who_is_taken_on_is_answered_in_time(stormed: list[Reply]):
    taken = [reply for reply in stormed if reply.status == 200 and not reply.is_urgent]

    assert len(taken) >= AT_ONCE
    assert {reply.outcome for reply in taken} == {"answered"}
    assert max(reply.seconds for reply in taken) < 2 * WITHIN_S


def test_every_emergency_is_answered(stormed: list[Reply]):
    urgent = [reply for reply in stormed if reply.is_urgent]

    assert len(urgent) == 25
    assert {reply.outcome for reply in urgent} == {"emergency"}


def test_a_storm_leaves_nothing_behind(agent: Agent, stormed: list[Reply]):
    told = httpx.get(f"{agent.base}/ready", timeout=10).json()
    page = httpx.get(f"{agent.base}/metrics", timeout=10).text

    assert told == {"ready": True, "in_flight": 0, "queued": 0}
    assert 'agentic_rag_refused_total{reason="full"}' in page
    assert "agentic_rag_inflight 0.0" in page
    assert "agentic_rag_queued 0.0" in page
    assert "Traceback" not in agent.log()


# each door, where nobody else is taken on


@pytest.fixture
def full(agent: Agent, llm: ScriptedLlm) -> Iterator[Agent]:
    """The server, with as many questions under way as it takes on."""
    asked, llm.fault = len(llm.asked), "hang"

    async def fill() -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            await client.post(agent.v1, json={"instances": [ROOT_CANAL] * AT_ONCE})

    loop = asyncio.new_event_loop()
    filling = loop.create_task(fill())
    end = time.monotonic() + 20
    while len(llm.asked) < asked + AT_ONCE and time.monotonic() < end:
        loop.run_until_complete(asyncio.sleep(0.01))
    yield agent
    filling.cancel()
    loop.run_until_complete(asyncio.wait([filling]))
    loop.close()
    llm.fault = None
    while httpx.get(f"{agent.base}/ready", timeout=10).json()["in_flight"]:
        time.sleep(0.01)


def infer(agent: Agent, question: str) -> str:
    """Ask over gRPC; return the outcome, or the code of the refusal."""
    request = ModelInferRequest(model_name=MODEL)
    asked = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    asked.contents.bytes_contents.append(question.encode())
    with grpc.insecure_channel(agent.grpc) as channel:
        try:
            reply = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=20)
        except grpc.RpcError as error:
            return str(error.code().name)
    (outcome,) = [o for o in reply.outputs if o.name == "outcome"]
    return outcome.contents.bytes_contents[0].decode()


def test_every_door_refuses_an_ordinary_question_and_answers_an_emergency(full: Agent):
    bodies = {
        full.v1: lambda question: {"instances": [question]},
        full.v2: lambda question: {"inputs": [tensor(question)]},
        f"{full.base}/chat/stream": lambda question: {"question": question},
    }
    for url, body in bodies.items():
        refused = httpx.post(url, json=body(ROOT_CANAL), timeout=20)
        answered = httpx.post(url, json=body(BLEEDING), timeout=20)

        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1"), url
        assert "emergency" in answered.text, url
    searched = httpx.post(f"{full.base}/search", json={"query": "fees"}, timeout=20)
    assert (searched.status_code, searched.headers["retry-after"]) == (429, "1")
    assert infer(full, ROOT_CANAL) == "RESOURCE_EXHAUSTED"
    assert infer(full, BLEEDING) == "emergency"


def test_an_emergency_in_a_batch_is_answered_though_the_rest_is_not(full: Agent):
    reply = httpx.post(full.v1, json={"instances": [ROOT_CANAL, BLEEDING]}, timeout=20)

    other, urgent = reply.json()["predictions"]
    assert urgent["outcome"] == "emergency"
    assert (other["outcome"], other["degraded"]) == ("declined", "overloaded")


def test_a_server_that_is_full_stays_ready(full: Agent):
    told = httpx.get(f"{full.base}/ready", timeout=10)

    assert (told.status_code, told.json()["in_flight"]) == (200, AT_ONCE)
