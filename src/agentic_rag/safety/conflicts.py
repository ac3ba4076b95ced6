"""Conflicts: tells whether two passages say different numbers of the same thing. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from agentic_rag.language import (
    field_name,
    is_light,
    sentences,
    statement_spans,
    stem,
    terms,
)

_MOSTLY, _PARTLY = 0.66, 0.3
"""Share of one statement's words that the other must have, and of the other's: the same thing."""
_MOST_STATEMENTS = 40

_NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1
    )
} | {
    "eleven": 11,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "sixty": 60,
    "ninety": 90,
}
_NUMBER = rf"(?:\d[\d,]*(?:\.\d+)?|\b(?:{'|'.join(_NUMBER_WORDS)})\b)"
_RANGE = rf"({_NUMBER})(?:\s*(?:to|-|\u2013|and|or)\s*({_NUMBER}))?"
_CURRENCY = r"(?:inr|usd|eur|gbp|rs\.?|rupees?|[\u20b9$\u20ac\u00a3])"
_MINUTES = {"minute": 1, "min": 1, "hour": 60, "hr": 60, "day": 1440, "week": 10_080}
_MINUTES |= {"month": 43_200, "year": 525_600}
_MONEY = re.compile(
    rf"{_CURRENCY}\s*{_RANGE}|{_RANGE}\s*(?:rupees|/-|dollars|euros?)", re.IGNORECASE
)
_SPAN = re.compile(
    rf"{_RANGE}[\s-]*(?:working |business |full |calendar )?({'|'.join(_MINUTES)})s?\b",
    re.IGNORECASE,
)
_RATE = re.compile(
    rf"{_RANGE}[\s-]*(?:minute|min|hour|hr|day)s?\s+(?:an?|per|each|every) (?:day|night|week)\b",
    re.IGNORECASE,
)
_AGE = re.compile(
    rf"\b(?:age[ds]?|under|over|below|above|older than|younger than)(?: of| from"
    rf"| between)?\s+{_RANGE}(?!\s*(?:%|minute|hour|day|week|month))"
    rf"|{_RANGE}\s*(?:years?[ -]old|years? of age)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(\d{1,2})(?:[:.](\d{2}))?\s*([ap])\.?m\b|\b(\d{1,2})[:.](\d{2})\b", re.IGNORECASE
)
_SHARE = re.compile(rf"{_RANGE}\s*(?:%|per ?cent)", re.IGNORECASE)
_COUNT = re.compile(
    rf"{_RANGE}\s+(?:\w+\s+)?(?P<noun>visit|session|sitting|appointment|injection|drop)s?\b"
    r"|\b(?P<field>visits|sessions|sittings):\s*(\d+)",
    re.IGNORECASE,
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = "|".join(_DAYS)
_WEEK = re.compile(rf"\b({_DAY})s?(?:\s*(?:to|-|\u2013)\s*({_DAY})s?)?\b", re.IGNORECASE)
_LISTED = re.compile(r",?\s+and\s+|,\s+")
_CLOSED = re.compile(r"\b(?:closed|shut|not open)\b", re.IGNORECASE)

_OPEN = "open"
_IT = re.compile(r"(?:it|this|that|they|these)\b", re.IGNORECASE)
_ALIKE = {"durat": "take", "close": "open", "shut": "open"}
_MEASURES = """
    inr rs rupees price cost costs fee charge charged band rate usual usually about year old age
    percent am pm ist
"""
_UNITS = frozenset(stem(word) for word in (*_DAYS, *_MINUTES, *_NUMBER_WORDS, *_MEASURES.split()))
"""What a number is measured in: it says nothing of what thing it is the number of."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a statement says: numbers by kind, of what, and on which days."""

    said: str
    figures: Mapping[str, frozenset[float]]
    own: frozenset[str]
    subject: frozenset[str]
    predicate: frozenset[str]
    days: frozenset[int]

    @property
    def is_bare(self) -> bool:
        """Whether it names nothing, and does not say "it" for what its heading names."""
        return all(is_light(word) for word in self.own) and not _IT.match(self.said)


def disagree(one: tuple[str, str], other: tuple[str, str]) -> float:
    """Return how surely two passages, each (heading, text), say different numbers of one thing.

    0 where they do not: they agree, or speak of different things.

    >>> disagree(("Fees", "Scaling costs INR 900."), ("Scaling", "Price band: INR 1,200 to 1,800"))
    2.0
    >>> disagree(("Fees", "Scaling costs INR 900."), ("Crown", "Price band: INR 7,000"))
    0.0
    """
    pairs = product(_claims(*one), _claims(*other))
    return max((_contradict(mine, theirs) for mine, theirs in pairs), default=0.0)


def claims_of(heading: str, text: str) -> list[tuple[frozenset[str], str]]:
    """Return the statements of a passage that hold a number: the stems of what of, and the words.

    >>> [said for _, said in claims_of("Scaling", "Rest. It takes 40 minutes.")]
    ['It takes 40 minutes.']
    """
    title = heading.rpartition(" > ")[2]
    return [
        (claim.subject, f"{title}: {claim.said}" if field_name(claim.said) else claim.said)
        for claim in _claims(heading, text)
    ]


def _contradict(mine: _Claim, theirs: _Claim) -> float:
    if mine.days and theirs.days and not mine.days & theirs.days:
        return 0.0
    kinds = [
        kind
        for kind in mine.figures.keys() & theirs.figures.keys()
        if not (
            mine.figures[kind] <= theirs.figures[kind] or theirs.figures[kind] <= mine.figures[kind]
        )
    ]
    # what is done for 40 minutes is not what hurts for two days
    if not kinds or (kinds == ["time"] and not mine.predicate & theirs.predicate):
        return 0.0
    return _same_thing(mine, theirs)


def _same_thing(mine: _Claim, theirs: _Claim) -> float:
    if mine.is_bare and theirs.is_bare and mine.days & theirs.days:
        return 2.0 * (_OPEN in mine.own & theirs.own)  # the clinic itself is open, or is not
    common = mine.subject & theirs.subject
    if mine.is_bare or theirs.is_bare or all(is_light(word) for word in common):
        return 0.0
    less, more = sorted(
        len(one.own & other.subject) / len(one.own) if one.own else 0.0
        for one, other in ((mine, theirs), (theirs, mine))
    )
    return less + more if more >= _MOSTLY and less >= _PARTLY else 0.0


@lru_cache(maxsize=1024)
def _claims(heading: str, text: str) -> tuple[_Claim, ...]:
    """Return what a passage says in numbers, statement by statement."""
    title = heading.rpartition(" > ")[2]
    found = []
    spans = statement_spans(text)[:_MOST_STATEMENTS]
    for said in (piece for start, end in spans for piece in _pieces(text[start:end])):
        figures = _figures(said)
        if not figures:
            continue
        field = field_name(said)
        lent, own = _subject(title), _subject(said[len(field) :]) or _subject(said)
        named = own | lent if field or not own else own
        named_above = {term for term in lent if not is_light(term)}
        found.append(_Claim(said, figures, named, own | lent, own - named_above, _days(said)))
    return tuple(found)


def _pieces(statement: str) -> Iterator[str]:
    """Cut a field that lists sentences, and a sentence that lists things, each with its price.

    >>> list(_pieces("A small X-ray is INR 180, a large one INR 850 and both are free of pain."))
    ['A small X-ray is INR 180, a large one INR 850 and both are free of pain.']
    >>> list(_pieces("A small X-ray is INR 180, a large one INR 850 and a scan INR 1,900."))
    ['A small X-ray is INR 180', 'a large one INR 850', 'a scan INR 1,900.']
    """
    for sentence in (each for part in statement.split("; ") for each in sentences(part)):
        listed = _LISTED.split(sentence)
        tell_each = not field_name(sentence) and all(
            _subject(piece) and "money" in _figures(piece) for piece in listed
        )
        yield from listed if tell_each else [sentence]


def _subject(text: str) -> frozenset[str]:
    kept = (term for term in terms(text) if term not in _UNITS and not term[0].isdigit())
    return frozenset(_ALIKE.get(term, term) for term in kept)


def _figures(said: str) -> dict[str, frozenset[float]]:
    """Return the numbers of a statement by what they measure."""
    rest, kinds = said, {}
    rest = _RATE.sub(" ", rest)  # ten hours a day is no span of ten hours
    for kind, pattern in (("money", _MONEY), ("age", _AGE), ("share", _SHARE), ("time", _SPAN)):
        values = [value for found in pattern.finditer(rest) for value in _values(kind, found)]
        rest = pattern.sub(" ", rest)
        if values:
            kinds[kind] = frozenset(values)
    for found in _COUNT.finditer(rest):
        kind = (found["noun"] or found["field"]).lower().rstrip("s")
        kinds[kind] = kinds.get(kind, frozenset()) | set(_values("count", found))
    clock = frozenset(_minute_of_day(found) for found in _CLOCK.finditer(rest))
    if clock or _CLOSED.search(said):
        kinds["clock"] = clock or frozenset({-1.0})
    return kinds


def _values(kind: str, found: re.Match[str]) -> list[float]:
    groups = [
        group
        for group in found.groups()
        if group and (group[0].isdigit() or group.lower() in _NUMBER_WORDS)
    ]
    scale = _MINUTES.get((found[3] or "").lower(), 1) if kind == "time" else 1
    return [scale * _number(group) for group in groups]


def _number(said: str) -> float:
    known = _NUMBER_WORDS.get(said.lower())
    return float(known if known is not None else said.replace(",", "").rstrip("."))


def _minute_of_day(found: re.Match[str]) -> float:
    hour = int(found[1] or found[4])
    if found[3]:
        hour = hour % 12 + (12 if found[3].lower() == "p" else 0)
    return hour * 60 + int(found[2] or found[5] or 0)


def _days(said: str) -> frozenset[int]:
    days: set[int] = set()
    for found in _WEEK.finditer(said):
        first = _DAYS.index(found[1].lower())
        last = _DAYS.index(found[2].lower()) if found[2] else first
        days |= {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}
    return frozenset(days)
