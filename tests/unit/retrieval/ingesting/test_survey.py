"""A survey: every file is told apart by its content, and none is parsed."""

import hashlib
import os
from pathlib import Path

import pytest

from agentic_rag.retrieval.ingesting.engine import Silent
from agentic_rag.retrieval.ingesting.survey import survey


def look(folder):
    return survey(folder, Silent().start)


def test_files_are_named_by_their_path_in_a_stable_order(tmp_path):
    for name in ("b.md", "a/z.txt", "a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")

    found = look(tmp_path)

    assert list(found.paths) == list(found.digests)
    assert found.digests == dict.fromkeys(["a.json", "a/z.txt", "b.md"], sha256(b"x"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_of_a_kind_that_nobody_reads_is_left_out_by_name(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    (tmp_path / "README").write_text("x")

    found = look(tmp_path)

    assert (found.paths, found.digests) == ({}, {})
    assert found.unread.keys() == {"photo.png", "README"}
    assert "no reader for .png" in found.unread["photo.png"]


def test_a_file_that_no_reader_understands_has_its_digest_all_the_same(tmp_path):
    (tmp_path / "broken.json").write_bytes(b"[{")

    assert look(tmp_path).digests == {"broken.json": sha256(b"[{")}


def test_a_name_that_is_not_unicode_is_written_out(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe8.txt")).write_bytes(b"x")

    found = look(tmp_path)

    assert found.digests.keys() == {"caf\\udce8.txt", "caf\\udce9.txt"}
    assert "".join(found.digests).encode()


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "a.txt").write_text("x")

    found = look(tmp_path)

    assert found.digests["a.txt"] == sha256(b"x")


def test_a_file_that_goes_away_or_leads_nowhere_does_not_end_the_survey(tmp_path):
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a.txt").write_text("x")

    assert look(tmp_path).digests["a.txt"] == sha256(b"x")


def test_a_file_that_is_larger_than_any_reader_takes_is_not_read(tmp_path):
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(3 << 30)  # a hole

    assert look(tmp_path).digests == {"huge.txt": "3221225472 bytes"}
