"""Chroma: the only room that knows it, embedded in a folder or as a server."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import chromadb
import httpx
from chromadb.api import AsyncClientAPI, ClientAPI
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError
from filelock import FileLock, Timeout

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedder import Vectors

READ_AT = "read_at"
"""In a collection's metadata: when a replica last said that it reads it."""

LEASE_S = 24 * 3600
"""How long a replica's word holds, in seconds."""

ROWS = "rows"
"""What the collection in a Chroma folder is called."""

Hits = list[tuple[int, float]]
"""Row numbers with their cosine similarity, best first."""


class VectorStore(Protocol):
    """Nearest neighbours among the rows of one index version."""

    async def query(self, vector: Vectors, *, k: int, without: Sequence[str]) -> Hits:
        """Return the k nearest rows to a unit vector [dimension], documents `without` left out."""
        ...

    async def alive(self) -> bool:
        """Tell whether a query would find it."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


def _settings() -> ChromaSettings:
    return ChromaSettings(anonymized_telemetry=False)


def open_folder(folder: Path) -> Any:  # noqa: ANN401  # ClientAPI's type lacks `close`
    """Open a Chroma folder, or make one; nobody else may have it open."""
    return chromadb.PersistentClient(path=str(folder), settings=_settings())


class ServerAddress:
    """Where a Chroma server listens, and how long to wait for it."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.host = host
        self.port = port
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"CHROMA_HOST {self.host}, CHROMA_PORT {self.port}"

    def client(self) -> ClientAPI:
        """Connect."""
        return chromadb.HttpClient(host=self.host, port=self.port, settings=_settings())


@contextmanager
def named_failure(address: ServerAddress | Path) -> Iterator[None]:
    """Turn what Chroma raises into an error that names where it is."""
    try:
        yield
    except (ChromaError, httpx.HTTPError, OSError, ValueError, TimeoutError) as error:
        raise RetrievalUnavailable(f"Chroma at {address} does not answer as it should") from error


def _query(vector: Vectors, k: int, without: Sequence[str]) -> dict[str, Any]:
    where = {"where": {"doc_id": {"$nin": list(without)}}} if without else {}
    return {"query_embeddings": [vector], "n_results": k, "include": ["distances"], **where}


def _hits(found: Any, row_of: Mapping[str, int]) -> Hits:  # noqa: ANN401  # Chroma's TypedDict promises less than it gives
    return [
        (row_of[row_id], 1.0 - float(distance))
        for row_id, distance in zip(found["ids"][0], found["distances"][0], strict=True)
    ]


def _rows_by_id(ids: Sequence[str]) -> Mapping[str, int]:
    return {row_id: row for row, row_id in enumerate(ids)}


def _lock_of(folder: Path) -> FileLock:
    # opened on one thread, closed on another
    lock = folder.with_suffix(".lock")
    return FileLock(lock, blocking=False, is_singleton=False, thread_local=False)


def in_use(folder: Path) -> bool:
    """Tell whether a process has the Chroma folder open."""
    if not folder.exists():
        return False
    try:
        with _lock_of(folder):
            return False
    except Timeout:
        return True


class EmbeddedStore:
    """A Chroma folder in this process.

    Two processes must never open one Chroma path, so the first takes a lock beside the folder and
    a later one works on a copy of its own; an index version never changes, so both see the same.
    """

    def __init__(self, folder: Path, ids: Sequence[str]) -> None:
        """Open it.

        Args:
            folder: Chroma's folder.
            ids: the id of each row, in order.
        """
        self._row_of = _rows_by_id(ids)
        self._lock = _lock_of(folder)
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chroma")
        if not folder.is_dir():  # Chroma would make an empty one
            raise FileNotFoundError(f"{folder} is missing")
        with named_failure(folder):
            self._client = open_folder(self._own(folder))
            self._collection = self._client.get_collection(ROWS, embedding_function=None)

    async def query(self, vector: Vectors, *, k: int, without: Sequence[str]) -> Hits:
        """See `VectorStore`."""

        def ask() -> Hits:
            with named_failure(Path("the index")):
                return _hits(self._collection.query(**_query(vector, k, without)), self._row_of)

        return await asyncio.get_running_loop().run_in_executor(self._executor, ask)

    async def alive(self) -> bool:
        """See `VectorStore`."""
        return True

    async def close(self) -> None:
        """See `VectorStore`."""
        self._executor.shutdown(wait=True)
        self._client.close()
        self._lock.release()
        if self._copy:
            self._copy.cleanup()

    def _own(self, folder: Path) -> Path:
        try:
            self._lock.acquire()
        except (Timeout, OSError):  # another process has it, or the folder is read-only
            self._copy = tempfile.TemporaryDirectory(prefix="agentic-rag-")
            return Path(shutil.copytree(folder, Path(self._copy.name) / "chroma"))
        return folder


class ServerStore:
    """A collection on a Chroma server; every call has a finite time."""

    def __init__(self, address: ServerAddress, collection: str, ids: Sequence[str]) -> None:
        self._row_of = _rows_by_id(ids)
        self._address = address
        self._name = collection
        self._client: AsyncClientAPI | None = None
        self._collection: Any = None
        self._claimed_at = 0.0

    async def connect(self) -> None:
        """Find the collection.

        Raises:
            RetrievalUnavailable: the server is away, or does not hold it.
        """
        with named_failure(self._address):
            async with asyncio.timeout(self._address.timeout_s):
                self._client = await chromadb.AsyncHttpClient(
                    host=self._address.host, port=self._address.port, settings=_settings()
                )
                self._collection = await self._client.get_collection(
                    self._name, embedding_function=None
                )
                await self._claim()

    async def query(self, vector: Vectors, *, k: int, without: Sequence[str]) -> Hits:
        """See `VectorStore`."""
        with named_failure(self._address):
            async with asyncio.timeout(self._address.timeout_s):
                found = await self._collection.query(**_query(vector, k, without))
            return _hits(found, self._row_of)

    async def alive(self) -> bool:
        """See `VectorStore`."""
        try:
            with named_failure(self._address):
                async with asyncio.timeout(self._address.timeout_s):
                    await self._collection.count()
                    if time.time() - self._claimed_at > LEASE_S / 4:
                        await self._claim()
        except RetrievalUnavailable:
            return False
        return True

    async def close(self) -> None:
        """See `VectorStore`."""
        self._client = self._collection = None

    async def _claim(self) -> None:
        """Tell other replicas, which share the server, that this collection is being read."""
        self._claimed_at = time.time()
        await self._collection.modify(metadata={READ_AT: int(self._claimed_at)})
