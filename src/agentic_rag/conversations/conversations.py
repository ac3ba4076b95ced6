"""Conversations, whatever keeps them: who speaks now, what was said, and what is remembered."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from agentic_rag.callers import caller
from agentic_rag.conversations.checkpoints import thread_of
from agentic_rag.conversations.line import Line
from agentic_rag.conversations.store import Store, patience
from agentic_rag.domain import Turn
from agentic_rag.errors import SessionDamaged, SessionHurried, SessionUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PATIENCE_S = 2.0  # with the store: an answer is worth more than what was said before
_REST_S = 2.0  # that a store is left alone which could not be used: nobody waits for it meanwhile
_LONGEST_S = 60.0  # who names no time waits so long for those who spoke before
_SWEEPS = 4  # in the time that a session is kept
_LONGEST_SWEEP_S = 60.0


class Talk:
    """One turn of a conversation, while nobody else speaks in it.

    Attributes:
        history: what was said before.
        is_whole: whether that is all that was said; not where the store could not be used.
    """

    def __init__(self, talks: "Conversations", thread: str, until: float, *, is_new: bool) -> None:
        self.history: tuple[Turn, ...] = ()
        self.is_whole = True
        self._talks = talks
        self._thread = thread
        self._until = until
        self._is_new = is_new

    async def recall(self, alone: AsyncExitStack) -> None:
        """Keep other processes out and find what was said; where that cannot be, go on without."""
        try:
            self._talks.check()
            await alone.enter_async_context(self._talks.store.alone(self._thread, self._until))
            if not self._is_new:
                self.history = await self._talks.read(self._thread, self._until)
        except SessionUnavailable as error:
            self.is_whole = self._is_new
            self._talks.troubled(error)

    async def remember(self, *said: Turn) -> bool:
        """Tell whether what was said is kept, so that nothing but a deletion loses it."""
        append = self._talks.store.append(self._thread, said)
        try:
            await self._talks.tried(append, self._until)
        except SessionUnavailable as error:
            self._talks.troubled(error)
            return False
        return True


class Conversations:
    """The conversations of all callers. A session is its caller's: to others it is unknown."""

    def __init__(self, store: Store, ttl_s: float) -> None:
        self.store = store
        self._ttl_s = ttl_s
        self._line = Line()
        self._doing: set[asyncio.Task[Any]] = set()
        self._noting: dict[str, asyncio.Task[None]] = {}  # the last note of each thread
        self._rests_until = 0.0

    @asynccontextmanager
    async def turn(
        self, session_id: str, *, is_new: bool = False, until: float | None = None
    ) -> AsyncIterator[Talk]:
        """Speak in a session when all who came before have done so.

        In a new one nothing was said; but its name goes out before its first answer does, and who
        has read it may speak there, or delete it, while that is still being made.

        Raises:
            Overloaded: too many speak there, or they took until then.
        """
        latest = _latest(until)
        thread = thread_of(caller.get().name, session_id)
        talk = Talk(self, thread, latest, is_new=is_new)
        async with self._line.turn(thread, latest), AsyncExitStack() as alone:
            await talk.recall(alone)
            yield talk

    async def glance(self, session_id: str, *, until: float | None = None) -> tuple[Turn, ...]:
        """Return what was said, past those who speak; nothing where nobody can stand in the way.

        Nor does a store that cannot be used: who looks has no time for it.
        """
        thread = thread_of(caller.get().name, session_id)
        if not (self.store.is_shared or self._line.is_taken(thread)):
            return ()
        try:
            return await self.read(thread, _latest(until))
        except SessionUnavailable as error:
            self.troubled(error)
            return ()

    def note(self, session_id: str, *said: Turn) -> None:
        """Remember soon, past those who speak, for one who cannot wait."""
        thread = thread_of(caller.get().name, session_id)
        noting = self._begin(self._note(thread, said, self._noting.get(thread)))
        self._noting[thread] = noting
        noting.add_done_callback(lambda _: self._noted(thread, noting))

    async def forget(
        self, session_id: str, until: float | None = None, *, of: str | None = None
    ) -> None:
        """Delete a caller's session, behind what is under way in it; an unknown one is as well.

        Args:
            session_id: as the caller named it.
            until: how long what is under way is waited for, as `time.monotonic` has it.
            of: another caller's name.

        Raises:
            Overloaded: others spoke there until then.
            SessionUnavailable: it cannot be told whether anything is left.
        """
        latest = _latest(until)
        thread = thread_of(caller.get().name if of is None else of, session_id)
        async with self._line.turn(thread, latest), self.store.alone(thread, latest):
            await self.tried(self._behind_notes(thread, self.store.delete), latest)

    async def tend(self) -> None:
        """Delete what has been kept long enough, again and again, until cancelled."""
        while True:
            try:
                if swept := await self.store.sweep():
                    logger.info("sessions that were kept long enough: %d", swept)
            except SessionUnavailable as error:
                logger.warning("sessions were not swept: %s", error)
            await asyncio.sleep(min(_LONGEST_SWEEP_S, self._ttl_s / _SWEEPS))

    async def close(self) -> None:
        """Finish what was begun, and close the store."""
        if self._doing:
            await asyncio.wait(self._doing, timeout=_PATIENCE_S)
        await self.store.close()

    async def read(self, thread: str, until: float) -> tuple[Turn, ...]:
        """Return what is kept, with what is being noted now.

        Raises:
            SessionUnavailable: it cannot be told, or not in time.
        """
        return await self.tried(self._behind_notes(thread, self.store.read), until)

    async def tried(self, work: Coroutine[Any, Any, T], until: float) -> T:
        """Return what the store says, soon; what it has begun it does, whoever waits for it.

        Raises:
            SessionUnavailable: it could not, or not in time.
        """
        try:
            self.check()
        except SessionUnavailable:
            work.close()
            raise
        patience_s = patience(_PATIENCE_S, until)
        doing = self._begin(work)
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(doing)
        except TimeoutError:
            if patience_s < _PATIENCE_S:  # who was in a hurry cannot tell
                raise SessionHurried from None
            raise SessionUnavailable("it took too long") from None

    def check(self) -> None:
        """Spare those who come now the wait that others have just had for nothing.

        Raises:
            SessionUnavailable: the store is left alone.
        """
        if time.monotonic() < self._rests_until:
            raise SessionHurried

    def troubled(self, error: SessionUnavailable) -> None:
        """Tell of it once, and leave the store alone for a while, if that is what ails it."""
        if isinstance(error, SessionHurried):
            return
        logger.warning("a session cannot be kept: %s", error)
        if not isinstance(error, SessionDamaged):
            self._rests_until = time.monotonic() + _REST_S

    async def _note(
        self, thread: str, said: tuple[Turn, ...], before: "asyncio.Task[None] | None"
    ) -> None:
        if before:
            await asyncio.wait({before})
        try:
            await self.tried(self.store.append(thread, said), _latest(None))
        except SessionUnavailable as error:
            self.troubled(error)

    def _noted(self, thread: str, noting: "asyncio.Task[None]") -> None:
        if self._noting.get(thread) is noting:
            del self._noting[thread]

    async def _behind_notes(self, thread: str, step: Callable[[str], Awaitable[T]]) -> T:
        """Take a step when all that was noted before is kept: who notes holds no line."""
        if noting := self._noting.get(thread):
            await asyncio.wait({noting})
        return await step(thread)

    def _begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        doing = asyncio.create_task(work)
        self._doing.add(doing)
        doing.add_done_callback(self._did)
        return doing

    def _did(self, doing: "asyncio.Task[Any]") -> None:
        self._doing.discard(doing)
        if not doing.cancelled():
            doing.exception()  # who waited was told; who left is not asked


def _latest(until: float | None) -> float:
    return time.monotonic() + _LONGEST_S if until is None else until
