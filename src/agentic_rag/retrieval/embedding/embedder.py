"""The embedder: texts to unit vectors, whatever computes them."""

import asyncio
import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agentic_rag.errors import RetrievalUnavailable

Vectors = NDArray[np.float32]

_CACHE_SIZE = 20_000  # texts; 1.6 kB each, and a name of up to 300 characters: 40 MB at most
_SHORT = 300  # characters
_BATCH = 16  # texts of live callers computed at a time: what a newcomer waits for at most
_BLOCK = 128  # texts computed at a time in bulk


class Backend(Protocol):
    """Computes vectors; may be used by several threads."""

    @property
    def fingerprint(self) -> str:
        """See `Embedder.fingerprint`."""
        ...

    @property
    def max_tokens(self) -> int:
        """See `Embedder.max_tokens`."""
        ...

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def load(self) -> None:
        """Load the weights, if they are not yet; raises RetrievalUnavailable."""
        ...

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """See `Embedder.token_ends`."""
        ...

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors [len(texts), dimension], loading the weights where needed."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class Embedder:
    """Texts to unit vectors of `float32`; loads at first use, remembers what it has seen.

    `embed` belongs to one event loop at a time and computes on a thread of its own, so that the
    loop never waits; `encode` and `encode_in_blocks` compute where they are called.
    """

    def __init__(self, pick: Callable[[], Backend]) -> None:
        """Load nothing yet; `pick` is asked at first use, and again where it raised."""
        self._pick = pick
        self._picked: Backend | None = None
        self._picking = threading.Lock()
        self._cache: OrderedDict[str | bytes, Vectors] = OrderedDict()
        self._wishes: dict[str, _Wish] = {}  # by text
        self._queues: deque[deque[str]] = deque()  # one for each caller that brought new ones
        self._work: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")

    @property
    def fingerprint(self) -> str:
        """Names what made the vectors: an index is only good with the embedder that built it.

        Raises:
            RetrievalUnavailable: the weights cannot be found.
        """
        return self._backend().fingerprint

    @property
    def max_tokens(self) -> int:
        """What the model reads of a text, in tokens.

        Raises:
            RetrievalUnavailable: the weights cannot be found.
        """
        return self._backend().max_tokens

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return, for each text, where each of its tokens ends, in characters and in order.

        Raises:
            RetrievalUnavailable: the weights cannot be found.
        """
        return self._backend().token_ends(texts)

    def load(self) -> None:
        """Load now what the first text would have to wait for.

        Raises:
            RetrievalUnavailable: the weights cannot be loaded.
        """
        self._backend().load()

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors [len(texts), dimension]; `progress` gets the count of each block.

        Raises:
            RetrievalUnavailable: the weights cannot be loaded.
        """
        backend = self._backend()
        backend.load()
        vectors = np.empty((len(texts), backend.dimension), dtype=np.float32)
        at = 0
        for block in self.encode_in_blocks(texts):
            vectors[at : at + len(block)] = block
            at += len(block)
            if progress:
                progress(len(block))
        return vectors

    def encode_in_blocks(self, texts: Iterable[str]) -> Iterator[Vectors]:
        """Yield the vectors of the texts in order, some rows at a time.

        The next ones are computed while the caller works on those that it was given.

        Raises:
            RetrievalUnavailable: the weights cannot be loaded.
        """
        backend, rest = self._backend(), iter(texts)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding") as aside:
            following = aside.submit(backend.vectors, list(islice(rest, _BLOCK)))
            while len(block := following.result()):
                following = aside.submit(backend.vectors, list(islice(rest, _BLOCK)))
                yield block

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return what `encode` does, out of the cache where it can.

        Callers that come together are computed together, a few texts of each at a time; a text
        that several want is computed once.

        Raises:
            RetrievalUnavailable: the embedder cannot be used now.
        """
        if not texts:
            return await asyncio.to_thread(self.encode, texts)
        remembered = {text: self._recall(text) for text in texts}
        known = {text: vector for text, vector in remembered.items() if vector is not None}
        known |= await self._compute([text for text in remembered if text not in known])
        return np.stack([known[text] for text in texts])

    def close(self) -> None:
        """Let the threads go."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._picked:
            self._picked.close()

    def _backend(self) -> Backend:
        with self._picking:
            if self._picked is None:
                self._picked = self._pick()
            return self._picked

    async def _compute(self, texts: Sequence[str]) -> dict[str, Vectors]:
        if not texts:
            return {}
        fresh = deque(text for text in texts if text not in self._wishes)
        wishes = {text: self._wishes.setdefault(text, _Wish()) for text in texts}
        if fresh:
            self._queues.append(fresh)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._work_off())
        for wish in wishes.values():
            wish.callers += 1
        try:
            # who is cancelled while it waits leaves the promises to the others
            await asyncio.wait([wish.promise for wish in wishes.values()])
        finally:
            for wish in wishes.values():
                wish.callers -= 1
        try:
            return {text: wish.promise.result() for text, wish in wishes.items()}
        except asyncio.CancelledError:
            raise RetrievalUnavailable("the embedder was closed") from None
        except RetrievalUnavailable as error:  # each caller's own: it will carry a traceback
            raise RetrievalUnavailable(str(error)) from error

    async def _work_off(self) -> None:
        """Compute what is wished for until nothing is; nobody waits for a batch to fill."""
        loop = asyncio.get_running_loop()
        try:
            while texts := self._next_batch():
                try:
                    vectors = await loop.run_in_executor(self._executor, self._vectors, texts)
                except Exception as error:  # noqa: BLE001  # handed on to everybody who waits
                    self._disappoint(texts, error)
                else:
                    self._fulfil(texts, vectors)
        finally:  # cancelled with its loop, say: nobody may wait for ever
            for wish in self._wishes.values():
                wish.promise.cancel()
            self._wishes.clear()
            self._queues.clear()

    def _vectors(self, texts: list[str]) -> Vectors:
        return self._backend().vectors(texts)

    def _next_batch(self) -> list[str]:
        """Take one text from each caller in turn, so that no long list keeps a short one waiting.

        What nobody waits for any more is dropped.
        """
        batch: list[str] = []
        while self._queues and len(batch) < _BATCH:
            queue = self._queues.popleft()
            text = queue.popleft()
            if self._wishes[text].callers:
                batch.append(text)
            else:
                del self._wishes[text]
            if queue:
                self._queues.append(queue)
        return batch

    def _fulfil(self, texts: Sequence[str], vectors: Vectors) -> None:
        for text, row in zip(texts, vectors, strict=True):
            # a copy: a view would keep the whole batch alive for as long as a row is remembered
            vector = row.copy()
            self._cache[_key(text)] = vector
            self._wishes.pop(text).promise.set_result(vector)
        while len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)

    def _disappoint(self, texts: Sequence[str], error: Exception) -> None:
        if not isinstance(error, RetrievalUnavailable):
            said, error = (
                error,
                RetrievalUnavailable(f"the embedder failed: {type(error).__name__}"),
            )
            error.__cause__ = said
        for text in texts:
            promise = self._wishes.pop(text).promise
            promise.set_exception(error)
            promise.exception()  # retrieved: asyncio complains of those that nobody waits for

    def _recall(self, text: str) -> Vectors | None:
        key = _key(text)
        vector = self._cache.get(key)
        if vector is not None:
            self._cache.move_to_end(key)
        return vector


class _Wish:
    """A text whose vector somebody waits for."""

    def __init__(self) -> None:
        self.promise: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self.callers = 0


def _key(text: str) -> str | bytes:
    """Name a text in the cache, where a long one may not cost more than a short one.

    Most are a statement or a word, asked for again and again: these name themselves.
    """
    if len(text) <= _SHORT:
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
