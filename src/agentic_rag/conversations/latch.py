"""The latch before a session, for many servers: Postgres' advisory locks, on one connection each.

The database itself opens the latch that a server held which is no more. Within a server the line is
held by `line`: here one asks for a session at most, so that all it holds of one is its own.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from typing import LiteralString

from psycopg import AsyncConnection, Error
from psycopg.rows import DictRow

from agentic_rag.conversations.store import patience
from agentic_rag.errors import Overloaded, SessionHurried, SessionUnavailable

Connection = AsyncConnection[DictRow]

_PATIENCE_S = 2.0  # with the database, which has what is said then
_LONGEST_S = 4.0  # for what is said, behind what was said before
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONGER = 0.01, 0.2, 1.5


class _Word(IntEnum):
    """What a session's number is said with."""

    TRY = 0
    TRY_AGAIN = 1
    LEAVE = 2
    GIVE_UP = 3


# Who is next holds the latch's step while it waits: servers with many waiting take turns. All that
# is to be said is said at once: a crowd costs one round trip, as one does.
_SAY: LiteralString = """
SELECT CASE word
  WHEN 0 THEN CASE WHEN pg_try_advisory_lock(latch | 1) THEN
    CASE WHEN pg_try_advisory_lock(latch) THEN pg_advisory_unlock(latch | 1) ELSE false END END
  WHEN 1 THEN
    CASE WHEN pg_try_advisory_lock(latch) THEN pg_advisory_unlock(latch | 1) ELSE false END
  WHEN 2 THEN pg_advisory_unlock(latch)
  ELSE pg_advisory_unlock(latch) = pg_advisory_unlock(latch | 1)
END AS passed, place
FROM unnest(%s::int[], %s::bigint[]) WITH ORDINALITY AS said (word, latch, place)
"""


def number_of(thread: str) -> int:
    """Return a session's number for locks, whose last two bits are free."""
    digest = hashlib.blake2b(thread.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True) & ~3


class Latch:
    """Lets one server at a time into a session."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._speaking = asyncio.Lock()
        self._connection: Connection | None = None
        self._unsaid: list[tuple[_Word, int, asyncio.Future[bool | None]]] = []
        self._asking: set[asyncio.Task[bool | None]] = set()

    @asynccontextmanager
    async def passed(self, thread: str, until: float) -> AsyncIterator[None]:
        """Be in a session alone.

        Raises:
            Overloaded: others were in it until then, as `time.monotonic` has it.
            SessionUnavailable: the database cannot be asked.
        """
        number = number_of(thread)
        try:
            await self._pass(number, until)
        except BaseException:
            self._begin(_Word.GIVE_UP, number)  # whatever was gained, be it in this moment
            raise
        try:
            yield
        finally:
            self._begin(_Word.LEAVE, number)

    async def close(self) -> None:
        """Finish what was begun, and give up the connection with all that it holds."""
        if self._asking:
            await asyncio.wait(self._asking, timeout=_PATIENCE_S)
        await self._drop()

    async def _pass(self, number: int, until: float) -> None:
        word, pause_s = _Word.TRY, _FIRST_PAUSE_S
        while not (passed := await self._ask(word, number, until)):
            if passed is False:
                word = _Word.TRY_AGAIN
            if time.monotonic() + pause_s > until:
                raise Overloaded("late", retry_after_s=1.0)
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, _LONGER * pause_s)

    async def _ask(self, word: _Word, number: int, until: float) -> bool | None:
        """Ask the database; who leaves in the meantime does not leave it in mid-word."""
        patience_s = patience(_LONGEST_S, until)
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(self._begin(word, number))
        except TimeoutError:
            if patience_s < _LONGEST_S:
                raise SessionHurried from None
            raise SessionUnavailable("the database took too long") from None

    def _begin(self, word: _Word, number: int) -> "asyncio.Task[bool | None]":
        asking = asyncio.create_task(self._asked(word, number))
        self._asking.add(asking)
        asking.add_done_callback(self._did)
        return asking

    def _did(self, asking: "asyncio.Task[bool | None]") -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # a connection that breaks opens its latches

    async def _asked(self, word: _Word, number: int) -> bool | None:
        """Say it when those who came before have been heard, with all that has come since."""
        heard: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self._unsaid.append((word, number, heard))
        async with self._speaking:
            if not heard.done():
                await self._speak()
        return heard.result()

    async def _speak(self) -> None:
        said, self._unsaid = self._unsaid, []
        try:
            async with asyncio.timeout(_PATIENCE_S):
                passed = await self._said(
                    [word for word, *_ in said], [latch for _, latch, _ in said]
                )
        except (SessionUnavailable, TimeoutError, Error, OSError) as error:
            await self._drop()
            for *_, heard in said:
                heard.set_exception(SessionUnavailable(type(error).__name__))
            return
        for at, (*_, heard) in enumerate(said, start=1):
            heard.set_result(passed[at])

    async def _said(self, words: list[_Word], latches: list[int]) -> dict[int, bool | None]:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        told = await self._connection.execute(_SAY, ([int(word) for word in words], latches))
        return {row["place"]: row["passed"] for row in await told.fetchall()}

    async def _drop(self) -> None:
        if connection := self._connection:
            self._connection = None
            with suppress(Error, OSError):
                await connection.close()
