"""JSON and JSON lines: readable text, an item to a section, and no line lost to another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.json_files import (
    read_json,
    read_jsonl,
    render_field,
    render_value,
)


def test_an_item_is_rendered_as_readable_lines(read):
    item = {
        "code": "TX-1",
        "name": "Root canal treatment",
        "duration_minutes": 90,
        "price_band_inr": [6000, 9500],
        "aftercare": ["Do not chew on it.", "Rest"],
        "painful": False,
        "notes": None,
        "extras": [],
    }

    document = read("t.json", json.dumps([item]))

    assert document.text.splitlines() == [
        "Code: TX-1",
        "Name: Root canal treatment",
        "Duration: 90 minutes",
        "Price band: INR 6,000 to 9,500",
        "Aftercare: Do not chew on it. Rest",
        "Painful: no",
    ]
    assert document.sections[0].heading == "Root canal treatment"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("price_band_inr", [6000, 9500], "Price band: INR 6,000 to 9,500"),
        ("late_fee_inr", 300, "Late fee: INR 300"),
        ("cost_eur", 1234.5, "Cost: EUR 1,234.5"),
        ("price_usd", "on request", "Price: USD on request"),
        ("duration_minutes", 40, "Duration: 40 minutes"),
        ("dose_mg", 2.5, "Dose: 2.5 mg"),
        ("discount_percent", 10, "Discount: 10 percent"),
        ("open_days", ["Monday", "Friday"], "Open days: Monday; Friday"),
        ("contact", {"email": "a@b.c", "open": True}, "Contact: (Email: a@b.c, Open: yes)"),
    ],
)
def test_a_field_is_written_with_its_unit(name, value, line):
    assert render_field(name, value) == line


def test_a_list_is_joined_into_sentences():
    assert render_value("steps", ["Numb.", "Clean?", "Fill"]) == "Numb. Clean? Fill"


def test_a_json_line_with_a_text_is_that_text(read):
    line = '{"id": "P-1", "title": "Fees", "text": "A visit costs 20 euro.", "n": 3}'

    document = read("p.jsonl", line)

    assert document.text == "A visit costs 20 euro."
    assert document.sections[0].heading == "Fees"


def test_each_item_stands_at_its_section(read):
    document = read("p.jsonl", '{"text": "One."}\n{"text": ""}\n{"text": "Three."}\n')

    assert parts(document) == ["One.", "Three."]
    assert labels(document) == ["p.jsonl#L1", "p.jsonl#L3"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(JSON)
def test_every_json_value_can_be_rendered(value):
    content = read_json(json.dumps(value).encode())

    assert all(content.text[s.start : s.end].strip() for s in content.sections)


@given(st.lists(JSON, max_size=4))
def test_json_lines_stand_in_their_sections(values):
    content = read_jsonl("\n".join(json.dumps(value) for value in values).encode())

    rest = content.text
    for section in content.sections:
        rest = rest.replace(content.text[section.start : section.end], "", 1)
    assert not rest.strip()


# --- what is broken, and what is not ------------------------------------------------------


def test_a_broken_line_is_told_and_the_others_are_kept(read):
    document = read("q.jsonl", '{"id": "a", "text": "One."}\n{"id": "b", "te\n{"text": "Three."}\n')

    assert labels(document) == ["q.jsonl#a", "q.jsonl#L3"]
    assert [each.doc_id for each in document.skipped] == ["q.jsonl#L2"]
    assert "not JSON" in document.skipped[0].reason
    assert "line 2" in document.skipped[0].reason


def test_a_file_that_was_cut_off_keeps_its_whole_lines(read):
    whole = "".join(f'{{"id": "{n}", "text": "Line {n}."}}\n' for n in range(100))

    document = read("q.jsonl", whole[: len(whole) // 2 + 5])

    assert len(document.sections) == 50
    assert len(document.skipped) == 1


def test_of_many_broken_lines_the_first_are_named_and_the_others_counted(read):
    document = read("q.jsonl", '{"text": "Rest."}\n' + "{broken\n" * 1000)

    assert len(document.skipped) == 21
    assert document.skipped[-1] == Skipped("q.jsonl", "980 more of its parts cannot be read")


def test_a_file_of_broken_lines_is_skipped(read):
    skipped = read("q.jsonl", "{broken\n" * 3)

    assert isinstance(skipped, Skipped)
    assert skipped.doc_id == "q.jsonl"
    assert "line 1" in skipped.reason


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "b", "text": "half \\ud800"}',
        '{"id": "half \\udcff", "text": "Two."}',
        '{"title": "\\ud800", "text": "Two."}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "{'id': 1}",
        "NaN,",
    ],
    ids=lambda line: line[:12],
)
def test_an_unreadable_line_takes_no_other_along(read, line):
    document = read("q.jsonl", f'{{"text": "One."}}\n{line}\n{{"text": "Three."}}\n')

    assert parts(document) == ["One.", "Three."]
    assert len(document.skipped) == 1
    str(document.skipped).encode()


def test_an_item_with_half_a_character_takes_no_other_along(read):
    document = read("t.json", '[{"id": 1, "a": "\\ud800"}, {"id": 2, "a": "Two"}]')

    assert labels(document) == ["t.json#2"]
    assert [each.doc_id for each in document.skipped] == ["t.json#1"]


def test_a_broken_list_is_skipped_whole_and_says_where(read):
    skipped = read("t.json", '[{"code": "A"},\n {"code": ]')

    assert isinstance(skipped, Skipped)
    assert "line 2" in skipped.reason


def test_a_line_with_a_title_and_no_text_is_its_title(read):
    document = read("q.jsonl", '{"id": "a", "title": "Fees of 2026", "text": ""}\n')

    assert (document.text, document.sections[0].heading) == ("Fees of 2026", "")


def test_a_title_that_is_a_page_long_is_text(read):
    title = "word " * 200

    document = read("q.jsonl", json.dumps({"id": "a", "title": title, "text": "Rest."}))

    assert document.text == f"{title.strip()}\n\nRest."
    assert document.sections[0].heading == ""


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ({"id": " a\nb ", "text": "T"}, "q.jsonl#a b"),
        ({"id": {"a": 1}, "text": "T"}, "q.jsonl#L1"),
        ({"id": None, "_id": "x", "text": "T"}, "q.jsonl#x"),
        ({"id": "\t", "text": "T"}, "q.jsonl#L1"),
        ({"id": "9" * 1000, "text": "T"}, f"q.jsonl#{'9' * 200}"),
    ],
)
def test_an_id_makes_a_label_of_one_line(read, item, label):
    assert labels(read("q.jsonl", json.dumps(item))) == [label]


def test_windows_line_ends_within_a_text_are_plain_ones(read):
    assert read("q.jsonl", r'{"text": "One.\r\nTwo."}').text == "One.\nTwo."


def test_more_values_than_memory_holds_are_refused(read):
    document = read("t.json", "[" + "[]," * 2_000_000 + "[]]")

    assert document == Skipped("t.json", "has more than 4,000,000 values")


def test_a_corpus_of_many_lines_has_each_under_its_id(read):
    lines = (
        json.dumps({"id": f"d-{n}", "title": f"T {n}", "text": f"Text {n}."}) for n in range(5000)
    )

    document = read("corpus.jsonl", "\n".join(lines))

    assert isinstance(document, Document)
    assert labels(document)[-1] == "corpus.jsonl#d-4999"
    assert parts(document)[-1] == "Text 4999."
    assert document.sections[-1].heading == "T 4999"
