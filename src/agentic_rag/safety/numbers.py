"""Reads the numbers of a text, so that none can change on its way into an answer. Pure."""

import re

# 1,200 | 1,20,000 | 9:30 | 9.30 | +91-20-4000-0000 | 38
_NUMBER = re.compile(r"\+?\d[\d,]*(?:[.:]\d+)?(?:-\d{2,})*")
_WORDS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
_NUMBER_WORD = re.compile(r"\b(" + "|".join(_WORDS) + r")\b", re.IGNORECASE)


def numbers(text: str) -> set[str]:
    """Return the numbers of a text in one spelling.

    >>> sorted(numbers("INR 6,000 to 9,500, two visits, from 9:30"))
    ['2', '6000', '9.30', '9500']
    """
    digits = {_one_spelling(found) for found in _NUMBER.findall(text)}
    spelled = {_WORDS[found.lower()] for found in _NUMBER_WORD.findall(text)}
    return digits | spelled


_UNIT = re.compile(
    r"(?<![\w.,])(\d[\d,]*(?:[.:]\d+)?)\s*-?(minute|hour|day|week|month|year|visit|mg|ml|percent|%|tooth|teeth"
    r"|am|pm|lakh|thousand)",
    re.IGNORECASE,
)


def carries_numbers(sentence: str, span: str) -> bool:
    """Tell whether every number of a sentence stands in the span, and with no other unit.

    >>> carries_numbers("for 24 days", "for 24 hours"), carries_numbers("2 visits", "Visits: 2")
    (False, True)
    """
    if numbers(sentence) - numbers(span):
        return False
    said, carried = _units(sentence), _units(span)
    return all(carried.get(number, units) & units for number, units in said.items())


def _units(text: str) -> dict[str, set[str]]:
    """Return the units that stand behind each number."""
    units: dict[str, set[str]] = {}
    for number, unit in _UNIT.findall(_spelled_out(text)):
        units.setdefault(_one_spelling(number), set()).add(unit.lower())
    return units


def _spelled_out(text: str) -> str:
    return _NUMBER_WORD.sub(lambda found: _WORDS[found[0].lower()], text)


def _one_spelling(number: str) -> str:
    plain = number.replace(",", "").replace(":", ".")
    return plain.lstrip("+").rstrip(".") if "-" in plain else plain
