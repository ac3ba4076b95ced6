"""Markdown: cut at its headings, and at nothing that only looks like one."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retrieval.passages.reading import labels, parts

from agentic_rag.retrieval.passages.documents import Skipped
from agentic_rag.retrieval.passages.markdown_files import read_markdown

MARKDOWN = st.lists(
    st.sampled_from(
        ["# One", "## Two", "### Three", "#### Four", "```", "text", "", "> ## Quoted", "---"]
    )
    | st.text("a# `-\t\r\x0c\u2028\x85", max_size=6),
    max_size=25,
).map("\n".join)


def slugs(text: str) -> list[str]:
    return [section.slug for section in read_markdown(text.encode()).sections]


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
    content = read_markdown(f"Intro{odd}goes{odd}on.\n\n## Fees\n\nINR 5.\n".encode())

    assert [section.slug for section in content.sections] == ["", "fees"]
    assert content.text[content.sections[1].start :].startswith("## Fees")


@given(MARKDOWN)
def test_the_sections_of_markdown_hold_all_of_its_text_in_order(text):
    content = read_markdown(text.encode())

    joined = "".join(content.text[s.start : s.end] for s in content.sections)
    assert "".join(joined.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(content.sections))


def test_a_heading_that_is_a_reference_is_named_by_its_words():
    assert slugs("## [Our fees][1]\n\nText.\n\n[1]: http://example.org\n") == ["our-fees"]


def test_a_heading_as_long_as_a_book_makes_no_such_label(read):
    document = read("faq.md", f"## {'Fees ' * 100_000}\n\nText.\n")

    assert len(labels(document)[0]) < 400
    assert len(document.sections[0].heading) < 400
    assert document.text.count("Fees") == 100_000


def test_more_lines_than_a_person_writes_are_refused(read):
    document = read("faq.md", "a\n" * 600_000)

    assert document == Skipped("faq.md", "has more than 500,000 lines")


@pytest.mark.parametrize(
    "piece",
    [
        "> ",
        "- ",
        "* a\n",
        "[",
        "[a]: b\n",
        "`",
        "<!--\n",
        "```\n",
        "## [\n",
        "a\n===\n",
        "&#",
        "\t",
    ],
)
def test_a_hundred_thousand_of_anything_are_read_in_seconds(piece):
    begun = time.thread_time()

    read_markdown(f"## {piece * (100_000 // len(piece))}".encode())
    read_markdown((piece * (100_000 // len(piece))).encode())

    assert time.thread_time() - begun < 20
