"""Chroma: where the vectors are, embedded in a folder or on a server."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import chromadb
import httpx
import numpy as np
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, NotFoundError
from filelock import FileLock, Timeout

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.embedding.embedder import Vectors

logger = logging.getLogger(__name__)

READ_AT = "read_at"
"""In a collection's metadata: when a replica last said that it reads it."""

LEASE_S = 24 * 3600
"""How long a replica's word holds, in seconds."""

_LITTLE_ROOM_MB = 50

EXACT = 5_000
"""So many rows are looked at one by one in a fifth of the time that Chroma takes to be asked."""

ROWS = "rows"
"""What the collection in a Chroma folder is called."""

T = TypeVar("T")

Hits = list[tuple[int, float]]
"""Row numbers with their cosine similarity, best first."""


class VectorStore(Protocol):
    """Nearest neighbours among the rows of one index version."""

    async def query(self, vector: Vectors, *, k: int) -> Hits:
        """Return the k nearest rows to a unit vector [dimension]."""
        ...

    async def alive(self) -> bool:
        """Tell whether a query would find it."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


def open_folder(folder: Path) -> Any:  # noqa: ANN401  # ClientAPI's type lacks `close`
    """Open a Chroma folder, or make one; nobody else may have it open."""
    settings = ChromaSettings(anonymized_telemetry=False)
    return chromadb.PersistentClient(path=str(folder), settings=settings)


@contextmanager
def named_failure(where: ServerAddress | Path) -> Iterator[None]:
    """Turn what Chroma raises into an error that names where it is."""
    try:
        yield
    except (ChromaError, httpx.HTTPError, OSError, LookupError, ValueError, TypeError) as error:
        raise RetrievalUnavailable(_explain(where, error)) from error


def _explain(where: ServerAddress | Path, error: Exception) -> str:
    if isinstance(where, ServerAddress):
        return where.explain(error)
    return f"Chroma at {where} does not answer as it should: {error}{_room_at(where)}"


def _room_at(where: Path) -> str:
    """Say how little room a disk has: of a full one, Chroma says anything but that."""
    try:
        left_mb = shutil.disk_usage(where).free / 1e6
    except OSError:
        return ""
    return f" (its disk has {left_mb:.1f} MB left)" if left_mb < _LITTLE_ROOM_MB else ""


def _query(vector: Vectors, k: int) -> dict[str, Any]:
    return {"query_embeddings": [vector], "n_results": k, "include": ["distances"]}


def _hits(found: Any, row_of: Mapping[str, int]) -> Hits:  # noqa: ANN401  # Chroma's TypedDict promises less than it gives
    return [
        (row_of[row_id], 1.0 - float(distance))
        for row_id, distance in zip(found["ids"][0], found["distances"][0], strict=True)
    ]


async def _hits_of(asked: Awaitable[Any], row_of: Mapping[str, int]) -> Hits:
    return _hits(await asked, row_of)


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

    def __init__(
        self, folder: Path, ids: Sequence[str], vectors: Vectors, *, exact: int = EXACT
    ) -> None:
        """Open it.

        Args:
            folder: Chroma's folder.
            ids: the id of each row, in order.
            vectors: all of them [rows, dimension]: looked at one by one where they are few, or
                where a folder that was good cannot be read any more, because somebody has taken
                it away, say.
            exact: how many rows are few.
        """
        if not folder.is_dir():  # Chroma would make an empty one
            raise FileNotFoundError(f"{folder} is missing")
        self._row_of = _rows_by_id(ids)
        self._vectors = vectors
        self._exact = exact
        self._was_good = False
        self._lock = _lock_of(folder)
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chroma")
        self._client: Any = None
        try:
            with named_failure(folder):
                self._client = open_folder(self._own(folder))
                self._collection = self._client.get_collection(ROWS, embedding_function=None)
        except BaseException:
            self._let_go()
            raise

    async def query(self, vector: Vectors, *, k: int) -> Hits:
        """See `VectorStore`."""
        if len(self._row_of) <= self._exact:
            return self._nearest(vector, k)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._ask, vector, k)

    async def alive(self) -> bool:
        """See `VectorStore`."""
        return True

    async def close(self) -> None:
        """See `VectorStore`."""
        await asyncio.to_thread(self._let_go)

    def _ask(self, vector: Vectors, k: int) -> Hits:
        try:
            with named_failure(Path("the index")):
                found = _hits(self._collection.query(**_query(vector, k)), self._row_of)
        except RetrievalUnavailable as error:
            if not self._was_good:
                raise
            logger.warning("every vector is looked at: %s", error, exc_info=error.__cause__)
            return self._nearest(vector, k)
        self._was_good = True
        return found

    def _nearest(self, vector: Vectors, k: int) -> Hits:
        cosine = self._vectors @ vector
        return [(int(row), float(cosine[row])) for row in np.argsort(-cosine)[:k]]

    def _own(self, folder: Path) -> Path:
        try:
            self._lock.acquire()
        except (Timeout, OSError):  # another process has it, or the folder is read-only
            self._copy = tempfile.TemporaryDirectory(prefix="agentic-rag-")
            return _copied(folder, Path(self._copy.name) / "chroma")
        return folder

    def _let_go(self) -> None:
        self._executor.shutdown(wait=True)
        if self._client:
            self._client.close()
        self._client = self._collection = None
        self._lock.release()
        if self._copy:
            self._copy.cleanup()


def _copied(folder: Path, to: Path) -> Path:
    """Copy a folder so that the copy can be written, which Chroma does to what it opens."""
    shutil.copytree(folder, to, copy_function=shutil.copyfile)
    for each in (to, *to.rglob("*/")):
        each.chmod(0o700)
    return to


class ServerStore:
    """A collection on a Chroma server; every call has a finite time.

    A collection that was taken away and made anew has another id: it is found again by its name.
    """

    def __init__(self, address: ServerAddress, collection: str, ids: Sequence[str]) -> None:
        self._row_of = _rows_by_id(ids)
        self._address = address
        self._name = collection
        self._collection: AsyncCollection | None = None
        self._claimed_at = 0.0

    async def connect(self) -> None:
        """Find the collection.

        Raises:
            RetrievalUnavailable: the server is away, or does not hold it whole.
        """
        await self._asked(self._claim)

    async def query(self, vector: Vectors, *, k: int) -> Hits:
        """See `VectorStore`."""
        wanted = _query(vector, k)
        turns = self._address.api().turns
        return await self._asked(lambda held: _hits_of(held.query(**wanted), self._row_of), turns)

    async def alive(self) -> bool:
        """See `VectorStore`."""
        try:
            rows = await self._asked(lambda held: held.count())
            if time.time() - self._claimed_at > LEASE_S / 4:
                await self._asked(self._claim)
        except RetrievalUnavailable:
            return False
        return rows == len(self._row_of)

    async def close(self) -> None:
        """See `VectorStore`; the connections are the address's."""
        self._collection = None

    async def _asked(
        self,
        ask: Callable[[AsyncCollection], Awaitable[T]],
        turns: AbstractAsyncContextManager[None] | None = None,
    ) -> T:
        with named_failure(self._address):
            # the time runs while a turn is waited for: where the server hangs, for all together
            async with asyncio.timeout(self._address.timeout_s), turns or nullcontext():
                try:
                    return await ask(self._collection or await self._find())
                except NotFoundError:
                    return await ask(await self._find())

    async def _find(self) -> AsyncCollection:
        api = self._address.api()
        found = AsyncCollection(client=api, model=await api.get_collection(self._name))
        if await found.count() != len(self._row_of):  # it is being filled
            raise NotFoundError(f"{self._name} is not whole")
        self._collection = found
        return found

    async def _claim(self, held: AsyncCollection) -> None:
        """Tell other replicas, which share the server, that this collection is being read."""
        self._claimed_at = time.time()
        await held.modify(metadata={READ_AT: int(self._claimed_at)})
