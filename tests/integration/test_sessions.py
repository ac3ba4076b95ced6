"""Conversations at the doors: remembered, the caller's own, deleted, and never in the way."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2 import InferParameter, ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.integration.doors import tensor
from tests.integration.facts import SWOLLEN
from tests.integration.servers import MODEL, START_LIMIT_S, Agent, until
from tests.integration.talkers import (
    TREATMENTS,
    Killer,
    Patient,
    all_talk,
    kept,
    lost,
    strange,
    undisturbed,
)
from tests.integration.test_stream import events_of
from tests.postgres import Postgres

FIRST = "What does Root Canal Therapy cost?"
NEXT = "And how long does it take?"
ABOUT = "treatments.json#TX-RCT-01"
Ask = Callable[..., dict[str, Any]]


def over_v1(agent: Agent, text: str, session: str, **wishes: Any) -> dict[str, Any]:
    body = {"instances": [{"question": text, "session_id": session, **wishes}]}
    reply = httpx.post(agent.v1, json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    return reply.json()["predictions"][0]


def over_v2(agent: Agent, text: str, session: str) -> dict[str, Any]:
    inputs = [tensor(text), tensor(session, name="session_id")]
    reply = httpx.post(agent.v2, json={"inputs": inputs}, timeout=60)
    assert reply.status_code == 200, reply.text
    outputs = {output["name"]: output["data"] for output in reply.json()["outputs"]}
    return json.loads(outputs["metadata"][0])


def over_grpc(agent: Agent, text: str, session: str) -> dict[str, Any]:
    asked = ModelInferRequest.InferInputTensor(name="question", datatype="BYTES", shape=[1])
    asked.contents.bytes_contents.append(text.encode())
    request = ModelInferRequest(model_name=MODEL, inputs=[asked])
    request.parameters["session_id"].CopyFrom(InferParameter(string_param=session))
    with grpc.insecure_channel(agent.grpc) as channel:
        reply = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)
    at = [output.name for output in reply.outputs].index("metadata")
    if reply.raw_output_contents:
        return json.loads(reply.raw_output_contents[at][4:])
    return json.loads(reply.outputs[at].contents.bytes_contents[0])


def over_stream(agent: Agent, text: str, session: str) -> dict[str, Any]:
    headers = {"X-Session-ID": session}
    url = f"{agent.base}/chat/stream"
    with httpx.stream("POST", url, json={"question": text}, headers=headers, timeout=60) as reply:
        return list(events_of(reply.iter_lines()))[-1][1]


DOORS: dict[str, Ask] = {
    "v1": over_v1, "v2": over_v2, "grpc": over_grpc, "stream": over_stream,
}  # fmt: skip


@pytest.fixture(scope="module")
def two(start, indexed, postgres: Postgres) -> list[Agent]:
    """Two servers on one database."""
    settings = {"DATA_DIR": str(indexed), "DATABASE_URL": postgres.url}
    return [each.wait_until_ready() for each in [start(**settings), start(**settings)]]


@pytest.mark.parametrize("door", DOORS)
def test_a_follow_up_finds_what_was_asked_before_through_every_door(door: str, server: Agent):
    first = DOORS[door](server, FIRST, f"by {door}")
    after = DOORS[door](server, NEXT, f"by {door}")
    alone = DOORS[door](server, NEXT, f"alone by {door}")

    assert ABOUT in first["sources"]
    assert ABOUT in after["sources"]
    assert ABOUT not in alone["sources"]
    assert after["degraded"] is None


def test_a_conversation_goes_from_door_to_door(server: Agent):
    over_v1(server, FIRST, "wanders")

    assert ABOUT in over_stream(server, NEXT, "wanders")["sources"]


def test_a_session_that_was_made_up_goes_on(server: Agent):
    first = httpx.post(server.v1, json={"instances": [FIRST]}, timeout=60)

    after = over_stream(server, NEXT, first.headers["x-session-id"])

    assert ABOUT in after["sources"]


def test_a_session_that_a_body_names_is_named_in_the_reply(server: Agent):
    body = {"instances": [{"question": FIRST, "session_id": "in the body"}]}

    reply = httpx.post(server.v1, json=body, timeout=60)

    assert reply.headers["x-session-id"] == "in the body"


def test_a_session_that_no_header_can_carry_is_in_none(server: Agent):
    body = {"instances": [{"question": FIRST, "session_id": "a\r\nx-admin: yes\u0905"}]}

    reply = httpx.post(server.v1, json=body, timeout=60)

    assert reply.status_code == 200
    assert "x-admin" not in reply.headers


def test_several_questions_without_a_session_know_nothing_of_one_another(server: Agent):
    reply = httpx.post(server.v1, json={"instances": [FIRST, NEXT]}, timeout=60)

    first, after = reply.json()["predictions"]
    assert ABOUT in first["sources"]
    assert ABOUT not in after["sources"]


def test_several_questions_of_a_session_follow_one_another(server: Agent):
    instances = [{"question": text, "session_id": "a call"} for text in (FIRST, NEXT)]

    reply = httpx.post(server.v1, json={"instances": instances}, timeout=60)

    assert all(ABOUT in each["sources"] for each in reply.json()["predictions"])


@pytest.mark.parametrize("session", ["to-forget", "with/a slash?", "नमस्ते"])
def test_a_deleted_session_is_unknown_and_so_is_one_that_never_was(session: str, server: Agent):
    over_v1(server, FIRST, session)
    url = httpx.URL(f"{server.base}/sessions/").join(session.replace("?", "%3F"))

    told = [httpx.delete(url, timeout=60) for _ in range(2)]

    assert [(each.status_code, each.content) for each in told] == [(204, b"")] * 2
    assert ABOUT not in over_v1(server, NEXT, session)["sources"]


def test_an_emergency_in_a_session_is_known_to_the_next_question(server: Agent):
    over_v1(server, SWOLLEN, "urgent")
    time.sleep(0.2)

    assert over_v1(server, "What should I do?", "urgent")["outcome"] == "emergency"


def test_a_history_takes_the_place_of_the_session(server: Agent):
    over_v1(server, FIRST, "with history")
    brought = [{"role": "user", "content": "How much is scaling?"}]

    answer = over_v1(server, NEXT, "with history", history=brought)

    assert ABOUT not in answer["sources"]


def test_a_session_is_kept_for_its_time_and_words_of_it_in_no_log(start, indexed):
    agent = start(DATA_DIR=str(indexed), SESSION_TTL="1").wait_until_ready()
    over_v1(agent, FIRST, "anna@example.com")
    time.sleep(1.2)

    assert ABOUT not in over_v1(agent, NEXT, "anna@example.com")["sources"]
    assert "anna" not in agent.log()


def test_the_next_server_goes_on_where_one_was_killed(two: list[Agent], start, indexed, postgres):
    dying = start(DATA_DIR=str(indexed), DATABASE_URL=postgres.url).wait_until_ready()
    over_v1(dying, FIRST, "survives")
    os.kill(dying.pid, signal.SIGKILL)

    assert ABOUT in over_v1(two[0], NEXT, "survives")["sources"]
    assert ABOUT in over_grpc(two[1], NEXT, "survives")["sources"]


def test_messages_at_once_are_each_kept_whichever_server_they_reach(
    two: list[Agent], postgres: Postgres
):
    with ThreadPoolExecutor(8) as crowd:
        replies = [
            crowd.submit(over_v1, two[n % 2], f"{FIRST} For patient {n}?", "crowd")
            for n in range(8)
        ]
        answers = [each.result() for each in replies]

    assert {each["degraded"] for each in answers} == {None}
    assert over_v1(two[0], NEXT, "crowd")["sources"]
    kept = [row[0] for row in postgres.ask("SELECT checkpoint::text FROM checkpoints")]
    assert sum(f"For patient {n}?" in text for text in kept for n in range(8)) == 8


def test_a_database_that_is_gone_costs_the_memory_and_nothing_else(
    two: list[Agent], postgres: Postgres
):
    over_v1(two[0], FIRST, "torn")
    postgres.stop()
    try:
        start = time.monotonic()
        urgent = over_v1(two[0], SWOLLEN, "torn")
        urgent_s = time.monotonic() - start
        answer = over_v1(two[0], FIRST, "torn", timeout_seconds=5)
        deleted = httpx.delete(f"{two[1].base}/sessions/torn", timeout=60)
    finally:
        postgres.start()

    assert (urgent["outcome"], urgent["degraded"]) == ("emergency", None)
    assert urgent_s < 0.5
    assert (answer["outcome"], answer["degraded"]) == ("answered", "session_unavailable")
    assert (deleted.status_code, deleted.headers["retry-after"]) == (503, "5")
    assert "postgres" not in deleted.text
    assert ABOUT in once_it_remembers(two[0], "torn")["sources"]


def once_it_remembers(agent: Agent, session: str) -> dict[str, Any]:
    """Ask on until an answer does not say that nothing could be remembered."""
    end = time.monotonic() + 30
    while (answer := over_v1(agent, NEXT, session))["degraded"] == "session_unavailable":
        assert time.monotonic() < end, "it never remembers again"
        time.sleep(0.5)
    return answer


async def test_who_hangs_up_holds_up_nobody_behind_him(server: Agent):
    async with httpx.AsyncClient(timeout=60) as client:
        for n in range(5):
            body = {"instances": [{"question": FIRST, "session_id": "left"}]}
            asking = asyncio.create_task(client.post(server.v1, json=body))
            await asyncio.sleep(0.01 * n)
            asking.cancel()
            await asyncio.wait([asking])
        reply = await client.post(server.v1, json=body)

    assert reply.status_code == 200


def is_forgotten(agent: Agent, session: str) -> bool:
    """Ask for it; a database that is slow just now is a reason to ask again, and no other is."""
    reply = httpx.delete(f"{agent.base}/sessions/{session}", timeout=60)
    assert reply.status_code in {204, 503}, reply.text
    return reply.status_code == 204


def test_an_answer_is_explained_rated_and_forgotten_whichever_server_is_asked(two: list[Agent]):
    name = f"visit-{uuid.uuid4().hex}"
    named = {"X-Request-ID": name, "X-Session-ID": name}
    httpx.post(f"{two[0].base}/chat", json={"question": FIRST}, headers=named, timeout=60)

    told = httpx.get(f"{two[1].base}/answers/{name}", timeout=60)
    proof = httpx.get(f"{two[1].base}/answers/{name}/receipt", timeout=60)
    rating = {"request_id": name, "rating": "down"}
    rated = httpx.post(f"{two[1].base}/feedback", json=rating, timeout=60)
    (after,) = httpx.get(f"{two[0].base}/answers/{name}", timeout=60).json()["answers"]
    until(lambda: is_forgotten(two[1], name))
    gone = [httpx.get(f"{each.base}/answers/{name}", timeout=60).status_code for each in two]

    assert [each["request_id"] for each in told.json()["answers"]] == [name]
    assert proof.json()["receipts"][0]["sentences"][0]["citations"]
    assert rated.status_code == 204
    assert after["feedback"]["rating"] == "down"
    assert gone == [404, 404]
    assert httpx.get(f"{two[0].base}/answers/%00", timeout=60).status_code == 404


def test_without_the_database_answers_go_on_and_looking_back_says_so(
    two: list[Agent], postgres: Postgres
):
    name = f"outage-{uuid.uuid4().hex}"
    headers, url = {"X-Request-ID": name}, f"{two[0].base}/answers/{name}"
    postgres.stop()
    try:
        asked = {"question": FIRST}
        reply = httpx.post(f"{two[0].base}/chat", json=asked, headers=headers, timeout=60)
        looked = httpx.get(url, timeout=60)
        rating = {"request_id": name, "rating": "up"}
        rated = httpx.post(f"{two[0].base}/feedback", json=rating, timeout=60)
    finally:
        postgres.start()
    end = time.monotonic() + START_LIMIT_S
    while (back := httpx.get(url, timeout=60)).status_code != 200 and time.monotonic() < end:
        time.sleep(0.2)

    assert reply.json()["outcome"] == "answered"
    for refused in (looked, rated):
        assert refused.status_code == 503
        assert refused.json() == {"error": "records of answers are not available now"}
        assert int(refused.headers["retry-after"]) > 0
    assert back.status_code == 200  # it waited for the database


async def test_conversations_go_on_while_servers_are_killed(
    two: list[Agent], indexed, postgres: Postgres, tmp_path
):
    agents, turns = list(two), 4
    patients = [Patient(f"patient {n}", TREATMENTS[n % len(TREATMENTS)]) for n in range(10)]
    alone = await undisturbed(agents, turns)

    settings = {"DATA_DIR": str(indexed), "DATABASE_URL": postgres.url}
    with Killer(agents, 1.0, tmp_path, **settings) as killer:
        await all_talk(patients, agents, turns, pause_s=0.7)
    in_store = await kept(postgres.url, patients)
    for each in agents:
        each.process.kill()
        each.process.wait()

    assert killer.kills > 0
    assert [strange(each, alone[each.treatment]) for each in patients] == [[]] * len(patients)
    assert [lost(*each) for each in zip(patients, in_store, strict=True)] == [[]] * len(patients)
