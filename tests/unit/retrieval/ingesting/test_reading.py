"""Reading: a file's entry is the same, whatever was known of the file before."""

import json
from string import ascii_lowercase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import WordEmbedder, WordTokens

from agentic_rag.retrieval.index import Entry, vector_name
from agentic_rag.retrieval.ingesting.reading import read_file

LONG = " ".join(f"Rinse gently after meal {n}." for n in range(150))
LINES = [
    {"id": "a", "title": "Scaling", "text": "Scaling takes 40 minutes."},
    {"id": "b", "title": "Crowns", "text": LONG},
    {"id": "c", "title": "", "text": "Parking is free."},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "corpus.jsonl"


def read(path, lines, before=None):
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    before = before or Entry.nothing(path.name)
    return read_file(path, path.parent, "a digest", before, WordEmbedder())


def test_an_entry_has_a_row_for_each_passage_and_a_mark_for_each_section(path):
    entry, texts = read(path, LINES)

    assert len(entry.ids) == len(set(entry.ids)) == len(entry.passages) > len(LINES)
    assert [mark.start for mark in entry.marks] == [
        passage.start for passage in entry.passages if passage.part == 0
    ]
    assert texts.keys() == set(entry.ids)
    assert texts[entry.ids[0]] == "Scaling\nScaling takes 40 minutes."


def test_what_has_not_changed_is_not_cut_again(path):
    before, _ = read(path, LINES)

    entry, texts = read(path, LINES, before)

    assert entry == before
    assert texts == {}


CHANGES = {
    "a line before": [{"id": "z", "text": "New."}, *LINES],
    "a longer line before": [{**LINES[0], "text": "Scaling takes 45 long minutes."}, *LINES[1:]],
    "a line less": LINES[1:],
    "another order": LINES[::-1],
    "another title": [LINES[0], {**LINES[1], "title": "Bridges"}, LINES[2]],
    "another id": [{**LINES[0], "id": "x"}, *LINES[1:]],
    "the same twice": [*LINES, LINES[1], LINES[1]],
    "nothing of it": [{"id": "n", "text": "Nothing else."}],
    "a blank line": [{"id": "w", "text": "   "}, *LINES],
}


@pytest.mark.parametrize("lines", CHANGES.values(), ids=CHANGES)
def test_an_entry_is_the_same_as_if_nothing_had_been_known(path, lines):
    before, known = read(path, LINES)

    entry, texts = read(path, lines, before)

    afresh, all_texts = read(path, lines)
    assert entry == afresh
    assert texts.keys() == all_texts.keys() - known.keys() | (texts.keys() & known.keys())
    assert {name: all_texts[name] for name in texts} == texts
    assert {vector_name(row_id) for row_id in entry.ids} <= known.keys() | texts.keys()


line = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abc"),
        "title": st.sampled_from(["", "Fees", "Hours"]),
        "text": st.sampled_from(["", " ", "We open at nine.", "दाँत साफ", LONG, f"x{LONG}"]),
    }
)


@settings(max_examples=40)
@given(st.lists(line, max_size=6), st.lists(line, max_size=6))
def test_whatever_changes_the_entry_is_that_of_the_file_alone(tmp_path_factory, old, new):
    path = tmp_path_factory.mktemp("any") / "corpus.jsonl"
    before, _ = read(path, old)

    entry, _ = read(path, new, before)

    assert entry == read(path, new)[0]


def test_only_the_section_that_changed_is_measured(path):
    def text(word):
        return " ".join(f"{word}{letter}" for letter in ascii_lowercase for _ in range(20))

    many = [{"id": letter, "text": text(f"old{letter}")} for letter in "abcdefgh"]
    before, _ = read(path, many)
    many[7]["text"] = text("new")
    path.write_text("\n".join(map(json.dumps, many)), "utf-8")
    tokens = WordTokens()

    read_file(path, path.parent, "a digest", before, tokens)

    assert any("newz" in counted for counted in tokens.counted)
    assert not any("old" in counted for counted in tokens.counted)


def test_a_file_that_cannot_be_read_is_told_with_the_digest_it_was_seen_with(path):
    path.write_bytes(b"")

    entry, texts = read_file(path, path.parent, "d1", Entry.nothing(path.name), WordEmbedder())

    assert (entry.digest, entry.passages, entry.ids, entry.marks, texts) == ("d1", (), (), (), {})
    assert entry.skipped.keys() == {"corpus.jsonl"}


def test_a_file_that_was_read_is_told_with_the_digest_that_it_had_then(path):
    entry, _ = read(path, LINES)

    assert len(entry.digest) == 64


def test_an_entry_that_does_not_fit_together_is_not_built_on(path):
    before, _ = read(path, LINES)
    torn = Entry(
        doc_id=before.doc_id,
        digest=before.digest,
        passages=before.passages[1:],
        ids=before.ids[1:],
        marks=before.marks,
        skipped={},
    )

    entry, texts = read(path, LINES, torn)

    assert entry == before
    assert texts
