"""The library: opens the live index and has it searched."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from itertools import count

import numpy as np

from agentic_rag.domain import Passage
from agentic_rag.errors import AgenticRagError, RetrievalUnavailable
from agentic_rag.retrieval.chroma import EmbeddedStore, ServerStore, VectorStore
from agentic_rag.retrieval.hybrid import OpenIndex
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.workshop import Workshop

logger = logging.getLogger(__name__)

_RETRY_S = (0.5, 1.0, 2.0, 5.0)


class Library:
    """Searches the live index; opens it in the background and keeps trying until it can."""

    def __init__(
        self,
        shop: Workshop,
        *,
        noisy_sources: Sequence[str],
        make: Callable[[], object],
        on_open: Callable[[Sequence[Passage]], Awaitable[None]],
    ) -> None:
        """Open nothing yet.

        Args:
            shop: where the index stands, and what it was built with.
            noisy_sources: globs of documents that are never evidence.
            make: builds the index, for when none is found.
            on_open: gets the passages when the index is open, before it is said to be ready.
        """
        self._shop = shop
        self._noisy_sources = tuple(noisy_sources)
        self._make = make
        self._on_open = on_open
        self._open: OpenIndex | None = None
        self._opening: asyncio.Task[None] | None = None
        self.reason = "the index is not open yet"

    async def start(self) -> None:
        """Begin to open the index; return at once."""
        self._opening = asyncio.create_task(self._open_with_patience())

    async def open(self, *, settle: bool = False) -> None:
        """Open the index now, building it first where there is none.

        Args:
            settle: do what `on_open` does before the index is said to be ready; a server wants
                that, who asks once does not.

        Raises:
            RetrievalUnavailable: the index, the embedder or the Chroma server cannot be used.
        """
        await asyncio.to_thread(self._make_if_missing)
        version = self._shop.shelf.current()
        if version is None:
            raise RetrievalUnavailable("there is no index; run `agentic-rag ingest`")
        await self._shop.embedder.embed(["ready"])
        try:
            self._check(version)
            index = await self._read(version)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RetrievalUnavailable(
                f"the index in {version.folder} is damaged; remove it and run `agentic-rag ingest`"
            ) from error
        try:
            if settle:
                await self._on_open(index.passages)
        except BaseException:  # cancelled, too
            await index.store.close()
            raise
        self._open = index
        self.reason = ""
        logger.info("index open version=%s passages=%d", self._open.name, len(self._open.passages))

    async def ready(self) -> bool:
        """Tell whether a search would be answered."""
        return self._open is not None and await self._open.store.alive()

    async def close(self) -> None:
        """Close what is open."""
        if self._opening:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._open:
            await self._open.store.close()
            self._open = None
        self._shop.embedder.close()

    async def search(self, queries: Sequence[str], *, k: int) -> list[Passage]:
        """Return the k best passages over all queries, best first, noisy sources left out.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        index = self._open
        if index is None:
            raise RetrievalUnavailable(self.reason)
        vectors = await self._shop.embedder.embed(queries)
        found = await asyncio.gather(
            *(index.search(q, v, k=k) for q, v in zip(queries, vectors, strict=True))
        )
        best: dict[int, float] = {}
        for row, score in (hit for hits in found for hit in hits):
            best[row] = max(score, best.get(row, 0.0))
        ranked = sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))[:k]
        return [replace(index.passages[row], score=score) for row, score in ranked]

    def _make_if_missing(self) -> None:
        if self._shop.shelf.current() is None:
            self._make()

    def _check(self, version: IndexVersion) -> None:
        manifest, shop = version.manifest(), self._shop
        made, wanted = (manifest.embedder, manifest.store), (shop.embedder.fingerprint, shop.store)
        if made != wanted:
            raise RetrievalUnavailable(
                f"the index was built for {', '.join(made)}, but EMBEDDING_MODEL and CHROMA_HOST"
                f" now say {', '.join(wanted)}; run `agentic-rag ingest`"
            )

    async def _read(self, version: IndexVersion) -> OpenIndex:
        passages = await asyncio.to_thread(version.passages)
        doc_ids = sorted({passage.doc_id for passage in passages})
        noisy = {d for d in doc_ids if any(fnmatch(d, glob) for glob in self._noisy_sources)}
        return OpenIndex(
            name=version.folder.name,
            passages=passages,
            vectors=version.vectors(),
            lexical=await asyncio.to_thread(LexicalIndex.load, version.lexical),
            store=await self._connect(version),
            noisy=tuple(sorted(noisy)),
            section_of=np.cumsum([passage.part == 0 for passage in passages], dtype=np.intp) - 1,
            evidence=np.array([passage.doc_id not in noisy for passage in passages], dtype=bool),
        )

    async def _connect(self, version: IndexVersion) -> VectorStore:
        ids = await asyncio.to_thread(version.ids)
        if self._shop.server is None:
            return await asyncio.to_thread(EmbeddedStore, version.chroma, ids)
        name = self._shop.collection_of(version.folder.name)
        store = ServerStore(self._shop.server, name, ids)
        await store.connect()
        return store

    async def _open_with_patience(self) -> None:
        for attempt in count():  # for as long as we live: what is away may come back
            try:
                await self.open(settle=True)
            except (AgenticRagError, OSError) as error:
                self.reason = str(error)
                logger.warning("the index cannot be opened: %s", error, exc_info=error.__cause__)
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
            else:
                return
