"""Numbers: read with their unit and their bounds, so that none can change."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentic_rag.safety.numbers import quantities
from agentic_rag.safety.quantity import is_carried, lent


def only(text: str):
    """Return the one quantity of a text."""
    (found,) = quantities(text)
    return found


def carried(said: str, source: str) -> bool:
    """Tell whether every number of one text stands in the other."""
    there = quantities(source)
    return all(any(is_carried(one, other) for other in there) for one in quantities(said))


@pytest.mark.parametrize(
    ("text", "kind", "low", "high"),
    [
        ("INR 6,000 to 9,500", "money:inr", 6000, 9500),
        ("between \u20b96,000 and \u20b99,500", "money:inr", 6000, 9500),
        ("Rs.1,20,000/-", "money:inr", 120_000, 120_000),
        ("1.5 lakh rupees", "money:inr", 150_000, 150_000),
        ("two thousand five hundred rupees", "money:inr", 2500, 2500),
        ("\u20b96k", "money:inr", 6000, 6000),
        ("NOK 3,400", "money:nok", 3400, 3400),
        ("forty-five minutes", "time", 45, 45),
        ("half an hour", "time", 30, 30),
        ("an hour and a half", "time", 90, 90),
        ("three quarters of an hour", "time", 45, 45),
        ("two or three days", "time", 2880, 4320),
        ("a fortnight", "time", 14 * 1440, 14 * 1440),
        ("18 months", "months", 18, 18),
        ("a year", "months", 12, 12),
        ("250 mg", "mass", 250, 250),
        ("38.5 \u00b0C", "celsius", Fraction(77, 2), Fraction(77, 2)),
        ("20 degrees Celsius", "celsius", 20, 20),
        ("50 per cent", "count", 50, 50),
        ("50%", "percent", 50, 50),
        ("the third day", "ordinal", 3, 3),
        ("twelve visits", "count", 12, 12),
        ("TWICE a day", "count", 2, 2),
    ],
)
def test_a_quantity_is_read_with_its_unit(text, kind, low, high):
    found = quantities(text)[0]

    assert (found.kind, found.low, found.high) == (kind, low, high)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("+91-20-4000-0000", "phone"),
        ("020 7946 0321", "phone"),
        ("TX-RCT-01", "code"),
        ("3 May 2025", "date"),
        ("2025-05-03", "date"),
        ("Monday to Saturday", "days"),
        ("9:30 to 18:30", "clock"),
        ("9.30 am", "clock"),
        ("8 in the morning", "clock"),
    ],
)
def test_what_is_written_in_one_piece_is_read_in_one(text, kind):
    assert only(text).kind == kind


@pytest.mark.parametrize(
    "text",
    ["", "no number", "someone phoned", "one of us", "once you arrive", "this one", "a visit"],
)
def test_what_counts_nothing_is_no_quantity(text):
    assert quantities(text) == ()


SAME = [
    ("9:30", "9:30 am"),
    ("9.30 am", "9:30 am"),
    ("6.30 pm", "18:30"),
    ("9-11 am", "9:00 to 11:00"),
    ("6,000 rupees", "\u20b96000"),
    ("1,20,000 rupees", "INR 120,000"),
    ("2 visits", "two visits"),
    ("+91-20-4000-0000", "+91 20 4000 0000"),
    ("thirty minutes", "half an hour"),
    ("1 week", "7 days"),
    ("twelve months", "one year"),
    ("two times a day", "twice daily"),
    ("at least 3 days", "a minimum of three days"),
    ("under 18 years", "younger than 18 years"),
    ("up to 2 hours", "no more than two hours"),
    ("1 g", "1,000 mg"),
    ("3 May 2025", "May 3rd, 2025"),
    ("day two", "the second day"),
    ("INR 500 a night", "INR 500 per night"),
    ("one and a half hours", "90 minutes"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_quantity_in_two_spellings_is_the_same(one, other):
    assert carried(one, other)
    assert carried(other, one)


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("400 minutes", "40 minutes"),
        ("385", "38.5"),
        ("24 days", "24 hours"),
        ("5 mg", "5 ml"),
        ("INR 300", "USD 300"),
        ("+91-20-4000-0001", "+91-20-4000-0000"),
        ("9:31 am", "9:30 am"),
        ("9:30 pm", "9:30 am"),
        ("Monday to Friday", "Monday to Saturday"),
        ("INR 1,200", "INR 1,200 to 1,800"),
        ("INR 1,800", "INR 1,200 to 1,800"),
        ("INR 1,200 to 1,800", "INR 1,200"),
        ("INR 1,200 per visit", "INR 1,200"),
        ("INR 1,200 per visit", "INR 1,200 per tooth"),
        ("at most 72 hours", "at least 72 hours"),
        ("72 hours", "at least 72 hours"),
        ("up to 5 days", "5 days"),
        ("twice a week", "twice a day"),
        ("every 8 hours", "within 8 hours"),
        ("8 hours before", "8 hours after"),
        ("3 days", "the third day"),
        ("1.5 lakh", "15 lakh"),
        ("TX-RCT-02", "TX-RCT-01"),
        ("3 May 2025", "5 March 2025"),
        ("one hour", "one and a half hours"),
    ],
)
def test_two_quantities_are_not_the_same(said, source):
    assert not carried(said, source)


@pytest.mark.parametrize(
    "text", ["INR 500 and takes at least two days", "2 hours and at most 3 days"]
)
def test_a_bound_is_of_the_quantity_that_it_stands_beside(text):
    first, second = quantities(text)

    assert not first.bound
    assert second.bound


def test_a_range_may_be_told_by_the_end_that_is_named():
    assert carried("starts at INR 1,200", "INR 1,200 to 1,800")
    assert carried("up to INR 1,800", "INR 1,200 to 1,800")
    assert not carried("up to INR 1,200", "INR 1,200 to 1,800")


@pytest.mark.parametrize(
    ("field", "kind"),
    [("duration_minutes", "time"), ("Dose (mg)", "mass"), ("price_inr", "money:inr")],
)
def test_a_field_lends_its_unit_to_a_bare_number(field, kind):
    assert lent(only("40"), field).kind == kind


def test_a_field_lends_nothing_to_a_number_that_has_a_unit():
    assert lent(only("40 hours"), "duration_minutes") == only("40 hours")


@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    for quantity in quantities(text):
        assert 0 <= quantity.start < quantity.end <= len(text)
        assert is_carried(quantity, quantity)
