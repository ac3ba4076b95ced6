"""How a server begins, says that it is ready, and ends."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.fakes import Arrived, ScriptedLlm
from tests.integration.conftest import StartAgent
from tests.integration.doors import Answer, read_columns, read_v2, tensor
from tests.integration.facts import SUNDAY
from tests.integration.servers import AWAKE, MODEL, Agent, Readiness, environment
from tests.ports import free_port

END_LIMIT_S = 45  # the grace is 30


def test_both_readiness_doors_say_503_until_the_index_is_open_and_200_from_then_on(server: Agent):
    *before, last = server.said

    assert len(before) > 0
    assert set(before) <= {Readiness(503, 503), Readiness(503, 200), Readiness(200, 503)}
    assert before[0] == Readiness(503, 503)
    assert last == server.readiness() == Readiness(200, 200)


# SIGTERM with requests in flight: an LLM that takes its time keeps them there

IN_FLIGHT = 8  # as many as MAX_CONCURRENCY lets through to the LLM at once
REPLY = "The clinic is closed on Sundays except for emergency slots on call. [1]"
HISTORY = [{"role": "user", "content": "Good morning, dear team"}]
MAX_TOKENS, TEMPERATURE = 33, 0.5


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of a server that got SIGTERM, and of the requests that it had accepted."""

    answers: list[Answer]
    code: int
    asked: list[Arrived]
    log: str


@pytest.fixture(scope="module")
def drained(start: StartAgent, small_pack: Path) -> Iterator[dict[str, Drained]]:
    """Two servers, stopped with requests in flight: over REST, and over gRPC alone."""
    with ScriptedLlm(reply=REPLY, delay_s=2) as one, ScriptedLlm(reply=REPLY, delay_s=2) as other:
        agents = [
            start(
                CLINIC_PACK=str(small_pack),
                LLM_BASE_URL=llm.base_url,
                **AWAKE,
                MAX_CONCURRENCY=str(IN_FLIGHT),
            )
            for llm in (one, other)
        ]
        for agent in agents:
            agent.wait_until_ready()
        yield {
            "rest": drain(agents[0], one, [ask_v1, ask_v2] * (IN_FLIGHT // 2)),
            "grpc": drain(agents[1], other, [ask_grpc] * IN_FLIGHT),
        }


def drain(agent: Agent, llm: ScriptedLlm, calls: Sequence[Callable[[Agent], Answer]]) -> Drained:
    """Send the calls, wait until all are in flight, send SIGTERM, gather what comes."""
    with ThreadPoolExecutor(len(calls)) as pool:
        coming: list[Future[Answer]] = [pool.submit(call, agent) for call in calls]
        end = time.monotonic() + END_LIMIT_S
        while len(llm.asked) < len(calls) and time.monotonic() < end:
            time.sleep(0.01)
        agent.process.send_signal(signal.SIGTERM)
        answers = [outcome(each) for each in coming]
    return Drained(answers, agent.process.wait(END_LIMIT_S), list(llm.asked), agent.log())


def outcome(coming: Future[Answer]) -> Answer:
    """Wait for an answer; where none comes, return one that says why."""
    try:
        return coming.result(END_LIMIT_S)
    except (AssertionError, TimeoutError, httpx.HTTPError, grpc.RpcError) as error:
        return {"outcome": str(error)}


def ask_v1(agent: Agent) -> Answer:
    wishes = {"max_tokens": MAX_TOKENS, "temperature": TEMPERATURE, "history": HISTORY}
    body = {"instances": [SUNDAY], "parameters": wishes}
    reply = httpx.post(agent.v1, json=body, timeout=END_LIMIT_S)
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["predictions"][0])


def ask_v2(agent: Agent) -> Answer:
    wishes: list[tuple[str, str, Any]] = [
        ("max_tokens", "INT32", MAX_TOKENS),
        ("temperature", "FP32", TEMPERATURE),
        ("history", "BYTES", json.dumps(HISTORY)),
    ]
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for name, kind, value in wishes
    ]
    body = {"inputs": [tensor(SUNDAY), *tensors]}
    reply = httpx.post(agent.v2, json=body, timeout=END_LIMIT_S)
    assert reply.status_code == 200, reply.text
    return read_v2(reply.json())[0]


def ask_grpc(agent: Agent) -> Answer:
    def wish(name: str, kind: str, **contents: Any) -> pb.ModelInferRequest.InferInputTensor:
        return pb.ModelInferRequest.InferInputTensor(
            name=name, datatype=kind, shape=[1], contents=pb.InferTensorContents(**contents)
        )

    asked = pb.ModelInferRequest(
        model_name=MODEL,
        inputs=[
            wish("question", "BYTES", bytes_contents=[SUNDAY.encode()]),
            wish("temperature", "FP64", fp64_contents=[TEMPERATURE]),
            wish("history", "BYTES", bytes_contents=[json.dumps(HISTORY).encode()]),
        ],
        parameters={"max_tokens": pb.InferParameter(int64_param=MAX_TOKENS)},
    )
    with grpc.insecure_channel(agent.grpc) as channel:
        reply = GRPCInferenceServiceStub(channel).ModelInfer(asked, timeout=END_LIMIT_S)
    return read_columns({o.name: o.contents.bytes_contents for o in reply.outputs})[0]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_sigterm_lets_every_accepted_request_finish_whole(way: str, drained: dict[str, Drained]):
    answers = drained[way].answers

    assert len(answers) == IN_FLIGHT
    for answer in answers:
        assert answer["outcome"] == "answered"
        assert answer["generator"] == "vllm/llm-server"
        assert answer["degraded"] is None
        assert answer["answer"].startswith("The clinic is closed on Sundays")


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_sigterm_ends_the_server_without_complaint(way: str, drained: dict[str, Drained]):
    assert drained[way].code == 0
    assert "Traceback" not in drained[way].log


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_wishes_and_history_reach_the_llm_through_every_door(way: str, drained: dict[str, Drained]):
    asked = [each.body for each in drained[way].asked]

    assert len(asked) == IN_FLIGHT
    for body in asked:
        assert body.get("max_completion_tokens", body.get("max_tokens")) == MAX_TOKENS
        assert body["temperature"] == TEMPERATURE
        assert HISTORY[0] in body["messages"]
        assert SUNDAY in body["messages"][-1]["content"]


# a start that cannot be


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_a_port_that_is_taken_is_one_clear_line_and_the_end(
    door: str, start: StartAgent, server: Agent, small_pack: Path
):
    taken = server.http_port if door == "http" else server.grpc_port

    late = start(CLINIC_PACK=str(small_pack), **{f"{door}_port": taken})

    try:
        code = late.process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        late.stop()
        pytest.fail(f"a second server runs on the {door} port of the first")
    told = [line for line in lines(late.log()) if str(taken) in line]
    assert code != 0
    assert len(told) == 1, late.log()
    assert "Traceback" not in late.log()


def pack_without(folder: Path, line: str) -> Path:
    """Write a pack that lacks a line of its clinic.yaml."""
    (folder / "documents").mkdir(parents=True)
    profile = [
        "name: Harbour",
        "location: Cork",
        "currency: EUR",
        "timezone: Europe/Dublin",
        "languages: [English]",
        'phones: {front_desk: "+353-21-400", emergency: "+353-87-900"}',
        "emergency_source: urgent.md#signs",
    ]
    kept = [each for each in profile if not each.startswith(line)]
    (folder / "clinic.yaml").write_text("\n".join(kept), "utf-8")
    return folder


RUNTIME = ("agentic_rag.serving.kserve_runtime",)
COMMAND = ("agentic_rag", "serve")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a start ended, and all that it said."""

    code: int
    said: str


@pytest.fixture(scope="module")
def bad_starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Starts that must fail, two at a time."""
    folder = tmp_path_factory.mktemp("bad-starts")
    (folder / "empty").mkdir()
    currency = str(pack_without(folder / "no-currency", "currency"))
    secret = {"LLM_TIMEOUT_S": "sk-very-secret", "LLM_API_KEY": "sk-very-secret"}
    tries: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "runtime, no pack": (RUNTIME, {"CLINIC_PACK": str(folder / "empty")}),
        "runtime, bad pack": (RUNTIME, {"CLINIC_PACK": currency}),
        "runtime, bad setting": (RUNTIME, secret),
        "serve, bad pack": (COMMAND, {"CLINIC_PACK": currency}),
    }

    def run(module: Sequence[str], settings: dict[str, str]) -> Ended:
        ports = [f"--http_port={free_port()}", f"--grpc_port={free_port()}"]
        done = subprocess.run(
            [sys.executable, "-m", *module, *ports],
            cwd=folder,
            env=environment(**{"DATA_DIR": str(folder / "data")} | settings),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    with ThreadPoolExecutor(2) as pool:
        ended = {name: pool.submit(run, *each) for name, each in tries.items()}
        return {name: each.result() for name, each in ended.items()}


@pytest.mark.parametrize(
    ("start_of", "named"),
    [
        ("runtime, no pack", ["clinic.yaml"]),
        ("runtime, bad pack", ["clinic.yaml", "currency"]),
        ("runtime, bad setting", ["LLM_TIMEOUT_S"]),
        ("serve, bad pack", ["clinic.yaml", "currency"]),
    ],
)
def test_a_start_that_cannot_be_says_in_one_line_what_to_mend(
    start_of: str, named: list[str], bad_starts: dict[str, Ended]
):
    ended = bad_starts[start_of]

    assert ended.code != 0
    assert "Traceback" not in ended.said
    assert len(lines(ended.said)) == 1, ended.said
    assert all(each in ended.said for each in named), ended.said
    assert "sk-very-secret" not in ended.said
