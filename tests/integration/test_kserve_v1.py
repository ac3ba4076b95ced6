"""KServe v1: `POST /v1/models/rag-agent:predict`, with real clients against a real server."""

import re
from typing import Any

import httpx
import pytest
from tests.integration import doors
from tests.integration.doors import Answer, Door
from tests.integration.facts import (
    BLEEDING,
    DOGS,
    FRONT_DESK,
    MUST_SHOW,
    ROOT_CANAL,
    SUNDAY,
    Case,
    assert_refused,
    essence,
    leak,
)
from tests.integration.servers import MODEL, Agent

ASKED = [case.question for case in MUST_SHOW]

EVERY_DOOR = {
    "kserve v1": doors.kserve_v1,
    "kserve v2": doors.kserve_v2,
    "kserve v2 binary": doors.kserve_v2_binary,
    "kserve grpc": doors.kserve_grpc,
    "kserve grpc raw": doors.kserve_grpc_raw,
    "plain v2": doors.plain_v2,
    "triton http, json in, json out": doors.triton_http(False, False),
    "triton http, json in, binary out": doors.triton_http(False, True),
    "triton http, json in, default out": doors.triton_http(False, None),
    "triton http, binary in, json out": doors.triton_http(True, False),
    "triton http, binary in, binary out": doors.triton_http(True, True),
    "triton http, binary in, default out": doors.triton_http(True, None),
}


@pytest.fixture
def client() -> Any:
    with httpx.Client(timeout=60) as plain:
        yield plain


@pytest.mark.parametrize("at", range(len(MUST_SHOW)), ids=ASKED)
def test_a_question_that_must_show_is_answered_right(at: int, reference: list[Answer]):
    case, answer = MUST_SHOW[at], reference[at]

    assert answer["outcome"] == case.outcome
    assert_facts(case, answer)
    assert_labels(case, answer)
    assert answer["degraded"] is None


def assert_facts(case: Case, answer: Answer) -> None:
    for fact in case.facts:
        assert fact.lower() in answer["answer"].lower()


def assert_labels(case: Case, answer: Answer) -> None:
    for source in answer["sources"]:
        assert source.startswith(case.labels), source
        assert "recent_queries" not in source
    for label in case.cited:
        assert any(source.startswith(label) for source in answer["sources"]), answer["sources"]
    if not case.labels:
        assert (answer["sources"], answer["citations"]) == ([], [])


def test_an_emergency_shows_the_number_first(reference: list[Answer]):
    emergencies = [answer for answer in reference if answer["outcome"] == "emergency"]

    assert len(emergencies) == 2
    for answer in emergencies:
        assert answer["answer"].startswith("Call +91-99-9999-9999 now")
        assert answer["generator"] == "rules"


def test_an_answer_carries_its_markers_quotes_and_one_source_line(reference: list[Answer]):
    for answer in (each for each in reference if each["outcome"] == "answered"):
        *lines, last = answer["answer"].splitlines()
        markers = {int(number) for line in lines for number in re.findall(r"\[(\d+)\]", line)}

        assert last == "Source: " + "; ".join(answer["sources"])
        assert not any(line.startswith("Source:") for line in lines)
        assert all(re.search(r"\[\d+\]$", line) for line in lines)
        assert markers == {citation["number"] for citation in answer["citations"]}
        assert answer["sources"] == list(dict.fromkeys(c["label"] for c in answer["citations"]))
        assert all(citation["quote"] for citation in answer["citations"])


def test_an_answer_has_every_noun_of_the_contract(reference: list[Answer]):
    nouns = {
        "answer",
        "outcome",
        "citations",
        "sources",
        "generator",
        "degraded",
        "usage",
        "timings",
        "latency_seconds",
        "request_id",
    }
    cited = {"number", "label", "doc_id", "section", "quote", "support"}
    cited |= {"start", "end", "digest"}

    for answer in reference:
        assert set(answer) == nouns
        assert set(answer["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
        assert all(set(citation) == cited for citation in answer["citations"])
        assert answer["latency_seconds"] > 0


@pytest.mark.parametrize("door", EVERY_DOOR.values(), ids=EVERY_DOOR)
async def test_every_client_gets_the_same_answers(
    door: Door, server: Agent, reference: list[Answer]
):
    answers = await door(server, ASKED)

    assert [essence(answer) for answer in answers] == [essence(answer) for answer in reference]


def test_many_instances_are_answered_together_and_in_order(client: httpx.Client, server: Agent):
    instances = [BLEEDING if at % 3 else DOGS for at in range(128)]

    reply = client.post(server.v1, json={"instances": instances})

    outcomes = [answer["outcome"] for answer in reply.json()["predictions"]]
    assert outcomes == ["emergency" if at % 3 else "declined" for at in range(128)]


def test_an_instance_is_a_string_or_an_object_with_question_or_query(
    client: httpx.Client, server: Agent
):
    instances = [SUNDAY, {"question": SUNDAY}, {"query": SUNDAY}]

    reply = client.post(server.v1, json={"instances": instances})

    first, second, third = (essence(answer) for answer in reply.json()["predictions"])
    assert first == second == third
    assert first["outcome"] == "answered"


def passages_looked_at(answer: Answer) -> int:
    return next(len(step["passages"]) for step in answer["trace"] if step["step"] == "retrieve")


def test_wishes_are_taken_from_the_instance_and_from_the_parameters(
    client: httpx.Client, server: Agent
):
    own = {"question": ROOT_CANAL, "k": 2}
    body = {"instances": [own, ROOT_CANAL], "parameters": {"k": 1, "debug": True}}

    reply = client.post(server.v1, json=body)

    answers = reply.json()["predictions"]
    assert [passages_looked_at(answer) for answer in answers] == [2, 1]


def test_only_who_asks_for_the_trace_gets_it(client: httpx.Client, server: Agent):
    instances = [{"question": SUNDAY, "debug": True}, {"question": SUNDAY, "debug": False}]

    reply = client.post(server.v1, json={"instances": instances})

    traced, plain = reply.json()["predictions"]
    assert [step["step"] for step in traced["trace"]][:3] == ["triage", "plan", "retrieve"]
    assert "trace" not in plain


def test_every_wish_may_be_named_or_null(client: httpx.Client, server: Agent):
    wishes = {"k": 3, "max_tokens": 64, "temperature": 0, "session_id": "s-1", "debug": False}
    named = {"question": SUNDAY, "history": [], **wishes}
    nothing = {"question": SUNDAY, **dict.fromkeys(("k", "max_tokens", "temperature"))}

    reply = client.post(server.v1, json={"instances": [named, nothing | {"session_id": None}]})

    assert reply.status_code == 200, reply.text
    assert [answer["outcome"] for answer in reply.json()["predictions"]] == ["answered"] * 2


def test_a_follow_up_is_understood_from_the_history(client: httpx.Client, server: Agent):
    history = [
        {"role": "user", "content": ROOT_CANAL},
        {"role": "assistant", "content": "INR 6,000 to 9,500."},
    ]

    reply = client.post(
        server.v1, json={"instances": [{"question": "How long does it take?", "history": history}]}
    )

    (answer,) = reply.json()["predictions"]
    assert answer["outcome"] == "answered"
    assert "90 minutes" in answer["answer"]


def test_an_emergency_in_the_history_is_still_an_emergency(client: httpx.Client, server: Agent):
    instance = {"question": "And now?", "history": [{"role": "user", "content": BLEEDING}]}

    reply = client.post(server.v1, json={"instances": [instance]})

    assert reply.json()["predictions"][0]["outcome"] == "emergency"


BODY = b'{"instances": ["Do you treat dogs?"]}'
CONTENT_TYPES = (
    None,
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "text/plain",
)


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=str)
def test_a_body_is_read_as_json_whatever_its_content_type_says(
    kind: str | None, client: httpx.Client, server: Agent
):
    headers = {"content-type": kind} if kind else {}

    reply = client.post(server.v1, content=BODY, headers=headers)

    assert reply.status_code == 200, reply.text
    assert reply.json()["predictions"][0]["outcome"] == "declined"
    assert reply.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=str)
def test_half_a_body_is_refused_whatever_its_content_type_says(
    kind: str | None, client: httpx.Client, server: Agent
):
    headers = {"content-type": kind} if kind else {}

    reply = client.post(server.v1, content=BODY[:-3], headers=headers)

    assert_refused(reply, 400, "body")


NOT_REQUESTS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"instances"',
    "a number": b"1",
    "bytes": bytes(range(256)),
    "half a surrogate pair": b'{"instances": ["\\ud800"]}',
    "bad UTF-8": b'{"instances": ["\xff"]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_REQUESTS.values(), ids=NOT_REQUESTS)
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
def test_a_body_that_is_no_request_is_refused(
    kind: str, body: bytes, client: httpx.Client, server: Agent
):
    reply = client.post(server.v1, content=body, headers={"content-type": kind})

    assert_refused(reply, 400, "body")


def instance(**fields: object) -> dict[str, object]:
    return {"instances": [SUNDAY, {"question": SUNDAY} | fields]}


BAD_FIELDS: dict[str, tuple[object, str]] = {
    "no instances": ({}, "instances"),
    "null instances": ({"instances": None}, "instances"),
    "a string for instances": ({"instances": SUNDAY}, "instances"),
    "an object for instances": ({"instances": {"question": SUNDAY}}, "instances"),
    "empty instances": ({"instances": []}, "instances"),
    "too many instances": ({"instances": [BLEEDING] * 129}, "instances"),
    "a number as instance": ({"instances": [SUNDAY, 5]}, "instances[1]"),
    "null as instance": ({"instances": [SUNDAY, None]}, "instances[1]"),
    "a list as instance": ({"instances": [SUNDAY, [SUNDAY]]}, "instances[1]"),
    "no question": ({"instances": [SUNDAY, {"k": 1}]}, "instances[1].question"),
    "a number as question": (instance(question=5), "instances[1].question"),
    "null as question": (instance(question=None), "instances[1].question"),
    "a list as question": (instance(question=[SUNDAY]), "instances[1].question"),
    "an object as question": (instance(question={"a": 1}), "instances[1].question"),
    "an empty question": (instance(question=""), "instances[1].question"),
    "blanks as question": (instance(question=" \t\n"), "instances[1].question"),
    "NULs as question": (instance(question="\0\0"), "instances[1].question"),
    "a question of a million": (instance(question="a" * 1_000_000), "instances[1].question"),
    "both question and query": (instance(query=SUNDAY), "instances[1].query"),
    "k of none": (instance(k=0), "instances[1].k"),
    "k too large": (instance(k=101), "instances[1].k"),
    "k as text": (instance(k="3"), "instances[1].k"),
    "k as truth": (instance(k=True), "instances[1].k"),
    "k with a fraction": (instance(k=1.5), "instances[1].k"),
    "k beyond 64 bits": (instance(k=10**30), "instances[1].k"),
    "no tokens": (instance(max_tokens=0), "instances[1].max_tokens"),
    "too hot": (instance(temperature=2.5), "instances[1].temperature"),
    "heat as text": (instance(temperature="hot"), "instances[1].temperature"),
    "debug as text": (instance(debug="yes"), "instances[1].debug"),
    "a session of nothing": (instance(session_id=""), "instances[1].session_id"),
    "a session too long": (instance(session_id="s" * 257), "instances[1].session_id"),
    "a history of text": (instance(history="hello"), "instances[1].history"),
    "a role unheard of": (
        instance(history=[{"role": "system", "content": "x"}]),
        "instances[1].history[0].role",
    ),
    "a turn with more": (
        instance(history=[{"role": "user", "content": "x", "name": "y"}]),
        "instances[1].history[0].name",
    ),
    "a history too long": (
        instance(history=[{"role": "user", "content": "x"}] * 51),
        "instances[1].history",
    ),
    "an unknown wish": (instance(top_p=1), "instances[1].top_p"),
    "an unknown field": ({"instances": [SUNDAY], "stream": True}, "stream"),
    "parameters as a list": ({"instances": [SUNDAY], "parameters": []}, "parameters"),
    "an unknown parameter": ({"instances": [SUNDAY], "parameters": {"top_p": 1}}, "top_p"),
    "a wrong parameter": ({"instances": [SUNDAY], "parameters": {"k": "3"}}, "k"),
}


@pytest.mark.parametrize(("body", "named"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_wrong_field_is_refused_by_its_name(
    body: object, named: str, client: httpx.Client, server: Agent
):
    reply = client.post(server.v1, json=body)

    assert_refused(reply, 400, named)
    assert reply.json()["field"].endswith(named)
    assert len(reply.content) < 500


@pytest.mark.parametrize(("name", "value"), [("k", "3"), ("temperature", 9), ("top_p", 1)])
def test_a_wrong_parameter_is_named_where_the_caller_wrote_it(
    name: str, value: object, client: httpx.Client, server: Agent
):
    body = {"instances": [SUNDAY], "parameters": {name: value}}

    reply = client.post(server.v1, json=body)

    assert_refused(reply, 400, f"parameters.{name}")


def test_control_characters_in_a_question_do_no_harm(client: httpx.Client, server: Agent):
    reply = client.post(
        server.v1, json={"instances": ["\0My gums\0 are bleeding\x1b and won't stop"]}
    )

    assert reply.json()["predictions"][0]["outcome"] == "emergency"


def test_a_question_as_long_as_allowed_is_taken(client: httpx.Client, server: Agent):
    question = (BLEEDING + ". ").ljust(4_000, "x")

    reply = client.post(server.v1, json={"instances": [question]})

    assert reply.json()["predictions"][0]["outcome"] == "emergency"


@pytest.mark.parametrize(
    "path", ["/v1/models/nobody", "/v2/models/nobody", "/v2/models/nobody/ready"]
)
def test_an_unknown_model_is_not_found(path: str, client: httpx.Client, server: Agent):
    reply = client.get(server.base + path)

    assert_refused(reply, 404, "nobody")


def test_a_question_to_an_unknown_model_is_not_found(client: httpx.Client, server: Agent):
    reply = client.post(f"{server.base}/v1/models/nobody:predict", json={"instances": [BLEEDING]})

    assert_refused(reply, 404, "nobody")


@pytest.mark.parametrize("path", ["/nowhere", "/v3/models/rag-agent/infer"])
def test_an_unknown_path_is_not_found_and_says_so_as_every_error_does(
    path: str, client: httpx.Client, server: Agent
):
    reply = client.post(server.base + path, json={"instances": [BLEEDING]})

    assert_refused(reply, 404)


def test_a_method_that_is_not_there_is_refused_as_every_error_is(
    client: httpx.Client, server: Agent
):
    reply = client.put(server.v1, json={"instances": [BLEEDING]})

    assert_refused(reply, 405)


def test_an_explanation_is_not_to_be_had_and_the_error_tells_nothing_of_us(
    client: httpx.Client, server: Agent
):
    reply = client.post(f"{server.base}/v1/models/{MODEL}:explain", json={"instances": [BLEEDING]})

    assert_refused(reply, 501)


def test_the_models_are_listed(client: httpx.Client, server: Agent):
    listed = client.get(f"{server.base}/v1/models").json()
    one = client.get(f"{server.base}/v1/models/{MODEL}")

    assert listed["models"] == [MODEL]  # beside what OpenAI's clients look for
    assert one.status_code == 200
    assert (one.json()["name"], one.json()["ready"]) == (MODEL, True)


def test_the_callers_request_id_comes_back_in_header_and_answer(
    client: httpx.Client, server: Agent
):
    name = "visit-42:a.b_c"

    reply = client.post(
        server.v1, json={"instances": [DOGS, BLEEDING]}, headers={"x-request-id": name}
    )

    assert reply.headers["x-request-id"] == name
    assert [answer["request_id"] for answer in reply.json()["predictions"]] == [name, name]


def test_a_request_without_an_id_gets_one_of_its_own(client: httpx.Client, server: Agent):
    replies = [client.post(server.v1, json={"instances": [BLEEDING]}) for _ in range(2)]

    names = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(names)) == 2
    assert [r.json()["predictions"][0]["request_id"] for r in replies] == names


def test_a_refused_request_has_an_id_too(client: httpx.Client, server: Agent):
    reply = client.post(server.v1, json={}, headers={"x-request-id": "mine"})

    assert reply.status_code == 400
    assert reply.headers["x-request-id"] == "mine"


HOSTILE_IDS = (
    "a b\tERROR forged line",
    "x" * 10_000,
    "<script>alert(1)</script>",
    "${jndi:ldap://evil/a}",
    "%0d%0aset-cookie: a=b",
    "é\x85ü",
    "../../etc/passwd",
    "",
    "   ",
)


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_a_hostile_request_id_is_cleaned(hostile: str, client: httpx.Client, server: Agent):
    reply = client.post(
        server.v1,
        json={"instances": [BLEEDING]},
        headers={"x-request-id": hostile.strip().encode("latin-1")},
    )

    assert reply.status_code == 200, reply.text
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", reply.headers["x-request-id"])
    assert reply.json()["predictions"][0]["request_id"] == reply.headers["x-request-id"]
    assert "set-cookie" not in reply.headers


def test_the_front_desk_is_named_to_who_gets_no_answer(reference: list[Answer]):
    declined = [answer for answer in reference if answer["outcome"] == "declined"]

    assert len(declined) == 2
    assert all(FRONT_DESK in answer["answer"] for answer in declined)


def test_the_leak_detector_finds_what_it_is_for():
    leaks = (
        "Traceback (most recent call last)",
        "KeyError: 'inputs'",
        "File /srv/agent/wire.py",
        "http://chroma:8000 refused",
        "see /var/lib/data/x",
    )

    assert all(leak(text) for text in leaks)
    assert not leak('{"error": "inputs.k: expected shape [n] or [n, 1], found [2, 3]"}')
    assert not leak('{"error": "body: expected an object with instances and/or parameters"}')
