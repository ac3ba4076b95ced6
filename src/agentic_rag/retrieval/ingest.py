"""Ingest: makes the index hold exactly the documents of a folder, doing only what is needed."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock

from agentic_rag.domain import Passage
from agentic_rag.errors import BadPack, RetrievalUnavailable
from agentic_rag.retrieval import chroma
from agentic_rag.retrieval.chunking import chunk, embedding_texts, section_texts, vector_ids
from agentic_rag.retrieval.documents import Document, Skipped
from agentic_rag.retrieval.embedder import Embedder, Vectors
from agentic_rag.retrieval.index import FORMAT, IndexShelf, IndexVersion, Manifest, version_of
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.loaders import READERS, find_files, load

_KEPT = 1  # versions beside the live one


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
    """

    shelf: IndexShelf
    embedder: Embedder
    server: chroma.ServerAddress | None
    collection: str

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
        raise RetrievalUnavailable(
            f"DATA_DIR {shop.shelf.folder.parent}: {error.strerror or error}"
        ) from error


def _ingest(folder: Path, shop: Workshop, progress: Progress) -> IngestReport:
    documents, skipped = _read_all(folder, progress)
    if not documents:
        raise BadPack(f"{folder}: no readable document ({' '.join(READERS)}) below it")
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
            skipped += loaded.skipped
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
    passages = [passage for document in documents for passage in chunk(document, shop.embedder)]
    vectors, embedded = _embed(passages, shop, progress)
    final = shop.shelf.place(name)
    final.folder.parent.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(
        format=FORMAT,
        version=name,
        embedder=shop.embedder.fingerprint,
        store=shop.store,
        documents={document.doc_id: document.digest for document in documents},
        skipped={each.doc_id: each.reason for each in skipped},
        passages=len(passages),
    )
    with tempfile.TemporaryDirectory(prefix=".building-", dir=final.folder.parent) as aside:
        version = IndexVersion(Path(aside) / name)
        version.folder.mkdir()
        doc_ids = [passage.doc_id for passage in passages]
        advance = progress.start("indexing", len(passages))
        if shop.server:
            collection = collection_name(shop.collection, name)
            chroma.build_collection(shop.server, collection, vectors, doc_ids, advance)
        else:
            chroma.build_folder(version.chroma, vectors, doc_ids, advance)
        LexicalIndex.build(section_texts(passages)).save(version.lexical)
        version.write(manifest, passages, vectors)
        shutil.rmtree(final.folder, ignore_errors=True)
        version.folder.replace(final.folder)
    shop.shelf.switch(name)
    _clear(name, shop)
    return embedded


def _embed(passages: Sequence[Passage], shop: Workshop, progress: Progress) -> tuple[Vectors, int]:
    """Return the vectors of the passages and how many had to be computed."""
    known = _known_vectors(shop)
    texts = embedding_texts(passages)
    names = vector_ids(passages, texts)
    fresh = [row for row, name in enumerate(names) if name not in known]
    advance = progress.start("embedding", len(fresh))
    computed = shop.embedder.encode([texts[row] for row in fresh], progress=advance)
    known.update({names[row]: vector for row, vector in zip(fresh, computed, strict=True)})
    return np.stack([known[name] for name in names]), len(fresh)


def _known_vectors(shop: Workshop) -> dict[str, Vectors]:
    live = shop.shelf.current()
    if live is None or live.manifest().embedder != shop.embedder.fingerprint:
        return {}
    passages = live.passages()
    names = vector_ids(passages, embedding_texts(passages))
    return dict(zip(names, live.vectors(), strict=True))


def _clear(name: str, shop: Workshop) -> None:
    """Drop old versions; the one before stays, and so does any that a process has open.

    A collection on a Chroma server stays while a replica anywhere reads it.
    """
    others = [each for each in shop.shelf.names() if each != name]
    old = [each for each in others[_KEPT:] if not chroma.in_use(shop.shelf.place(each).chroma)]
    for each in old:
        shutil.rmtree(shop.shelf.place(each).folder, ignore_errors=True)
    if shop.server:
        chroma.drop_collections(shop.server, [collection_name(shop.collection, o) for o in old])
