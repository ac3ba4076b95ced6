import json
import time

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.serving.bodies import MOST_LEVELS, Bodies, is_too_nested

INFER = "/v2/models/rag-agent/infer"
JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, inner), default=0)


@given(JSON, st.booleans(), st.integers(0, 2 * MOST_LEVELS))
def test_levels_are_counted_as_a_parser_would(value, ascii_only, more):
    for _ in range(more):
        value = [value] if more % 2 else {"]": value}

    assert is_too_nested(json.dumps(value, ensure_ascii=ascii_only).encode()) == (
        depth(value) > MOST_LEVELS
    )


@pytest.mark.parametrize(
    "text",
    ["[" * 100, "}" * 100, '"[', '\\"[', "\\\\", '\\\\"]', "{" * 65 + '"', "[{]}" * 50],
)
def test_brackets_in_texts_are_text(text):
    assert not is_too_nested(json.dumps({"question": text, text: [text]}).encode())


WORST = {
    "open": b"[" * 4_000_000,
    "texts": b'"",' * 1_300_000,
    "lists": b"[]," * 1_300_000,
    "objects": b'{"[":' * 800_000,
    "backslashes": b"\\" * 4_000_000,
    "hills": (b"[" * 64 + b"]" * 64) * 32_000,
    "quotes": b'"' * 4_000_000,
}


@pytest.mark.parametrize("body", WORST.values(), ids=WORST)
def test_the_worst_body_is_looked_through_in_a_moment(body):
    begun = time.process_time()

    is_too_nested(body)

    assert time.process_time() - begun < 2.0


def test_a_full_batch_with_long_histories_is_taken():
    turns = [{"role": "user", "content": "[" * 10}] * 50
    batch = {"instances": [{"question": "?", "history": turns}] * 128}

    assert not is_too_nested(json.dumps(batch).encode())


@pytest.fixture
async def client():
    app = FastAPI()

    @app.post("/echo")
    @app.post(INFER)
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    app.add_middleware(Bodies, most_bytes=1000)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


async def chunks(sizes, taken):
    for size in sizes:
        taken.append(size)
        yield b" " * size


async def test_a_body_of_the_very_size_is_taken(client):
    reply = await client.post("/echo", content=b" " * 1000)

    assert reply.json() == {"bytes": 1000}


async def test_one_byte_more_is_refused(client):
    reply = await client.post("/echo", content=b" " * 1001)

    assert reply.status_code == 413
    assert reply.json() == {"error": "body: expected at most 1000 bytes"}
    assert reply.headers["connection"] == "close"


async def test_a_body_without_a_length_is_read_until_it_is_too_large_and_no_further(client):
    taken = []

    reply = await client.post("/echo", content=chunks([600] * 100, taken))

    assert reply.status_code == 413
    assert len(taken) <= 3


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "9" * 5000, "\xb2"])
async def test_a_length_that_is_none_is_refused(length, client):
    headers = {"content-length": length.encode("latin-1")}

    reply = await client.post("/echo", content=b"{}", headers=headers)

    assert reply.status_code == 413


async def test_a_body_that_is_too_nested_is_refused_in_the_callers_form(client):
    deep = b"[" * 65 + b"]" * 65

    plain = await client.post("/echo", content=deep)
    openai = await client.post("/openai/v1/chat/completions", content=deep)

    assert plain.status_code == openai.status_code == 400
    assert plain.json() == {"error": "body: expected JSON of at most 64 levels and 50000 lists"}
    assert openai.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("head", ["2", "2".zfill(30), "x", "9" * 5000])
async def test_of_a_binary_body_only_the_head_is_json(head, client):
    body = b"{}" + b"[" * 100
    headers = {"inference-header-content-length": head}

    reply = await client.post(INFER, content=body, headers=headers)

    assert reply.status_code == (200 if head == "2" else 400)


async def test_a_body_without_tensors_is_json_to_its_end_whatever_a_header_says(client):
    headers = {"inference-header-content-length": "0"}

    reply = await client.post("/echo", content=b"[" * 100, headers=headers)

    assert reply.status_code == 400
