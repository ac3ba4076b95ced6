"""Filling: what is put into Chroma is there, is found, and is all on the disk."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agentic_rag.errors import IndexUnproven, RetrievalUnavailable
from agentic_rag.retrieval.chroma import EmbeddedStore
from agentic_rag.retrieval.ingesting.filler import filling_aside
from agentic_rag.retrieval.ingesting.filling import (
    Rows,
    editing_folder,
    filling_folder,
    prove_folder,
)


def rows_of(first: int, last: int) -> Rows:
    """Rows whose vectors are their own, wherever in a run of them they stand."""
    vectors = np.stack(
        [np.random.default_rng(n).normal(size=16).astype(np.float32) for n in range(first, last)]
    )
    return Rows(
        ids=[f"{n:08x}" for n in range(first, last)],
        doc_ids=["a.md"] * (last - first),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
    )


def nobody_counts(_count: int) -> None:
    pass


def fill(folder: Path, total: int, portion: int = 700) -> None:
    with filling_folder(folder, total, nobody_counts) as sink:
        for at in range(0, total, portion):
            sink.add(rows_of(at, min(at + portion, total)))


def files(folder: Path) -> dict[str, bytes | int]:
    """Every file's content; of the database, which notes that it was opened, the size."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_size if path.suffix == ".sqlite3" else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def nearest(folder: Path, ids, vectors) -> list[int]:
    nothing_to_fall_back_on = np.empty((0, vectors.shape[1]), np.float32)

    async def ask():
        store = EmbeddedStore(folder, ids, nothing_to_fall_back_on, exact=0)
        try:
            return [(await store.query(vector, k=1))[0][0] for vector in vectors]
        finally:
            await store.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("total", [2, 3, 999, 1000, 1001, 2500])
def test_all_rows_are_found_and_opening_the_folder_changes_nothing_in_it(tmp_path, total):
    fill(tmp_path / "chroma", total)
    before = files(tmp_path / "chroma")
    rows = rows_of(0, total)
    asked = [0, total // 2, total - 1]

    found = nearest(tmp_path / "chroma", rows.ids, rows.vectors[asked])

    assert found == asked
    assert files(tmp_path / "chroma") == before
    prove_folder(tmp_path / "chroma", total, rows_of(total - 1, total))


def test_a_single_row_is_found(tmp_path):
    fill(tmp_path / "chroma", 1)

    assert nearest(tmp_path / "chroma", rows_of(0, 1).ids, rows_of(0, 1).vectors) == [0]
    prove_folder(tmp_path / "chroma", 1, rows_of(0, 1))


def test_the_graph_is_on_the_disk_with_the_last_row(tmp_path):
    fill(tmp_path / "chroma", 2345)

    [lengths] = (tmp_path / "chroma").glob("*/length.bin")
    assert lengths.stat().st_size == 4 * 2345


def test_a_changed_copy_has_the_new_rows_and_not_the_old_ones(tmp_path):
    fill(tmp_path / "one", 300)
    before = files(tmp_path / "one")
    gone, new = rows_of(0, 50), rows_of(300, 320)

    with editing_folder(tmp_path / "two", tmp_path / "one", gone.ids, nobody_counts) as sink:
        sink.add(new)

    ids = [*rows_of(50, 300).ids, *new.ids]
    assert files(tmp_path / "one") == before
    prove_folder(tmp_path / "two", 270, new)
    assert nearest(tmp_path / "two", ids, new.vectors) == list(range(250, 270))
    assert nearest(tmp_path / "two", ids, rows_of(50, 60).vectors) == list(range(10))
    with pytest.raises(IndexUnproven, match="does not find"):
        prove_folder(tmp_path / "two", 270, gone)


def test_a_copy_of_a_copy_of_a_copy_is_all_on_the_disk(tmp_path):
    fill(tmp_path / "0", 200)
    for turn in range(3):
        gone, new = rows_of(turn * 5, turn * 5 + 5), rows_of(200 + turn * 5, 205 + turn * 5)
        source, copy = tmp_path / str(turn), tmp_path / str(turn + 1)
        with editing_folder(copy, source, gone.ids, nobody_counts) as sink:
            sink.add(new)
    before = files(tmp_path / "3")

    prove_folder(tmp_path / "3", 200, rows_of(205, 215))

    assert files(tmp_path / "3") == before


def test_a_copy_that_nothing_is_changed_in_is_a_copy(tmp_path):
    fill(tmp_path / "one", 20)

    with editing_folder(tmp_path / "two", tmp_path / "one", [], nobody_counts):
        pass

    prove_folder(tmp_path / "two", 20, rows_of(0, 20))


@pytest.mark.parametrize("count", [4, 6])
def test_a_folder_with_another_number_of_rows_is_refused(tmp_path, count):
    fill(tmp_path / "chroma", 5)

    with pytest.raises(IndexUnproven, match=f"5 rows of {count}"):
        prove_folder(tmp_path / "chroma", count, rows_of(0, 1))


def test_the_odd_one_out_is_found_among_hundreds_that_are_alike(tmp_path):
    alike = np.tile(np.eye(1, 16, dtype=np.float32), (400, 1))
    alike[:, 1] = np.linspace(0, 0.01, 400)
    odd = np.eye(16, dtype=np.float32)[5:6]
    vectors = np.concatenate([alike[:200], odd, alike[200:]])
    ids = [str(n) for n in range(401)]

    with filling_folder(tmp_path / "chroma", 401, nobody_counts) as sink:
        sink.add(Rows(ids=ids, doc_ids=["a.md"] * 401, vectors=vectors))

    assert nearest(tmp_path / "chroma", ids, odd) == [200]


def test_progress_counts_every_row_once(tmp_path):
    counts: list[int] = []

    with filling_folder(tmp_path / "chroma", 2100, counts.append) as sink:
        for at in range(0, 2100, 300):
            sink.add(rows_of(at, at + 300))

    assert sum(counts) == 2100


def test_an_error_of_the_callers_own_is_not_taken_for_one_of_chromas(tmp_path):
    filling = filling_folder(tmp_path / "chroma", 5, nobody_counts)

    with pytest.raises(OSError, match="the caller's"), filling:
        raise OSError("the caller's")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    filling = filling_folder(tmp_path / "file" / "chroma", 5, nobody_counts)

    with pytest.raises(RetrievalUnavailable, match="file/chroma"), filling as sink:
        sink.add(rows_of(0, 5))


def test_another_process_fills_the_same_folder(tmp_path):
    counts: list[int] = []

    with filling_aside(tmp_path / "chroma", 1500, counts.append) as sink:
        for at in range(0, 1500, 200):
            sink.add(rows_of(at, min(at + 200, 1500)))

    assert sum(counts) == 1500
    prove_folder(tmp_path / "chroma", 1500, rows_of(1490, 1500))


def children() -> set[int]:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return set(map(int, listed.split()))


def test_another_process_that_is_killed_is_not_waited_for(tmp_path):
    before = children()

    filling = filling_aside(tmp_path / "chroma", 100_000, nobody_counts)

    with pytest.raises(RetrievalUnavailable, match="cannot fill"), filling as sink:
        [pid] = children() - before
        for at in range(0, 100_000, 1000):
            sink.add(rows_of(at % 1000, at % 1000 + 1000))
            if at == 3000:
                os.kill(pid, signal.SIGKILL)

    assert children() == before


def test_another_process_says_why_it_failed(tmp_path):
    (tmp_path / "file").write_text("x")

    filling = filling_aside(tmp_path / "file" / "chroma", 10, nobody_counts)

    with pytest.raises(RetrievalUnavailable, match=r"cannot fill .*file.*: \S"), filling as sink:
        sink.add(rows_of(0, 10))


def test_too_few_rows_are_not_taken_for_all(tmp_path):
    filling = filling_aside(tmp_path / "chroma", 10, nobody_counts)

    with pytest.raises(RetrievalUnavailable, match="cannot fill"), filling as sink:
        sink.add(rows_of(0, 9))


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_an_error_on_this_side_ends_the_other_process(tmp_path, error):
    before = children()

    filling = filling_aside(tmp_path / "chroma", 10_000, nobody_counts)

    with pytest.raises(type(error)), filling as sink:
        sink.add(rows_of(0, 1000))
        raise error

    assert children() == before


PARENT = """
import sys, time, os
from pathlib import Path
from agentic_rag.retrieval.ingesting.filler import filling_aside
with filling_aside(Path(sys.argv[1]), 10, lambda count: None):
    print(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(), flush=True)
    time.sleep(60)
"""


def test_another_process_ends_when_this_one_is_killed(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", PARENT, str(tmp_path / "chroma")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()

    end = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < end:
        if not Path(f"/proc/{pid}/cmdline").read_bytes():  # a zombie that nobody has buried
            break
        time.sleep(0.1)
    assert time.monotonic() < end
