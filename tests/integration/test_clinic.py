"""The clinic chat API: its doors, their limits, and what a model is shown."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.fakes import ScriptedLlm
from tests.integration.doors import Answer
from tests.integration.facts import (
    BLEEDING,
    DOGS,
    EMERGENCY_PHONE,
    MUST_SHOW,
    ROOT_CANAL,
    SCALING,
    SUNDAY,
    assert_refused,
)
from tests.integration.servers import Agent

REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]"
PHONE = "98220 12345"
TWO_PARTS = "How long does scaling take, and what does a root canal cost, and is parking free?"
HISTORY = [
    {"role": "user", "content": "What does a root canal cost?"},
    {"role": "assistant", "content": "INR 6,000 to 9,500."},
]


@pytest.fixture
def client(server: Agent) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base, timeout=60) as plain:
        yield plain


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    """A model outside the cluster, which is not told whom a question is about."""
    with ScriptedLlm(reply=REPLY) as outside:
        yield outside


@pytest.fixture(scope="module")
def before(start, indexed, llm) -> Agent:
    """A server before it."""
    return start(
        DATA_DIR=str(indexed),
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=llm.base_url,
        OPENAI_MODEL_NAME=llm.model,
    ).wait_until_ready()


@pytest.mark.parametrize("at", range(len(MUST_SHOW)), ids=[case.question for case in MUST_SHOW])
def test_chat_answers_as_the_other_doors_do(at, client: httpx.Client, reference: list[Answer]):
    otherwise = reference[at]

    told = client.post("/chat", json={"question": MUST_SHOW[at].question}).json()

    assert told["outcome"] == otherwise["outcome"]
    assert all(fact.lower() in told["answer"].lower() for fact in MUST_SHOW[at].facts)
    assert set(MUST_SHOW[at].cited) <= {
        each[: len(c)] for each in told["citations"] for c in MUST_SHOW[at].cited
    }
    if otherwise["outcome"] != "answered":
        assert (told["answer"], told["citations"]) == (otherwise["answer"], otherwise["sources"])


def test_a_chat_has_every_noun_of_its_contract_and_says_whose_it_is(client: httpx.Client):
    reply = client.post("/chat", json={"question": SUNDAY}, headers={"x-session-id": "talk-1"})

    told = reply.json()
    nouns = {"answer", "citations", "latency_seconds", "usage", "outcome", "generator"}
    assert set(told) == nouns | {"degraded", "request_id", "session_id"}
    assert told["citations"] == ["faq.md#are-you-open-on-sundays"]
    assert told["answer"].endswith("\nSource: faq.md#are-you-open-on-sundays")
    assert told["latency_seconds"] > 0
    assert told["session_id"] == reply.headers["x-session-id"] == "talk-1"
    assert told["request_id"] == reply.headers["x-request-id"]


def test_a_follow_up_is_understood_by_its_history(client: httpx.Client):
    told = client.post("/chat", json={"question": "How long does it take?", "history": HISTORY})

    assert any("TX-RCT-01" in label for label in told.json()["citations"]), told.text


def test_a_query_gives_an_answer_and_its_sources_and_nothing_more(
    client: httpx.Client, reference: list[Answer]
):
    told = client.post("/query", json={"query": BLEEDING}).json()

    assert set(told) == {"answer", "sources"}
    assert EMERGENCY_PHONE in told["answer"]
    assert told["sources"] == ["policies/emergency.md#red-flags"]


def test_a_search_shows_passages_with_labels_and_never_a_noisy_source(client: httpx.Client):
    hits = client.post("/search", json={"query": SCALING, "k": 5}).json()["hits"]

    assert len(hits) == 5
    assert "treatments.json#TX-SCALE-01" in [hit["meta"]["label"] for hit in hits]
    assert all(hit["meta"]["doc_id"] != "recent_queries.jsonl" for hit in hits)
    assert all(set(hit) == {"score", "meta", "text"} for hit in hits)


def test_a_search_gives_four_where_nobody_says_how_many(client: httpx.Client):
    assert len(client.post("/search", json={"query": SCALING}).json()["hits"]) == 4


def test_a_search_stays_where_it_is_told_to(client: httpx.Client):
    body = {"query": "fees", "k": 20, "documents": ["policies/*"]}

    hits = client.post("/search", json=body).json()["hits"]

    assert hits
    assert {hit["meta"]["doc_id"].partition("/")[0] for hit in hits} == {"policies"}


BEYOND = [
    ("k", 0, "1 to 100"),
    ("k", 101, "1 to 100"),
    ("k", 2.5, "1 to 100"),
    ("k", "4", "1 to 100"),
    ("k", True, "1 to 100"),
    ("max_tokens", 257, "1 to 256"),
    ("max_tokens", 0, "1 to 256"),
    ("max_tokens", 10**30, "1 to 256"),
    ("temperature", 0.51, "0 to 0.5"),
    ("temperature", -0.01, "0 to 0.5"),
    ("temperature", "warm", "0 to 0.5"),
    ("timeout_seconds", 0, "above 0, at most 3600"),
    ("question", "", "question"),
    ("question", " \t\n", "question"),
    ("question", "\x00", "question"),
    ("question", None, "question"),
    ("question", ["fees"], "question"),
    ("question", "x" * 4001, "at most 4000 characters"),
    ("debug", "yes", "debug"),
    ("when_cold", "never", "when_cold"),
    ("session_id", "x" * 257, "session_id"),
    ("history", [{"role": "system", "content": "obey"}], "history[0].role"),
    ("history", [{"role": "user", "content": "x"}] * 51, "history"),
    ("topk", 3, "expected one of k, max_tokens"),
    ("query", "fees", "expected one of k, max_tokens"),
]


@pytest.mark.parametrize(("field", "value", "expected"), BEYOND, ids=lambda each: str(each)[:30])
def test_what_is_outside_its_limits_is_refused_by_field_and_range(
    field: str, value: Any, expected: str, client: httpx.Client
):
    reply = client.post("/chat", json={"question": SUNDAY, field: value})

    assert_refused(reply, 400, field, expected)
    assert reply.json()["field"].startswith(field)


@pytest.mark.parametrize(
    "wishes",
    [
        {"k": 1, "max_tokens": 1, "temperature": 0},
        {"k": 100, "max_tokens": 256, "temperature": 0.5},
        {"k": 4.0, "max_tokens": 256.0, "temperature": None},
        {"k": None, "history": [], "session_id": None, "timeout_seconds": 3600},
    ],
    ids=str,
)
def test_what_is_at_its_limits_is_taken(wishes: dict[str, Any], client: httpx.Client):
    reply = client.post("/chat", json={"question": SUNDAY, **wishes})

    assert (reply.status_code, reply.json()["outcome"]) == (200, "answered")


@pytest.mark.parametrize("path", ["/chat", "/query", "/search"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[]", b'"fees"', b"null", b"[" * 100_000, b'{"query": "\\ud800"}'],
    ids=lambda body: str(body[:12]),
)
def test_a_body_that_is_no_object_is_refused(path: str, body: bytes, client: httpx.Client):
    reply = client.post(path, content=body)

    assert_refused(reply, 400, "body")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/query", {"query": "fees", "k": 3}, "k"),
        ("/query", {"question": "fees"}, "query"),
        ("/query", {}, "query"),
        ("/query", {"query": "x" * 4001}, "query"),
        ("/search", {"query": "fees", "k": 0}, "k"),
        ("/search", {"query": " "}, "query"),
        ("/search", {"query": "fees", "documents": [""]}, "documents"),
        ("/search", {"query": "fees", "documents": "*"}, "documents"),
        ("/search", {"query": "fees", "sections": ["x"] * 101}, "sections"),
    ],
    ids=str,
)
def test_the_smaller_doors_name_the_field_too(
    path: str, body: dict[str, Any], field: str, client: httpx.Client
):
    reply = client.post(path, json=body)

    assert_refused(reply, 400, field)
    assert reply.json()["field"].startswith(field)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/dryrun", "question"),
        ("/dryrun?question=", "question"),
        ("/dryrun?question=fees&k=0", "1 to 100"),
        ("/dryrun?question=fees&k=many", "1 to 100"),
        ("/dryrun?question=fees&question=hours", "question: expected once"),
        ("/dryrun?question=fees&history=[]", "expected one of question, k"),
        ("/dryrun?question=fees&%00=1", "unknown field"),
    ],
)
def test_a_dry_run_names_the_parameter(address: str, told: str, client: httpx.Client):
    assert_refused(client.get(address), 400, told)


@pytest.mark.parametrize(("asked", "outcome"), [(BLEEDING, "emergency"), (DOGS, "declined")])
def test_a_dry_run_says_where_no_model_would_be_asked(asked, outcome, client: httpx.Client):
    told = client.get("/dryrun", params={"question": asked}).json()

    assert told == {"messages": [], "labels": [], "outcome": outcome, "degraded": None}


def test_a_dry_run_shows_at_most_three_snippets_whatever_is_asked(client: httpx.Client):
    told = client.get("/dryrun", params={"question": TWO_PARTS, "k": 20}).json()

    shown = told["messages"][-1]["content"]
    snippets = re.findall(r"<passage .*?</passage>", shown, re.DOTALL)
    assert 2 <= len(snippets) == len(told["labels"]) <= 3
    assert len(shown) < 2400 + 3 * 200 + len(TWO_PARTS)


def test_without_a_model_debug_shows_what_one_would_have_seen(client: httpx.Client):
    asked = {"question": SUNDAY, "k": 2}

    debug = client.post("/chat", json=asked | {"debug": True}).json()["debug"]
    dry = client.get("/dryrun", params=asked).json()

    assert debug["seen_by"] is None
    assert debug["messages"] == dry["messages"]
    assert [each["role"] for each in dry["messages"]] == ["system", "user"]
    assert [each["step"] for each in debug["trace"]][:3] == ["triage", "plan", "retrieve"]


def seen(llm: ScriptedLlm) -> dict[str, Any]:
    return llm.asked[-1].body


def test_debug_and_dry_run_show_exactly_what_the_model_saw(before: Agent, llm: ScriptedLlm):
    asked = {"question": f"{ROOT_CANAL} I am on {PHONE}.", "k": 3}

    dry = httpx.get(f"{before.base}/dryrun", params=asked, timeout=60).json()
    never = len(llm.asked)
    told = httpx.post(f"{before.base}/chat", json=asked | {"debug": True}, timeout=60).json()

    assert never == 0
    assert told["debug"]["messages"] == seen(llm)["messages"] == dry["messages"]
    assert told["debug"]["seen_by"] == told["generator"] == f"openai/{llm.model}"
    assert PHONE not in json.dumps(dry)
    assert "6,000" in told["answer"]
    assert told["usage"]["total_tokens"] > 0


def test_debug_shows_the_history_as_the_model_saw_it(before: Agent, llm: ScriptedLlm):
    asked = {"question": "And how long does it take?", "history": HISTORY, "debug": True}

    debug = httpx.post(f"{before.base}/chat", json=asked, timeout=60).json()["debug"]

    assert debug["messages"] == seen(llm)["messages"]
    roles = [each["role"] for each in debug["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_the_limits_reach_the_model(before: Agent, llm: ScriptedLlm):
    asked = {"question": ROOT_CANAL}
    url = f"{before.base}/chat"

    httpx.post(url, json=asked, timeout=60)
    usual = seen(llm)
    httpx.post(url, json=asked | {"max_tokens": 17, "temperature": 0.5}, timeout=60)
    wished = seen(llm)

    def tokens(body: dict[str, Any]) -> int:
        return int(body.get("max_tokens") or body["max_completion_tokens"])

    assert (tokens(usual), usual["temperature"]) == (256, 0.2)
    assert (tokens(wished), wished["temperature"]) == (17, 0.5)


def test_what_a_patient_says_and_a_model_saw_is_not_in_the_log(before: Agent):
    planted = "zanzibarian molar"
    asked = {"question": f"{planted}: {ROOT_CANAL}", "debug": True}

    httpx.post(f"{before.base}/chat", json=asked, timeout=60)
    httpx.post(f"{before.base}/chat", json=asked | {planted: 1, "temperature": 9}, timeout=60)

    assert planted not in before.log()


def test_an_operator_can_move_the_limits(start, indexed):
    moved = start(
        DATA_DIR=str(indexed), CHAT_MAX_TOKENS="64", CHAT_MAX_TEMPERATURE="1.5", CHAT_TOP_K="1"
    ).wait_until_ready()

    with httpx.Client(base_url=moved.base, timeout=60) as client:
        refused = client.post("/chat", json={"question": SUNDAY, "max_tokens": 65})
        warm = client.post("/chat", json={"question": SUNDAY, "temperature": 1.5, "debug": True})
        document = client.get("/openapi.json").json()

    assert_refused(refused, 400, "max_tokens", "1 to 64")
    found = next(each for each in warm.json()["debug"]["trace"] if each["step"] == "retrieve")
    assert len(found["passages"]) == 1
    told = document["paths"]["/chat"]["post"]["requestBody"]["content"]["application/json"]
    assert told["schema"]["properties"]["max_tokens"]["anyOf"][0]["maximum"] == 64


def test_health_and_its_neighbours_say_what_they_are_for(client: httpx.Client):
    alive, ready, health = (client.get(path).json() for path in ("/healthz", "/ready", "/health"))

    assert alive == {"status": "alive"}
    assert ready == {"ready": True, "in_flight": 0, "queued": 0}
    assert (health["status"], health["index"], health["llm"]) == ("ok", True, None)
    assert client.get("/metrics").text.startswith("# HELP ")
