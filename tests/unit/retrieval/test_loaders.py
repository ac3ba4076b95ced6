"""Loaders: files become text with labelled sections, or are reported by name."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.documents import Document, label_of
from agentic_rag.retrieval.loaders import (
    Skipped,
    find_files,
    load,
    read_json,
    read_jsonl,
    read_markdown,
    render_field,
    render_value,
)

MARKDOWN = st.lists(
    st.sampled_from(
        ["# One", "## Two", "### Three", "#### Four", "```", "text", "", "> ## Quoted", "---"]
    )
    | st.text("a# `-\t\r\x0c\u2028\x85", max_size=6),
    max_size=25,
).map("\n".join)


@pytest.fixture
def read(tmp_path):
    """Write a file, load it."""

    def write_and_load(doc_id: str, content: str | bytes) -> Document | Skipped:
        path = tmp_path / doc_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load(path, tmp_path)

    return write_and_load


def labels(document: Document) -> list[str]:
    return [label_of(document.doc_id, section.slug) for section in document.sections]


def parts(document: Document) -> list[str]:
    return [document.text[section.start : section.end] for section in document.sections]


def slugs(text: str) -> list[str]:
    return [section.slug for section in read_markdown(text)[1]]


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


# --- Markdown -----------------------------------------------------------------------------


def test_markdown_is_cut_at_its_h2_and_h3_headings(read):
    text = "# Faq\n\nIntro.\n\n## Sunday?\n\nNo.\n\n### In June\n\nYes.\n\n## Parking\n\nFree.\n"

    document = read("faq.md", text)

    assert labels(document) == ["faq.md", "faq.md#sunday", "faq.md#in-june", "faq.md#parking"]
    assert [s.heading for s in document.sections] == [
        "Faq",
        "Faq > Sunday?",
        "Faq > Sunday? > In June",
        "Faq > Parking",
    ]
    assert parts(document)[2].split() == ["###", "In", "June", "Yes."]


def test_an_h4_belongs_to_the_section_above(read):
    document = read("faq.md", "## Fees\n\n#### Children\n\nHalf.\n\n##### Babies\n\nNone.\n")

    assert labels(document) == ["faq.md#fees"]
    assert "Babies" in parts(document)[0]


def test_a_second_title_begins_a_part_without_a_section():
    assert slugs("# A\n\nText.\n\n## Fees\n\nText.\n\n# B\n\nText.\n") == ["", "fees", ""]


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("Red flags", "red-flags"),
        ("What's open, when?", "whats-open-when"),
        ("Fees & charges", "fees--charges"),
        ("Café Crème", "café-crème"),
        ("A/B (two)", "ab-two"),
        ("snake_case", "snake_case"),
        ("24 hours' notice", "24-hours-notice"),
        ("**Bold** and `code`", "bold-and-code"),
        ("_Leaning_ words", "leaning-words"),
        ("[A link](http://example.org/x) here", "a-link-here"),
        ("Closed ##", "closed"),
        ("शुल्क", "शुल्क"),
    ],
)
def test_a_slug_is_the_one_that_github_makes(heading, slug):
    assert slugs(f"## {heading}\n\nText.\n") == [slug]


def test_an_underlined_heading_is_one(read):
    assert slugs("Fees\n----\n\nText.\n") == ["fees"]


def test_repeated_headings_are_numbered():
    assert slugs("## Fees\na\n\n## Fees\nb\n\n### Fees\nc\n") == ["fees", "fees-1", "fees-2"]


def test_a_numbered_slug_does_not_meet_a_heading_of_that_name():
    found = slugs("## Fees\na\n\n## Fees\nb\n\n## Fees 1\nc\n")

    assert found == ["fees", "fees-1", "fees-1-1"]


@pytest.mark.parametrize(
    "block",
    [
        "```\n## Not a heading\n```",
        "~~~md\n## Not a heading\n~~~",
        "    ## Not a heading",
        "> ## Not a heading",
        "- ## Not a heading",
        "<pre>\n## Not a heading\n</pre>",
        "\\## Not a heading",
        "##Not a heading",
    ],
)
def test_what_only_looks_like_a_heading_does_not_cut(block):
    assert slugs(f"## Fees\n\n{block}\n\nText.\n") == ["fees"]


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x0b", "\x0c", "\x85", "\x1c", "\r"], ids=ascii
)
def test_a_strange_line_break_does_not_shift_the_sections(odd):
    text, sections = read_markdown(f"Intro{odd}goes{odd}on.\n\n## Fees\n\nINR 5.\n")

    assert [section.slug for section in sections] == ["", "fees"]
    assert text[sections[1].start :].startswith("## Fees")


@given(MARKDOWN)
def test_the_sections_of_markdown_hold_all_of_its_text_in_order(text):
    kept, sections = read_markdown(text)

    joined = "".join(kept[section.start : section.end] for section in sections)
    assert "".join(joined.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(sections))


# --- JSON and JSON lines ------------------------------------------------------------------


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
    text, sections = read_json(json.dumps(value))

    assert all(text[section.start : section.end].strip() for section in sections)


@given(st.lists(JSON, max_size=4))
def test_json_lines_stand_in_their_sections(values):
    text, sections = read_jsonl("\n".join(json.dumps(value) for value in values))

    rest = text
    for section in sections:
        rest = rest.replace(text[section.start : section.end], "", 1)
    assert not rest.strip()


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
        ("a.md", b"caf\xe9", "UTF-8"),
        ("a.txt", b"\xff\xfeR\x00", "UTF-8"),
        ("a.json", b"\x80", "UTF-8"),
        ("a.md", b"", "empty"),
        ("a.txt", b" \n\t ", "empty"),
        ("a.json", b"[]", "empty"),
        ("a.jsonl", b"\n\n", "empty"),
        ("a.json", b"", "cannot be read"),
        ("a.json", b'[{"code": "A"', "cannot be read"),
        ("a.json", b"{'code': 1}", "cannot be read"),
        ("a.jsonl", b'{"id": 1}\n{"id": \n', "line 2"),
        ("a.json", b"[" * 100_000, "cannot be read"),
        ("a.json", b'{"a":' * 100_000, "cannot be read"),
        ("a.json", b"[" * 900 + b"1" + b"]" * 900, None),
        ("a.jsonl", b"[" * 100_000, "cannot be read"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "cannot be read"),
        ("a.json", b'["\\ud800"]', "cannot be read"),
        ("a.jsonl", b'{"text": "broken \\udcff"}', "cannot be read"),
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


def test_files_are_found_in_any_depth_and_in_a_stable_order(tmp_path):
    for name in ("b.md", "a/z.md", "a/b/c.txt", ".hidden.md", ".git/config.md", "a/.b/c.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Rest.", "utf-8")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dead.md").symlink_to(tmp_path / "nowhere.md")

    found = [path.relative_to(tmp_path).as_posix() for path in find_files(tmp_path)]

    assert found == ["a/b/c.txt", "a/z.md", "b.md"]


def test_documents_below_a_hidden_folder_are_found(tmp_path):
    folder = tmp_path / ".config" / "pack"
    folder.mkdir(parents=True)
    (folder / "faq.md").write_text("Rest.", "utf-8")

    assert find_files(folder) == [Path(folder / "faq.md")]
