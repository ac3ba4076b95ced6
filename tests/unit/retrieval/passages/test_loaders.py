"""Loaders: files become text with labelled sections, or are reported by name."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.loaders import READERS, find_files, has_reader, load

# --- labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doc_id", "content", "expected"),
    [
        ("t.json", '[{"code": "TX-1", "id": "7", "a": 1}]', ["t.json#TX-1"]),
        ("t.json", '[{"id": 7, "a": 1}]', ["t.json#7"]),
        ("t.json", '[{"id": 0, "a": 1}]', ["t.json#0"]),
        ("t.json", '[{"code": "", "id": "7", "a": 1}]', ["t.json#7"]),
        ("t.json", '[{"a": 1}, "words"]', ["t.json", "t.json"]),
        ("t.json", '{"code": "TX-1", "a": 1}', ["t.json"]),
        ("q.jsonl", '{"id": "RQ-1", "q": "?"}', ["q.jsonl#RQ-1"]),
        ("q.jsonl", '{"q": "a"}\n\n{"q": "b"}\n', ["q.jsonl#L1", "q.jsonl#L3"]),
        ("q.jsonl", '{"code": "C", "q": "a"}', ["q.jsonl#L1"]),
        ("a/b/notes.txt", "Rest.", ["a/b/notes.txt"]),
        ("faq.md", "No heading.", ["faq.md"]),
        ("faq.md", "# Only a title\n\nText.", ["faq.md"]),
        ("p/e.md", "# T\n\nIntro.\n\n## Red flags\n\nCall.", ["p/e.md", "p/e.md#red-flags"]),
    ],
)
def test_a_label_is_the_document_and_its_section(read, doc_id, content, expected):
    assert labels(read(doc_id, content)) == expected


def test_the_shipped_clinic_has_the_labels_that_the_contract_names():
    documents = SHIPPED_PACK / "documents"

    loaded = [load(path, documents) for path in find_files(documents)]

    assert all(isinstance(document, Document) for document in loaded)
    found = {label for document in loaded for label in labels(document)}
    assert {"treatments.json#TX-RCT-01", "policies/emergency.md#red-flags"} <= found
    assert {"recent_queries.jsonl#RQ-0001", "aftercare/extraction.txt"} <= found


def test_no_two_sections_of_the_shipped_clinic_share_a_label():
    documents = SHIPPED_PACK / "documents"

    found = [label for path in find_files(documents) for label in labels(load(path, documents))]

    assert len(found) == len(set(found))


# --- bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".md", ".txt", ".json", ".jsonl"])
def test_a_byte_order_mark_is_no_text(read, suffix):
    plain = read(f"a{suffix}", '["Rest."]')
    marked = read(f"b{suffix}", b"\xef\xbb\xbf" + b'["Rest."]')

    assert marked.text == plain.text
    assert [s.slug for s in marked.sections] == [s.slug for s in plain.sections]


@pytest.mark.parametrize(
    ("doc_id", "text"),
    [
        ("faq.md", "# Faq\n\n## Fees\n\n20 euro.\n\n## Hours\n\nNine.\n"),
        ("q.jsonl", '{"q": "a"}\n{"id": "x", "q": "b"}\n'),
        ("t.json", '[{"code": "A",\n "b": 1}]\n'),
    ],
)
def test_windows_line_ends_change_neither_labels_nor_text(read, doc_id, text):
    unix = read(doc_id, text)
    windows = read(f"win/{doc_id}", text.replace("\n", "\r\n"))

    assert [s.slug for s in windows.sections] == [s.slug for s in unix.sections]
    assert [" ".join(part.split()) for part in parts(windows)] == [
        " ".join(part.split()) for part in parts(unix)
    ]


def test_suffixes_are_read_in_any_case(read):
    assert isinstance(read("FAQ.MD", "## Fees\n\nText."), Document)


def test_another_file_has_another_digest(read):
    first, same, other = read("a.txt", "Rest."), read("b.txt", "Rest."), read("c.txt", "Rest!")

    assert first.digest == same.digest != other.digest


# --- what cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doc_id", "content", "reason"),
    [
        ("photo.png", b"\x89PNG", ".png"),
        ("README", b"Rest.", "suffix"),
        ("a.txt", b"\xff\xff\xff\xff", "UTF-8"),
        ("a.md", "Öffnen".encode() * 19 + b"\xfc" + b" Rest.", "damaged UTF-8"),
        ("a.txt", b"Rest\x00.", "not text"),
        ("a.txt", b"\x7fELF\x02\x01\x01\x00\x00\x00", "not text"),
        ("a.json", b"\x80", "UTF-8"),
        ("a.md", b"", "empty"),
        ("a.txt", b" \n\t ", "empty"),
        ("a.json", b"[]", "empty"),
        ("a.jsonl", b"\n\n", "empty"),
        ("a.json", b"", "empty"),
        ("a.json", b'[{"code": "A"', "not JSON"),
        ("a.json", b"{'code': 1}", "not JSON"),
        ("a.jsonl", b'{"id": \n', "line 1"),
        ("a.json", b"[" * 100_000, "deep"),
        ("a.json", b'{"a":' * 100_000, "deep"),
        ("a.json", b"[" * 900 + b"1" + b"]" * 900, None),
        ("a.jsonl", b"[" * 100_000, "deep"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "digits"),
        ("a.json", b'["\\ud800"]', "not Unicode"),
        ("a.jsonl", b'{"text": "broken \\udcff"}', "not Unicode"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_by_name(read, doc_id, content, reason):
    loaded = read(doc_id, content)

    if reason is None:  # deep, but within what Python reads: either will do
        return
    assert isinstance(loaded, Skipped), "it was taken for a document"
    assert loaded.doc_id == doc_id
    assert reason in loaded.reason


def test_a_file_that_is_gone_is_reported_by_name(tmp_path):
    loaded = load(tmp_path / "gone.md", tmp_path)

    assert isinstance(loaded, Skipped)
    assert loaded.doc_id == "gone.md"


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_that_is_200_megabytes_large_is_not_opened(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    path.chmod(0)

    loaded = load(path, tmp_path)

    most = 30 if suffix in {".md", ".html", ".htm"} else 150
    assert loaded == Skipped(path.name, f"is too large: 200 MB; up to {most} is read")


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")

    assert load(tmp_path / "pipe.md", tmp_path) == Skipped("pipe.md", "is not a regular file")


def test_a_socket_is_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("door.txt")

        assert load(tmp_path / "door.txt", tmp_path).reason == "is not a regular file"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_never_opened(tmp_path, device):
    (tmp_path / "endless.txt").symlink_to(device)

    assert load(tmp_path / "endless.txt", tmp_path).reason == "is not a regular file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody and come back")
def test_what_may_not_be_read_is_reported_by_name():
    with tempfile.TemporaryDirectory() as name:  # tmp_path lies below a folder that is private
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secret.md").write_text("Rest.", "utf-8")
        (folder / "secret.md").chmod(0)
        (folder / "closed").mkdir(mode=0o700)
        (folder / "open.md").write_text("Rest.", "utf-8")
        os.seteuid(65534)
        try:
            found = {p.name: load(p, folder) for p in find_files(folder)}
        finally:
            os.seteuid(0)

    assert isinstance(found["open.md"], Document)
    assert found["secret.md"] == Skipped("secret.md", "cannot be read: Permission denied")
    assert found["closed"] == Skipped("closed", "cannot be listed")


@pytest.mark.parametrize(
    "name", ["two\nlines.md", "bell\x07.md", "odd\u2028.md", "caf\udce9.txt"], ids=ascii
)
def test_a_name_that_no_label_can_hold_is_reported_on_one_line(tmp_path, name):
    (tmp_path / name).write_text("Rest.", "utf-8")

    (loaded,) = (load(path, tmp_path) for path in find_files(tmp_path))

    assert isinstance(loaded, Skipped)
    assert "rename it" in loaded.reason
    assert len(loaded.doc_id.splitlines()) == 1
    loaded.doc_id.encode()


@pytest.mark.parametrize("name", ["मराठी.md", "日本語.txt", "emoji 👩🏽‍⚕️.md", "a b;c#d.md", "é.md"])
def test_any_other_name_is_a_label(tmp_path, name):
    (tmp_path / name).write_text("Rest.", "utf-8")

    (loaded,) = (load(path, tmp_path) for path in find_files(tmp_path))

    assert loaded.doc_id == name


def test_a_folder_that_is_named_like_a_file_is_a_folder(tmp_path):
    (tmp_path / "x.pdf").mkdir()
    (tmp_path / "x.pdf" / "a.md").write_text("Rest.", "utf-8")

    assert [p.relative_to(tmp_path).as_posix() for p in find_files(tmp_path)] == ["x.pdf/a.md"]


# --- where files lie ----------------------------------------------------------------------


def test_files_are_found_in_any_depth_and_in_a_stable_order(tmp_path):
    for name in ("b.md", "a/z.md", "a/b/c.txt", ".hidden.md", ".git/config.md", "a/.b/c.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Rest.", "utf-8")

    found = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]

    assert found == ["a/b/c.txt", "a/z.md", "b.md"]


def test_a_link_that_leads_nowhere_or_in_a_circle_is_reported(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dead.md").symlink_to(tmp_path / "nowhere.md")
    (tmp_path / "itself.md").symlink_to(tmp_path / "itself.md")

    found = [load(path, tmp_path) for path in find_files(tmp_path)]

    assert found == [
        Skipped("dead.md", "is a link that leads nowhere"),
        Skipped("itself.md", "is a link that leads nowhere"),
        Skipped("loop", "is a link to a folder; such links are not followed"),
    ]


def test_a_link_to_a_file_is_read_as_that_file(tmp_path):
    (tmp_path / "..data").mkdir()  # so does Kubernetes mount a ConfigMap
    (tmp_path / "..data" / "faq.md").write_text("Rest.", "utf-8")
    (tmp_path / "faq.md").symlink_to("..data/faq.md")

    assert [load(path, tmp_path).text for path in find_files(tmp_path)] == ["Rest."]


def test_a_tree_of_many_folders_is_walked(tmp_path):
    deepest = tmp_path.joinpath(*("d" * 200))
    deepest.mkdir(parents=True)
    (deepest / "deep.md").write_text("Rest.", "utf-8")

    assert find_files(tmp_path) == [deepest / "deep.md"]


def test_documents_below_a_hidden_folder_are_found(tmp_path):
    folder = tmp_path / ".config" / "pack"
    folder.mkdir(parents=True)
    (folder / "faq.md").write_text("Rest.", "utf-8")

    assert find_files(folder) == [Path(folder / "faq.md")]


@pytest.mark.parametrize("suffix", READERS)
def test_a_kind_of_file_is_known_in_any_case(suffix):
    assert has_reader(Path(f"a{suffix}")) is has_reader(Path(f"A{suffix.upper()}")) is True


def test_another_kind_of_file_has_no_reader():
    assert not any(has_reader(Path(name)) for name in ("a.png", "md", ".md", "a.doc", "a.pdf.gz"))


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"%PDF-1.7\n",
        b"PK\x03\x04" + b"\x00" * 40,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600,
        b"\xff" * 999,
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        bytes(range(256)) * 40,
        b"<" * 5000,
        b"[" * 5000,
        b"\x1b[31m",
    ],
    ids=lambda content: repr(content[:6]),
)
def test_whatever_a_file_holds_it_is_read_or_reported(read, suffix, content):
    loaded = read(f"a{suffix}", content)

    assert isinstance(loaded, Document) or loaded.reason


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("After a filling\n\nWait an hour.", "After a filling"),
        ("\ufeff\n\nAfter a filling  \r\n\r\nWait an hour.", "After a filling"),
        ("After a filling\nwait an hour.", ""),
        ("Wait an hour.\n\nThen eat.", ""),
        ("Note: wait\n\nThen eat.", ""),
        (f"{'long ' * 100}line\n\nThen eat.", ""),
        ("Only this", ""),
    ],
)
def test_a_line_that_stands_open_above_a_text_is_its_title(read, text, heading):
    loaded = read("a.txt", text)

    assert isinstance(loaded, Document)
    assert [section.heading for section in loaded.sections] == [heading]
    assert loaded.sections[0].slug == ""
