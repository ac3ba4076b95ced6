"""A real server before a model that fails, and before callers who mean no good."""

import asyncio
import json
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.chaos.faults import FAULTS, Fault, gives, is_well, lists, make_ready, well
from tests.chaos.upstream import HOST, Upstream, chunk, event, piece
from tests.integration.doors import tensor
from tests.integration.servers import MODEL, Agent, start_agent

from agentic_rag.settings import Settings

ROOT_CANAL = "Whats the price range for Root Canal Therapy?"
LATE_S = 10.0  # two processes on a machine that may be busy; no deadline kept would be a minute
NO_TIMES = [
    "-1",
    "nan",
    "1e99",
    "inf",
    "0",
    "0x10",
    "1_0",
    "+5",
    "\u0663",
    "5s",
    "5,5",
    ".",
    "9" * 400,
]


@contextmanager
def in_a_thread() -> Iterator[Upstream]:
    """Run a server of plays beside the test."""
    upstream, ended, begun = Upstream(well, lists, is_well), [], threading.Event()

    async def run() -> None:
        end = asyncio.Event()
        ended.append((asyncio.get_running_loop(), end))
        async with upstream:
            begun.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    begun.wait()
    try:
        yield upstream
    finally:
        loop, end = ended[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """The model's server, which is well until a test says otherwise."""
    make_ready()
    with in_a_thread() as running:
        yield running


@pytest.fixture(scope="module")
def agent(
    few_settings: Settings, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Agent]:
    """The agent's server before it."""
    folder = tmp_path_factory.mktemp("agent")
    shutil.copytree(few_settings.data_dir, folder / "data")
    pack = str(few_settings.clinic_pack)
    started = start_agent(folder, CLINIC_PACK=pack, LLM_BASE_URL=upstream.base_url)
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()


def play(upstream: Upstream, fault: Fault) -> None:
    """Have the model's server do as a fault says."""
    upstream.asked.clear()
    upstream.chat, upstream.models, upstream.health = fault.chat, fault.models, fault.health
    upstream.on_connect = fault.on_connect


def ask_v1(agent: Agent, **wishes: object) -> dict[str, Any]:
    reply = httpx.post(
        agent.v1, json={"instances": [{"question": ROOT_CANAL, **wishes}]}, timeout=60
    )
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["predictions"][0])


def heal(agent: Agent, upstream: Upstream) -> None:
    """Have all well again: the model is awake, and its breaker closed."""
    play(upstream, Fault())
    end = time.monotonic() + 60
    while ask_v1(agent, when_cold="wait", timeout_seconds=10)["generator"] == "extractive":
        assert time.monotonic() < end, "the model is well, and not asked"
        time.sleep(0.1)


def gauge(agent: Agent) -> float:
    page = httpx.get(f"{agent.base}/metrics", timeout=10).text
    lines = [li for li in page.splitlines() if li.startswith("agentic_rag_llm_inflight{")]
    return sum(float(line.split()[-1]) for line in lines)


def listen(agent: Agent, within_s: float) -> list[tuple[str, Any]]:
    """Return the events of a stream."""
    body = {"question": ROOT_CANAL, "timeout_seconds": within_s}
    reply = httpx.post(f"{agent.base}/chat/stream", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    told = [each for each in reply.text.split("\n\n") if each.startswith("event: ")]
    split = [each.removeprefix("event: ").partition("\ndata: ") for each in told]
    return [(name, json.loads(data)) for name, _, data in split]


@pytest.mark.timeout(600)
@pytest.mark.soak
def test_no_fault_makes_the_server_fail_or_late(agent: Agent, upstream: Upstream):
    wrong = {}
    for at, (name, fault) in enumerate(FAULTS.items()):
        heal(agent, upstream)
        play(upstream, fault)
        start = time.monotonic()
        if at % 2:
            last, answer = listen(agent, fault.deadline_s)[-1]
        else:
            last, answer = "answer", ask_v1(agent, timeout_seconds=fault.deadline_s)
        late_s = time.monotonic() - start - fault.deadline_s
        if last != "answer" or "6,000" not in answer["answer"] or not answer["citations"]:
            wrong[name] = answer
        elif late_s > LATE_S:
            wrong[name] = f"{late_s:.1f} s late"
    heal(agent, upstream)

    assert not wrong
    assert gauge(agent) == 0
    assert "Traceback" not in agent.log()


@pytest.mark.parametrize("told", NO_TIMES)
@pytest.mark.parametrize("path", ["/chat/stream", f"/v1/models/{MODEL}:predict"])
def test_a_time_that_is_none_is_refused(told: str, path: str, agent: Agent):
    body = {"question": ROOT_CANAL} if "chat" in path else {"instances": [ROOT_CANAL]}

    reply = httpx.post(
        f"{agent.base}{path}", json=body, headers={"X-Request-Timeout": told.encode()}, timeout=60
    )

    assert (reply.status_code, reply.json()["field"]) == (400, "X-Request-Timeout")


def test_an_empty_time_is_none(agent: Agent):
    body = {"instances": [ROOT_CANAL]}

    reply = httpx.post(agent.v1, json=body, headers={"X-Request-Timeout": ""}, timeout=60)

    assert reply.status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"timeout_seconds": value}
        for value in (0, -1, True, False, [], [5], {}, "5", "", 1e99, 3600.1)
    ]
    + [{"when_cold": value} for value in ("", "WAIT", 0, True, [], ["wait"], {}, "wait\x00")],
    ids=str,
)
def test_a_wish_of_the_wrong_kind_is_refused_by_its_name(wish: dict[str, Any], agent: Agent):
    [name] = wish
    asked = {"question": ROOT_CANAL, **wish}
    bodies = {
        agent.v1: [{"instances": [asked]}, {"instances": [ROOT_CANAL], "parameters": wish}],
        agent.v2: [{"inputs": [tensor(ROOT_CANAL)], "parameters": wish}],
        f"{agent.base}/chat/stream": [asked],
    }

    replies = [
        httpx.post(url, json=body, timeout=60) for url, each in bodies.items() for body in each
    ]

    for reply in replies:
        assert reply.status_code in {400, 422}, reply.text
        assert name in reply.json()["field"] or "parameters" in reply.json()["field"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("when_cold", {"int64_param": 1}),
        ("when_cold", {"bool_param": True}),
        ("when_cold", {"string_param": "never"}),
        ("timeout_seconds", {"string_param": "5"}),
        ("timeout_seconds", {"bool_param": True}),
        ("timeout_seconds", {"int64_param": 0}),
    ],
)
def test_a_wish_of_the_wrong_kind_is_refused_over_grpc(name, value, agent: Agent):
    request = ModelInferRequest(model_name=MODEL)
    question = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    question.contents.bytes_contents.append(ROOT_CANAL.encode())
    for field, each in value.items():
        setattr(request.parameters[name], field, each)

    with grpc.insecure_channel(agent.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert name in caught.value.details()


@pytest.mark.parametrize("value", [None, 5, 0.5, 3600])
def test_a_time_that_makes_sense_is_taken(value: object, agent: Agent):
    assert ask_v1(agent, timeout_seconds=value)["outcome"] == "answered"


@pytest.mark.parametrize("lines", [90, 1_000])
def test_many_header_lines_are_read_or_refused(lines: int, agent: Agent):
    headers = [(f"x-{at}", "y" * 20) for at in range(lines)]

    reply = httpx.post(agent.v1, json={"instances": [ROOT_CANAL]}, headers=headers, timeout=60)

    assert reply.status_code in {200, 400, 431}


def test_listeners_who_break_off_leave_nothing_behind(agent: Agent, upstream: Upstream):
    heal(agent, upstream)
    begun = chunk(event(piece("The price")))
    endless = gives(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"transfer-encoding: chunked\r\n\r\n" + begun,
        "silence",
    )
    upstream.chat = endless
    body = json.dumps({"question": ROOT_CANAL}).encode()
    head = f"POST /chat/stream HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(body)}\r\n\r\n"

    for at in range(40):
        with socket.create_connection((HOST, agent.http_port)) as caller:
            caller.sendall((head.encode() + body)[: None if at % 4 else 90 + at])
            if at % 2:
                caller.recv(200)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, at % 3 % 2))
    end = time.monotonic() + 10
    while upstream.busy or gauge(agent):
        assert time.monotonic() < end, "somebody is still being answered"
        time.sleep(0.05)

    heal(agent, upstream)
    assert "Traceback" not in agent.log()
