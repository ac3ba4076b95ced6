"""KServe v2 over REST: `POST /v2/models/rag-agent/infer`, in JSON and in binary tensors."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.integration.doors import OUTPUTS, Answer, read_v2, tensor
from tests.integration.facts import (
    BLEEDING,
    DOGS,
    MUST_SHOW,
    ROOT_CANAL,
    SUNDAY,
    assert_refused,
    essence,
)
from tests.integration.servers import MODEL, Agent

ASKED = [case.question for case in MUST_SHOW]
JSON_LENGTH = "inference-header-content-length"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as plain:
        yield plain


def values(name: str, datatype: str, data: list[object], shape: list[int] | None = None) -> Answer:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def outcomes(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return next(o["data"] for o in reply.json()["outputs"] if o["name"] == "outcome")


def passages_looked_at(answer: Answer) -> int:
    return next(len(step["passages"]) for step in answer["trace"] if step["step"] == "retrieve")


def test_the_metadata_declare_inputs_and_outputs(client: httpx.Client, server: Agent):
    declared = client.get(f"{server.base}/v2/models/{MODEL}").json()

    question = {"name": "question", "datatype": "BYTES", "shape": [-1]}
    assert declared["name"] == MODEL
    assert question in declared["inputs"]
    assert [output["name"] for output in declared["outputs"]] == list(OUTPUTS)
    assert {output["datatype"] for output in declared["outputs"]} == {"BYTES"}
    assert [output["shape"] for output in declared["outputs"]] == [[-1]] * 4


def test_the_server_and_its_models_introduce_themselves(client: httpx.Client, server: Agent):
    pages = ("", "/health/live", "/health/ready", "/models", f"/models/{MODEL}/ready")

    replies = [client.get(f"{server.base}/v2{page}") for page in pages]

    assert [reply.status_code for reply in replies] == [200] * len(pages)
    assert replies[3].json() == {"models": [MODEL]}
    assert replies[4].json() == {"name": MODEL, "ready": True}


def test_the_outputs_are_columns_of_one_string_for_each_question(
    client: httpx.Client, server: Agent, reference: list[Answer]
):
    reply = client.post(server.v2, json={"inputs": [tensor(*ASKED)]})

    body = reply.json()
    assert body["model_name"] == MODEL
    assert [(o["name"], o["datatype"], o["shape"]) for o in body["outputs"]] == [
        (name, "BYTES", [len(ASKED)]) for name in OUTPUTS
    ]
    assert [essence(answer) for answer in read_v2(body)] == [essence(a) for a in reference]


def test_a_column_of_questions_is_answered_like_a_row(client: httpx.Client, server: Agent):
    flat = tensor(DOGS, BLEEDING, SUNDAY)
    column = tensor(DOGS, BLEEDING, SUNDAY, shape=[3, 1])
    nested = column | {"data": [[DOGS], [BLEEDING], [SUNDAY]]}

    said = [
        outcomes(client.post(server.v2, json={"inputs": [each]})) for each in (flat, column, nested)
    ]

    assert said == [["declined", "emergency", "answered"]] * 3


def test_many_questions_are_answered_in_order(client: httpx.Client, server: Agent):
    questions = [BLEEDING if at % 3 else DOGS for at in range(128)]

    reply = client.post(server.v2, json={"inputs": [tensor(*questions)]})

    assert outcomes(reply) == ["emergency" if at % 3 else "declined" for at in range(128)]


def test_the_callers_id_comes_back_and_a_missing_one_is_made(client: httpx.Client, server: Agent):
    bodies = [{"id": "visit-7"}, {"id": ""}, {}]

    ids = [
        client.post(server.v2, json=body | {"inputs": [tensor(BLEEDING)]}).json()["id"]
        for body in bodies
    ]

    assert ids[0] == "visit-7"
    assert len({*ids}) == 3
    assert all(ids)


def test_only_the_outputs_asked_for_are_sent(client: httpx.Client, server: Agent):
    body = {"inputs": [tensor(BLEEDING)], "outputs": [{"name": "sources"}, {"name": "outcome"}]}

    reply = client.post(server.v2, json=body)

    assert {output["name"] for output in reply.json()["outputs"]} == {"sources", "outcome"}


HISTORY = json.dumps(
    [{"role": "user", "content": ROOT_CANAL}, {"role": "assistant", "content": "INR 6,000."}]
)
WISHES = {
    "k": ("INT32", 1),
    "max_tokens": ("INT64", 64),
    "temperature": ("FP32", 0.5),
    "session_id": ("BYTES", "visit-7"),
    "history": ("BYTES", HISTORY),
    "debug": ("BOOL", True),
}


def test_wishes_are_taken_from_the_parameters(client: httpx.Client, server: Agent):
    parameters = {name: value for name, (_, value) in WISHES.items()}
    body = {"inputs": [tensor("How long does it take?")], "parameters": parameters}

    reply = client.post(server.v2, json=body)

    (answer,) = read_v2(reply.json())
    assert passages_looked_at(answer) == 1
    assert "root" in str(answer["trace"][1]["searches"]).lower()  # lent by the history


def test_wishes_are_taken_from_tensors_of_one_value(client: httpx.Client, server: Agent):
    wishes = [values(name, kind, [value]) for name, (kind, value) in WISHES.items()]
    body = {"inputs": [tensor("How long does it take?", SUNDAY), *wishes]}

    reply = client.post(server.v2, json=body)

    answers = read_v2(reply.json())
    assert [passages_looked_at(answer) for answer in answers] == [1, 1]
    assert "root" in str(answers[0]["trace"][1]["searches"]).lower()


def test_a_tensor_of_wishes_has_one_for_each_question(client: httpx.Client, server: Agent):
    k, debug = values("k", "INT64", [1, 2, 3]), values("debug", "BOOL", [True] * 3, [3, 1])
    body = {"inputs": [debug, tensor(SUNDAY, ROOT_CANAL, DOGS), k]}

    reply = client.post(server.v2, json=body)

    assert [passages_looked_at(answer) for answer in read_v2(reply.json())] == [1, 2, 3]


def test_a_tensor_is_heard_before_a_parameter(client: httpx.Client, server: Agent):
    body = {
        "inputs": [tensor(SUNDAY), values("k", "INT64", [2])],
        "parameters": {"k": 1, "debug": True},
    }

    reply = client.post(server.v2, json=body)

    assert passages_looked_at(read_v2(reply.json())[0]) == 2


@pytest.mark.parametrize("datatype", ["INT8", "INT16", "INT32", "INT64"])
def test_a_whole_number_may_come_in_any_size(datatype: str, client: httpx.Client, server: Agent):
    body = {"inputs": [tensor(SUNDAY), values("k", datatype, [1])], "parameters": {"debug": True}}

    reply = client.post(server.v2, json=body)

    assert passages_looked_at(read_v2(reply.json())[0]) == 1


CONTENT_TYPES = (
    None,
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
    "application/x-www-form-urlencoded",
)


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=str)
def test_json_is_read_whatever_the_content_type_says(
    kind: str | None, client: httpx.Client, server: Agent
):
    headers = {"content-type": kind} if kind else {}
    body = json.dumps({"inputs": [tensor(BLEEDING)]}).encode()

    reply = client.post(server.v2, content=body, headers=headers)

    assert outcomes(reply) == ["emergency"]


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "image/png"])
def test_json_that_says_it_is_something_else_is_read_or_refused_by_name(
    kind: str, client: httpx.Client, server: Agent
):
    body = json.dumps({"inputs": [tensor(BLEEDING)]}).encode()

    reply = client.post(server.v2, content=body, headers={"content-type": kind})

    if reply.status_code != 200:
        assert_refused(reply, 400, "body")


NOT_REQUESTS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"inputs"',
    "half": b'{"inputs": [',
    "bytes": bytes(range(256)),
    "bad UTF-8": b'{"inputs": [{"name": "\xff"}]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_REQUESTS.values(), ids=NOT_REQUESTS)
def test_a_body_that_is_no_request_is_refused(body: bytes, client: httpx.Client, server: Agent):
    reply = client.post(server.v2, content=body, headers={"content-type": "application/json"})

    assert reply.status_code in {400, 422}
    assert_refused(reply, reply.status_code, "body")


QUESTION = tensor(BLEEDING)
BAD_TENSORS: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"inputs": []}, "inputs.question"),
    "only another input": ({"inputs": [values("k", "INT64", [1])]}, "inputs.question"),
    "an unknown input": ({"inputs": [QUESTION, tensor("x", name="style")]}, "inputs.style"),
    "the same input twice": ({"inputs": [QUESTION, QUESTION]}, "inputs"),
    "a wrong datatype": ({"inputs": [values("question", "INT32", [1])]}, "inputs.question"),
    "an unknown datatype": ({"inputs": [QUESTION | {"datatype": "TEXT"}]}, "inputs.question"),
    "fewer than the shape": ({"inputs": [QUESTION | {"shape": [2]}]}, "inputs.question"),
    "more than the shape": (
        {"inputs": [tensor(DOGS, DOGS) | {"shape": [1]}]},
        "inputs.question",
    ),
    "two in a row": ({"inputs": [tensor(DOGS, DOGS, shape=[1, 2])]}, "inputs.question"),
    "three dimensions": ({"inputs": [tensor(DOGS, shape=[1, 1, 1])]}, "inputs.question"),
    "no dimension": ({"inputs": [QUESTION | {"shape": []}]}, "inputs.question"),
    "a negative shape": ({"inputs": [QUESTION | {"shape": [-1]}]}, "inputs.question"),
    "a shape beyond memory": ({"inputs": [QUESTION | {"shape": [2**62]}]}, "inputs.question"),
    "a shape beyond 64 bits": ({"inputs": [QUESTION | {"shape": [2**70]}]}, "inputs.question"),
    "no question in it": ({"inputs": [QUESTION | {"shape": [0], "data": []}]}, "inputs.question"),
    "too many questions": ({"inputs": [tensor(*[BLEEDING] * 129)]}, "inputs.question"),
    "an empty question": ({"inputs": [tensor(DOGS, "")]}, "question"),
    "a number for a question": (
        {"inputs": [values("question", "BYTES", [DOGS, 5])]},
        "question",
    ),
    "null for a question": ({"inputs": [values("question", "BYTES", [None])]}, "question"),
    "an object for a question": ({"inputs": [values("question", "BYTES", [{}])]}, "question"),
    "ragged questions": (
        {"inputs": [values("question", "BYTES", [DOGS, [DOGS]], [2])]},
        "question",
    ),
    "a question of a million": ({"inputs": [tensor("a" * 1_000_000)]}, "question"),
    "half a surrogate pair": ({"inputs": [tensor("\ud800")]}, "question"),
    "an unknown output": ({"inputs": [QUESTION], "outputs": [{"name": "mood"}]}, "outputs.mood"),
    "an unknown parameter": ({"inputs": [QUESTION], "parameters": {"top_p": 1}}, "top_p"),
    "a parameter of text": ({"inputs": [QUESTION], "parameters": {"k": "3"}}, "k"),
    "a parameter of null": ({"inputs": [QUESTION], "parameters": {"k": None}}, "k"),
    "a parameter too large": ({"inputs": [QUESTION], "parameters": {"k": 101}}, "k"),
    "a nested parameter": ({"inputs": [QUESTION], "parameters": {"history": []}}, "history"),
    "a history that is no JSON": (
        {"inputs": [QUESTION], "parameters": {"history": "{"}},
        "history",
    ),
    "a history of another kind": (
        {"inputs": [QUESTION], "parameters": {"history": '{"a": 1}'}},
        "history",
    ),
    "wishes for three of two": (
        {"inputs": [tensor(DOGS, DOGS), values("k", "INT64", [1, 2, 3])]},
        "inputs.k",
    ),
    "no wish at all": ({"inputs": [QUESTION, values("k", "INT64", [], [0])]}, "inputs.k"),
    "a wish of another datatype": (
        {"inputs": [QUESTION, values("k", "FP32", [1.0])]},
        "inputs.k",
    ),
    "a wish beyond its datatype": (
        {"inputs": [QUESTION, values("k", "INT32", [10**12])]},
        "inputs.k",
    ),
    "a fraction in whole numbers": (
        {"inputs": [QUESTION, values("k", "INT64", [1.7])]},
        "inputs.k",
    ),
    "text among truths": (
        {"inputs": [QUESTION, values("debug", "BOOL", ["false"])]},
        "inputs.debug",
    ),
    "no data": ({"inputs": [{"name": "question", "shape": [1], "datatype": "BYTES"}]}, "data"),
    "no name": ({"inputs": [{"shape": [1], "datatype": "BYTES", "data": ["x"]}]}, "name"),
    "no datatype": ({"inputs": [{"name": "question", "shape": [1], "data": ["x"]}]}, "datatype"),
    "no shape": ({"inputs": [{"name": "question", "datatype": "BYTES", "data": ["x"]}]}, "shape"),
    "no inputs": ({}, "inputs"),
    "null inputs": ({"inputs": None}, "inputs"),
    "inputs as an object": ({"inputs": {"question": DOGS}}, "inputs"),
    "a number as id": ({"id": 5, "inputs": [QUESTION]}, "id"),
}


@pytest.mark.parametrize(("body", "named"), BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_a_wrong_tensor_or_parameter_is_refused_by_its_name(
    body: dict[str, Any], named: str, client: httpx.Client, server: Agent
):
    reply = client.post(server.v2, content=json.dumps(body))

    assert reply.status_code in {400, 422}, f"{reply.status_code}: {reply.text[:300]}"
    assert_refused(reply, reply.status_code, named)
    assert named in reply.json()["field"]
    assert len(reply.content) < 500


HALF_A_PAIR = {
    "id": {"id": "\ud800", "inputs": [QUESTION]},
    "name": {"inputs": [QUESTION | {"name": "\ud800"}]},
    "datatype": {"inputs": [QUESTION | {"datatype": "\ud800"}]},
    "parameter": {"inputs": [QUESTION], "parameters": {"\ud800": 1}},
    "parameter's value": {"inputs": [QUESTION], "parameters": {"session_id": "\ud800"}},
    "output": {"inputs": [QUESTION], "outputs": [{"name": "\ud800"}]},
    "wish": {"inputs": [QUESTION, tensor("\ud800", name="session_id")]},
    "history": {"inputs": [QUESTION], "parameters": {"history": '[{"role": "\ud800"}]'}},
}


@pytest.mark.parametrize("body", HALF_A_PAIR.values(), ids=HALF_A_PAIR)
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(
    body: dict[str, Any], client: httpx.Client, server: Agent
):
    reply = client.post(server.v2, content=json.dumps(body))

    assert reply.status_code in {400, 422}, f"{reply.status_code}: {reply.text[:300]}"
    assert_refused(reply, reply.status_code)


def test_nuls_in_a_question_do_no_harm(client: httpx.Client, server: Agent):
    reply = client.post(
        server.v2, json={"inputs": [tensor("\0My gums are bleeding\0 and won't stop")]}
    )

    assert outcomes(reply) == ["emergency"]


def test_a_wrong_parameter_is_named_where_the_caller_wrote_it(client: httpx.Client, server: Agent):
    reply = client.post(server.v2, json={"inputs": [QUESTION], "parameters": {"k": 101}})

    assert_refused(reply, 400, "parameters.k")


def test_a_wrong_question_is_named_by_its_place_in_the_tensor(client: httpx.Client, server: Agent):
    tensors = [values("k", "INT64", [1]), values("question", "BYTES", [DOGS, 5])]

    reply = client.post(server.v2, json={"inputs": tensors})

    assert_refused(reply, 400, "inputs.question[1]")


# binary tensors: JSON, then the bytes of each input, its strings each behind their length


def packed(*texts: str) -> bytes:
    raw = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(each)) + each for each in raw)


def binary_input(size: object, count: int = 1, name: str = "question") -> dict[str, Any]:
    return {
        "name": name,
        "shape": [count],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": size},
    }


def post_binary(
    client: httpx.Client,
    server: Agent,
    raw: bytes,
    head: object | None = None,
    length: object | None = None,
) -> httpx.Response:
    head = head if head is not None else {"inputs": [binary_input(len(raw))]}
    told = json.dumps(head).encode()
    headers = {
        "content-type": "application/octet-stream",
        JSON_LENGTH: str(len(told) if length is None else length),
    }
    return client.post(server.v2, content=told + raw, headers=headers)


def test_binary_questions_are_answered(client: httpx.Client, server: Agent):
    raw = packed(DOGS, BLEEDING)

    reply = post_binary(client, server, raw, {"inputs": [binary_input(len(raw), 2)]})

    assert outcomes(reply) == ["declined", "emergency"]


def test_a_binary_answer_says_where_its_json_ends(client: httpx.Client, server: Agent):
    raw = packed(BLEEDING)
    head = {"inputs": [binary_input(len(raw))], "parameters": {"binary_data_output": True}}

    reply = post_binary(client, server, raw, head)

    length = int(reply.headers[JSON_LENGTH])
    said = json.loads(reply.content[:length])
    sizes = [output["parameters"]["binary_data_size"] for output in said["outputs"]]
    assert reply.status_code == 200
    assert len(reply.content) == length + sum(sizes)
    assert [output["name"] for output in said["outputs"]] == list(OUTPUTS)


@pytest.mark.parametrize(
    "length",
    [0, 1, -1, 50, 10**9, 10**30, "abc", "", 1.5, "0x10"],
)
def test_a_json_length_that_lies_is_refused(length: object, client: httpx.Client, server: Agent):
    reply = post_binary(client, server, packed(BLEEDING), length=length)

    assert_refused(reply, 400, "body")


@pytest.mark.parametrize("size", [0, 1, 3, 5, 20, -1, "x", 1.5, True, None, [], {}])
def test_a_binary_size_that_lies_is_refused(size: object, client: httpx.Client, server: Agent):
    head = {"inputs": [binary_input(size)]}

    reply = post_binary(client, server, packed(BLEEDING), head)

    assert_refused(reply, 400)


def test_a_binary_size_beyond_the_body_is_refused_or_does_no_harm(
    client: httpx.Client, server: Agent
):
    head = {"inputs": [binary_input(10**9)]}

    reply = post_binary(client, server, packed(BLEEDING), head)

    assert reply.status_code == 400 or outcomes(reply) == ["emergency"]


BAD_BYTES = {
    "a string longer than the rest": struct.pack("<I", 2**31) + b"ab",
    "the longest string": struct.pack("<I", 2**32 - 1) + b"ab",
    "half a length": b"\x05\x00",
    "a string cut short": packed(BLEEDING)[:-3],
    "bytes behind the string": packed(BLEEDING) + b"junk",
    "no UTF-8": struct.pack("<I", 2) + b"\xff\xfe",
    "two strings for one": packed(BLEEDING, BLEEDING),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", BAD_BYTES.values(), ids=BAD_BYTES)
def test_bytes_that_lie_about_their_lengths_are_refused(
    raw: bytes, client: httpx.Client, server: Agent
):
    reply = post_binary(client, server, raw)

    assert_refused(reply, 400)


BAD_HEADS = {
    "no inputs": {"id": "1"},
    "null inputs": {"inputs": None},
    "a list": [1],
    "null": None,
    "a nameless input": {"inputs": [{"shape": [1], "datatype": "BYTES"}]},
    "a shapeless input": {"inputs": [{"name": "question", "datatype": "BYTES"}]},
    "no size": {"inputs": [{"name": "question", "shape": [1], "datatype": "BYTES"}]},
    "parameters of text": {
        "inputs": [{"name": "question", "shape": [1], "datatype": "BYTES", "parameters": "x"}]
    },
    "an unknown datatype": {"inputs": [binary_input(39) | {"datatype": "TEXT"}]},
    "a wrong datatype": {"inputs": [binary_input(40) | {"datatype": "INT32"}]},
    "a shape of text": {"inputs": [binary_input(39) | {"shape": "1"}]},
    "a shape of nulls": {"inputs": [binary_input(39) | {"shape": [None]}]},
    "a number as name": {"inputs": [binary_input(39) | {"name": 5}]},
    "a list as name": {"inputs": [binary_input(39) | {"name": []}]},
    "a nameless output": {"inputs": [binary_input(39)], "outputs": [{}]},
    "a list as output": {"inputs": [binary_input(39)], "outputs": [{"name": []}]},
    "an unknown output": {"inputs": [binary_input(39)], "outputs": [{"name": "mood"}]},
    "a list as parameters": {"inputs": [binary_input(39)], "parameters": [1]},
    "an object as id": {"inputs": [binary_input(39)], "id": {"a": 1}},
}


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_a_binary_request_with_a_bad_head_is_refused(
    head: object, client: httpx.Client, server: Agent
):
    raw = packed(BLEEDING)
    told = json.dumps(head).encode()

    reply = client.post(
        server.v2,
        content=told + raw,
        headers={"content-type": "application/octet-stream", JSON_LENGTH: str(len(told))},
    )

    assert_refused(reply, 400)


# what kserve leaves open


@pytest.mark.parametrize("action", ["load", "unload"])
def test_loading_and_unloading_are_closed_and_the_model_still_answers(
    action: str, client: httpx.Client, server: Agent
):
    url = f"{server.base}/v2/repository/models/{MODEL}/{action}"

    replies = [client.post(url), client.post(url, json={})]

    for reply in replies:
        assert_refused(reply, 403)
    assert outcomes(client.post(server.v2, json={"inputs": [QUESTION]})) == ["emergency"]


def test_a_question_to_an_unknown_model_is_not_found(client: httpx.Client, server: Agent):
    reply = client.post(f"{server.base}/v2/models/nobody/infer", json={"inputs": [QUESTION]})

    assert_refused(reply, 404, "nobody")


def test_versions_are_not_there_and_the_error_tells_nothing_of_us(
    client: httpx.Client, server: Agent
):
    path = f"/v2/models/{MODEL}/versions/1/infer"

    reply = client.post(server.base + path, json={"inputs": [QUESTION]})

    assert_refused(reply, 404, "version 1")


def test_the_request_id_is_in_the_header_and_in_the_answer(client: httpx.Client, server: Agent):
    reply = client.post(server.v2, json={"inputs": [QUESTION]}, headers={"x-request-id": "visit-9"})

    assert reply.headers["x-request-id"] == "visit-9"
    assert read_v2(reply.json())[0]["request_id"] == "visit-9"
