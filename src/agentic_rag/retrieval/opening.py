"""Opening: makes an index version ready to be searched, or says why it cannot be."""

import asyncio
from pathlib import Path

from agentic_rag.errors import IndexRefused, RetrievalUnavailable
from agentic_rag.retrieval.chroma import EmbeddedStore, ServerStore, VectorStore
from agentic_rag.retrieval.expected import ExpectedQuestions
from agentic_rag.retrieval.hybrid import OpenIndex, Parts, Taste
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.premises import Premises

_DAMAGE = (
    ValueError, LookupError, TypeError, EOFError,
    FileNotFoundError, NotADirectoryError, IsADirectoryError,
)  # fmt: skip
"""What reading a damaged part ends in."""

_EXACT = 0.01  # cosines that differ by less are the same


async def open_version(version: IndexVersion, premises: Premises, taste: Taste) -> OpenIndex:
    """Read all parts of a version, connect to its vectors, and search it once.

    What is slow runs on a thread; cancelled, nothing stays open.

    Raises:
        IndexRefused: it is damaged, or was made for other parts than these premises'.
        RetrievalUnavailable: it cannot be read now.
    """
    try:
        return await _open(version, premises, taste)
    except IndexRefused:
        raise
    except RetrievalUnavailable as error:
        if premises.server or isinstance(error.__cause__, OSError):  # it may pass
            raise
        raise _damaged(version) from error
    except _DAMAGE as error:
        raise _damaged(version) from error
    except OSError as error:
        raise RetrievalUnavailable(
            f"index version {version.folder.name} cannot be read: {error.strerror or error}"
        ) from error


def check(version: IndexVersion, premises: Premises) -> None:
    """Refuse a version that is damaged, or was made for other parts than these premises'.

    Raises:
        IndexRefused: tells what to do.
    """
    try:
        manifest, damaged = version.manifest(), version.damaged()
    except _DAMAGE as error:
        raise _damaged(version) from error
    if damaged:  # Chroma would die of a graph that has been cut
        raise _damaged(version) from ValueError(f"{', '.join(sorted(damaged))}: not as written")
    made, wanted = (
        (manifest.embedder, manifest.store),
        (premises.embedder.fingerprint, premises.store),
    )
    if made != wanted:
        raise IndexRefused(
            f"index version {version.folder.name} was built for {', '.join(made)}, but"
            f" EMBEDDING_MODEL, the export of it and CHROMA_HOST now make {', '.join(wanted)};"
            " run `agentic-rag ingest`"
        )


def _damaged(version: IndexVersion) -> IndexRefused:
    return IndexRefused(
        f"index version {version.folder.name} is damaged, or of another release;"
        " run `agentic-rag ingest`"
    )


async def _open(version: IndexVersion, premises: Premises, taste: Taste) -> OpenIndex:
    parts = await asyncio.to_thread(_read, version, premises)
    store = await _connect(version, premises, parts)
    try:
        index = await asyncio.to_thread(OpenIndex.of, parts, store, taste)
        await _prove(index)
    except BaseException:  # cancelled, too
        await store.close()
        raise
    return index


def _read(version: IndexVersion, premises: Premises) -> Parts:
    check(version, premises)
    questions, asked = version.questions()
    parts = Parts(
        name=version.folder.name,
        passages=version.passages(),
        ids=version.ids(),
        vectors=version.vectors(),
        lexical=LexicalIndex.load(version.lexical),
        digests=version.manifest().documents,
        expected=ExpectedQuestions(questions, asked),
    )
    rows, sections = len(parts.passages), sum(passage.part == 0 for passage in parts.passages)
    if not version.manifest().passages == rows == len(parts.ids) == len(parts.vectors):
        raise ValueError("its parts are not of one length")
    if asked.shape != (len(questions), parts.vectors.shape[1]):
        raise ValueError("its questions are of another shape")
    if parts.lexical.size != sections:
        raise ValueError("its lexical half has other sections")
    return parts


async def _connect(version: IndexVersion, premises: Premises, parts: Parts) -> VectorStore:
    if premises.server is None:
        return await _open_folder(version.chroma, parts)
    store = ServerStore(premises.server, premises.collection_of(version.folder.name), parts.ids)
    await store.connect()
    return store


async def _open_folder(folder: Path, parts: Parts) -> EmbeddedStore:
    opening = asyncio.ensure_future(
        asyncio.to_thread(EmbeddedStore, folder, parts.ids, parts.vectors)
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:  # the thread goes on, and what it opens must be closed
        (opened,) = await asyncio.gather(opening, return_exceptions=True)
        if isinstance(opened, EmbeddedStore):
            await opened.close()
        raise


async def _prove(index: OpenIndex) -> None:
    """Search once, which loads Chroma's graph before anybody waits for it.

    What is found need not be the nearest, for the graph is approximate; but it must be as near as
    Chroma says, or its rows are not ours.
    """
    if not index.passages:
        return
    asked = index.vectors[0]
    found = await index.store.query(asked, k=1)
    if not found or abs(found[0][1] - float(index.vectors[found[0][0]] @ asked)) > _EXACT:
        raise ValueError("Chroma holds other vectors")
