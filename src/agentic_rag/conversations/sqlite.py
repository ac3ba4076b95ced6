"""Conversations in a SQLite file, for one server; the only module that knows SQLite's checkpointer.

All of it is done by one thread, a whole step at a time: that costs the event loop one hand-over,
where the checkpointer's own asynchronous half takes a dozen.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

from langgraph.checkpoint.sqlite import SqliteSaver

from agentic_rag.conversations.checkpoints import PlainJson, config_of, read, written
from agentic_rag.domain import Turn
from agentic_rag.errors import SessionDamaged, SessionUnavailable

T = TypeVar("T")

_BUSY_S = 2.0  # that another process may write; it takes a millisecond
_UNTIL = "json_extract(CAST(metadata AS TEXT), '$.until')"
_SET_UP = f"""
PRAGMA synchronous=NORMAL;
PRAGMA secure_delete=ON;
CREATE INDEX IF NOT EXISTS sessions_until ON checkpoints({_UNTIL});
"""
_BITE = 1000  # sessions that are swept in one step, which keeps all others waiting
_SWEEP = f"""
DELETE FROM checkpoints
WHERE rowid IN (SELECT rowid FROM checkpoints WHERE {_UNTIL} < ? LIMIT {_BITE})
"""


class SqliteStore:
    """A file in WAL mode: a turn that was kept outlives the process, if not the power."""

    is_shared = False

    def __init__(self, path: Path, ttl_s: float) -> None:
        self._path = path
        self._ttl_s = ttl_s
        self._saver: SqliteSaver | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sessions")

    def alone(self, thread: str, until: float) -> AbstractAsyncContextManager[None]:
        """Speak at once: there are no other processes."""
        return nullcontext()

    async def read(self, thread: str) -> tuple[Turn, ...]:
        """Return the turns that are kept."""
        return await self._done(lambda saver: read(saver.get_tuple(config_of(thread))))

    async def append(self, thread: str, said: Sequence[Turn]) -> None:
        """Keep turns behind those that are kept."""

        def append(saver: SqliteSaver) -> None:
            before: tuple[Turn, ...] = ()
            saver.conn.execute("BEGIN IMMEDIATE")  # two servers may have been given one folder
            with suppress(SessionDamaged):
                before = read(saver.get_tuple(config_of(thread)))
            checkpoint, told = written([*before, *said], time.time() + self._ttl_s)
            saver.put(config_of(thread), checkpoint, told, {})

        await self._done(append)

    async def delete(self, thread: str) -> None:
        """Delete a session; none of its words stays in the file or beside it."""

        def delete(saver: SqliteSaver) -> None:
            saver.delete_thread(thread)
            saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        await self._done(delete)

    async def sweep(self) -> int:
        """Delete the sessions whose time is up by now, bite by bite: others come in between."""
        now, swept = time.time(), 0

        def bite(saver: SqliteSaver) -> int:
            with closing(saver.conn.execute(_SWEEP, (now,))) as bitten:
                saver.conn.commit()
                return bitten.rowcount

        while True:
            bitten = await self._done(bite)
            swept += bitten
            if bitten < _BITE:
                return swept

    async def close(self) -> None:
        """Close the file, behind all that was begun."""
        with suppress(RuntimeError):  # it was closed
            await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown(wait=False)

    async def _done(self, work: Callable[[SqliteSaver], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except RuntimeError as error:  # the thread has ended
            raise SessionUnavailable(str(error)) from None

    def _do(self, work: Callable[[SqliteSaver], T]) -> T:
        try:
            self._saver = self._saver or _opened(self._path)
            return work(self._saver)
        except (sqlite3.Error, OSError) as error:
            self._shut()  # and whatever was begun is undone
            raise SessionUnavailable(f"{self._path.name}: {error}") from error
        finally:
            if self._saver and self._saver.conn.in_transaction:
                self._saver.conn.rollback()

    def _shut(self) -> None:
        if self._saver:
            self._saver.conn.close()
        self._saver = None


def _opened(path: Path) -> SqliteSaver:
    """Open the file, which is for nobody else's eyes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
    try:
        saver = SqliteSaver(connection, serde=PlainJson())
        saver.setup()
        connection.executescript(_SET_UP)
    except BaseException:
        connection.close()
        raise
    return saver
