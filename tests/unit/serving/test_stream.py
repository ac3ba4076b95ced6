"""The stream door in a real server: what is sent, hang-ups, and what becomes of a fault."""

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from tests.fakes import ScriptedLlm
from tests.unit.agent.parts import Pen, Shelf, make_passage

from agentic_rag.agent.admission import Admission
from agentic_rag.agent.live import paced
from agentic_rag.bootstrap.house import build_house
from agentic_rag.serving import errors, stream

SAID = "Scaling takes 40 minutes. [1] Scaling needs no anaesthetic. [1] " * 10
SHELF = Shelf([make_passage("Scaling takes 40 minutes.\nScaling needs no anaesthetic.")])
ASKED = {"question": "How long does scaling take?"}


@asynccontextmanager
async def door(deps, settings, heartbeat_s=stream.HEARTBEAT_S):
    """Serve the door on a free port; yields its address."""
    app = FastAPI()
    app.include_router(
        stream.router(SimpleNamespace(deps=deps, settings=settings), heartbeat_s=heartbeat_s)
    )
    errors.install(app)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[held]))
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}/chat/stream"
        finally:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving


@pytest.fixture
def deps(make_deps):
    return make_deps(retriever=SHELF, ladder=Pen(SAID))


async def test_what_is_sent_is_events_as_the_standard_has_them(deps, settings):
    async with door(deps, settings()) as url, httpx.AsyncClient() as client:
        reply = await client.post(url, json=ASKED)

    assert reply.headers["content-type"].startswith("text/event-stream")
    blocks = reply.text.removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("event: ") and "\ndata: {" in block for block in blocks)
    assert blocks[0] == 'event: step\ndata: {"step":"triage"}'
    assert blocks[-1].startswith("event: answer\n")


async def test_a_fault_of_ours_ends_the_stream_and_tells_nothing(deps, settings, make_deps):
    broken = make_deps(retriever=SHELF, ladder=Pen(error=RuntimeError("http://me:secret@llm")))
    async with door(broken, settings()) as url, httpx.AsyncClient() as client:
        reply = await client.post(url, json=ASKED)

    assert reply.text.endswith('event: error\ndata: {"error":"prediction failed"}\n\n')
    assert "secret" not in reply.text


async def test_who_is_turned_away_late_is_told_so_in_the_stream(deps, settings):
    busy = Admission(places=1, patience_s=0.5)
    crowded = replace(deps, admission=busy)
    async with (
        door(crowded, settings(), heartbeat_s=0.1) as url,
        httpx.AsyncClient() as client,
        busy.admitted(),
    ):
        reply = await client.post(url, json=ASKED)

    assert reply.status_code == 200
    event, _, told = reply.text.strip().rpartition("\n\n")[2].partition("\ndata: ")
    assert event == "event: error"
    assert json.loads(told) == {"error": "too many questions at once (late)"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'"Why?', b'{"question": 3}'])
async def test_a_body_that_is_no_question_is_refused_by_its_field(deps, settings, body):
    async with door(deps, settings()) as url, httpx.AsyncClient() as client:
        reply = await client.post(url, content=body)

    assert reply.status_code == 400
    assert reply.json()["field"].startswith("body")


@pytest.mark.parametrize("script", [{"token_s": 0.1}, {"fault": "hang"}], ids=str)
async def test_callers_who_hang_up_stop_the_model_and_leave_nothing(make_deps, settings, script):
    with ScriptedLlm(reply=SAID * 200, **script) as llm:
        house = build_house(settings(llm_base_url=llm.base_url))
        agent = make_deps(retriever=SHELF, ladder=house.deps.ladder, sleeper=house.models.wake)
        async with door(agent, settings()) as url:
            all_wait = asyncio.Event()
            hanging = [asyncio.create_task(hang_up(url, all_wait)) for _ in range(10)]
            await asyncio.to_thread(until, lambda: len(llm.asked) == 10)
            all_wait.set()
            gone = await asyncio.gather(*hanging)
            await asyncio.to_thread(until, lambda: len(llm.aborted) == 10)
            await asyncio.to_thread(time.sleep, 0.05)
            names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
        await house.close()

    assert max(llm.aborted) - max(gone) < 5
    assert not any("paced" in name or "Guarded" in name or "ModelRung" in name for name in names)


async def hang_up(url: str, when: asyncio.Event) -> float:
    """Ask over a connection of one's own, and close it in mid-answer."""
    async with httpx.AsyncClient() as client, client.stream("POST", url, json=ASKED) as reply:
        lines = reply.aiter_lines()  # held: httpx closes what nobody reads any more
        while "generate" not in await anext(lines):
            pass
        await when.wait()
    return time.monotonic()


def until(is_so) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


async def test_what_comes_is_passed_on_and_a_silence_is_told():
    async def source():
        yield 1
        await asyncio.sleep(0.25)
        yield 2

    came = [each async for each in paced(source(), 0.1)]

    assert (came[0], came[-1]) == (1, 2)
    assert came[1:-1] == [None, None]


async def test_a_source_that_fails_fails_here():
    async def source():
        yield 1
        raise KeyError("gone")

    with pytest.raises(KeyError):
        [each async for each in paced(source(), 1)]


async def test_a_source_cleans_up_in_peace_however_often_its_listener_is_cancelled():
    cleaned = asyncio.Event()

    async def source():
        try:
            yield 1
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.1)
            cleaned.set()

    async def listen():
        async for _ in paced(source(), 10):
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.02)
    for _ in range(5):
        listening.cancel()
        await asyncio.sleep(0.01)

    await asyncio.wait_for(cleaned.wait(), 1)
