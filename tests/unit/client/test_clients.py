"""The client against a scripted server: what it sends, what it understands, how it hangs up."""

import asyncio
import json
import time

import httpx
import pytest

import agentic_rag
from agentic_rag.client import Busy, ClientError, Failed, Hit, Refused, Unreachable
from agentic_rag.domain import (
    Answer,
    Citation,
    Degraded,
    LlmStatus,
    Outcome,
    Provisional,
    Sentence,
    StepBegun,
    Turn,
)

SAID = "Scaling takes 40 minutes.\u2028 [1]"  # a separator that some take for a line's end
CITED = {
    "number": 1,
    "label": "faq.md#scaling",
    "doc_id": "faq.md",
    "section": "scaling",
    "quote": "Scaling takes 40 minutes.",
    "start": 3,
    "end": 28,
    "digest": "ab",
    "support": 1.0,
}
ANSWER = {
    "answer": SAID,
    "outcome": "answered",
    "citations": [CITED],
    "sources": ["faq.md#scaling"],
    "generator": "extractive",
    "degraded": "llm_cold",
    "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "timings": {"total": 0.1},
    "latency_seconds": 0.1,
    "request_id": "r-1",
    "eta_seconds": 12.5,
}
PREDICTED = {"predictions": [ANSWER]}
HITS = {
    "hits": [
        {
            "score": 0.5,
            "meta": {"doc_id": "faq.md", "section": "fees", "label": "faq.md#fees"},
            "text": "INR 500",
        }
    ]
}


def event(name: str, values: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(values, ensure_ascii=False)}\n\n".encode()


STREAM = [
    event("step", {"step": "triage"}),
    b": still here\n\n",
    event("status", {"state": "waking", "eta_seconds": None}),
    event("provisional", ANSWER),
    event("weather", {"sun": True}),
    event("sentence", {"index": 0, "text": SAID, "citations": [CITED]}),
    event("answer", ANSWER),
]


@pytest.fixture
def client(desk):
    with agentic_rag.Client(desk.url, key="s3cret", timeout_s=2) as opened:
        yield opened


def test_an_answer_comes_with_all_its_nouns(desk, client):
    desk.says(PREDICTED)

    answer = client.ask("How long?", k=3, history=[Turn(role="user", text="Scaling?")])

    assert (answer.text, answer.outcome, answer.degraded) == (
        SAID,
        Outcome.ANSWERED,
        Degraded.LLM_COLD,
    )
    assert answer.citations == (Citation(**CITED),)
    assert (answer.eta_s, answer.request_id, answer.trace) == (12.5, "r-1", None)
    path, headers, body = desk.asked[0]
    assert path == "/v1/models/rag-agent:predict"
    history = [{"role": "user", "content": "Scaling?"}]
    assert body == {"instances": [{"question": "How long?", "k": 3, "history": history}]}
    assert headers["authorization"] == "Bearer s3cret"
    assert float(headers["x-request-timeout"]) == 2


def test_a_conversation_goes_on_and_another_begins(desk, client):
    desk.says(PREDICTED, x_session_id="talk-1")

    client.ask("Scaling?")
    client.ask("How long?")
    client.session_id = None
    desk.headers = {"x-session-id": "talk-2"}
    client.ask("Fees?")

    assert [headers.get("x-session-id") for _, headers, _ in desk.asked] == [None, "talk-1", None]
    assert client.session_id == "talk-2"


def test_a_search_and_a_thumb(desk, client):
    desk.says(HITS)
    hits = client.search("fees", k=1)
    desk.says(b"", status=204)
    client.feedback("r-1", "down", "too short")

    assert hits == [
        Hit(score=0.5, label="faq.md#fees", doc_id="faq.md", section="fees", text="INR 500")
    ]
    assert desk.asked[0][2] == {"query": "fees", "k": 1}
    assert desk.asked[1][0] == "/feedback"
    assert desk.asked[1][2] == {"request_id": "r-1", "rating": "down", "comment": "too short"}
    assert client.session_id is None


def test_a_stream_is_told_as_it_happens_and_ends_with_the_answer(desk, client):
    desk.pieces, desk.headers = STREAM, {"x-session-id": "talk-1"}

    with client.stream("How long?", when_cold="extractive") as events:
        told = list(events)

    assert [type(each) for each in told] == [StepBegun, LlmStatus, Provisional, Sentence, Answer]
    assert told[3].text == SAID
    assert told[-1].text == SAID
    assert client.session_id == "talk-1"


def test_a_stream_may_arrive_byte_by_byte(desk, client):
    desk.pieces = [bytes([byte]) for byte in b"".join(STREAM)]

    with client.stream("How long?") as events:
        told = list(events)

    assert len(told) == 5
    assert told[-1].text == SAID


ERRORS = [
    (400, {"error": "instances[0].k: expected 1", "field": "instances[0].k"}, Refused),
    (401, {"error": "no key"}, Refused),
    (403, {"error": "not yours"}, Refused),
    (404, {"error": "nobody"}, Refused),
    (422, {"error": "body", "field": "body"}, Refused),
    (413, b"<html>too large</html>", Refused),
    (429, {"error": "too many"}, Busy),
    (503, {"error": "later"}, Busy),
    (500, {"error": "prediction failed"}, Failed),
    (502, b"<html>bad gateway</html>", Failed),
    (307, b"", Failed),
    (200, b"<html>hello</html>", Failed),
    (200, {"predictions": []}, Failed),
    (200, [], Failed),
    (200, {"predictions": [{**ANSWER, "outcome": "guessed"}]}, Failed),
    (400, b"[" * 100_000, Refused),
]


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS, ids=lambda each: str(each)[:40])
def test_what_is_no_answer_is_an_error_by_its_kind(status, body, kind, desk, client):
    desk.says(body, status)

    with pytest.raises(ClientError) as caught:
        client.ask("How long?")

    assert type(caught.value) is kind
    assert "s3cret" not in repr(caught.value)
    assert client.session_id is None


def test_a_refusal_names_the_field_as_the_caller_knows_it(desk, client):
    desk.says(ERRORS[0][1], 400)

    with pytest.raises(Refused) as caught:
        client.ask("How long?", k=0)

    assert (caught.value.field, caught.value.status) == ("k", 400)
    assert str(caught.value) == "k: expected 1"


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("", None), ("tomorrow", None)])
def test_who_is_busy_says_when_to_come_back(told, seconds, desk, client):
    desk.says({"error": "too many"}, 429, retry_after=told)

    with pytest.raises(Busy) as caught, client.stream("How long?"):
        pass

    assert caught.value.retry_after_s == seconds


def test_a_redirect_takes_the_key_nowhere(desk, client):
    desk.says(b"", 307, location=f"{desk.url}/elsewhere")

    with pytest.raises(Failed):
        client.search("fees")

    assert len(desk.asked) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        STREAM[:3],
        [STREAM[-1][:-10]],
        [event("error", {"error": "prediction failed"})],
        [b"event: answer\ndata: {\n\n"],
        [],
    ],
    ids=["half", "cut off", "failed", "no JSON", "nothing"],
)
def test_a_stream_without_its_answer_has_failed(pieces, desk, client):
    desk.pieces = pieces

    with pytest.raises(Failed), client.stream("How long?") as events:
        list(events)


def test_nobody_there_is_unreachable():
    with agentic_rag.Client("http://127.0.0.1:9") as client, pytest.raises(Unreachable):
        client.ask("How long?")


def test_no_address_is_unreachable_too():
    with agentic_rag.Client("localhost:8080") as client, pytest.raises(Unreachable):
        client.ask("How long?")


async def test_a_server_that_says_nothing_is_given_up(desk):
    desk.hangs = True
    async with agentic_rag.AsyncClient(desk.url, timeout_s=0.2) as client:
        start = time.monotonic()
        with pytest.raises(Unreachable):
            await client.ask("How long?")

    assert time.monotonic() - start < 5


@pytest.mark.parametrize("key", ["sécret", "a\nb", "a\x00"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="key: expected printable ASCII") as caught:
        agentic_rag.Client("http://localhost", key=key)

    assert key not in str(caught.value)


def test_leaving_a_stream_hangs_up(desk, client):
    desk.pieces, desk.hangs = STREAM[:1], True

    with client.stream("How long?") as events:
        first = next(events)
    gone = time.monotonic()

    assert first == StepBegun(step="triage")
    until(lambda: desk.left)
    assert desk.left[0] - gone < 1


@pytest.mark.parametrize("call", ["ask", "stream"])
async def test_cancelling_a_call_hangs_up(call, desk):
    desk.pieces, desk.hangs = STREAM[:1], True

    async def listen(client):
        if call == "ask":
            await client.ask("How long?")
        async with client.stream("How long?") as events:
            async for _ in events:
                pass

    async with agentic_rag.AsyncClient(desk.url) as client:
        calling = asyncio.create_task(listen(client))
        await asyncio.to_thread(until, lambda: desk.asked)
        await asyncio.sleep(0.1)
        calling.cancel()
        gone = time.monotonic()
        await asyncio.wait({calling})
        await asyncio.to_thread(until, lambda: desk.left)

    assert desk.left[0] - gone < 1


async def test_the_async_client_says_and_understands_the_same(desk):
    async with agentic_rag.AsyncClient(desk.url) as client:
        desk.says(PREDICTED, x_session_id="talk-1")
        answer = await client.ask("How long?")
        desk.says(HITS)
        hits = await client.search("fees")
        desk.says({})
        await client.feedback("r-1", "up")
        desk.pieces = STREAM
        async with client.stream("How long?") as events:
            told = [each async for each in events]

    assert answer == told[-1]
    assert hits[0].label == "faq.md#fees"
    assert "authorization" not in desk.asked[0][1]
    assert desk.asked[-1][1]["x-session-id"] == "talk-1"


def test_an_error_of_the_listener_is_the_listeners(desk, client):
    desk.pieces = STREAM

    with pytest.raises(httpx.ConnectError), client.stream("How long?"):
        raise httpx.ConnectError("mine")


def until(is_so) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)
