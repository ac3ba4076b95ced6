"""Filling: puts the rows of an index version into Chroma, and looks whether they are there."""

import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from chromadb.api import ClientAPI
from chromadb.errors import NotFoundError

from agentic_rag.errors import IndexUnproven
from agentic_rag.retrieval.chroma import (
    LEASE_S,
    READ_AT,
    ROWS,
    named_failure,
    open_folder,
)
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.embedding.embedder import Vectors

_CALL = 1000  # rows in one call: Chroma takes 5461, and each call costs it 30 ms
_GROUP = (
    10_000  # rows between two writes of the graph: what is not in it is read anew at each start
)
_ITSELF = 0.999  # cosine from which a vector has found itself

# Found by measurement, docs/benchmarks.md: recall at 10 of .99 and more on 33,000 real vectors.
# A small graph costs nothing to make well, and needs to be: among many alike passages the odd one
# out may end up where no way leads.
_GRAPH: dict[str, Any] = {
    "space": "cosine",
    "ef_construction": 100,
    "max_neighbors": 32,
    "ef_search": 400,
}
_SMALL_GRAPH = {**_GRAPH, "ef_construction": 400, "max_neighbors": 64}
_SMALL = 2000  # rows
_MAX_LOST = 0.25  # of a sample

Collection = Any  # Chroma's own types promise less than they take
Advance = Callable[[int], None]
Where = Path | ServerAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a store: the vectors [rows, dimension], and of each row its id and document.

    The id names the vector, not the row: a row that moves in the next version keeps it.
    """

    ids: Sequence[str]
    doc_ids: Sequence[str]
    vectors: Vectors


class Sink(Protocol):
    """Takes rows, in any order and in portions of any size."""

    def add(self, rows: Rows) -> None:
        """Take some."""
        ...


class Filling:
    """Hands rows on to a collection, in calls of the sizes that were planned."""

    def __init__(
        self, collection: Collection, where: Where, advance: Advance, sizes: Iterable[int] = ()
    ) -> None:
        self._collection = collection
        self._where = where
        self._sizes = iter(sizes)
        self._size = next(self._sizes, _CALL)
        self._advance = advance
        self._waiting: list[Rows] = []
        self._count = 0

    def add(self, rows: Rows) -> None:
        """See `Sink`."""
        self._waiting.append(rows)
        self._count += len(rows.ids)
        while self._count >= self._size:
            self._call(self._size)

    def finish(self) -> None:
        """Hand on what still waits."""
        while self._count:
            self._call(min(self._size, self._count))

    def _call(self, size: int) -> None:
        waiting = _joined(self._waiting)
        now = _cut(waiting, slice(0, size))
        with named_failure(self._where):
            self._collection.upsert(
                ids=list(now.ids),
                embeddings=now.vectors,
                metadatas=[{"doc_id": doc_id} for doc_id in now.doc_ids],
            )
        self._waiting = [_cut(waiting, slice(size, None))]
        self._count -= size
        self._size = next(self._sizes, _CALL)
        self._advance(size)


@contextmanager
def filling_folder(folder: Path, total: int, advance: Advance) -> Iterator[Sink]:
    """Make a Chroma folder that is to hold `total` rows.

    Chroma writes its graph when so many rows have come since the last time; what comes after that
    it reads from its log whenever the folder is opened, a millisecond a row. So the rows are
    planned in groups that end in a write.
    """
    groups = max(1, total // _GROUP)
    sizes = [size for group in _evenly(total, groups) for size in _evenly(group, _calls(group))]
    graph = {**_graph_for(total), "sync_threshold": max(2, total // groups)}
    with _opened(folder) as client:
        with named_failure(folder):
            collection = client.create_collection(
                ROWS, embedding_function=None, configuration=_configured(graph)
            )
        filling = Filling(collection, folder, advance, sizes)
        yield filling
        filling.finish()
        with named_failure(folder), warnings.catch_warnings():
            # Chroma calls its own way to say "no embedding function" a legacy one
            warnings.simplefilter("ignore", DeprecationWarning)
            # whoever changes a copy of this folder has each of the changes written
            collection.modify(configuration={"hnsw": {"sync_threshold": 2}})


@contextmanager
def editing_folder(
    folder: Path, source: Path, gone: Sequence[str], advance: Advance
) -> Iterator[Sink]:
    """Make a Chroma folder out of another version's, without the rows that are `gone`."""
    shutil.copytree(source, folder, copy_function=shutil.copyfile)
    with _opened(folder) as client:
        with named_failure(folder):
            collection = client.get_collection(ROWS, embedding_function=None)
            for at in range(0, len(gone), _CALL):
                collection.delete(ids=list(gone[at : at + _CALL]))
        filling = Filling(collection, folder, advance)
        yield filling
        filling.finish()


@contextmanager
def filling_collection(
    address: ServerAddress, name: str, total: int, advance: Advance
) -> Iterator[Sink]:
    """Fill a collection on a Chroma server.

    A whole one of the same name is left as it is, for the name tells what is in it and another
    replica may be reading it; a half-written one is filled up, by several replicas at once if
    need be: the same row has the same id and the same vector for each.

    Raises:
        RetrievalUnavailable: the server does not answer.
    """
    if count_rows(address, name) == total:
        yield _Full(advance)
        return
    with named_failure(address):
        collection = address.client().get_or_create_collection(
            name, embedding_function=None, configuration=_configured(_graph_for(total))
        )
    filling = Filling(collection, address, advance)
    yield filling
    filling.finish()


def count_rows(address: ServerAddress, name: str) -> int:
    """Return how many rows a collection on a Chroma server has; 0 where there is none.

    Raises:
        RetrievalUnavailable: the server does not answer.
    """
    with named_failure(address):
        collection = _find(address.client(), name)
        return collection.count() if collection else 0


def find_vectors(address: ServerAddress, name: str, ids: Sequence[str]) -> dict[str, Vectors]:
    """Return those of the vectors that a collection on a Chroma server has, by id.

    Raises:
        RetrievalUnavailable: the server does not answer.
    """
    with named_failure(address):
        collection = _find(address.client(), name)
        if collection is None:
            return {}
        found: dict[str, Vectors] = {}
        for at in range(0, len(ids), _CALL):
            page = collection.get(ids=list(ids[at : at + _CALL]), include=["embeddings"])
            vectors = np.asarray(page["embeddings"], dtype=np.float32)
            found.update(zip(page["ids"], vectors, strict=True))
        return found


def drop_collections(address: ServerAddress, names: Sequence[str]) -> None:
    """Remove the collections of those names, but for any that somebody read within a day.

    Raises:
        RetrievalUnavailable: the server does not answer.
    """
    with named_failure(address):
        client = address.client()
        for name in names:
            collection = _find(client, name)
            read_at = ((collection and collection.metadata) or {}).get(READ_AT, 0)
            if collection and time.time() - float(str(read_at)) > LEASE_S:
                client.delete_collection(name)


def prove_folder(folder: Path, total: int, sample: Rows) -> None:
    """Look whether a Chroma folder holds `total` rows, and finds each of the sample by its vector.

    Raises:
        IndexUnproven: it does not.
    """
    with _opened(folder) as client, named_failure(folder):
        _prove(client.get_collection(ROWS, embedding_function=None), total, sample)


def prove_collection(address: ServerAddress, name: str, total: int, sample: Rows) -> None:
    """Do `prove_folder` for a collection on a Chroma server.

    Raises:
        IndexUnproven: it does not hold them.
        RetrievalUnavailable: the server does not answer.
    """
    with named_failure(address):
        collection = address.client().get_collection(name, embedding_function=None)
        _prove(collection, total, sample)


class _Full:
    """Takes what is there already."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def add(self, rows: Rows) -> None:
        """See `Sink`."""
        self._advance(len(rows.ids))


def _prove(collection: Collection, total: int, sample: Rows) -> None:
    count = collection.count()
    if count != total:
        raise IndexUnproven(f"Chroma holds {count} rows of {total}")
    if not sample.ids:
        return
    found = collection.query(query_embeddings=sample.vectors, n_results=1, include=["distances"])[
        "distances"
    ]
    lost = sum(not each or 1 - each[0] < _ITSELF for each in found)
    if lost > _MAX_LOST * len(sample.ids):  # the search is an approximate one
        raise IndexUnproven(f"Chroma does not find {lost} of {len(sample.ids)} rows by themselves")


def _find(client: ClientAPI, name: str) -> Collection | None:
    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    with named_failure(folder):
        client = open_folder(folder)
    try:
        yield client
    finally:
        client.close()


def _configured(graph: dict[str, Any]) -> Any:  # noqa: ANN401  # Chroma's TypedDict
    return {"hnsw": graph}


def _graph_for(total: int) -> dict[str, Any]:
    return _SMALL_GRAPH if total <= _SMALL else _GRAPH


def _calls(rows: int) -> int:
    return -(-rows // _CALL)


def _evenly(total: int, parts: int) -> list[int]:
    """Cut a number into parts that differ by one at most, none of them below the last."""
    low, rest = divmod(total, parts)
    return [low + (at < rest) for at in range(parts)]


def _joined(portions: Sequence[Rows]) -> Rows:
    if len(portions) == 1:
        return portions[0]
    return Rows(
        ids=[each for rows in portions for each in rows.ids],
        doc_ids=[each for rows in portions for each in rows.doc_ids],
        vectors=np.concatenate([rows.vectors for rows in portions]),
    )


def _cut(rows: Rows, part: slice) -> Rows:
    return Rows(ids=rows.ids[part], doc_ids=rows.doc_ids[part], vectors=rows.vectors[part])
