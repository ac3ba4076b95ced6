"""Reads numbers as they are written: "1.5 lakh", "forty-five", "half an hour". Pure."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from agentic_rag.language import STOP_WORDS
from agentic_rag.safety.units import ONES, SCALES, TENS, UNITS, WORTH

NUMBERED = {"day", "week", "month", "trimester"}  # "day 3" is the third one
_NEVER_ONE_AFTER = {"no", "each", "every", "any", "this", "that", "which", "another", "the", "some"}
_LEX = re.compile(
    r"\d+(?:,\d{2,3})*(?:\.\d+)?(?:[/\u2044]\d+)?|\u00b0\s?[cf]\b|[^\W\d_]+|/-|[^\s\w]",
    re.IGNORECASE,
)


class Lex(NamedTuple):
    """A word, a number or a sign, in lower case, and where it stands."""

    text: str
    start: int
    end: int


class Numeral(NamedTuple):
    """A number, the lex that it ends before, and the scale and unit behind it."""

    value: Fraction
    end: int
    scale: int = 1
    kind: str = ""
    factor: Fraction = Fraction(1)


def lexes_of(text: str) -> list[Lex]:
    """Cut a text into words, numbers and signs."""
    return [Lex(m[0].lower(), m.start(), m.end()) for m in _LEX.finditer(text)]


def text_at(lexes: Sequence[Lex], at: int) -> str:
    """Return what stands at a place, or nothing beyond either end."""
    return lexes[at].text if 0 <= at < len(lexes) else ""


def numeral(lexes: Sequence[Lex], at: int) -> Numeral | None:
    """Read a number with its scale and unit: "1.5 lakh", "twenty-four hours", "half an hour"."""
    read = _fraction(lexes, at) or _digits(lexes, at) or _spelled(lexes, at)
    if not read:
        return None
    value, at = read
    if [text_at(lexes, at + n) for n in range(3)] == ["and", "a", "half"]:
        value, at = value + Fraction(1, 2), at + 3
    scale = SCALES.get(text_at(lexes, at - 1), 1)  # spelled out, it is in the value already
    value /= scale
    if text_at(lexes, at) in SCALES:
        scale, at = SCALES[text_at(lexes, at)], at + 1
    if [text_at(lexes, at + n) for n in range(2)] == ["of", "rupees"]:
        at += 1
    if text_at(lexes, at) in ("degree", "degrees") and text_at(lexes, at + 1) in UNITS:
        at += 1
    hyphen = 1 if text_at(lexes, at) == "-" and text_at(lexes, at + 1) in UNITS else 0
    unit = UNITS.get(text_at(lexes, at + hyphen))
    if not unit:
        return Numeral(value, at, scale)
    return Numeral(value, at + hyphen + 1, scale, *unit)


def _digits(lexes: Sequence[Lex], at: int) -> tuple[Fraction, int] | None:
    said = text_at(lexes, at).replace(",", "").replace("\u2044", "/")
    if not said[:1].isdigit():
        return None
    try:
        return Fraction(said), at + 1
    except (ValueError, ZeroDivisionError):
        return Fraction(-1), at + 1  # stands nowhere else


def _fraction(lexes: Sequence[Lex], at: int) -> tuple[Fraction, int] | None:
    """Read "half an hour", "a quarter of an hour", "three quarters of an hour"."""
    said = [text_at(lexes, at + n) for n in range(3)]
    if said[0] == "half" and said[1] in ("a", "an") and said[2] in UNITS:
        return Fraction(1, 2), at + 2
    quarters = {"quarter": 1, "quarters": 3}.get(said[0])
    if quarters and said[1] == "of" and said[2] in ("a", "an"):
        return Fraction(quarters, 4), at + 3
    if said[0] == "three" and said[1] == "quarters":
        return _fraction(lexes, at + 1)
    return None


def _spelled(lexes: Sequence[Lex], at: int) -> tuple[Fraction, int] | None:
    """Read "forty-five", "two thousand five hundred", "a hundred and twenty", "a couple of"."""
    if [text_at(lexes, at + n) for n in range(3)] == ["a", "couple", "of"]:
        return Fraction(2), at + 3
    before = text_at(lexes, at - 1)
    if text_at(lexes, at) == "single" and (before in WORTH or before[:1].isdigit()):
        return None  # "ten single visits"
    if text_at(lexes, at) in ("a", "one") and not _is_counted(lexes, at):
        return None
    total, part, begun = 0, 0, at
    while True:
        word = text_at(lexes, at)
        if word in WORTH and _goes_with(part % 100, WORTH[word]):
            part += WORTH[word]
        elif word in SCALES and (part or at == begun + 1):
            total, part = _scaled(total, max(part, 1), SCALES[word])
        elif not (_joins(lexes, at, begun) or (word == "a" and at == begun)):
            break
        at += 1
    return (Fraction(total + part), at) if total + part or text_at(lexes, begun) == "zero" else None


def _goes_with(part: int, worth: int) -> bool:
    """Tell whether a word can stand behind what is below a hundred: "twenty one", not "two one"."""
    return part == 0 or (part >= min(map(WORTH.__getitem__, TENS)) and part % 10 + worth < 10)  # noqa: PLR2004  # the tens


def _scaled(total: int, part: int, scale: int) -> tuple[int, int]:
    """Add a part that a scale stands behind: "hundred" goes on being added to, "thousand" ends."""
    return (total, part * scale) if scale < SCALES["thousand"] else (total + part * scale, 0)


def _joins(lexes: Sequence[Lex], at: int, begun: int) -> bool:
    """Tell whether a "-" or an "and" stands within one number."""
    before, after = text_at(lexes, at - 1), text_at(lexes, at + 1)
    if at == begun:
        return False
    if text_at(lexes, at) == "-":
        return before in TENS and after in ONES[1:10]
    is_range = "between" in (text_at(lexes, begun - 1), text_at(lexes, begun - 2))
    return text_at(lexes, at) == "and" and before in SCALES and after in WORTH and not is_range


def _is_counted(lexes: Sequence[Lex], at: int) -> bool:
    """Tell whether "one" or "a" is a number: not in "one of us", "this one", "a visit"."""
    after = text_at(lexes, at + 1)
    if text_at(lexes, at) == "a":
        return after in SCALES
    before = text_at(lexes, at - 1)
    if before in NUMBERED:
        return True  # "from day one"
    if [text_at(lexes, at + n) for n in range(1, 4)] == ["and", "a", "half"]:
        return True
    is_counting = after.isalpha() and after not in STOP_WORDS and before not in _NEVER_ONE_AFTER
    return is_counting or after == "-"
