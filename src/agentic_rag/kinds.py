"""Kinds: what sort of thing a question asks for, and how a statement tells one. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_AMOUNT = r"(?:\b(?:inr|rs|usd|eur)\b|[\u20b9$\u20ac\u00a3])[\s.]*\d"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a question asks for it, and how a statement tells it.

    Attributes:
        needed: what a text has to say at least, where nothing else answers; None where much does.
    """

    asks: re.Pattern[str]
    tells: re.Pattern[str]
    needed: re.Pattern[str] | None = None


def _kind(asks: str, tells: str, needed: str = "") -> Kind:
    patterns = [re.compile(each, re.IGNORECASE) for each in (asks, tells, needed) if each]
    return Kind(*patterns)


_KINDS = (
    _kind(r"\btemperatures?\b|\bhow (?:hot|cold|warm)\b", r"\d\s?\u00b0|\bdegrees?\b|\bcelsius\b"),
    _kind(
        r"\b(?:what|which|at what|from which) age\b|\bhow (?:old|young)\b|\btoo (?:old|young)\b",
        r"\bage\b|\bage of \d|\byears? (?:old|of age)\b|\bbirthday\b",
    ),
    _kind(r"\bhow much\b|\bprice[sd]?\b|\bcost(?:s|ing)?\b|\bfees?\b|\bcharge[sd]?\b", _AMOUNT),
    _kind(
        r"\bhow much\b.*\b(?:price|cost|charge)s?\b|\bwhat\b.*\b(?:price|cost|charge)s?\b",
        _AMOUNT,
        rf"{_AMOUNT}|\b(?:free|without (?:any )?(?:fee|charge)|no (?:extra )?(?:fee|charge|cost)s?"
        r"|nothing|half|discount|concession|included|extra|cheaper)\b|\d ?%",
    ),
    _kind(
        r"\bhow (?:long\b(?!.*\blasts?\b)|soon\b|many (?:minutes|hours|days|weeks|months)\b)"
        r"|\bduration\b",
        r"\b(?:minute|hour|day|week|month|year)s?\b",
    ),
    _kind(
        r"\bhow long\b.*\blasts?\b",
        r"\blast(?:s|ing)?\b|\blife|\bperman|\bfor ever\b|\b(?:month|year)s?\b",
    ),
    _kind(
        r"\bhow many years\b.*\blasts?\b|\bhow long\b.*\blasts?\b.*\byears\b",
        r"\byears?\b",
        r"\byears?\b|\blast(?:s|ing)?\b|\blife|\bperman|\bfor ever\b",
    ),
    _kind(
        r"\bhow (?:often|frequent(?:ly)?|regular(?:ly)?)\b",
        r"\b(?:every|each|per|once|twice|thrice|times)\b.{0,20}"
        r"\b(?:hour|day|morning|evening|night|meal|week|fortnight|month|year)s?\b"
        r"|\b(?:dai|hour|night|week|fortnight|month|quarter|year|annual)ly\b",
    ),
    _kind(
        r"\bhow many (?:visits|sittings|sessions|appointments|times)\b",
        r"\b(?:\d+|one|two|three|four|five|six|several)\s+(?:\w+\s+){0,2}"
        r"(?:visit|sitting|session|appointment|time)s?\b"
        r"|\b(?:visits|sittings|sessions)\s*:\s*\d|\b(?:once|twice|thrice)\s+(?:a|per|in|every)\b",
    ),
    _kind(
        r"\b(?:till|until) when\b",
        r"\b(?:till|until|up to|before|within|valid)\b.{0,30}\d|\d{1,2}(?:[:.]\d{2}|\s*[ap]\.?m\b)",
    ),
    _kind(
        r"\b(?:which|what) days?\b",
        r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:days?)?\b"
        r"|\bweek(?:day|end)s?\b|\b(?:daily|every day)\b",
    ),
    _kind(r"\bwhat time\b|\bhours\b|^(?:time|timing)s?$", r"\b\d{1,2}(?:[:.]\d{2}|\s*[ap]\.?m\b)"),
    _kind(
        r"\b(?:are|is|do|does|will) (?:you|it|the \w+)\b.{0,20}\b(?:open|close|closed)\b",
        r"\b(?:open|close[sd]?|shut|opening)\b",
        r"\b(?:open|close[sd]?|shut|opening|holidays?)\b|\d{1,2}(?:[:.]\d{2}|\s*[ap]\.?m\b)",
    ),
)


def tells_asked(question: str, statement: str) -> bool:
    """Tell whether a statement tells something of a kind that the question asks for.

    >>> tells_asked("How much is scaling?", "Price band: INR 500")
    True
    >>> tells_asked("How often is it done?", "It is done every 6 months."), tells_asked(
    ...     "Which days are you open?", "Monday to Saturday"), tells_asked(
    ...     "How many times must I come?", "Visits: 5")
    (True, True, True)
    """
    return any(each.tells.search(statement) for each in _asked(question))


def could_answer(question: str, texts: Iterable[str]) -> bool:
    """Tell whether texts have what an answer cannot do without: a price, that something lasts.

    >>> could_answer("How many years does a crown last?", ["A crown takes 2 visits."])
    False
    """
    needed = [each.needed for each in _asked(question) if each.needed]
    told = list(texts) if needed else []
    return all(any(each.search(text) for text in told) for each in needed)


def names_kind(word: str, statement: str) -> bool:
    """Tell whether a word only names a kind of which a statement tells something.

    >>> names_kind("charge", "Whoever does not come pays INR 300"), names_kind("bracket", "INR 300")
    (True, False)
    """
    kinds = _named_by(word)  # of most words none, which is asked of every statement
    return bool(kinds) and any(each.tells.search(statement) for each in kinds)


@lru_cache(maxsize=4096)
def _named_by(word: str) -> list[Kind]:
    return [each for each in _KINDS if each.asks.fullmatch(word)]


def _asked(question: str) -> list[Kind]:
    return [each for each in _KINDS if each.asks.search(question)]
