"""Reads the numbers of a text, so that none can change on its way into an answer. Pure."""

import re
from functools import lru_cache

# 1,200 | 1,20,000 | 9:30 | 9.30 | +91-20-4000-0000 | 38
_NUMBER = re.compile(r"\+?\d[\d,]*(?:[.:]\d+)?(?:-\d{2,})*")
_ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: at for at, word in enumerate(_ONES, start=1)}
_WORDS |= {word: 10 * at for at, word in enumerate(_TENS, start=2)}
_NUMBER_WORD = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<unit>{'|'.join(_ONES[:9])}))?"
    rf"|(?P<alone>{'|'.join(_ONES)}))\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def numbers(text: str) -> frozenset[str]:
    """Return the numbers of a text in one spelling.

    >>> sorted(numbers("INR 6,000 to 9,500, two visits, from 9:30"))
    ['2', '6000', '9.30', '9500']
    """
    return frozenset(_one_spelling(found) for found in _NUMBER.findall(_spelled_out(text)))


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
    if numbers(sentence) - numbers(span) or _currencies(sentence) - _currencies(span):
        return False
    said, carried = _units(sentence), _units(span)
    return all(carried.get(number, units) & units for number, units in said.items())


_CURRENCIES = {"rs": "inr", "\u20b9": "inr", "rupee": "inr", "rupees": "inr", "$": "usd"}
_CURRENCIES |= {"dollar": "usd", "dollars": "usd", "\u20ac": "eur", "euro": "eur", "euros": "eur"}
_CURRENCIES |= {"\u00a3": "gbp", "pound": "gbp", "pounds": "gbp"}
_CURRENCY = re.compile(
    r"[$\u20b9\u20ac\u00a3]|\b(?:inr|usd|eur|gbp|rs|rupees?|dollars?|euros?|pounds?)\b",
    re.IGNORECASE,
)


def _currencies(text: str) -> set[str]:
    found = (each.lower() for each in _CURRENCY.findall(text))
    return {_CURRENCIES.get(each, each) for each in found}


def _units(text: str) -> dict[str, set[str]]:
    """Return the units that stand behind each number."""
    units: dict[str, set[str]] = {}
    for number, unit in _UNIT.findall(_spelled_out(text)):
        units.setdefault(_one_spelling(number), set()).add(unit.lower())
    return units


def _spelled_out(text: str) -> str:
    """Put digits where numbers are written in words."""
    return _NUMBER_WORD.sub(_digits, text)


def _digits(found: re.Match[str]) -> str:
    said = (found[name] for name in ("tens", "unit", "alone"))
    return str(sum(_WORDS[word.lower()] for word in said if word))


def _one_spelling(number: str) -> str:
    plain = number.replace(",", "").replace(":", ".")
    return plain.lstrip("+").rstrip(".") if "-" in plain else plain
