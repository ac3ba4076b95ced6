"""Numbers: in one spelling, so that none can change."""

import pytest

from agentic_rag.safety.numbers import numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("no number", set()),
        ("INR 6,000 to 9,500", {"6000", "9500"}),
        ("Rs.1,20,000", {"120000"}),
        ("from 9:30 to 18:30", {"9.30", "18.30"}),
        ("a fever of 38.5 °C.", {"38.5"}),
        ("two visits", {"2"}),
        ("Twelve hours, ONE day", {"12", "1"}),
        ("someone phoned", set()),
        ("It takes 40.", {"40"}),
        ("24 hours' notice, 24 hours", {"24"}),
    ],
)
def test_numbers_are_read_in_one_spelling(text, expected):
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9:30", "9.30"),
        ("6,000", "6000"),
        ("1,20,000", "120,000"),
        ("2 visits", "two visits"),
        ("+91-20-4000-0000", "91-20-4000-0000"),
        ("thirty minutes", "30 minutes"),
        ("twenty-four hours", "24 hours"),
    ],
)
def test_one_number_in_two_spellings_is_the_same(one, other):
    assert numbers(one) == numbers(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("40", "400"),
        ("38.5", "385"),
        ("1.5", "15"),
        ("+91-20-4000-0000", "+91-20-4000-0001"),
        ("9:30", "9:31"),
        ("two", "three"),
        ("twenty", "thirty"),
    ],
)
def test_two_numbers_are_not_the_same(one, other):
    assert numbers(one) != numbers(other)
