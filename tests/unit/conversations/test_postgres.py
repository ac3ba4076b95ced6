"""Conversations in a database that servers share: order among them, and what a lost one loses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from psycopg import AsyncConnection, Error
from psycopg.rows import dict_row
from tests.postgres import Postgres
from tests.unit.conversations.conftest import back, said, say, soon, told

from agentic_rag.conversations.checkpoints import thread_of
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.conversations.postgres import (
    _BITE,
    _PATIENCE_S,
    _SETTING_UP,
    PostgresStore,
    _limited,
)
from agentic_rag.errors import Overloaded, SessionUnavailable

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.fixture
async def servers(postgres: Postgres) -> AsyncIterator[list[Conversations]]:
    """Three servers on one database, which start together."""
    postgres.ask("DROP SCHEMA public CASCADE")
    postgres.ask("CREATE SCHEMA public")
    three = [Conversations(PostgresStore(postgres.url, 60), 60) for _ in range(3)]
    await asyncio.gather(*(each.store.sweep() for each in three))  # as each does at its start
    yield three
    for each in three:
        await each.close()


async def test_the_next_server_goes_on(servers: list[Conversations]):
    await say(servers[0], "visit", "one")
    await say(servers[1], "visit", "two")

    assert await told(servers[2], "visit") == ["one", "two"]


async def test_one_speaks_at_a_time_whichever_server_it_is(
    servers: list[Conversations], postgres: Postgres
):
    speaking, most = 0, 0

    async def speak(server: Conversations, text: str) -> None:
        nonlocal speaking, most
        async with server.turn("visit") as talk:
            speaking += 1
            most = max(most, speaking)
            await asyncio.sleep(0.005)
            speaking -= 1
            await talk.remember(*said(text))

    texts = [f"{at}-{n}" for n in range(4) for at in range(3)]
    await asyncio.gather(*(speak(servers[int(text[0])], text) for text in texts))

    heard = await told(servers[0], "visit")
    assert most == 1
    assert sorted(heard) == sorted(texts)
    for at in "012":
        assert [text for text in heard if text[0] == at] == [f"{at}-{n}" for n in range(4)]
    await _none_held(postgres)


async def test_a_made_up_session_keeps_its_turn_from_other_servers(
    servers: list[Conversations], postgres: Postgres
):
    async with servers[0].turn("made up", is_new=True) as first:
        second = asyncio.create_task(say(servers[1], "made up", "two"))
        await asyncio.sleep(0.1)
        assert not second.done()
        await first.remember(*said("one"))
    await second

    assert await told(servers[2], "made up") == ["one", "two"]
    await _none_held(postgres)


async def test_who_cannot_wait_is_known_past_another_servers_turn(servers: list[Conversations]):
    async with servers[0].turn("visit") as first:
        servers[1].note("visit", *said("urgent"))
        noted = await servers[1].glance("visit")
        await first.remember(*said("one"))

    assert noted == said("urgent")
    assert await servers[2].glance("visit") == (*noted, *said("one"))


async def test_a_server_with_many_waiting_lets_another_in_between(servers: list[Conversations]):
    order = []

    async def speak(server: int) -> None:
        async with servers[server].turn("visit"):
            order.append(server)
            await asyncio.sleep(0.3)

    crowd = [asyncio.create_task(speak(0)) for _ in range(4)]
    await asyncio.sleep(0.15)
    await speak(1)
    for each in crowd:
        each.cancel()
    await asyncio.wait(crowd)

    assert 1 in order[:3]


async def test_who_waits_too_long_or_leaves_holds_nothing(
    servers: list[Conversations], postgres: Postgres
):
    async with servers[0].turn("visit"):
        with pytest.raises(Overloaded):
            async with servers[1].turn("visit", until=soon(0.2)):
                pass
        leaving = asyncio.create_task(told(servers[2], "visit"))
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.wait([leaving])

    await say(servers[1], "visit", "one")
    assert await told(servers[2], "visit") == ["one"]
    await _none_held(postgres)


async def test_who_leaves_in_any_moment_holds_nothing(
    servers: list[Conversations], postgres: Postgres
):
    await told(servers[0], "visit")
    for n in range(60):
        asking = asyncio.create_task(told(servers[n % 2], "visit"))
        await asyncio.sleep(n * 0.0002)
        asking.cancel()
        await asyncio.wait([asking])

    await say(servers[2], "visit", "one")
    await _none_held(postgres)


async def test_a_lost_gate_loses_no_turn(servers: list[Conversations], postgres: Postgres):
    async with servers[0].turn("visit") as first:
        postgres.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        await say(servers[1], "visit", "one")
        assert await first.remember(*said("two"))

    assert await told(servers[2], "visit") == ["one", "two"]


async def test_a_database_that_is_gone_stops_nobody_and_is_used_again_when_it_is_back(
    servers: list[Conversations], postgres: Postgres
):
    await say(servers[0], "visit", "one")
    async with servers[0].turn("visit") as talk:
        postgres.stop()
        assert not await talk.remember(*said("two"))
    start = time.monotonic()
    for n in range(20):
        async with servers[n % 2].turn("visit") as talk:
            assert not talk.is_whole
    took_s = time.monotonic() - start
    with pytest.raises(SessionUnavailable):
        await servers[2].forget("visit")

    postgres.start()
    for server in servers:
        await back(server, "visit")

    await say(servers[0], "visit", "three")
    assert await told(servers[1], "visit") == ["one", "three"]
    assert took_s < 6


async def test_a_note_that_a_lost_database_missed_keeps_nobody_from_it_when_it_is_back(
    servers: list[Conversations], postgres: Postgres
):
    await say(servers[0], "visit", "one")
    postgres.stop()
    servers[0].note("visit", *said("urgent"))
    await servers[0].glance("visit", until=soon(5))
    async with servers[0].turn("visit") as talk:
        assert not talk.is_whole
    postgres.start()
    await back(servers[0], "visit")

    assert await told(servers[0], "visit") == ["one"]


async def test_a_database_that_hangs_takes_a_part_of_the_time_and_no_more(
    servers: list[Conversations], postgres: Postgres
):
    await say(servers[0], "visit", "one")
    postgres.hang()
    try:
        start = time.monotonic()
        async with servers[0].turn("visit", until=soon(1.0)) as talk:
            assert not talk.is_whole
        took_s = time.monotonic() - start
    finally:
        postgres.go_on()

    assert took_s < 0.9


async def test_a_set_up_that_another_server_never_ends_is_given_up_by_all_who_wait(
    postgres: Postgres,
):
    with psycopg.connect(postgres.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_SETTING_UP,))
        store = PostgresStore(postgres.url, 60)
        crowd = [asyncio.create_task(store.read(thread_of("", str(n)))) for n in range(20)]

        _, waiting = await asyncio.wait(crowd, timeout=2 * _PATIENCE_S + 1)

    assert waiting == set()
    assert {type(each.exception()) for each in crowd} == {SessionUnavailable}
    assert await store.read(thread_of("", "nobody")) == ()
    await store.close()


async def test_a_connection_whose_limits_cannot_be_set_is_closed(postgres: Postgres):
    connection = await AsyncConnection.connect(postgres.url, autocommit=True, row_factory=dict_row)
    await connection.execute("BEGIN")
    with suppress(Error):
        await connection.execute("no SQL at all")  # and in what failed nothing can be set

    with pytest.raises(Error):
        await _limited(connection)

    assert connection.closed


async def test_a_connection_is_closed_when_who_asked_leaves_meanwhile(postgres: Postgres):
    connection = await AsyncConnection.connect(postgres.url, autocommit=True, row_factory=dict_row)
    postgres.hang()
    try:
        limiting = asyncio.create_task(_limited(connection))
        await asyncio.sleep(0.05)
        limiting.cancel()
        await asyncio.sleep(0.05)
    finally:
        postgres.go_on()
    await asyncio.wait([limiting])

    assert limiting.cancelled()
    assert connection.closed


async def test_a_session_is_one_row_and_foreign_threads_are_left_alone(
    servers: list[Conversations], postgres: Postgres
):
    for n in range(30):
        await say(servers[0], "visit", str(n))
    postgres.ask(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
        """ VALUES ('other', '1', '{}', '{"until": "never"}')"""
    )

    await servers[0].store.sweep()

    assert postgres.ask("SELECT count(*) FROM checkpoints") == [(2,)]
    assert postgres.ask("SELECT count(*) FROM checkpoint_blobs") == [(0,)]
    assert postgres.ask("SELECT count(*) FROM checkpoint_writes") == [(0,)]


async def test_a_large_backlog_is_swept_in_steps_that_are_each_short(
    servers: list[Conversations], postgres: Postgres
):
    backlog = 2 * _BITE + 10
    postgres.ask(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
        f" SELECT 'session:old ' || n, '1', '{{}}', '{{\"until\": 1}}'"
        f" FROM generate_series(1, {backlog}) n"
    )
    postgres.ask(  # in place of a step that takes too long
        f"""
        CREATE FUNCTION a_bite_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF (SELECT count(*) FROM gone) > {_BITE} THEN RAISE 'too much at once'; END IF;
          RETURN NULL; END $$;
        CREATE TRIGGER bites AFTER DELETE ON checkpoints REFERENCING OLD TABLE AS gone
          FOR EACH STATEMENT EXECUTE FUNCTION a_bite_only()
        """
    )
    await say(servers[0], "visit", "one")

    swept = await servers[0].store.sweep()

    assert swept == backlog
    assert await servers[0].store.sweep() == 0
    assert await told(servers[1], "visit") == ["one"]


async def test_a_checkpoint_of_another_make_is_refused(
    servers: list[Conversations], postgres: Postgres
):
    await say(servers[0], "visit", "one")
    postgres.ask(
        "INSERT INTO checkpoint_writes VALUES"
        f" ('{thread_of('', 'visit')}', '', '00000000-0000-0000-0000-000000000000', 't', 0,"
        " 'turns', 'pickle', '\\x80')"
    )

    async with servers[0].turn("visit") as talk:
        assert (talk.is_whole, talk.history) == (False, ())

    await servers[0].forget("visit")
    await say(servers[0], "visit", "two")
    assert await told(servers[1], "visit") == ["two"]


async def _none_held(postgres: Postgres) -> None:
    await asyncio.sleep(0.1)
    assert postgres.ask(HELD) == [(0,)]
