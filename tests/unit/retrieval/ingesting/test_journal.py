"""The journal: what was computed is not lost, and what was half written does no harm."""

import numpy as np
import pytest

from agentic_rag.retrieval.ingesting.journal import Journal

VECTORS = np.eye(3, 8, dtype=np.float32)
NAMES = ["a1", "b2", "c3"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


def write(folder, *blocks, fingerprint="words"):
    journal = Journal(folder, fingerprint)
    for names, vectors in blocks:
        journal.append(names, vectors)
    journal.close()


def read(folder, fingerprint="words"):
    journal = Journal(folder, fingerprint)
    try:
        return {name: vector.tolist() for name, vector in journal.find(NAMES).items()}
    finally:
        journal.close()


def the_file(folder):
    [path] = folder.iterdir()
    return path


def test_what_was_appended_is_found_by_the_next_run(folder):
    write(folder, (NAMES[:2], VECTORS[:2]), (NAMES[2:], VECTORS[2:]))

    found = read(folder)

    assert found == dict(zip(NAMES, VECTORS.tolist(), strict=True))


def test_nothing_is_made_until_something_is_appended(folder):
    journal = Journal(folder, "words")

    assert (len(journal), journal.find(NAMES)) == (0, {})
    assert not folder.exists()


def test_vectors_of_another_embedder_are_not_found(folder):
    write(folder, (NAMES, VECTORS))

    assert read(folder, "another") == {}


@pytest.mark.parametrize("kept", ["head", "names", "vectors", "all but one byte"])
def test_a_block_that_was_cut_off_is_left_out_and_written_over(folder, kept):
    write(folder, (NAMES[:1], VECTORS[:1]))
    whole = the_file(folder).stat().st_size
    write(folder, (NAMES[1:2], VECTORS[1:2]))
    end = the_file(folder).stat().st_size
    cut = {"head": whole + 7, "names": whole + 21, "vectors": whole + 30}.get(kept, end - 1)
    with the_file(folder).open("r+b") as file:
        file.truncate(cut)

    before = read(folder)
    write(folder, (NAMES[2:], VECTORS[2:]))

    assert before.keys() == {"a1"}
    assert read(folder).keys() == {"a1", "c3"}


@pytest.mark.parametrize("at", [0, 5, 25, 40])
def test_a_damaged_block_and_what_follows_it_are_left_out(folder, at):
    write(folder, (NAMES[:1], VECTORS[:1]), (NAMES[1:], VECTORS[1:]))
    content = bytearray(the_file(folder).read_bytes())
    content[at] ^= 0xFF
    the_file(folder).write_bytes(content)

    assert read(folder) == {}


@pytest.mark.parametrize("content", [b"", b"\x00" * 4096, b"agrj", b"agrj" + b"\xff" * 64])
def test_a_file_that_is_no_journal_is_written_over(folder, content):
    write(folder, (NAMES, VECTORS))
    the_file(folder).write_bytes(content)

    assert read(folder) == {}
    write(folder, (NAMES[:1], VECTORS[:1]))
    assert read(folder).keys() == {"a1"}


def test_what_is_found_outlives_the_journal(folder):
    write(folder, (NAMES, VECTORS))
    journal = Journal(folder, "words")

    found = journal.find(["b2"])["b2"]
    journal.remove()

    assert found.tolist() == VECTORS[1].tolist()
    assert not folder.exists()


def test_removing_takes_along_what_other_embedders_have_left(folder):
    write(folder, (NAMES, VECTORS), fingerprint="old")
    journal = Journal(folder, "words")

    journal.remove()

    assert read(folder, "old") == {}


def test_a_later_vector_of_a_name_is_the_one_that_counts(folder):
    write(folder, (["a1"], VECTORS[:1]), (["a1"], VECTORS[1:2]))

    assert read(folder) == {"a1": VECTORS[1].tolist()}
