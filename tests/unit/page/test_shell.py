"""The desk: what a browser sends is taken for no more than it is."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing

import gradio as gr
import pytest

from agentic_rag.page.chat import Chat
from agentic_rag.page.doors import Doors
from agentic_rag.page.shell import Desk

AWAY = "http://127.0.0.1:9"
AT_ONCE_S = 2.0
STEP = b'event: step\ndata: {"step": "plan"}\n\n'


class Clerk:
    """A server that takes one thing at a time in a session, and only steps while a model thinks."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.done: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            method, path, body = await self._read(reader)
            session = body["session_id"] if body else path.rpartition("/")[2]
            async with self._lines[session]:
                if method == "DELETE":
                    self._note(f"forgot {session}")
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    return
                self._note(f"heard {body['question']}")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + STEP)
                await reader.read()  # until the caller hangs up
                self._note(f"dropped {body['question']}")
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        method, path, _ = head.split(" ", 2)
        length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
        return method.upper(), path, json.loads(await reader.readexactly(length) or b"{}")

    async def has(self, what: str) -> None:
        """Wait until something is done, for as long as a patient takes for at once."""
        async with asyncio.timeout(AT_ONCE_S):
            await self._seen[what].wait()

    def _note(self, what: str) -> None:
        self.done.append(what)
        self._seen[what].set()


@pytest.fixture
def desk() -> Desk:
    return Desk(Doors(AWAY))


@pytest.fixture
async def clerk() -> AsyncIterator[Clerk]:
    yield Clerk()


@pytest.fixture
async def doors(clerk: Clerk) -> AsyncIterator[Doors]:
    async with await asyncio.start_server(clerk.serve, "127.0.0.1", 0) as server:
        doors = Doors(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield doors
        await doors.close()


async def answered(desk: Desk, chat: Chat) -> list[str]:
    return [page async for page in desk.answer(chat)]


async def waiting(desk: Desk, chat: Chat) -> asyncio.Task[list[str]]:
    """Return who waits for more of an answer, of which one step was told."""
    pages = desk.answer(chat)
    await anext(pages)
    rest = asyncio.create_task(_collected(pages))
    await asyncio.sleep(0)  # until it waits
    return rest


async def _collected(pages: AsyncIterator[str]) -> list[str]:
    return [page async for page in pages]


async def test_a_server_that_is_away_is_told_in_the_conversation(desk: Desk):
    chat = Chat()
    await desk.take("Is it?", chat)

    (page,) = await answered(desk, chat)

    assert "cannot be reached" in page
    assert 'aria-busy="false"' in page
    assert "<h1>Ask the clinic</h1>" in await desk.greet()


async def test_two_questions_at_once_are_asked_once_each_at_most(desk: Desk):
    chat = Chat()
    await desk.take("Is it?", chat)
    await desk.take("And this?", chat)

    pages = await asyncio.gather(answered(desk, chat), answered(desk, chat))

    assert sorted(page.count("cannot be reached") for [page] in pages) == [0, 1]


@pytest.mark.parametrize("said", ["", "  \n", None, 3, ["x"]])
async def test_what_is_no_question_is_not_taken(said: object, desk: Desk):
    chat = Chat()

    await desk.take(said, chat)

    assert chat.exchanges == []


@pytest.mark.parametrize(
    "told",
    [None, {}, [], {"turn": 7, "rating": "up"}, {"turn": -1, "rating": "up"}, {"turn": "0"},
     {"turn": 0, "rating": "<b>"}, {"turn": 0, "rating": "up", "comment": "x" * 2000}],
    ids=str,
)  # fmt: skip
async def test_a_rating_that_makes_no_sense_changes_nothing(told: object, desk: Desk):
    chat = Chat()
    await desk.take("Is it?", chat)
    await answered(desk, chat)
    before = list(chat.exchanges)

    await desk.rate(chat, gr.EventData(None, told))

    assert chat.exchanges == before


@pytest.mark.parametrize(
    "cited",
    [None, [], "x", {}, {"doc_id": 1, "section": "", "quote": "q"},
     {"doc_id": "a.md", "section": "", "quote": "q" * 30_000},
     {"doc_id": "a.md", "section": "", "quote": "q", "k": 100}],
    ids=lambda cited: str(cited)[:40],
)  # fmt: skip
async def test_a_citation_that_makes_no_sense_is_told_kindly(cited: object, desk: Desk):
    told = await desk.passage(cited)

    assert set(told) == {"trouble"}


async def test_a_new_conversation_while_the_model_thinks_begins_at_once_and_the_old_is_forgotten(
    doors: Doors, clerk: Clerk
):
    desk, chat = Desk(doors), Chat()
    await desk.take("Is it?", chat)
    session, answering = chat.session, await waiting(desk, chat)

    async with asyncio.timeout(AT_ONCE_S):
        page = await desk.renew(chat)
        await clerk.has(f"forgot {session}")
        *_, last = await answering

    assert "Is it?" not in page
    assert last == page
    assert clerk.done == ["heard Is it?", "dropped Is it?", f"forgot {session}"]


async def test_who_asks_again_while_the_model_thinks_is_heard_at_once(doors: Doors, clerk: Clerk):
    desk, chat = Desk(doors), Chat()
    await desk.take("Is it?", chat)
    first = await waiting(desk, chat)

    await desk.take("My face is swollen", chat)
    async with asyncio.timeout(AT_ONCE_S):
        second = await waiting(desk, chat)
        *_, last = await first

    assert "My face is swollen" in last
    assert clerk.done == ["heard Is it?", "dropped Is it?", "heard My face is swollen"]
    assert not second.done()
    second.cancel()


async def test_who_leaves_the_page_is_listened_for_no_longer(doors: Doors, clerk: Clerk):
    desk, chat = Desk(doors), Chat()
    await desk.take("Is it?", chat)

    async with aclosing(desk.answer(chat)) as pages:
        await anext(pages)

    await clerk.has("dropped Is it?")


async def test_what_was_asked_while_a_page_was_painted_is_in_the_last(doors: Doors):
    desk, chat = Desk(doors), Chat()
    await desk.take("Is it?", chat)

    async with aclosing(desk.answer(chat)) as pages, asyncio.timeout(AT_ONCE_S):
        first = await anext(pages)
        await desk.take("And this?", chat)
        *_, last = [page async for page in pages]

    assert "And this?" not in first
    assert "And this?" in last


async def test_a_conversation_is_forgotten_before_the_page_closes(doors: Doors, clerk: Clerk):
    desk, chat = Desk(doors), Chat()
    await desk.take("Is it?", chat)
    session = chat.session
    await desk.renew(chat)

    await doors.close()

    assert clerk.done == [f"forgot {session}"]


async def test_a_server_that_keeps_silent_holds_up_no_new_conversation():
    over = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        doors = Doors(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        desk, chat = Desk(doors), Chat()
        await desk.take("Is it?", chat)

        async with asyncio.timeout(AT_ONCE_S):
            page = await desk.renew(chat)

        over.set()
        await doors.close()

    assert "Is it?" not in page
