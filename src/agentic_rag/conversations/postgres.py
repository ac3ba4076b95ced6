"""Conversations in Postgres, for many servers; what is done there in one step."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection, Error
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agentic_rag.conversations.checkpoints import PREFIX, PlainJson, config_of, read, written
from agentic_rag.conversations.latch import Latch, number_of
from agentic_rag.domain import Turn
from agentic_rag.errors import SessionDamaged, SessionUnavailable

_MOST_CONNECTIONS = 8  # a step takes a millisecond
_PATIENCE_S = 2.0
_LIMITS = """
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '5s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
"""
_INDEX = f"""
CREATE INDEX IF NOT EXISTS sessions_until ON checkpoints (((metadata ->> 'until')::float8))
WHERE thread_id LIKE '{PREFIX}%'
"""
_IS_OVER = f"thread_id LIKE '{PREFIX}%%' AND (metadata ->> 'until')::float8 < %(now)s"
_BITE = 5000  # sessions that are swept in one step, well within the time that a statement may take
_SWEEP = f"""
DELETE FROM checkpoints
WHERE ctid = ANY (ARRAY(SELECT ctid FROM checkpoints WHERE {_IS_OVER} LIMIT {_BITE}))
AND {_IS_OVER}
"""
_SETTING_UP = 7_016_996_765_293_437_281  # a lock's number, by which one server sets up at a time
_WRITES = 2  # of the numbers that a session's locks have, the one of who writes

Connection = AsyncConnection[DictRow]


class PostgresStore:
    """A database that servers share: one that is killed loses the turn it was at, and no other."""

    is_shared = True

    def __init__(self, url: str, ttl_s: float) -> None:
        self._url = url
        self._ttl_s = ttl_s
        self._opening = asyncio.Lock()
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._latch = Latch(self._connected)

    def alone(self, thread: str, until: float) -> AbstractAsyncContextManager[None]:
        """Speak in a session while no other server does."""
        return self._latch.passed(thread, until)

    async def read(self, thread: str) -> tuple[Turn, ...]:
        """Return the turns that are kept."""
        async with self._connection() as connection:
            return read(await _saver(connection).aget_tuple(config_of(thread)))

    async def append(self, thread: str, said: Sequence[Turn]) -> None:
        """Keep turns behind those that are kept, be it that the session's turn was lost on the way.

        A server whose connection broke does not know that another may speak: what is kept is read
        again, and nobody writes in between.
        """
        async with self._connection() as connection, connection.transaction():
            number = number_of(thread) | _WRITES
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))
            before: tuple[Turn, ...] = ()
            with suppress(SessionDamaged):
                before = read(await _saver(connection).aget_tuple(config_of(thread)))
            await self._put(connection, thread, [*before, *said])

    async def delete(self, thread: str) -> None:
        """Delete a session."""
        async with self._connection() as connection:
            await _saver(connection).adelete_thread(thread)

    async def sweep(self) -> int:
        """Delete the sessions whose time is up by now, bite by bite: each is gone for good."""
        now, swept = time.time(), 0
        while True:
            async with self._connection() as connection:
                bitten = (await connection.execute(_SWEEP, {"now": now})).rowcount
            swept += bitten
            if bitten < _BITE:
                return swept

    async def close(self) -> None:
        """Close all connections."""
        await self._latch.close()
        if self._pool:
            await self._pool.close()

    async def _put(self, connection: Connection, thread: str, turns: Sequence[Turn]) -> None:
        checkpoint, told = written(turns, time.time() + self._ttl_s)
        await _saver(connection).aput(config_of(thread), checkpoint, told, {})

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            pool = await self._opened()
            async with pool.connection() as connection:
                yield connection
        except (Error, OSError) as error:
            raise SessionUnavailable(_told(error)) from error

    async def _opened(self) -> AsyncConnectionPool[Connection]:
        """Return the pool, which one opens while the others wait, but not for long.

        Raises:
            TimeoutError: it takes too long; an OSError, as the others are.
        """
        async with AsyncExitStack() as opening:
            async with asyncio.timeout(_PATIENCE_S):
                await opening.enter_async_context(self._opening)
            if self._pool is None:
                async with await self._connected() as connection:
                    await _set_up(connection)
                self._pool = AsyncConnectionPool(
                    self._url,
                    kwargs=_OPTIONS,
                    min_size=1,
                    max_size=_MOST_CONNECTIONS,
                    open=False,
                    configure=_limit,
                    check=AsyncConnectionPool.check_connection,
                    timeout=_PATIENCE_S / 2,  # so that who waits is told why
                    # else it tries again ever more seldom, and after an hour's outage for minutes
                    # not at all; with none, whoever asks next has it try
                    reconnect_timeout=0.0,
                    name="sessions",
                )
                await self._pool.open()
            return self._pool

    async def _connected(self) -> Connection:
        try:
            connection = await AsyncConnection.connect(self._url, **_OPTIONS)
            return await _limited(connection)
        except (Error, OSError) as error:
            raise SessionUnavailable(_told(error)) from error


_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": 0,
    "row_factory": dict_row,
    "connect_timeout": 2,
    "application_name": "agentic-rag",
}


async def _limit(connection: Connection) -> None:
    """Let the database give up on a server that hangs in mid-step, or is gone without a word."""
    await connection.execute(_LIMITS, prepare=False)  # several at once


async def _limited(connection: Connection) -> Connection:
    try:
        await _limit(connection)
    except BaseException:  # be it that whoever asked has left: nobody else would close it
        await connection.close()
        raise
    return connection


async def _set_up(connection: Connection) -> None:
    """Make the tables, one server at a time.

    Who waited in the database would hold up the making of an index, which waits for all.

    Raises:
        TimeoutError: another server has been at it for too long.
    """
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            if await _is_ours(connection):
                break
            await asyncio.sleep(0.05)
    await connection.execute("SET statement_timeout = 0")
    await _saver(connection).setup()
    await connection.execute(_INDEX)


async def _is_ours(connection: Connection) -> bool:
    asked = await connection.execute("SELECT pg_try_advisory_lock(%s) AS is_ours", (_SETTING_UP,))
    return bool((await asked.fetchone() or {}).get("is_ours"))


def _saver(connection: Connection) -> AsyncPostgresSaver:
    return AsyncPostgresSaver(connection, serde=PlainJson())


def _told(error: Exception) -> str:
    """Say what went wrong in one line, and where the database is in none."""
    return type(error).__name__
