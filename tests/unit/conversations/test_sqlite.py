"""Conversations in a file: full, damaged, slow, read by others, and on LangGraph's terms."""

import asyncio
import sqlite3
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from tests.unit.conversations.conftest import said, say, soon, told

from agentic_rag.conversations.checkpoints import PlainJson, config_of, thread_of
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.conversations.sqlite import _BITE, SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "sessions.sqlite"


@pytest.fixture
async def file(path: Path) -> AsyncIterator[Conversations]:
    talks = Conversations(SqliteStore(path, 60), 60)
    yield talks
    await talks.close()


def change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def written(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


def modes(path: Path) -> tuple[int, int]:
    return stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)


def spoil(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"This is no database. " * 500)


async def remembers(talks: Conversations, session_id: str, text: str = "one") -> tuple[bool, bool]:
    async with talks.turn(session_id) as talk:
        return talk.is_whole, await talk.remember(*said(text))


async def test_a_session_is_one_row_however_long_it_is(file: Conversations, path: Path):
    for n in range(30):
        await say(file, "visit", str(n))

    (rows,) = sqlite3.connect(path).execute("SELECT count(*) FROM checkpoints").fetchone()

    assert rows == 1


async def test_no_name_stands_in_the_file_and_only_its_owner_reads_it(
    file: Conversations, path: Path
):
    await say(file, "anna@example.com", "one")

    assert b"anna@example.com" not in written(path)
    assert modes(path) == (0o600, 0o700)


async def test_no_deleted_word_stays_in_the_folder(file: Conversations, path: Path):
    for n in range(40):
        await say(file, f"visit {n}", f"planted {n} " * 50)

    for n in range(40):
        await file.forget(f"visit {n}")

    assert b"planted" not in written(path)


async def test_langgraph_itself_reads_what_is_kept(file: Conversations, path: Path):
    class Said(TypedDict):
        turns: str

    await say(file, "visit", "one")

    graph = StateGraph(Said).add_node("nothing", lambda _: {}).add_edge(START, "nothing")
    connection = sqlite3.connect(path, check_same_thread=False)
    compiled = graph.compile(checkpointer=SqliteSaver(connection, serde=PlainJson()))
    state = compiled.get_state(config_of(thread_of("", "visit")))
    connection.close()

    assert state.values == {"turns": '[["user","one"],["assistant","About one"]]'}


async def test_two_servers_on_one_file_lose_no_turn(path: Path):
    both = [Conversations(SqliteStore(path, 60), 60) for _ in range(2)]

    for n in range(5):
        await asyncio.gather(*(say(each, "visit", f"{at}-{n}") for at, each in enumerate(both)))

    assert sorted(await told(both[0], "visit")) == sorted(
        f"{a}-{n}" for a in (0, 1) for n in range(5)
    )
    for each in both:
        await each.close()


async def test_a_damaged_session_says_so_once_and_begins_anew(file: Conversations, path: Path):
    await say(file, "visit", "one")
    await say(file, "other", "two")
    change(path, "UPDATE checkpoints SET type='pickle' WHERE thread_id=?", thread_of("", "visit"))

    assert await remembers(file, "visit", "three") == (False, True)
    assert await told(file, "visit") == ["three"]
    assert await told(file, "other") == ["two"]


async def test_a_large_backlog_is_swept_while_others_speak(file: Conversations, path: Path):
    await say(file, "visit", "one")
    change(
        path,
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)"
        " INSERT INTO checkpoints (thread_id, checkpoint_id, type, checkpoint, metadata)"
        """ SELECT 'session:old ' || n, '1', 'json', '{}', '{"until": 1}' FROM n""",
        10 * _BITE,
    )

    sweeping = asyncio.create_task(file.store.sweep())
    await asyncio.sleep(0)
    heard = await told(file, "visit")

    assert heard == ["one"]
    assert not sweeping.done()
    assert await sweeping == 10 * _BITE
    assert await told(file, "visit") == ["one"]


async def test_a_full_disk_keeps_what_was_kept_and_says_that_no_more_is(
    file: Conversations, path: Path
):
    await say(file, "visit", "one")

    saver = file.store._saver  # the file's own limit stands for the disk's
    saver.conn.execute("PRAGMA max_page_count=8")
    async with file.turn("visit") as talk:
        assert not await talk.remember(*said("x" * 20_000))

    assert (await remembers(file, "visit"))[0] is False  # it is left alone for a while
    file._rests_until = 0.0
    assert await told(file, "visit") == ["one"]
    await say(file, "visit", "two")


async def test_a_file_that_is_none_keeps_nothing_and_stops_nobody(path: Path):
    spoil(path)
    talks = Conversations(SqliteStore(path, 60), 60)

    assert await remembers(talks, "visit") == (False, False)
    await talks.close()


async def test_a_folder_that_cannot_be_made_keeps_nothing_and_stops_nobody(tmp_path: Path):
    (tmp_path / "kept").write_text("a file stands in the way")
    talks = Conversations(SqliteStore(tmp_path / "kept" / "s" / "sessions.sqlite", 60), 60)

    assert await remembers(talks, "visit") == (False, False)
    await talks.close()


async def test_a_slow_store_is_waited_for_a_quarter_of_the_time_and_then_no_more(
    file: Conversations, path: Path
):
    await say(file, "visit", "one")
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")

    start = time.monotonic()
    async with file.turn("visit", until=soon(1.0)) as talk:
        assert not await talk.remember(*said("two"))
    took_s = time.monotonic() - start
    blocker.close()

    assert took_s < 0.8


async def test_one_in_a_hurry_does_not_speak_for_the_others(file: Conversations, path: Path):
    await say(file, "visit", "one")
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")
    async with file.turn("visit", until=soon(0.1)) as talk:
        assert not await talk.remember(*said("two"))
    blocker.close()

    assert (await remembers(file, "other")) == (True, True)
