"""Ingest: makes the index hold exactly the documents of a folder, doing only what is needed."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock, Timeout

from agentic_rag.domain import Passage
from agentic_rag.errors import BadPack, RetrievalUnavailable
from agentic_rag.retrieval import chroma
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.chunking import chunk, embedding_texts, section_texts, vector_ids
from agentic_rag.retrieval.documents import Document
from agentic_rag.retrieval.embedder import Embedder, Vectors
from agentic_rag.retrieval.index import (
    FORMAT,
    IndexShelf,
    IndexVersion,
    Manifest,
    sync_folder,
    version_of,
)
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.loaders import Skipped, find_files, load


class Progress(Protocol):
    """Shows a person how far it is."""

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """Begin a stage of `total` units; call what is returned with each advance."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """See `Progress`."""
        return lambda _advance: None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What a run did.

    Attributes:
        changed: whether a new version was made; False when there was nothing to do.
        embedded: passages that had to be embedded; the others came from the version before.
    """

    version: str
    changed: bool
    documents: int
    passages: int
    embedded: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What ingest works with.

    Attributes:
        server: the Chroma server that holds the vectors; None: a folder in the version.
        collection: stem of the collections' names on the server.
        keep: versions to keep besides the live one.
    """

    shelf: IndexShelf
    embedder: Embedder
    server: ServerAddress | None
    collection: str
    keep: int = 2

    @property
    def store(self) -> str:
        """Where vectors go: "folder" or "server"."""
        return "server" if self.server else "folder"


def collection_name(stem: str, version: str) -> str:
    """Name the collection that holds a version's vectors on a Chroma server."""
    return f"{stem}-{version}"


def ingest(folder: Path, shop: Workshop, progress: Progress | None = None) -> IngestReport:
    """Make the live index hold exactly the documents below `folder`.

    The new version is built beside the live one and switched to at the end; the same documents
    are no work at all, and only changed passages are embedded.

    Raises:
        BadPack: the folder does not exist or holds no readable document.
        RetrievalUnavailable: the embedder or the Chroma server is away, or DATA_DIR cannot be
            written.
    """
    if not folder.is_dir():
        raise BadPack(f"{folder}: there is no such folder")
    try:
        shop.shelf.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(shop.shelf.folder / "ingest.lock"):
            shop.shelf.sweep()
            return _ingest(folder, shop, progress or Silent())
    except OSError as error:
        raise _cannot_write(shop, error) from error


def _cannot_write(shop: Workshop, error: OSError) -> RetrievalUnavailable:
    return RetrievalUnavailable(f"DATA_DIR {shop.shelf.folder.parent}: {error.strerror or error}")


def _ingest(folder: Path, shop: Workshop, progress: Progress) -> IngestReport:
    documents, skipped = _read_all(folder, progress)
    if not documents:
        raise BadPack(f"{folder}: no readable document (.md .txt .json .jsonl) below it")
    digests = {document.doc_id: document.digest for document in documents}
    name = version_of(digests, shop.embedder.fingerprint, shop.store)
    live = shop.shelf.current()
    changed = live is None or live.folder.name != name or not _is_held(live, shop)
    if live is None or changed:
        embedded = _build(name, documents, skipped, shop, progress)
    manifest = shop.shelf.place(name).manifest()
    return IngestReport(
        version=name,
        changed=changed,
        documents=len(documents),
        passages=manifest.passages,
        embedded=embedded if changed else 0,
        skipped=tuple(skipped),
    )


def _is_held(live: IndexVersion, shop: Workshop) -> bool:
    """Tell whether the Chroma server, where there is one, still has what was given to it."""
    if shop.server is None:
        return True
    name = collection_name(shop.collection, live.folder.name)
    return chroma.count_rows(shop.server, name) == live.manifest().passages


def _read_all(folder: Path, progress: Progress) -> tuple[list[Document], list[Skipped]]:
    files = find_files(folder)
    advance = progress.start("reading", len(files))
    documents: list[Document] = []
    skipped: list[Skipped] = []
    for path in files:
        loaded = load(path, folder)
        if isinstance(loaded, Document):
            documents.append(loaded)
        else:
            skipped.append(loaded)
        advance(1)
    return documents, skipped


def _build(
    name: str,
    documents: Sequence[Document],
    skipped: Sequence[Skipped],
    shop: Workshop,
    progress: Progress,
) -> int:
    """Build a version aside, move it into place, switch, and clear the others away."""
    passages = [passage for document in documents for passage in chunk(document)]
    ids, vectors, embedded = _embed(passages, shop, progress)
    final = shop.shelf.place(name)
    final.folder.parent.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        format=FORMAT,
        version=name,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        embedder=shop.embedder.fingerprint,
        store=shop.store,
        documents={document.doc_id: document.digest for document in documents},
        skipped={each.doc_id: each.reason for each in skipped},
        passages=len(passages),
    )
    with tempfile.TemporaryDirectory(prefix=".building-", dir=final.folder.parent) as aside:
        version = IndexVersion(Path(aside) / name)
        version.folder.mkdir()
        rows = chroma.Rows(ids=ids, doc_ids=[each.doc_id for each in passages], vectors=vectors)
        advance = progress.start("indexing", len(passages))
        if shop.server:
            collection = collection_name(shop.collection, name)
            chroma.build_collection(shop.server, collection, rows, advance)
        else:
            chroma.build_folder(version.chroma, rows, advance)
        LexicalIndex.build(section_texts(passages)).save(version.lexical)
        version.write(manifest, passages, ids, vectors)
        shutil.rmtree(final.folder, ignore_errors=True)
        version.folder.replace(final.folder)
    sync_folder(final.folder.parent)
    shop.shelf.switch(name)
    _clear(shop, shop.keep)
    return embedded


def _embed(
    passages: Sequence[Passage], shop: Workshop, progress: Progress
) -> tuple[list[str], Vectors, int]:
    """Return the ids and vectors of the passages, and how many had to be computed."""
    known = _known_vectors(shop)
    texts = embedding_texts(passages)
    ids = vector_ids(passages, texts)
    fresh = [row for row, row_id in enumerate(ids) if row_id not in known]
    advance = progress.start("embedding", len(fresh))
    computed = shop.embedder.encode([texts[row] for row in fresh], progress=advance)
    known.update({ids[row]: vector for row, vector in zip(fresh, computed, strict=True)})
    return ids, np.stack([known[row_id] for row_id in ids]), len(fresh)


def _known_vectors(shop: Workshop) -> dict[str, Vectors]:
    live = shop.shelf.current()
    try:
        if live is None or live.manifest().embedder != shop.embedder.fingerprint:
            return {}
        return dict(zip(live.ids(), live.vectors(), strict=True))
    except (OSError, ValueError):  # of another format, or damaged
        return {}


def prune(shop: Workshop, keep: int) -> list[str]:
    """Remove old versions but the `keep` newest and the live one; return their names.

    A version that a process has open stays, too, and so does a collection on a Chroma server
    that a replica anywhere reads.

    Raises:
        RetrievalUnavailable: an ingest is at work, or the Chroma server is away.
    """
    if not shop.shelf.folder.is_dir():
        return []
    try:
        with FileLock(shop.shelf.folder / "ingest.lock", timeout=0):
            shop.shelf.sweep()
            return _clear(shop, keep)
    except Timeout:
        raise RetrievalUnavailable("an ingest is at work; prune when it has ended") from None
    except OSError as error:
        raise _cannot_write(shop, error) from error


def _clear(shop: Workshop, keep: int) -> list[str]:
    others = [each.name for each in shop.shelf.inventory() if not each.live]
    old = [each for each in others[keep:] if not chroma.in_use(shop.shelf.place(each).chroma)]
    for each in old:
        shop.shelf.remove(each)
    if shop.server and old:
        chroma.drop_collections(shop.server, [collection_name(shop.collection, o) for o in old])
    return old
