"""Looking back at answers: explained to operators, rated by those who got them."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.servers import MODEL, Agent, environment

from agentic_rag.callers import Scope
from agentic_rag.evaluation.cases import GoldenCase, read_suite
from agentic_rag.serving.keys.ring import new_key

FEES = "What is the price range for Root Canal Therapy?"
WHO = "I am Asha, my number is 98765 43210. "


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    """A key and its entry for each of three callers."""
    made = {name: new_key(name, Scope.ASK) for name in ("anna", "bert")}
    return made | {"boss": new_key("boss", Scope.ADMIN)}


@pytest.fixture(scope="module")
def agent(start: Any, indexed: Path, keys: dict[str, tuple[str, str]]) -> Agent:
    """A server with keys."""
    entries = ",".join(entry for _, entry in keys.values())
    return start(DATA_DIR=str(indexed), API_KEYS=entries, LOG_FORMAT="json").wait_until_ready()


@pytest.fixture
def call(agent: Agent, keys: dict[str, tuple[str, str]]) -> Any:
    """Call a door as somebody."""

    def called(who: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        auth = {"Authorization": f"Bearer {keys[who][0]}", **headers}
        return httpx.request(method, agent.base + path, json=body, headers=auth, timeout=60)

    return called


def fresh() -> str:
    return f"test-{uuid.uuid4().hex}"


def asked(call: Any, who: str, text: str = FEES, name: str | None = None) -> str:
    """Ask over /chat; returns the request id."""
    headers = {"X-Request-ID": name} if name else {}
    reply = call(who, "POST", "/chat", {"question": text}, **headers)
    assert reply.status_code == 200, reply.text
    return str(reply.headers["x-request-id"])


def test_an_answer_is_explained_to_an_operator_and_to_nobody_else(call):
    name = asked(call, "anna", WHO + FEES)

    told = call("boss", "GET", f"/answers/{name}")
    refused = call("anna", "GET", f"/answers/{name}")

    (record,) = told.json()["answers"]
    assert (record["door"], record["outcome"], record["generator"]) == (
        "/chat", "answered", "extractive",
    )  # fmt: skip
    assert record["question"] == f"I am <NAME>, my number is <PHONE>. {FEES}"
    assert record["searches"]
    assert record["index"]
    assert any(p["relevant"] and p["digest"] for p in record["passages"])
    assert record["citations"][0]["quote"]
    assert "anna" not in told.text
    assert refused.status_code == 403
    assert call("boss", "GET", "/answers/nobody").status_code == 404


@pytest.mark.parametrize("path", ["/v1/models/rag-agent:predict", "/v2/x", "/chat/stream", "grpc"])
async def test_whatever_the_door_its_answers_are_kept(path, call, agent, keys):
    name = fresh()
    bodies = {
        "/chat/stream": {"question": FEES},
        "/v1/models/rag-agent:predict": {"instances": [FEES, FEES]},
    }
    if path == "grpc":
        from kserve import InferenceGRPCClient, InferInput, InferRequest

        async with InferenceGRPCClient(agent.grpc, timeout=60) as client:
            asking = InferRequest(MODEL, [InferInput("question", [1], "BYTES", [FEES])])
            auth = (("authorization", f"Bearer {keys['anna'][0]}"), ("x-request-id", name))
            await client.infer(asking, headers=auth)
    elif path == "/v2/x":
        data = {"name": "question", "shape": [1], "datatype": "BYTES", "data": [FEES]}
        call(
            "anna",
            "POST",
            f"/v2/models/{MODEL}/infer",
            {"inputs": [data]},
            **{"X-Request-ID": name},
        )
    else:
        call("anna", "POST", path, bodies[path], **{"X-Request-ID": name})

    kept = call("boss", "GET", f"/answers/{name}").json()["answers"]

    assert len(kept) == (2 if "v1" in path else 1)
    assert {each["door"] for each in kept} == {
        {"/v2/x": "/v2/models/{model_name}/infer", "grpc": "grpc:ModelInfer",
         "/v1/models/rag-agent:predict": "/v1/models/{model_name}:predict"}.get(path, path)
    }  # fmt: skip
    assert (
        call("anna", "POST", "/feedback", {"request_id": name, "rating": "up"}).status_code == 204
    )


def test_an_emergency_is_kept_with_its_category(call):
    name = asked(call, "anna", "My face is swelling and I cannot breathe")

    (record,) = call("boss", "GET", f"/answers/{name}").json()["answers"]

    assert record["outcome"] == "emergency"
    assert record["emergency"]


def test_only_who_got_an_answer_may_rate_it_and_nobody_learns_of_anothers(call):
    name = asked(call, "anna")
    rating = {"request_id": name, "rating": "down", "comment": "Call Asha on 98765 43210, please"}

    theirs = call("bert", "POST", "/feedback", rating)
    nobodys = call("bert", "POST", "/feedback", rating | {"request_id": "nobody"})
    own = call("anna", "POST", "/feedback", rating)

    (record,) = call("boss", "GET", f"/answers/{name}").json()["answers"]
    assert (theirs.status_code, own.status_code) == (404, 204)
    assert (nobodys.status_code, nobodys.content) == (theirs.status_code, theirs.content)
    assert record["feedback"]["rating"] == "down"
    assert "98765" not in record["feedback"]["comment"]


def test_two_callers_who_take_one_name_have_an_answer_each(call):
    name = fresh()
    asked(call, "anna", FEES, name)
    asked(call, "bert", "What are your opening hours?", name)

    rated = call("bert", "POST", "/feedback", {"request_id": name, "rating": "down"})
    kept = call("boss", "GET", f"/answers/{name}").json()["answers"]

    assert rated.status_code == 204
    assert [each["feedback"] is None for each in kept] == [True, False]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "request_id"),
        ({"request_id": "x"}, "rating"),
        ({"request_id": "x", "rating": "sideways"}, "rating"),
        ({"request_id": 1, "rating": "up"}, "request_id"),
        ({"request_id": "a b", "rating": "up"}, "request_id"),
        ({"request_id": "x" * 65, "rating": "up"}, "request_id"),
        ({"request_id": "x", "rating": "up", "comment": "x" * 2001}, "comment"),
        ({"request_id": "x", "rating": "up", "caller": "bert"}, "caller"),
        ([], "body"),
    ],
)
def test_feedback_that_cannot_be_read_is_refused_by_its_field(body, field, call):
    reply = call("anna", "POST", "/feedback", body)

    assert (reply.status_code, reply.json()["field"]) == (400, field)


@pytest.mark.parametrize("name", ["'; DROP TABLE answers;--", "%00", "..%2F..", "नमस्ते", "x" * 5000])
def test_a_strange_request_id_is_nobodys(name, call):
    assert call("boss", "GET", f"/answers/{name}").status_code == 404


def test_a_deleted_session_takes_its_records_along(call):
    name = fresh()
    headers = {"X-Request-ID": name, "X-Session-ID": name}
    call("anna", "POST", "/chat", {"question": FEES}, **headers)
    assert call("boss", "GET", f"/answers/{name}").status_code == 200

    call("bert", "DELETE", f"/sessions/{name}")
    still = call("boss", "GET", f"/answers/{name}")
    call("anna", "DELETE", f"/sessions/{name}")

    assert still.status_code == 200
    assert call("boss", "GET", f"/answers/{name}").status_code == 404


def test_many_at_once_keep_their_own(call):
    names = [fresh() for _ in range(40)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: asked(call, "anna", FEES, name), names))

    kept = [call("boss", "GET", f"/answers/{name}").json()["answers"] for name in names]
    assert [[each["request_id"] for each in one] for one in kept] == [[name] for name in names]


def test_what_was_bad_becomes_a_case_to_review(call, indexed, tmp_path):
    name = asked(call, "anna", "Do you repair dentures on Sundays?")
    call("anna", "POST", "/feedback", {"request_id": name, "rating": "down", "comment": "odd"})
    out = tmp_path / "cases.jsonl"

    done = export(indexed, "--out", str(out))
    later = export(indexed, "--since", "2999-01-01")

    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    (ours,) = [line for line in lines if line["id"].endswith(name)]
    assert done.returncode == 0, done.stderr
    assert ours["question"] == "Do you repair dentures on Sundays?"
    assert "odd" in ours["review"]
    assert later.stdout == ""
    with pytest.raises(Exception, match="review: put the case right"):
        read_suite(out, GoldenCase)
    out.write_text(json.dumps(ours | {"review": None}), "utf-8")
    assert read_suite(out, GoldenCase)[0].id == ours["id"]


def test_the_log_tells_nothing_of_what_was_kept(agent, call, keys):
    asked(call, "anna", WHO + FEES)

    log = agent.log()

    assert all(each not in log for each in ("98765", "Asha", keys["anna"][0], "Root Canal"))


def test_where_nothing_is_kept_nothing_is_found(start, indexed):
    agent = start(DATA_DIR=str(indexed), ANSWERS_TTL="0").wait_until_ready()
    name = httpx.post(f"{agent.base}/chat", json={"question": FEES}, timeout=60).headers[
        "x-request-id"
    ]

    rated = httpx.post(f"{agent.base}/feedback", json={"request_id": name, "rating": "up"})

    assert rated.status_code == 404
    assert httpx.get(f"{agent.base}/answers/{name}").status_code == 404


def export(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentic_rag", "feedback", "export", *options],
        env=environment(DATA_DIR=str(data_dir), PYTHONPATH=os.environ.get("PYTHONPATH", "")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
