"""Records in a SQLite file, for one server: one thread writes it, behind the answers' backs."""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

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

_BUSY_S = 2.0
_SET_UP = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA secure_delete=ON;
CREATE TABLE IF NOT EXISTS answers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, visit TEXT NOT NULL, request_id TEXT NOT NULL,
  caller TEXT NOT NULL, session TEXT, at REAL NOT NULL, record BLOB NOT NULL,
  rating TEXT, comment TEXT, rated_at REAL
);
CREATE INDEX IF NOT EXISTS answers_request ON answers(request_id);
CREATE INDEX IF NOT EXISTS answers_session ON answers(session);
CREATE INDEX IF NOT EXISTS answers_at ON answers(at);
"""
_INSERT = (
    "INSERT INTO answers(visit, request_id, caller, session, at, record) VALUES (?, ?, ?, ?, ?, ?)"
)
_RATE = """
UPDATE answers SET rating = ?, comment = ?, rated_at = ? WHERE visit = (
  SELECT visit FROM answers WHERE request_id = ? AND caller = ? AND at > ? ORDER BY id DESC LIMIT 1)
"""
_FIND = (
    "SELECT record, rating, comment, rated_at FROM answers WHERE request_id = ? AND at > ?"
    " ORDER BY id"
)
_RATED = (
    "SELECT record, rating, comment, rated_at FROM answers"
    " WHERE rating = ? AND rated_at >= ? AND at > ? ORDER BY id"
)
_SURPLUS = "DELETE FROM answers WHERE id <= (SELECT max(id) FROM answers) - ?"


class SqliteKeeper:
    """A file of the server's own; whatever is wrong with the disk, no answer waits."""

    def __init__(self, path: Path, ttl_s: float, most: int = MOST_RECORDS) -> None:
        self._path = path
        self._ttl_s = ttl_s
        self._most = most
        self._db: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="records")
        self._waiting: deque[Seen] = deque()
        self._is_due = False
        self._is_well = True

    def keep(self, seen: Seen) -> None:
        """Keep a record soon. One that cannot be kept is counted."""
        if len(self._waiting) >= MOST_WAITING:
            lost.inc()
            return
        self._waiting.append(seen)
        if not self._is_due:
            self._is_due = True
            with suppress(RuntimeError):  # it was closed
                self._thread.submit(self._write_together)

    async def find(self, request_id: str) -> list[dict[str, Any]]:
        """Return the records of all requests of that name, oldest first.

        Raises:
            RecordsUnavailable: they cannot be read now.
        """
        return await self._done(lambda db: _read(db, _FIND, request_id, self._oldest()))

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

        def rate(db: sqlite3.Connection) -> bool:
            named = (told.request_id, caller, self._oldest())
            done = db.execute(_RATE, (told.rating, told.comment, time.time(), *named))
            return done.rowcount > 0

        return await self._done(rate)

    async def forget(self, session: str) -> None:
        """Delete all records of a session.

        Raises:
            RecordsUnavailable: they cannot be deleted now.
        """
        await self._done(lambda db: _forget(db, session))

    async def tend(self) -> None:
        """Delete what is too old or too much, again and again, until cancelled."""
        while True:
            with suppress(RecordsUnavailable):
                await self._done(self._sweep)
            await asyncio.sleep(SWEEP_S)

    async def close(self) -> None:
        """Write what waits, and close the file."""
        with suppress(RuntimeError):
            self._thread.submit(self._end)
        await asyncio.to_thread(self._thread.shutdown)

    async def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something behind all that was to be kept before."""

        def do() -> T:
            self._write()
            return self._tried(work)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise RecordsUnavailable(f"{self._path.name}: {error}") from error

    def _write_together(self) -> None:
        time.sleep(TOGETHER_S)
        self._write()

    def _write(self) -> None:
        self._is_due = False  # what comes from now on asks again
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not batch:
            return
        try:
            rows = [row_of(each) for each in batch]
            self._tried(lambda db: db.executemany(_INSERT, rows))
            self._is_well = True
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            lost.inc(len(batch))
            if self._is_well:
                logger.warning("records of answers are not kept: %s", error)
            self._is_well = False

    def _tried(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._db = self._db or _opened(self._path)
            with self._db:  # a transaction
                return work(self._db)
        except (sqlite3.Error, OSError):
            self._shut()
            raise

    def _sweep(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM answers WHERE at <= ?", (self._oldest(),))
        db.execute(_SURPLUS, (self._most,))

    def _oldest(self) -> float:
        return time.time() - self._ttl_s

    def _end(self) -> None:
        self._write()
        self._shut()

    def _shut(self) -> None:
        if self._db:
            self._db.close()
        self._db = None


def _read(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    return [whole(row) for row in db.execute(query, values)]


def _forget(db: sqlite3.Connection, session: str) -> None:
    db.execute("DELETE FROM answers WHERE session = ?", (session,))


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, which is for nobody else's eyes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
    try:
        db.executescript(_SET_UP)
    except BaseException:
        db.close()
        raise
    return db
