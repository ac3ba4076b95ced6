"""Reads what the words around a quantity make of it: a bound, a lead, per what. Pure."""

import re
from dataclasses import replace

from agentic_rag.language import stem
from agentic_rag.safety.quantity import Quantity
from agentic_rag.safety.units import ADVERBS, TIMES


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_ABOUT = r"(?:the age of |age |aged |about |around |roughly |approximately |only |just |the |a )*"
_MORE = "more|later|longer|older|higher|greater|heavier|larger|bigger"
_LESS = "less|fewer|sooner|earlier|younger|shorter|lower|lighter|smaller"
_BEFORE = (
    (
        "least",
        _pattern(
            rf"\b(?:at least|minimum|minimum of|(?:no|not) (?:{_LESS}) than"
            r"|start(?:s|ing)? (?:at|from)|begins? at|opens? (?:at|from))\s+$"
        ),
    ),
    (
        "most",
        _pattern(
            rf"\b(?:closes? at|ends? at|at most|maximum|maximum of|(?:no|not) (?:{_MORE}) than"
            r"|up ?to|as (?:much|many|long) as|(?:not|never) exceed(?:ing)?)\s+$"
        ),
    ),
    (
        "over",
        _pattern(
            rf"\b(?:(?<!no )(?<!not )(?:{_MORE}) than|over|above|exceed(?:s|ing)?|beyond)\s+$"
        ),
    ),
    ("under", _pattern(rf"\b(?:(?<!no )(?<!not )(?:{_LESS}) than|under|below)\s+$")),
)
_GAP = r"(?:(?!\band\b)[\w ]){0,24}?"  # behind an "and" something else may be bounded
_NO_NUMBER = r"(?!\s+(?:\d|an?\b|one\b|two\b|three\b))"
_BEHIND = (
    (
        "least",
        _pattern(
            rf"{_GAP}\b(?:(?:or|and) (?:more|over|older|above|longer|later|higher)"
            rf"|(?:minimum|at least)\b{_NO_NUMBER})\b|\+"
        ),
    ),
    (
        "most",
        _pattern(
            rf"{_GAP}\b(?:(?:or|and) (?:less|fewer|under|younger|below|earlier|lower)"
            rf"|(?:maximum|at most)\b{_NO_NUMBER})\b"
        ),
    ),
)
_LEAD = _pattern(
    r"\b(within|every|each|after|before|for|until|till|in|during|next|last|past|ago)\s+"
    + _ABOUT
    + "$"
)
_SAME_LEAD = {"each": "every", "till": "until", "during": "for", "past": "last"}
_BETWEEN = r"(?:(?!\b(?:and|or|with|half)\b)[\w ]){0,20}?"
_PERS = (
    _pattern(
        rf"{_BETWEEN}(?:\s*/\s*|\s+(?:per|for each|for every|for one|each|every)\s+)([a-z]{{2,}})"
    ),
    _pattern(
        rf"{_BETWEEN}(?<! of)\s+(?:in )?an?\s+"
        r"(second|minute|hour|day|night|week|fortnight|month|year|visit|session|piece|head)\b"
    ),
)
_ADVERB = _pattern(rf"[\w ]{{0,20}}?\s({'|'.join(ADVERBS)})\b")
_SIDES = dict.fromkeys(
    ("before", "ahead", "earlier", "prior", "beforehand", "ago", "in advance"), "before"
)
_SIDES |= dict.fromkeys(("after", "later", "afterwards", "following"), "after")
_SIDE = _pattern(rf"\s+({'|'.join(_SIDES)})\b")
_OVER_A_TIME = _pattern(r"(?<!for)(?<!last)(?<!lasts)(?<!takes)(?<!take) over\s+$")
_FROM = _pattern(r"\bfrom\s+(?:about |around |only |just )?$")
_LATE = _pattern(r"\s+(?:late|early|behind|old|overdue|ago)\b")
_REACH = 40


def in_context(quantity: Quantity, text: str) -> Quantity:
    """Add what the words around a quantity make of it."""
    if quantity.kind in ("phone", "code"):
        return quantity
    before = text[max(0, quantity.start - _REACH) : quantity.start]
    behind = text[quantity.end : quantity.end + _REACH]
    bare = re.sub(rf"\s{_ABOUT}$", " ", before, flags=re.IGNORECASE)
    bound = next((name for name, p in _BEFORE if p.search(before) or p.search(bare)), "")
    bound = bound or next((name for name, p in _BEHIND if p.match(behind)), "")
    lead = ""
    if quantity.kind in TIMES:
        plain = re.sub(
            r"(?:at least|at most|up to|more than|less than|a minimum of|a maximum of)\s+$",
            "",
            before,
        )
        found = _LEAD.search(plain)
        lead = found[1].lower() if found else ""
    if quantity.kind.startswith("money:") and not bound and _FROM.search(before):
        bound = "least"
    if quantity.is_range:
        bound = ""  # it has both ends already
    is_spread = _OVER_A_TIME.search(before) and not _LATE.match(behind)
    if bound == "over" and quantity.kind == "time" and is_spread:
        bound = ""
    side = _SIDE.match(behind)
    return replace(
        quantity,
        bound=bound,
        lead=_SAME_LEAD.get(lead, lead),
        side=_SIDES[side[1].lower()] if side else "",
        per=_per(quantity, behind),
    )


def _per(quantity: Quantity, behind: str) -> str:
    if quantity.kind in TIMES or quantity.kind in ("clock", "date", "days", "ordinal"):
        return ""
    if adverb := _ADVERB.match(behind):
        return stem(ADVERBS[adverb[1].lower()])
    found = [match for pattern in _PERS if (match := pattern.match(behind))]
    return stem(min(found, key=lambda match: match.end())[1].lower()) if found else ""
