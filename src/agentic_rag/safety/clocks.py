"""Reads what is written in one piece: phone numbers, dates, times of the day, days, codes. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agentic_rag.safety.units import DAYS, MONTHS, ONES, WORTH

Value = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A value from `low` to `high`, the same where it is one, and where it stands."""

    kind: str
    low: Value
    high: Value
    start: int
    end: int


def _any(words: object) -> str:
    return "|".join(sorted(map(re.escape, map(str, words)), key=len, reverse=True))  # type: ignore[call-overload]


_LINK = r"\s*(?:-|to|till|until|through)\s*"
_MERIDIEM = r"(?:[ap]\.?\s?m\b\.?|(?:o'clock\s+)?in the (?:morning|afternoon|evening)\b|at night\b)"
_SPOKEN = rf"(?:half past|quarter past|quarter to)\s+(?:{_any(ONES[1:13])}|\d{{1,2}})\b"
_HOUR = (
    rf"(?:\d{{1,2}}[:.]\d{{2}}(?!\d|[.,:]\d|\s*%)(?:\s*{_MERIDIEM})?|\d{{1,2}}\s*{_MERIDIEM}"
    rf"|{_SPOKEN}(?:\s*{_MERIDIEM})?|noon\b|midday\b|midnight\b)"
)

_CODE = re.compile(r"(?<![\w-])[A-Za-z]+(?:-?[A-Za-z]+)*-?\d\w*(?:-\w+)*")
_ABROAD = re.compile(r"(?<![\w.,:])\+\d[\d ()-]{6,18}\d(?!\w)")
_PHONE = re.compile(
    r"(?<![\w.,:])(?:\+\d[\d ()-]{6,18}\d|\(?0\d{1,4}\)?[ -]\d[\d -]{4,12}\d"
    r"|\d{3,5}(?:[ -]\d{2,5}){1,3}|\d{8,14})(?![\w:]|[.,]\d)"
)
_DATE = re.compile(
    rf"\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<m1>{_any(MONTHS)})\b\.?(?:,?\s+(?P<y1>\d{{4}}))?"
    rf"|\b(?P<m2>{_any(MONTHS)})\.?\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.]\d)(?:,?\s+(?P<y2>\d{{4}}))?"
    r"|\b(?P<d3>\d{1,2})[/.-](?P<m3>\d{1,2})[/.-](?P<y3>\d{4})\b"
    r"|\b(?P<y4>\d{4})-(?P<m4>\d{2})-(?P<d4>\d{2})\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    rf"(?<![\w.,:/-])(?:(?P<low>{_HOUR})(?:{_LINK}(?P<high>{_HOUR}))?"
    rf"|(?P<bare>\d{{1,2}}){_LINK}(?P<until>{_HOUR}))",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"(?<![\w.,:/-])between\s+(?:(?P<low>{_HOUR})|(?P<bare>\d{{1,2}}))\s+and\s+(?:(?P<high>{_HOUR})|(?P<until>(?!)))",
    re.IGNORECASE,
)
_DAYS = re.compile(rf"\b(?P<low>{_any(DAYS)})\.?{_LINK}(?P<high>{_any(DAYS)})\b", re.IGNORECASE)
_QUARTERS = re.compile(r"(?P<part>half past|quarter past|quarter to)\s+(?P<hour>\w+)")
_WEEK = re.compile(r"\b(?:week(?P<low>day)s?|week(?P<high>end)s?|on working days)\b", re.IGNORECASE)
_FEWEST_PHONE_DIGITS = 7
_NOON = 12


def pieces(text: str) -> Iterator[Piece]:
    """Yield what is written in one piece; where two readings overlap, the first.

    >>> [(p.kind, p.low, p.high) for p in pieces("9.30 am to 6 pm, on 3 May")]
    [('date', (0, 5, 3), (0, 5, 3)), ('clock', (570,), (1080,))]
    """
    readings: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Piece | None]], ...] = (
        (_ABROAD, _phone),
        (_DATE, _date),
        (_PHONE, _phone),
        (_CODE, _code),
        (_BETWEEN, _clock),
        (_CLOCK, _clock),
        (_DAYS, _days),
        (_WEEK, _part_of_week),
    )
    has_digits = any(map(str.isdigit, text))
    for pattern, read in readings:
        if pattern in (_ABROAD, _DATE, _PHONE, _CODE) and not has_digits:
            continue
        for found in pattern.finditer(text):
            piece = read(found)
            if piece:
                yield piece
                text = blank(text, piece.start, piece.end)


def blank(text: str, start: int, end: int) -> str:
    """Return a text of the same length with nothing left to read from `start` to `end`."""
    return text[:start] + "\x00" * (end - start) + text[end:]


def _piece(kind: str, low: Value, high: Value, found: re.Match[str]) -> Piece:
    return Piece(kind, low, high, found.start(), found.end())


def _date(found: re.Match[str]) -> Piece | None:
    told = {key: value.lower() for key, value in found.groupdict().items() if value}
    day, month, year = (
        next((told[key] for key in told if key.startswith(letter)), "0") for letter in "dmy"
    )
    value = (int(year), MONTHS.get(month) or int(month), int(day))
    return _piece("date", value, value, found)


def _phone(found: re.Match[str]) -> Piece | None:
    digits = re.sub(r"\D", "", found[0])
    is_phone = len(digits) >= _FEWEST_PHONE_DIGITS
    return _piece("phone", (digits,), (digits,), found) if is_phone else None


def _code(found: re.Match[str]) -> Piece:
    value = (found[0].lower(),)
    return _piece("code", value, value, found)


def _clock(found: re.Match[str]) -> Piece | None:
    low, high = found["low"] or found["bare"], found["high"] or found["until"] or found["low"]
    start, end = _minutes(low), _minutes(high)
    if end is None or start is None:
        return None
    if found["low"] and not found["high"] and _is_decimal(found):
        return None
    if (
        end >= _NOON * 60
        and not _tells_half(low)
        and start + _NOON * 60 < end
        and _tells_half(high)
    ):
        # "5 to 7 pm" is in the evening; "9 to 6 pm" begins in the morning
        later = start + _NOON * 60
        start = later if start < _NOON * 60 and later < end and found["bare"] else start
    return _piece("clock", (start,), (end,), found)


def _is_decimal(found: re.Match[str]) -> bool:
    """Tell whether "7.30" is a number: one with a dot alone, and nothing that says a time."""
    said = found["low"]
    if "." not in said or _tells_half(said):
        return False
    before = found.string[: found.start()]
    return not re.search(
        r"\b(?:at|from|until|till|by|before|after|opens?|closes?)\s+$", before, re.I
    )


def _tells_half(said: str) -> bool:
    return not said[-1:].isdigit()


def _minutes(said: str) -> int | None:
    plain = _QUARTERS.sub(_in_digits, said.lower()).replace(".", ":").strip(":")
    if plain in ("noon", "midday", "midnight"):
        return 0 if plain == "midnight" else _NOON * 60
    hour, minute = (int(part or 0) for part in re.match(r"(\d+)(?::(\d\d))?", plain).groups())  # type: ignore[union-attr]
    is_evening = plain.endswith(("pm", "p:m", "p m", "afternoon", "evening", "night"))
    is_morning = plain.endswith(("am", "a:m", "a m", "morning"))
    if hour > 24 or minute > 59:  # noqa: PLR2004  # a clock's
        return None
    if is_evening and hour < _NOON:
        hour += _NOON
    return (0 if is_morning and hour == _NOON else hour) * 60 + minute


def _part_of_week(found: re.Match[str]) -> Piece:
    low, high = (5, 6) if found["high"] else (0, 4)
    return _piece("days", (low,), (high,), found)


def _in_digits(found: re.Match[str]) -> str:
    """Put "half past eleven" as 11:30."""
    hour = int(found["hour"]) if found["hour"].isdigit() else WORTH[found["hour"]]
    minutes = hour * 60 + {"half past": 30, "quarter past": 15, "quarter to": -15}[found["part"]]
    return f"{minutes // 60}:{minutes % 60:02}"


def _days(found: re.Match[str]) -> Piece:
    low, high = (DAYS[found[end].lower()] for end in ("low", "high"))
    return _piece("days", (low,), (high,), found)
