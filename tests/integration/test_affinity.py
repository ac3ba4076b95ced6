"""A conversation finds its replica again, through every door of a real server."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.fakes import ScriptedLlm
from tests.integration.doors import tensor
from tests.integration.facts import BLEEDING, ROOT_CANAL
from tests.integration.servers import AWAKE, MODEL, Agent

SAID = "Root Canal Therapy costs INR 6,000 to 9,500. [1]"
REPLICAS = 3
SESSIONS = [f"visit-of-patient-{at}" for at in range(40)]
"""So many that each replica has one: with 12, whose ports decide, one in fifty runs had none."""

Named = tuple[str, str]
"""Who wrote an answer, and the session that it was given in."""


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[ScriptedLlm]]:
    """Copies of one model."""
    with ExitStack() as stack:
        yield [stack.enter_context(ScriptedLlm(reply=SAID)) for _ in range(REPLICAS)]


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedLlm]:
    """The address that stands for them all."""
    with ScriptedLlm(reply=SAID) as llm:
        yield llm


@pytest.fixture(scope="module")
def agent(start, indexed, replicas, service) -> Agent:
    """A server before them, which logs all that it can."""
    listed = ",".join(each.base_url[len("http://") : -len("/v1")] for each in replicas)
    return start(
        DATA_DIR=str(indexed),
        LLM_BASE_URL=service.base_url,
        LLM_REPLICAS=listed,
        **AWAKE,
        LOG_LEVEL="debug",
    ).wait_until_ready()


def headers_of(session: str | None) -> dict[str, str]:
    return {"X-Session-ID": session} if session else {}


def ask_v1(agent: Agent, session: str | None) -> Named:
    reply = httpx.post(
        agent.v1, json={"instances": [ROOT_CANAL]}, headers=headers_of(session), timeout=60
    )
    return reply.json()["predictions"][0]["generator"], reply.headers["x-session-id"]


def ask_v2(agent: Agent, session: str | None) -> Named:
    reply = httpx.post(
        agent.v2, json={"inputs": [tensor(ROOT_CANAL)]}, headers=headers_of(session), timeout=60
    )
    told = {each["name"]: each["data"][0] for each in reply.json()["outputs"]}
    return json.loads(told["metadata"])["generator"], reply.headers["x-session-id"]


def ask_stream(agent: Agent, session: str | None) -> Named:
    reply = httpx.post(
        f"{agent.base}/chat/stream",
        json={"question": ROOT_CANAL},
        headers=headers_of(session),
        timeout=60,
    )
    _, _, last = reply.text.rpartition("event: answer\ndata: ")
    return json.loads(last)["generator"], reply.headers["x-session-id"]


def ask_grpc(agent: Agent, session: str | None) -> Named:
    request = ModelInferRequest(model_name=MODEL)
    question = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    question.contents.bytes_contents.append(ROOT_CANAL.encode())
    metadata = [(name.lower(), value) for name, value in headers_of(session).items()]
    with grpc.insecure_channel(agent.grpc) as channel:
        asked = GRPCInferenceServiceStub(channel).ModelInfer.with_call
        reply, call = asked(request, metadata=metadata, timeout=60)
    told = {each.name: each.contents.bytes_contents[0] for each in reply.outputs}
    return json.loads(told["metadata"])["generator"], dict(call.trailing_metadata())["x-session-id"]


DOORS: dict[str, Callable[[Agent, str | None], Named]] = {
    "v1": ask_v1,
    "v2": ask_v2,
    "stream": ask_stream,
    "grpc": ask_grpc,
}


@pytest.fixture
def asked(replicas, service) -> Callable[[], list[int]]:
    """How often each replica was asked since; the service, never."""
    before = [len(each.asked) for each in replicas]
    was = len(service.asked)

    def count() -> list[int]:
        assert len(service.asked) == was
        return [len(each.asked) - old for each, old in zip(replicas, before, strict=True)]

    return count


def test_a_conversation_has_one_replica_whatever_the_door(agent, asked):
    homes = set()
    for session in SESSIONS:
        if len(homes) == REPLICAS:
            break
        before = asked()
        named = {door(agent, session) for door in DOORS.values()}
        now = [new - old for new, old in zip(asked(), before, strict=True)]

        assert named == {("vllm/llm-server", session)}
        assert sum(now) == max(now) >= len(DOORS)  # all of them, planning included, by one
        homes.add(now.index(max(now)))

    assert homes == set(range(REPLICAS))


@pytest.mark.parametrize("door", DOORS)
def test_who_brings_no_session_is_given_one_that_leads_back(door, agent, asked):
    generator, given = DOORS[door](agent, None)
    _, other = DOORS[door](agent, None)
    before = asked()
    named = [DOORS[door](agent, given) for _ in range(4)]
    now = [new - old for new, old in zip(asked(), before, strict=True)]

    assert generator == "vllm/llm-server"
    assert len(given) == 32
    assert given != other
    assert {session for _, session in named} == {given}
    assert sum(now) == max(now) >= 4


def test_the_questions_of_one_call_may_be_of_several_conversations(agent, asked):
    names = [f"several {at}" for at in range(40)]
    instances = [{"question": ROOT_CANAL, "session_id": name} for name in names]
    reply = httpx.post(agent.v1, json={"instances": instances}, timeout=60)
    first = asked()
    httpx.post(agent.v1, json={"instances": instances}, timeout=60)
    then = [both - one for both, one in zip(asked(), first, strict=True)]

    assert reply.status_code == 200
    assert all(one > 0 for one in first)
    # who was here before may be planned for, too
    assert all(one <= two <= 2 * one for one, two in zip(first, then, strict=True))


def test_an_emergency_has_a_session_too_and_asks_nobody(agent, asked):
    reply = httpx.post(agent.v1, json={"instances": [BLEEDING]}, timeout=60)

    assert reply.json()["predictions"][0]["outcome"] == "emergency"
    assert len(reply.headers["x-session-id"]) == 32
    assert asked() == [0] * REPLICAS


def test_a_session_that_is_no_name_is_refused_by_its_header(agent):
    reply = httpx.post(
        agent.v1,
        json={"instances": [ROOT_CANAL]},
        headers={"X-Session-ID": "x" * 257},
        timeout=60,
    )

    assert (reply.status_code, reply.json()["field"]) == (400, "X-Session-ID")


def test_the_sessions_of_a_replica_that_breaks_go_to_their_second_and_nobody_elses(
    agent, replicas, asked
):
    homes = {}
    for session in SESSIONS[:12]:
        before = asked()
        ask_v1(agent, session)
        now = [new - old for new, old in zip(asked(), before, strict=True)]
        homes[session] = now.index(max(now))
    lost = homes[SESSIONS[0]]
    replicas[lost].status = 503

    moved = {}
    for session in SESSIONS[:12]:
        before = asked()
        assert ask_v1(agent, session)[0] == "vllm/llm-server"
        now = [new - old for new, old in zip(asked(), before, strict=True)]
        now[lost] = 0
        moved[session] = now.index(max(now))
    replicas[lost].status = 200

    assert all(moved[each] == home for each, home in homes.items() if home != lost)
    assert all(moved[each] != lost for each in SESSIONS[:12])
    agent.log_with("a replica is left out: 127.0.0.1:")


def test_no_session_is_in_the_log_and_no_fault(agent):
    log = agent.log()

    assert "visit-of-patient" not in log
    assert "Traceback" not in log
