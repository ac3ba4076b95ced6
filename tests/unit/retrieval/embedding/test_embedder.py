"""The embedder: callers share the work, and nobody's trouble is another's."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Embedder, Vectors

LIMIT_S = 10


class Counting:
    """A backend that counts: a text's vector is its length and its number of a's.

    Attributes:
        batches: what it was asked for, in order.
        gate: closed, nothing is computed.
        error: raised, once, instead of an answer.
    """

    fingerprint = "counting"
    max_tokens = 9
    dimension = 2

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.closed = False

    @property
    def computed(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    def load(self) -> None:
        pass

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        return [range(1, len(text) + 1) for text in texts]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        if texts:
            self.batches.append(list(texts))
        assert self.gate.wait(LIMIT_S)
        if self.error:
            error, self.error = self.error, None
            raise error
        return np.array([[len(t), t.count("a")] for t in texts], dtype=np.float32).reshape(-1, 2)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def backend():
    return Counting()


@pytest.fixture
def embedder(backend):
    made = Embedder(lambda: backend)
    yield made
    backend.gate.set()
    made.close()


async def until(is_so) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_so():  # noqa: ASYNC110  # it is so on another thread
            await asyncio.sleep(0.001)


async def ask(embedder, *texts):
    return asyncio.create_task(embedder.embed(texts))


def test_making_an_embedder_picks_nothing():
    def pick():
        raise AssertionError("picked")

    Embedder(pick).close()


def test_what_could_not_be_picked_is_picked_again(backend):
    answers = iter([RetrievalUnavailable("away"), backend])

    def pick():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    embedder = Embedder(pick)
    with pytest.raises(RetrievalUnavailable, match="away"):
        _ = embedder.fingerprint

    assert embedder.fingerprint == "counting"


def test_it_says_of_itself_what_its_backend_says(embedder):
    assert (embedder.fingerprint, embedder.max_tokens) == ("counting", 9)
    assert [list(ends) for ends in embedder.token_ends(["ab", ""])] == [[1, 2], []]


def test_closing_closes_the_backend(embedder, backend):
    embedder.load()

    embedder.close()

    assert backend.closed


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 300])
def test_bulk_is_in_order_whatever_the_blocks(embedder, backend, count):
    texts = ["a" * (row % 11) for row in range(count)]
    advances: list[int] = []

    vectors = embedder.encode(texts, progress=advances.append)

    assert vectors.shape == (count, 2)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    assert sum(advances) == count


def test_blocks_come_from_any_iterable_in_order(embedder):
    blocks = list(embedder.encode_in_blocks("a" * row for row in range(300)))

    assert len(blocks) > 1
    assert np.concatenate(blocks)[:, 0].tolist() == list(range(300))


def test_the_next_block_is_computed_while_one_is_worked_on(embedder, backend):
    blocks = embedder.encode_in_blocks(str(row) for row in range(500))

    next(blocks)
    for _ in range(1000):
        if len(backend.batches) > 1:
            break
        threading.Event().wait(0.005)
    blocks.close()

    assert len(backend.batches) == 2


def test_a_failure_in_bulk_is_raised_and_the_next_call_works(embedder, backend):
    backend.error = RetrievalUnavailable("broken")

    with pytest.raises(RetrievalUnavailable, match="broken"):
        embedder.encode(["a"])

    assert embedder.encode(["a"]).tolist() == [[1, 1]]


async def test_embedding_nothing_is_a_table_without_rows(embedder):
    assert (await embedder.embed([])).shape == (0, 2)


async def test_what_was_computed_is_not_computed_again(embedder, backend):
    first = await embedder.embed(["ab", "c", "ab"])
    again = await embedder.embed(["c", "ab"])

    assert first.tolist() == [[2, 1], [1, 0], [2, 1]]
    assert again.tolist() == [[1, 0], [2, 1]]
    assert sorted(backend.computed) == ["ab", "c"]


async def test_who_comes_while_a_batch_computes_goes_into_the_next_together(embedder, backend):
    backend.gate.clear()
    first = await ask(embedder, "first")
    await until(lambda: backend.batches)
    others = [await ask(embedder, f"other {row}") for row in range(5)]
    await asyncio.sleep(0)

    backend.gate.set()
    await asyncio.gather(first, *others)

    assert backend.batches == [["first"], [f"other {row}" for row in range(5)]]


async def test_one_alone_waits_for_nobody(embedder, backend):
    await embedder.embed(["alone"])

    assert backend.batches == [["alone"]]


async def test_a_text_that_many_want_at_once_is_computed_once(embedder, backend):
    found = await asyncio.gather(*(embedder.embed(["same", f"own {row}"]) for row in range(50)))

    assert backend.computed.count("same") == 1
    assert len(backend.computed) == 51
    assert all(vectors[0].tolist() == [4, 1] for vectors in found)


async def test_a_long_list_keeps_no_short_one_waiting(embedder, backend):
    backend.gate.clear()
    long = await ask(embedder, *(f"statement {row}" for row in range(2000)))
    await until(lambda: backend.batches)
    short = await ask(embedder, "question")
    await asyncio.sleep(0)

    backend.gate.set()
    await short

    assert "question" in backend.batches[1]
    assert not long.done()
    assert len(await long) == 2000


async def test_one_callers_going_away_takes_nothing_from_another(embedder, backend):
    backend.gate.clear()
    goes = await ask(embedder, "shared", "only mine")
    stays = await ask(embedder, "shared")
    await until(lambda: backend.batches)

    goes.cancel()
    await asyncio.gather(goes, return_exceptions=True)
    backend.gate.set()

    assert (await stays).tolist() == [[6, 1]]
    assert goes.cancelled()


async def test_what_nobody_waits_for_any_more_is_not_computed(embedder, backend):
    backend.gate.clear()
    first = await ask(embedder, "first")
    await until(lambda: backend.batches)
    goes = await ask(embedder, *(f"lost {row}" for row in range(100)))
    await asyncio.sleep(0)

    goes.cancel()
    await asyncio.gather(goes, return_exceptions=True)
    backend.gate.set()
    await first
    again = await embedder.embed(["lost 7"])

    assert backend.computed == ["first", "lost 7"]
    assert again.tolist() == [[6, 0]]


@pytest.mark.parametrize("error", [RetrievalUnavailable("broken"), MemoryError("1 GB, please")])
async def test_a_failure_reaches_all_who_wait_and_the_next_call_works(embedder, backend, error):
    backend.gate.clear()
    first = await ask(embedder, "first")
    await until(lambda: backend.batches)
    others = [await ask(embedder, "shared", f"other {row}") for row in range(3)]
    await asyncio.sleep(0)

    backend.error = error
    backend.gate.set()
    found = await asyncio.gather(first, *others, return_exceptions=True)
    again = await embedder.embed(["first"])

    assert isinstance(found[0], RetrievalUnavailable)
    assert [row.shape for row in found[1:]] == [(2, 2)] * 3
    assert again.tolist() == [[5, 0]]


async def test_a_failed_batch_fails_everybody_in_it_and_nobody_else(embedder, backend):
    backend.error = RuntimeError("patient's words")

    found = await asyncio.gather(
        *(embedder.embed(["shared"]) for _ in range(4)), return_exceptions=True
    )

    assert [type(each) for each in found] == [RetrievalUnavailable] * 4
    assert len({id(each) for each in found}) == 4
    assert "words" not in str(found[0])


async def test_the_cache_is_bounded_and_forgets_the_oldest(embedder, backend):
    await embedder.embed(["old", "used"])
    await embedder.embed([f"a{row}" for row in range(19_998)])
    await embedder.embed(["used"])
    await embedder.embed(["new"])
    before = len(backend.computed)

    await embedder.embed(["used", "a19997"])
    kept = len(backend.computed) - before
    await embedder.embed(["old"])

    assert kept == 0
    assert backend.computed.count("old") == 2


async def test_more_texts_than_the_cache_holds_are_all_there(embedder):
    texts = [f"{row}" for row in range(21_000)]

    assert (await embedder.embed(texts))[:, 0].tolist() == [len(text) for text in texts]


async def test_half_a_character_is_a_text_too(embedder):
    assert (await embedder.embed(["\ud83d"])).tolist() == [[1, 0]]


async def test_closed_while_somebody_waits_it_lets_him_go(embedder, backend):
    backend.gate.clear()
    first = await ask(embedder, "first")
    await until(lambda: backend.batches)
    second = await ask(embedder, "second")
    await asyncio.sleep(0)

    embedder.close()
    backend.gate.set()
    found = await asyncio.gather(first, second, return_exceptions=True)

    assert found[0].tolist() == [[5, 0]]
    assert isinstance(found[1], RetrievalUnavailable)


def test_it_serves_one_event_loop_after_another(backend):
    embedder = Embedder(lambda: backend)

    found = [asyncio.run(embedder.embed([f"loop {row}"])).tolist() for row in range(3)]
    embedder.close()

    assert found == [[[6, 0]]] * 3


def test_a_loop_that_ends_in_the_middle_leaves_the_next_one_nothing(backend):
    embedder = Embedder(lambda: backend)
    backend.gate.clear()

    async def leave() -> None:
        await ask(embedder, "lost", "too")
        await until(lambda: backend.batches)

    asyncio.run(leave())
    backend.gate.set()
    found = asyncio.run(embedder.embed(["lost"]))
    embedder.close()

    assert found.tolist() == [[4, 0]]
