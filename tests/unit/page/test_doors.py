"""The way to the server: what it says, and what it never ends in."""

import json
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from agentic_rag.domain import Answer, Outcome, StepBegun
from agentic_rag.page.doors import Cited, Clinic, Doors, Unheard

ANSWER = {
    "answer": "It is.", "outcome": "answered", "citations": [], "sources": [],
    "generator": "rules", "degraded": None, "request_id": "r",
    "usage": {"prompt_tokens": 0, "completion_tokens": 0}, "timings": {},
}  # fmt: skip


def sse(*told: tuple[str, object]) -> bytes:
    return b"".join(f"event: {n}\ndata: {json.dumps(v)}\n\n".encode() for n, v in told)


class Server(ThreadingHTTPServer):
    """Says to everybody what the test has told it to, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, b"{}"
        self.asked: list[tuple[str, str, object, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        key = self.headers.get("authorization", "")
        body = json.loads(raw) if raw else None
        self.server.asked.append((self.command, self.path, body, key))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_DELETE = do_POST  # noqa: N815  # http.server's names

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
async def doors(server: Server) -> AsyncIterator[Doors]:
    made = Doors(f"http://127.0.0.1:{server.server_port}", key="secret")
    yield made
    await made.close()


async def told(doors: Doors) -> list[object]:
    return [event async for event in doors.ask("Is it?", session="s", history=[])]


async def test_a_stream_is_read_with_what_it_says_between_events(server: Server, doors: Doors):
    server.body = sse(("step", {"step": "plan"})) + b": still here\n\n" + sse(("news", {"a": 1}))
    server.body += sse(("answer", ANSWER))

    first, last = await told(doors)

    assert first == StepBegun(step="plan")
    assert last == Answer(text="It is.", outcome=Outcome.ANSWERED, request_id="r")
    method, path, body, key = server.asked[0]
    assert (method, path, key) == ("POST", "/chat/stream", "Bearer secret")
    assert body == {"question": "Is it?", "session_id": "s", "history": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        sse(("step", {"step": "plan"})),
        sse(("answer", {})),
        sse(("answer", ANSWER | {"outcome": "unheard of"})),
        sse(("step", [])),
        sse(("error", {"error": "prediction failed"})),
        b"event: answer\ndata: {\n\n",
        b"<html>",
    ],
    ids=lambda body: body[:30],
)
async def test_a_stream_that_makes_no_sense_is_told_as_one_thing(server, doors, body):
    server.body = body

    with pytest.raises(Unheard):
        await told(doors)


async def test_a_question_that_cannot_be_sent_is_told_as_one_thing(doors: Doors):
    asking = doors.ask("Is it \ud83d?", session="s", history=[])

    with pytest.raises(Unheard):
        await anext(asking)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503, 599])
async def test_a_refusal_is_told_in_words_without_the_servers_own(server, doors, status: int):
    server.status, server.body = status, b'{"error": "k: secret at http://inner:8080"}'

    for asking in (told(doors), doors.clinic(), doors.rate("r", "up", "")):
        with pytest.raises(Unheard) as caught:
            await asking
        assert "secret" not in str(caught.value)
        assert "http" not in str(caught.value)


async def test_a_server_that_is_away_is_told_so_and_a_new_conversation_begins_all_the_same():
    doors = Doors("http://127.0.0.1:9")

    with pytest.raises(Unheard):
        await told(doors)
    await doors.forget("s")
    await doors.close()


async def test_the_clinic_is_what_the_server_says_it_is(server: Server, doors: Doors):
    server.body = json.dumps({"clinic": {"name": "Harbour", "phones": {}, "more": 1}}).encode()

    assert await doors.clinic() == Clinic(name="Harbour")


async def test_the_passage_is_the_one_that_holds_the_quote(server: Server, doors: Doors):
    texts = ["Not here.", "Before. It is. After."]
    server.body = json.dumps({"hits": [{"text": text} for text in texts]}).encode()

    found = await doors.passage(Cited(doc_id="a[1]*.md", section="", quote="It is."))
    gone = await doors.passage(Cited(doc_id="a.md", section="b", quote="It was."))

    assert (found, gone) == ("Before. It is. After.", None)
    assert server.asked[0][2]["documents"] == ["a[[]1][*].md"]
    assert "sections" not in server.asked[0][2]
    assert server.asked[1][2]["sections"] == ["b"]
