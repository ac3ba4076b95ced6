"""Records in Postgres, for many servers: whichever is asked, it finds what another answered.

One connection does all of it, a step at a time. While the database is away records wait in memory,
as many as there is room for, and are written when it is back.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection, DataError, Error

from agentic_rag.errors import RecordsUnavailable
from agentic_rag.glass.keeper import (
    MOST_RECORDS,
    MOST_WAITING,
    SWEEP_S,
    TOGETHER_S,
    Feedback,
    lost,
    row_of,
    whole,
)
from agentic_rag.glass.records import Seen

logger = logging.getLogger(__name__)

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]
Work = Callable[[Connection], Awaitable[T]]

_PATIENCE_S = 4.0  # of who asks; what was begun is done, whoever waits for it
_AGAIN_S = 0.3  # in which a record of another server's may still be on its way here
_BATCH = 200
_SETTING_UP = 7_016_996_765_293_437_282  # a lock's number, by which one server sets up at a time
_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,  # so that a pooler may stand in between
    "connect_timeout": 2,
    "application_name": "agentic-rag records",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SET_UP: LiteralString = """
CREATE TABLE IF NOT EXISTS agentic_rag_answers (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, visit TEXT NOT NULL, request_id TEXT NOT NULL,
  caller TEXT NOT NULL, session TEXT, at FLOAT8 NOT NULL, record BYTEA NOT NULL,
  rating TEXT, comment TEXT, rated_at FLOAT8
);
CREATE INDEX IF NOT EXISTS agentic_rag_answers_request ON agentic_rag_answers(request_id);
CREATE INDEX IF NOT EXISTS agentic_rag_answers_session ON agentic_rag_answers(session);
CREATE INDEX IF NOT EXISTS agentic_rag_answers_at ON agentic_rag_answers(at);
"""
_INSERT: LiteralString = """
INSERT INTO agentic_rag_answers(visit, request_id, caller, session, at, record)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_RATE: LiteralString = """
UPDATE agentic_rag_answers SET rating = %s, comment = %s, rated_at = %s WHERE visit = (
  SELECT visit FROM agentic_rag_answers WHERE request_id = %s AND caller = %s AND at > %s
  ORDER BY id DESC LIMIT 1)
"""
_READ: LiteralString = "SELECT record, rating, comment, rated_at FROM agentic_rag_answers WHERE "
_FIND: LiteralString = _READ + "request_id = %s AND at > %s ORDER BY id"
_RATED: LiteralString = _READ + "rating = %s AND rated_at >= %s AND at > %s ORDER BY id"
_FORGET: LiteralString = "DELETE FROM agentic_rag_answers WHERE session = %s"
_SWEEP: LiteralString = """
DELETE FROM agentic_rag_answers
WHERE at <= %s OR id <= (SELECT max(id) FROM agentic_rag_answers) - %s
"""


class PostgresKeeper:
    """A table that servers share; whatever is wrong with the database, no answer waits."""

    def __init__(self, url: str, ttl_s: float, most: int = MOST_RECORDS) -> None:
        self._url = url
        self._ttl_s = ttl_s
        self._most = most
        self._alone = asyncio.Lock()
        self._connection: Connection | None = None
        self._waiting: deque[Seen] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._doing: set[asyncio.Task[Any]] = set()
        self._is_well = True
        self._is_closed = False

    def keep(self, seen: Seen) -> None:
        """Keep a record soon. One that cannot be kept is counted."""
        if self._is_closed or len(self._waiting) >= MOST_WAITING:
            lost.inc()
            return
        self._waiting.append(seen)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_together())

    async def find(self, request_id: str) -> list[dict[str, Any]]:
        """Return the records of all requests of that name, oldest first.

        Raises:
            RecordsUnavailable: they cannot be read now.
        """
        if "\0" in request_id:  # which Postgres has no text with
            return []
        return await self._twice(lambda db: _read(db, _FIND, request_id, self._oldest()))

    async def rated(self, rating: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the records of answers that were rated so, since then.

        Raises:
            RecordsUnavailable: they cannot be read now.
        """
        return await self._done(lambda db: _read(db, _RATED, rating, since, self._oldest()))

    async def rate(self, told: Feedback, caller: str) -> bool:
        """Tell whether the caller has such an answer; of several requests the last is rated.

        Raises:
            RecordsUnavailable: it cannot be kept now.
        """

        async def rate(db: Connection) -> bool:
            named = (told.request_id, caller, self._oldest())
            done = await db.execute(_RATE, (told.rating, told.comment, time.time(), *named))
            return done.rowcount > 0

        return await self._twice(rate)

    async def forget(self, session: str) -> None:
        """Delete all records of a session.

        Raises:
            RecordsUnavailable: they cannot be deleted now.
        """
        await self._done(lambda db: db.execute(_FORGET, (session,)))

    async def tend(self) -> None:
        """Delete what is too old or too much, again and again, until cancelled."""
        while True:
            with suppress(RecordsUnavailable):
                await self._done(lambda db: db.execute(_SWEEP, (self._oldest(), self._most)))
            await asyncio.sleep(SWEEP_S)

    async def close(self) -> None:
        """Write what waits, and close the connection; a database that hangs is left."""
        self._is_closed = True
        with suppress(RecordsUnavailable):
            if self._waiting:
                await self._done(_nothing)
        left = [task for task in (self._writing, *self._doing) if task and not task.done()]
        await self._drop()
        for task in left:
            task.cancel()
        lost.inc(len(self._waiting))
        self._waiting.clear()

    async def _twice(self, work: Work[T]) -> T:
        """Look again a little later: what another server has just answered may not be here yet."""
        if found := await self._done(work):
            return found
        await asyncio.sleep(_AGAIN_S)
        return await self._done(work)

    async def _done(self, work: Work[T]) -> T:
        """Do something behind all that was to be kept before."""
        doing = asyncio.create_task(self._behind_writing(work))
        self._doing.add(doing)
        doing.add_done_callback(self._did)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await asyncio.shield(doing)
        except (Error, OSError) as error:  # one that took too long among them
            raise RecordsUnavailable(type(error).__name__) from error

    def _did(self, doing: "asyncio.Task[Any]") -> None:
        self._doing.discard(doing)
        if not doing.cancelled():
            doing.exception()  # who waited was told; who left is not asked

    async def _behind_writing(self, work: Work[T]) -> T:
        async with self._alone:
            try:
                return await work(await self._written())
            except (Error, OSError):
                await self._drop()
                raise

    async def _write_together(self) -> None:
        await asyncio.sleep(TOGETHER_S)
        try:
            await self._behind_writing(_nothing)
        except (Error, OSError) as error:
            if self._is_well:
                logger.warning("records of answers wait: %s", type(error).__name__)
            self._is_well = False

    async def _written(self) -> Connection:
        """Write all that waits; what the database will not take is left out, and counted."""
        db = self._connection = await self._connected()
        while batch := [*islice(self._waiting, _BATCH)]:
            try:
                rows = await asyncio.to_thread(lambda each: [row_of(seen) for seen in each], batch)
                async with db.transaction(), db.cursor() as cursor:
                    await cursor.executemany(_INSERT, rows)
            except (DataError, TypeError, ValueError) as error:
                lost.inc(len(batch))
                logger.warning("records of answers are not kept: %s", type(error).__name__)
            for _ in batch:
                self._waiting.popleft()
        self._is_well = True
        return db

    async def _connected(self) -> Connection:
        if self._connection:
            with suppress(Error, OSError):
                await self._connection.execute("SELECT 1")
                return self._connection
            await self._drop()
        db = await AsyncConnection.connect(self._url, **_OPTIONS)
        try:
            async with db.transaction():
                await db.execute("SELECT pg_advisory_xact_lock(%s)", (_SETTING_UP,))
                await db.execute(_SET_UP)
        except BaseException:
            await db.close()
            raise
        return db

    async def _drop(self) -> None:
        if db := self._connection:
            self._connection = None
            with suppress(Error, OSError):
                await db.close()

    def _oldest(self) -> float:
        return time.time() - self._ttl_s


async def _nothing(_db: Connection) -> None:
    """Do no more than what is done before anything else."""


async def _read(db: Connection, query: LiteralString, *values: object) -> list[dict[str, Any]]:
    found = await db.execute(query, values)
    return [whole(row) for row in await found.fetchall()]
