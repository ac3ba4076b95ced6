"""Chroma: embedded in a folder, or a server that may be away."""

import socket

import numpy as np
import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.chroma import (
    EmbeddedStore,
    ServerStore,
    in_use,
)
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.ingesting.filling import Rows, filling_collection, filling_folder

VECTORS = np.eye(3, 8, dtype=np.float32)
IDS = ["a", "b", "b-1"]
ROWS = Rows(ids=IDS, doc_ids=["a.md", "b.md", "b.md"], vectors=VECTORS)


@pytest.fixture
def chroma_folder(tmp_path):
    with filling_folder(tmp_path / "chroma", len(IDS), lambda _count: None) as sink:
        sink.add(ROWS)
    return tmp_path / "chroma"


@pytest.fixture
def nobody():
    """An address on this machine where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield ServerAddress("127.0.0.1", held.getsockname()[1], 2.0)


@pytest.mark.parametrize("exact", [0, 3], ids=["asked of Chroma", "looked at one by one"])
async def test_the_nearest_rows_come_with_their_cosine(chroma_folder, exact):
    store = EmbeddedStore(chroma_folder, IDS, VECTORS, exact=exact)

    hits = await store.query(np.array([0.6, 0.8, *[0] * 6], dtype=np.float32), k=2)
    await store.close()

    assert [row for row, _ in hits] == [1, 0]
    assert [cosine for _, cosine in hits] == pytest.approx([0.8, 0.6], abs=1e-5)


async def test_a_folder_is_in_use_while_it_is_open(chroma_folder):
    assert not in_use(chroma_folder)

    store = EmbeddedStore(chroma_folder, IDS, VECTORS)
    while_open = in_use(chroma_folder)
    await store.close()

    assert while_open
    assert not in_use(chroma_folder)


async def test_a_folder_that_is_taken_away_is_answered_for_by_the_vectors(chroma_folder, caplog):
    store = EmbeddedStore(chroma_folder, IDS, VECTORS, exact=0)
    asked = np.array([0.6, 0.8, *[0] * 6], dtype=np.float32)
    before = await store.query(asked, k=2)
    for path in chroma_folder.rglob("*.sqlite3"):
        path.write_bytes(b"\xff" * 5000)  # worse than away: Chroma keeps what it has open

    after = await store.query(asked, k=2)
    all_of_them = await store.query(asked, k=100)
    await store.close()

    assert [row for row, _ in after] == [row for row, _ in before] == [1, 0]
    assert [cosine for _, cosine in after] == pytest.approx([0.8, 0.6], abs=1e-5)
    assert [row for row, _ in all_of_them] == [1, 0, 2]
    assert "every vector is looked at" in caplog.text


async def test_the_second_to_open_a_folder_works_on_a_copy(chroma_folder):
    first, second = (
        EmbeddedStore(chroma_folder, IDS, VECTORS, exact=0),
        EmbeddedStore(chroma_folder, IDS, VECTORS, exact=0),
    )

    found = [await store.query(VECTORS[2], k=1) for store in (first, second)]
    await first.close()
    await second.close()

    assert found[0] == found[1] == [(2, pytest.approx(1.0, abs=1e-5))]


async def test_a_server_that_is_away_is_named(nobody):
    store = ServerStore(nobody, "clinic-1", IDS)

    with pytest.raises(RetrievalUnavailable, match=r"CHROMA_HOST 127\.0\.0\.1, CHROMA_PORT \d+"):
        await store.connect()


def test_nothing_is_built_on_a_server_that_is_away(nobody):
    filling = filling_collection(nobody, "clinic-1", len(IDS), lambda _count: None)

    with pytest.raises(RetrievalUnavailable, match="CHROMA_HOST"), filling as sink:
        sink.add(ROWS)
