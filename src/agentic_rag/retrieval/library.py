"""The library: keeps the live index open, moves over when another goes live, lends it out."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count

from agentic_rag.domain import Likeness, Passage, Within
from agentic_rag.errors import AgenticRagError, IndexRefused, RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.fusion import DENSE_WEIGHT
from agentic_rag.retrieval.hybrid import OpenIndex, Taste
from agentic_rag.retrieval.index import IndexVersion, Pointer
from agentic_rag.retrieval.opening import open_version
from agentic_rag.retrieval.premises import Premises

logger = logging.getLogger(__name__)

WATCH_S = 1.0  # how often to look which version is live

_REMEMBERED = 1000  # searches of a version: their passages are the version's own
_RETRY_S = (0.5, 1.0, 2.0, 5.0)
_AGAIN = 15  # looks until a version is tried again that could not be opened for what may pass


@dataclass(slots=True)
class Held:
    """An open version, how many readers it has, and what was found in it of late.

    Attributes:
        room: how many searches are remembered.
    """

    index: OpenIndex
    room: int
    readers: int = 0
    found: OrderedDict[Hashable, Sequence[Passage]] = field(default_factory=OrderedDict)

    def recall(self, search: Hashable) -> Sequence[Passage] | None:
        """Return what a search found before, if that is remembered."""
        if search in self.found:
            self.found.move_to_end(search)
        return self.found.get(search)

    def remember(self, search: Hashable, found: Sequence[Passage]) -> None:
        """Keep what a search found, and forget the one that was asked for longest ago."""
        self.found[search] = found
        if len(self.found) > self.room:
            self.found.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A version that went live and was not moved to, and why; the one before goes on serving.

    Attributes:
        for_good: whether nothing but another write to `current` mends it.
    """

    version: str
    reason: str
    for_good: bool


class Reading:
    """What one journey reads: the version that its first search met, to the end."""

    def __init__(
        self,
        take: Callable[[], Held],
        embedder: Embedder,
        rephrase: Callable[[str], str],
        dense_weight: float,
    ) -> None:
        self._take = take
        self._embedder = embedder
        self._rephrase = rephrase
        self._dense_weight = dense_weight
        self.held: Held | None = None

    @property
    def version(self) -> str | None:
        """Name the version; None before the first search."""
        return self.held.index.name if self.held else None

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator["Reading"]:
        """Return this one, which is pinned already."""
        yield self

    async def mend(self, text: str) -> str:
        """Return the text with its slips mended by the documents' words, while there are any."""
        try:
            self.held = self.held or self._take()
        except RetrievalUnavailable:
            return text
        return await asyncio.to_thread(self.held.index.speller.mend, text)

    async def search(
        self, queries: Sequence[str], *, k: int, within: Within | None = None
    ) -> list[Passage]:
        """Return the k best passages over all queries, best first, noisy sources left out.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        self.held = self.held or self._take()
        wanted = (*queries, k, within, self._dense_weight)
        found = self.held.recall(wanted)
        await asyncio.sleep(0)  # who asks for what is remembered, over and over, lets others in
        if found is None:
            found = await self._search(self.held.index, queries, k, within)
            self.held.remember(wanted, found)
        return list(found)

    async def _search(
        self, index: OpenIndex, queries: Sequence[str], k: int, within: Within | None
    ) -> Sequence[Passage]:
        index = replace(index, dense_weight=self._dense_weight)
        mended = await asyncio.to_thread(lambda: [*map(index.speller.mend, queries)])
        other = map(self._rephrase, mended)
        # neither half tells capitals apart
        asked = list({text.lower(): text for text in chain(other, queries)}.values())
        vectors = await self._embedder.embed(asked)
        return await index.search(asked, vectors, k=k, within=within)

    async def expects(
        self, questions: Sequence[str], passages: Sequence[Passage]
    ) -> list[Likeness]:
        """Return how like each question is to those that were written for the sections.

        Args:
            questions: what is asked.
            passages: of the sections that may answer it.

        Raises:
            RetrievalUnavailable: the index or the embedder cannot be used now.
        """
        self.held = self.held or self._take()
        vectors = await self._embedder.embed(questions)
        labels = {each.label for each in passages}
        return [self.held.index.expected.likeness(each, labels) for each in vectors]

    async def headings(self, labels: Sequence[str]) -> list[str]:
        """Return the innermost heading of each section, as far as the index has them."""
        try:
            self.held = self.held or self._take()
        except RetrievalUnavailable:
            return []
        return self.held.index.headings(labels)

    async def beside(self, found: Sequence[Passage]) -> list[Passage]:
        """Return what stands right before and behind passages that were found, in their sections.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        self.held = self.held or self._take()
        return self.held.index.beside(found)


class Library:
    """Searches the live index; opens it in the background and keeps trying until it can.

    Belongs to one event loop. Two versions are open at most: the live one, and the one before for
    as long as somebody reads it.

    Attributes:
        watch_s: how often it looks which version is live.
        refusal: what went live and was not moved to; None where all is well.
        reason: why nothing is open; empty where something is.
    """

    def __init__(
        self,
        premises: Premises,
        *,
        taste: Taste,
        rephrase: Callable[[str], str],
        make: Callable[[], object],
        on_open: Callable[[Sequence[Passage]], Awaitable[None]],
    ) -> None:
        """Open nothing yet.

        Args:
            premises: where the index stands, and what it was built with.
            taste: what the clinic thinks of its documents.
            rephrase: puts a query in the documents' own words; searched for beside the query.
            make: builds the index, for when none is found.
            on_open: gets the passages when an index is open, before it is said to be ready.
        """
        self._premises = premises
        self._taste = taste
        self._rephrase = rephrase
        self._make = make
        self._on_open = on_open
        self.watch_s = WATCH_S
        self._live: Held | None = None
        self._leaving: Held | None = None
        self._followed = Pointer(name="", written=(0, 0))  # what was last acted on
        self._again_at = math.inf  # when it is acted on again, though nothing was written
        self._keeper: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()
        self.refusal: Refusal | None = None
        self.reason = "the index is not open yet"

    @property
    def version(self) -> str | None:
        """Name the version that a search would be answered from."""
        return self._live.index.name if self._live else None

    async def start(self) -> None:
        """Begin to open the live index, and to follow it from then on; return at once."""
        self._keeper = asyncio.create_task(self._keep())

    async def open(self, *, settle: bool = False) -> None:
        """Open the index now, building it first where there is none.

        Args:
            settle: do what `on_open` does before the index is said to be ready; a server wants
                that, who asks once does not.

        Raises:
            RetrievalUnavailable: the index, the embedder or the Chroma server cannot be used.
        """
        pointer = await asyncio.to_thread(self._find)
        await self._premises.embedder.embed(["ready"])
        held = await self._opened(self._premises.shelf.place(pointer.name), settle=settle)
        self._live, self._followed, index = held, pointer, held.index
        self.reason = ""
        logger.info("index open version=%s passages=%d", index.name, len(index.passages))

    async def ready(self) -> bool:
        """Tell whether a search would be answered."""
        if self._live is None:
            return False
        with self._lent() as index:
            return await index.store.alive()

    async def close(self) -> None:
        """Close what is open."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await asyncio.gather(*self._closings)
        for held in (self._live, self._leaving):
            if held:
                await held.index.store.close()
        self._live = self._leaving = None
        if self._premises.server:
            await self._premises.server.close()
        self._premises.embedder.close()

    async def search(
        self, queries: Sequence[str], *, k: int, within: Within | None = None
    ) -> list[Passage]:
        """See `Reading.search`; for who searches once."""
        async with self.pinned() as reading:
            return await reading.search(queries, k=k, within=within)

    async def headings(self, labels: Sequence[str]) -> list[str]:
        """See `Reading.headings`."""
        async with self.pinned() as reading:
            return await reading.headings(labels)

    async def beside(self, found: Sequence[Passage]) -> list[Passage]:
        """See `Reading.beside`."""
        async with self.pinned() as reading:
            return await reading.beside(found)

    async def expects(
        self, questions: Sequence[str], passages: Sequence[Passage]
    ) -> list[Likeness]:
        """See `Reading.expects`."""
        async with self.pinned() as reading:
            return await reading.expects(questions, passages)

    async def mend(self, text: str) -> str:
        """See `Reading.mend`."""
        async with self.pinned() as reading:
            return await reading.mend(text)

    @asynccontextmanager
    async def pinned(self, *, dense_weight: float = DENSE_WEIGHT) -> AsyncIterator[Reading]:
        """Lend one version for as long as the block lasts, whatever goes live meanwhile.

        Args:
            dense_weight: how much meaning counts against words, 0 to 1, for who measures that.
        """
        reading = Reading(self._take, self._premises.embedder, self._rephrase, dense_weight)
        try:
            yield reading
        finally:
            if reading.held:
                self._give_back(reading.held)

    def _take(self) -> Held:
        if self._live is None:
            raise RetrievalUnavailable(self.reason)
        self._live.readers += 1
        return self._live

    def _give_back(self, held: Held) -> None:
        held.readers -= 1
        self._close_if_left(held)

    @contextmanager
    def _lent(self) -> Iterator[OpenIndex]:
        held = self._take()
        try:
            yield held.index
        finally:
            self._give_back(held)

    def _find(self) -> Pointer:
        """Return where the live index is, making one where there is none."""
        shelf = self._premises.shelf
        try:
            if shelf.current() is None:
                self._make()
            pointer = shelf.pointer()
        except OSError as error:
            raise RetrievalUnavailable(
                f"DATA_DIR {shelf.folder.parent}: {error.strerror or error}"
            ) from error
        if not shelf.holds(pointer.name):
            raise RetrievalUnavailable("there is no index; run `agentic-rag ingest`")
        return pointer

    async def _opened(self, version: IndexVersion, *, settle: bool) -> Held:
        index = await open_version(version, self._premises, self._taste)
        try:
            if settle:
                await self._on_open(index.passages)
        except BaseException:  # cancelled, too
            await index.store.close()
            raise
        # where a server is asked, who asks is told when it is away, whatever was found before
        return Held(index, room=0 if self._premises.server else _REMEMBERED)

    async def _keep(self) -> None:
        """Open what is live, then follow it, for as long as we live."""
        for attempt in count():  # what is away may come back
            try:
                await self.open(settle=True)
                break
            except Exception as error:  # nobody awaits this task to hear of it
                if _told(error) != self.reason:
                    self.reason = _told(error)
                    logger.warning(
                        "the index cannot be opened: %s", self.reason, exc_info=_trace(error)
                    )
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
        while True:
            await asyncio.sleep(self.watch_s)
            await self._follow()

    async def _follow(self) -> None:
        """Look which version is live, and move over where that has changed."""
        pointer = self._followed
        try:
            pointer = await asyncio.to_thread(self._premises.shelf.pointer)
            if pointer == self._followed and time.monotonic() < self._again_at:
                return
            if await self._move(pointer.name):
                self._followed, self._again_at, self.refusal = pointer, math.inf, None
        except Exception as error:  # noqa: BLE001  # nobody awaits this task to hear of it
            self._refuse(pointer, error)

    def _refuse(self, pointer: Pointer, error: Exception) -> None:
        for_good = isinstance(error, IndexRefused)
        refusal = Refusal(version=pointer.name, reason=_told(error), for_good=for_good)
        if refusal != self.refusal:
            logger.warning(
                "not moving to index version %s; %s goes on serving: %s",
                pointer.name,
                self.version,
                refusal.reason,
                exc_info=_trace(error),
            )
        self._followed, self.refusal = pointer, refusal
        self._again_at = math.inf if for_good else time.monotonic() + _AGAIN * self.watch_s

    async def _move(self, name: str) -> bool:
        """Make a version the one that is lent out; False where it has to wait."""
        if name == self.version:
            return True
        leaving = self._leaving
        if leaving and leaving.index.name == name and leaving.readers:
            self._swap(leaving)
            return True
        if leaving:  # two are open
            return False
        if not await asyncio.to_thread(self._premises.shelf.holds, name):
            raise IndexRefused(
                "`current` names a version that is not there; see `agentic-rag index list`"
            )
        self._swap(await self._opened(self._premises.shelf.place(name), settle=True))
        return True

    def _swap(self, held: Held) -> None:
        self._leaving, self._live = self._live, held
        logger.info("index moved version=%s passages=%d", held.index.name, len(held.index.passages))
        if self._leaving:
            self._close_if_left(self._leaving)

    def _close_if_left(self, held: Held) -> None:
        if held is self._leaving and held.readers == 0:
            closing = asyncio.create_task(self._close_left(held))
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)

    async def _close_left(self, held: Held) -> None:
        try:
            await held.index.store.close()
        finally:
            self._leaving = None


def _told(error: Exception) -> str:
    """Return what went wrong, for people; what we did not foresee is named by its kind."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, AgenticRagError) else type(error).__name__


def _trace(error: Exception) -> BaseException | None:
    """Return what is worth a traceback: what lies behind an error of ours, or a stranger."""
    return error.__cause__ if isinstance(error, AgenticRagError) else error
