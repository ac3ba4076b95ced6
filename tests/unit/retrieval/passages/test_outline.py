"""Outline: headings to sections, and a sheet that knows where each begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.retrieval.passages.outline import Sheet, squeeze

STEPS = st.lists(
    st.tuples(st.sampled_from(["block", "line", "list"]), st.text("ab #\n", max_size=6))
    | st.tuples(st.integers(0, 6), st.sampled_from(["Fees", "Fees!", "", "शुल्क", "!!"])),
    max_size=20,
)


def write(steps: list[tuple[str | int, str]]) -> Sheet:
    sheet = Sheet(root="Root")
    for kind, text in steps:
        if isinstance(kind, int):
            sheet.add_heading(kind, text)
        else:
            if kind == "list":
                sheet.begin_lines()
            sheet.add(text, as_line=kind != "block")
    return sheet


@given(STEPS)
def test_the_sections_hold_all_that_was_written_in_order(steps):
    content = write(steps).content()

    joined = "".join(content.text[s.start : s.end] for s in content.sections)
    assert joined.split() == content.text.split()
    written = [text if isinstance(kind, str) or text else "" for kind, text in steps]
    assert "".join("".join(written).replace("#", "").split()) == "".join(
        content.text.replace("#", "").split()
    )


@given(STEPS)
def test_a_section_begins_with_its_heading(steps):
    content = write(steps).content()

    for section in content.sections[1:]:
        assert content.text[section.start] == "#"


@given(STEPS)
def test_no_two_headings_share_a_slug_unless_it_is_empty(steps):
    slugs = [section.slug for section in write(steps).content().sections]

    named = [slug for slug in slugs if slug]
    assert len(named) == len(set(named))


def test_a_title_stands_above_every_h1():
    sheet = write([(0, "Consent"), (1, "Risks"), (2, "Pain"), ("block", "x"), (1, "Cost")])

    assert [s.heading for s in sheet.content().sections] == [
        "Consent",
        "Consent > Risks",
        "Consent > Risks > Pain",
        "Consent > Cost",
    ]
    assert [s.slug for s in sheet.content().sections] == ["", "", "pain", ""]


def test_the_root_stands_above_where_there_is_no_h1():
    sheet = write([("block", "Intro"), (2, "Fees"), (1, "Clinic"), (2, "Hours")])

    assert [s.heading for s in sheet.content().sections] == [
        "Root",
        "Root > Fees",
        "Clinic",
        "Clinic > Hours",
    ]


def test_lines_stand_close_and_blocks_apart():
    steps = [("block", "A"), ("line", "b"), ("line", "c"), ("list", "d"), ("block", "E")]

    assert write(steps).content().text == "A\n\nb\nc\n\nd\n\nE"


def test_nothing_written_is_nothing():
    assert write([("block", " \n"), (2, "")]).content().sections == ()


def test_a_sheet_that_grows_without_end_is_refused():
    sheet = Sheet()
    sheet.add("a" * 80_000_000)

    with pytest.raises(ValueError, match="too large"):
        sheet.add("a" * 80_000_000)


def test_marks_that_join_letters_of_other_scripts_are_kept():
    assert squeeze("क्\u200dष \u200b\u00ad x") == "क्\u200dष x"
