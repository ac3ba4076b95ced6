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


def _one_spelling(number: str) -> str:
    plain = number.replace(",", "").replace(":", ".")
    return plain.lstrip("+").rstrip(".") if "-" in plain else plain
