"""A caller who goes away, at whatever door, stops the model that writes for nobody."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.fakes import ScriptedLlm
from tests.integration.doors import tensor
from tests.integration.facts import ROOT_CANAL
from tests.integration.servers import AWAKE, HOST, MODEL, Agent, until

V1 = {"instances": [ROOT_CANAL]}
V2 = {"inputs": [tensor(ROOT_CANAL)]}
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": ROOT_CANAL}]}
AT_ONCE = 10


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    """A model that never comes to an end."""
    with ScriptedLlm(fault="hang") as hanging:
        yield hanging


@pytest.fixture(scope="module")
def agent(start, indexed, llm) -> Agent:
    """A server before it."""
    return start(DATA_DIR=str(indexed), LLM_BASE_URL=llm.base_url, **AWAKE).wait_until_ready()


def post(agent: Agent, path: str, body: object) -> Callable[[], None]:
    """Ask over a socket of one's own; returns what closes it."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    caller = socket.create_connection((HOST, agent.http_port))
    caller.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(content) + content)
    return caller.close


def infer(agent: Agent) -> Callable[[], None]:
    """Ask over gRPC; returns what hangs up."""
    channel = grpc.insecure_channel(agent.grpc)
    request = ModelInferRequest(model_name=MODEL)
    question = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    question.contents.bytes_contents.append(ROOT_CANAL.encode())
    asked = GRPCInferenceServiceStub(channel).ModelInfer.future(request)  # held: else it ends here

    def hang_up() -> None:
        asked.cancel()
        channel.close()

    return hang_up


DOORS: dict[str, Callable[[Agent], Callable[[], None]]] = {
    "v1": lambda agent: post(agent, f"/v1/models/{MODEL}:predict", V1),
    "v2": lambda agent: post(agent, f"/v2/models/{MODEL}/infer", V2),
    "stream": lambda agent: post(agent, "/chat/stream", {"question": ROOT_CANAL}),
    "chat": lambda agent: post(agent, "/chat", {"question": ROOT_CANAL}),
    "query": lambda agent: post(agent, "/query", {"query": ROOT_CANAL}),
    "openai": lambda agent: post(agent, "/openai/v1/chat/completions", CHAT),
    "openai stream": lambda agent: post(agent, "/v1/chat/completions", CHAT | {"stream": True}),
    "gateway": lambda agent: post(agent, "/api/chat", CHAT),
    "grpc": infer,
}


@pytest.mark.parametrize("door", DOORS)
def test_callers_who_go_away_stop_the_model_at_once(door: str, agent: Agent, llm: ScriptedLlm):
    asked, aborted = len(llm.asked), len(llm.aborted)

    leave = [DOORS[door](agent) for _ in range(AT_ONCE)]
    until(lambda: len(llm.asked) == asked + AT_ONCE)
    gone = time.monotonic()
    for hang_up in leave:
        hang_up()
    until(lambda: len(llm.aborted) == aborted + AT_ONCE)

    assert max(llm.aborted[aborted:]) - gone < 0.5
    page = httpx.get(f"{agent.base}/metrics", timeout=10).text
    (line,) = [li for li in page.splitlines() if li.startswith("agentic_rag_llm_inflight{")]
    assert float(line.split()[-1]) == 0


async def test_a_server_whose_callers_went_away_answers_the_next(agent: Agent, llm: ScriptedLlm):
    llm.fault = None
    async with httpx.AsyncClient(timeout=60) as client:
        replies = await asyncio.gather(
            *(client.post(agent.v1, json=V1) for _ in range(AT_ONCE)),
            client.post(agent.v2, json=V2),
        )
    llm.fault = "hang"

    assert {reply.status_code for reply in replies} == {200}
    assert "Traceback" not in agent.log()
