"""Reads the quantities of a text, so that none can change on its way into an answer. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from agentic_rag.language import STOP_WORDS, stem
from agentic_rag.safety.clocks import blank, pieces
from agentic_rag.safety.units import (
    ADVERBS,
    CURRENCIES,
    ONES,
    ORDINALS,
    REPEATS,
    SCALES,
    TENS,
    TIMES,
    UNITS,
    WORTH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A value, or a range of values, in one unit.

    Attributes:
        kind: what is measured: time, money:inr, clock, phone ...; count where it has no unit.
        low: in the kind's own unit; `high` differs for a range only.
        bound: least, most, over or under, where the text says so.
        lead: within, every, for, after ..., where such a word stands before it.
        side: before or after, where such a word stands behind it.
        per: stem of what it is counted for, as in "twice a day".
        nouns: stems of what is counted.
        start: where it stands, up to `end`.
    """

    kind: str
    low: object
    high: object
    start: int
    end: int
    bound: str = ""
    lead: str = ""
    side: str = ""
    per: str = ""
    nouns: tuple[str, ...] = ()

    @property
    def is_range(self) -> bool:
        """Tell whether it has two ends."""
        return self.low != self.high


class _Lex(NamedTuple):
    """A word, a number or a sign, in lower case, and where it stands."""

    text: str
    start: int
    end: int


class _Value(NamedTuple):
    """A number that begins at one lex and ends before another, and the scale behind it."""

    value: Fraction
    at: int
    scale: int = 1
    kind: str = ""
    factor: Fraction = Fraction(1)


_LEX = re.compile(
    r"\d+(?:,\d{2,3})*(?:\.\d+)?(?:[/\u2044]\d+)?|\u00b0\s?[cf]\b|[^\W\d_]+|/-|[^\s\w]",
    re.IGNORECASE,
)
_BEGINNINGS = {
    *WORTH,
    *SCALES,
    *ORDINALS,
    *REPEATS,
    *CURRENCIES,
    "a",
    "an",
    "half",
    "quarter",
    "quarters",
}
_LINKS = {"-", "to", "or", "through"}
_NEVER_ONE_AFTER = {"no", "each", "every", "any", "this", "that", "which", "another", "the", "some"}
_NUMBERED = {"day", "week", "month", "trimester"}  # "day 3" is the third one
_PARTS = {"half": Fraction(1, 2), "quarter": Fraction(1, 4)}
_MOST_IN = 100_000  # "one in 100,000"; "2 in 2025" is none
_NOUNS = 3  # words behind a number, one of which is what it counts


@lru_cache(maxsize=8192)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a text, in order; expects plain hyphens.

    >>> [(q.kind, str(q.low), str(q.high)) for q in quantities("INR 1.5 lakh, half an hour")]
    [('money:inr', '150000', '150000'), ('time', '30', '30')]
    """
    found = [
        Quantity(kind=p.kind, low=p.low, high=p.high, start=p.start, end=p.end)
        for p in pieces(text)
    ]
    left = text
    for each in found:
        left = blank(left, each.start, each.end)
    found += _measures(left)
    return tuple(sorted((_in_context(each, text) for each in found), key=lambda q: q.start))


def lent(quantity: Quantity, field: str) -> Quantity:
    """Return a bare number with the unit that its field's name lends: "duration_minutes: 40".

    >>> lent(quantities("40")[0], "duration_minutes").kind
    'time'
    """
    if quantity.kind != "count" or quantity.nouns:
        return quantity
    names = re.findall(r"[^\W_]+|[%\u20b9$]", field.lower())
    unit = next((UNITS[name] for name in names if name in UNITS), None)
    if currency := next((CURRENCIES[name] for name in names if name in CURRENCIES), None):
        return replace(quantity, kind=f"money:{currency}")
    if unit and isinstance(quantity.low, Fraction) and isinstance(quantity.high, Fraction):
        kind, factor = unit
        return replace(quantity, kind=kind, low=quantity.low * factor, high=quantity.high * factor)
    return replace(quantity, nouns=tuple(stem(name) for name in names))


def is_carried(said: Quantity, carried: Quantity) -> bool:
    """Tell whether a quantity says no more than another: same value, same unit, same bounds.

    >>> fee, start, band = (quantities(t)[0] for t in ("INR 6", "from INR 6", "INR 6 to 9"))
    >>> is_carried(band, band), is_carried(fee, band), is_carried(fee, fee)
    (True, False, True)
    """
    said, carried = _in_years(said, carried), _in_years(carried, said)
    if said.kind != carried.kind or not _leads_agree(said, carried):
        return False
    if said.kind == "phone":
        return _same_phone(str(said.low), str(carried.low))
    if carried.nouns and said.kind == "count" and not _nouns_agree(said, carried):
        return False
    if not said.is_range and carried.is_range:
        ends = {"least": carried.low, "most": carried.high}
        return said.low == ends.get(said.bound)
    same = said.low == carried.low and said.high == carried.high
    return same and _bound(said) == _bound(carried) and (not said.per or said.per == carried.per)


def _in_years(one: Quantity, other: Quantity) -> Quantity:
    """Take the bare number of "children under 3" for years where the other has some."""
    is_bare = one.kind == "count" and not one.nouns and (one.bound or one.is_range)
    if not (is_bare and other.kind == "months"):
        return one
    low, high = (Fraction(str(end)) * 12 for end in (one.low, one.high))
    return replace(one, kind="months", low=low, high=high)


def _bound(quantity: Quantity) -> str:
    """Return the bound; "within 60 days" has one, too."""
    is_most = quantity.lead == "within" and not quantity.is_range
    return quantity.bound or ("most" if is_most else "")


def _same_phone(one: str, other: str) -> bool:
    """Compare the digits, a leading country's or trunk's 0 aside: the rest is never short."""
    return one.lstrip("0(") == other.lstrip("0(")


def _leads_agree(said: Quantity, carried: Quantity) -> bool:
    if said.kind not in TIMES or _bound(said) == _bound(carried) == "most":
        return True
    if said.side and carried.side and said.side != carried.side:
        return False
    leads = {said.lead, carried.lead}
    if said.is_range and leads <= {"after", "within", "in"}:
        return True  # "in 10 to 14 days" is after ten
    return len(leads) == 1 or (said.lead != "every" and "" in leads)


def _nouns_agree(said: Quantity, carried: Quantity) -> bool:
    if carried.nouns == ("time",) and not (said.nouns or said.per):
        return False  # "1", of "once a day"
    return not said.nouns or not set(said.nouns).isdisjoint(carried.nouns) or "time" not in (
        *said.nouns, *carried.nouns
    )  # fmt: skip


def _measures(text: str) -> Iterator[Quantity]:
    """Yield the numbers with what stands around them: currency, scale, unit, the range's end."""
    lexes = [_Lex(m[0].lower(), m.start(), m.end()) for m in _LEX.finditer(text)]
    at, last = 0, -1
    while at < len(lexes):
        word = lexes[at].text
        is_per = at == last and word in ("a", "an")  # "INR 500 a night"
        begins = not is_per and (word[0].isdigit() or word in _BEGINNINGS)
        found, after = (_measure(lexes, at) if begins else None) or (None, at + 1)
        if found:
            yield found
            last = after
        at = after


def _measure(lexes: Sequence[_Lex], at: int) -> tuple[Quantity, int] | None:
    special = _repeated(lexes, at) or _article(lexes, at)
    if special:
        return special
    currency = CURRENCIES.get(lexes[at].text, "")
    first = _value(lexes, _behind_currency(lexes, at) if currency else at)
    if not first:
        return _ordinal(lexes, at)
    ratio = _ratio(lexes, at, first)
    if ratio:
        return ratio
    second = _range_end(lexes, at, first)
    low, high = (_shared(first, second), second) if second else (first, first)
    end = (second or first).at
    behind, end = _currency_behind(lexes, end)
    currency = currency or behind
    kind = f"money:{currency}" if currency else high.kind or "count"
    if kind == "count" and _text(lexes, at - 1) in _NUMBERED:
        kind = "ordinal"
    nouns = _nouns(lexes, end) if kind == "count" else ()
    return Quantity(
        kind=kind,
        low=low.value * low.scale * low.factor,
        high=high.value * high.scale * high.factor,
        start=lexes[at].start,
        end=lexes[end - 1].end,
        nouns=nouns,
    ), end


def _ratio(lexes: Sequence[_Lex], at: int, first: _Value) -> tuple[Quantity, int] | None:
    """Read "two out of ten" and "1 in 100" as a percentage."""
    link = [_text(lexes, first.at + n) for n in range(2)]
    start = first.at + 2 if link == ["out", "of"] else first.at + 1 if link[0] == "in" else 0
    whole = _value(lexes, start) if start and not first.kind else None
    if not whole or whole.kind or not first.value <= whole.value <= _MOST_IN or not whole.value:
        return None
    share = 100 * first.value / (whole.value * whole.scale)
    return Quantity(
        kind="percent", low=share, high=share, start=lexes[at].start, end=lexes[whole.at - 1].end
    ), whole.at


def _behind_currency(lexes: Sequence[_Lex], at: int) -> int:
    return at + 2 if _text(lexes, at + 1) == "." else at + 1


def _currency_behind(lexes: Sequence[_Lex], at: int) -> tuple[str, int]:
    """Return the currency behind a number, as in "500 rupees" and "500/-", and where it ends."""
    if _text(lexes, at) == "/-":
        name = CURRENCIES.get(_text(lexes, at + 1), "")
        return name or "inr", at + 2 if name else at + 1
    name = CURRENCIES.get(_text(lexes, at), "")
    return name, at + 1 if name else at


def _shared(first: _Value, second: _Value) -> _Value:
    """Lend a range's beginning what only its end has: "2 to 3 days", "1 to 1.5 lakh"."""
    scale = second.scale if first.scale == 1 and first.value <= second.value else first.scale
    kind = first.kind or second.kind
    return first._replace(
        scale=scale, kind=kind, factor=first.factor if first.kind else second.factor
    )


def _range_end(lexes: Sequence[_Lex], at: int, first: _Value) -> _Value | None:
    link = _text(lexes, first.at)
    is_between = link == "and" and "between" in (_text(lexes, at - 1), _text(lexes, at - 2))
    if link not in _LINKS and not is_between:
        return None
    start = first.at + 1
    if _text(lexes, start) in CURRENCIES:
        start = _behind_currency(lexes, start)
    second = _value(lexes, start)
    if not second or (first.kind and first.kind != second.kind):
        return None
    return second


def _value(lexes: Sequence[_Lex], at: int) -> _Value | None:
    """Read a number with its scale and unit: "1.5 lakh", "twenty-four hours", "half an hour"."""
    read = _fraction(lexes, at) or _digits(lexes, at) or _spelled(lexes, at)
    if not read:
        return None
    value, at = read
    if [_text(lexes, at + n) for n in range(3)] == ["and", "a", "half"]:
        value, at = value + Fraction(1, 2), at + 3
    scale = SCALES.get(_text(lexes, at - 1), 1)  # spelled out, it is in the value already
    value /= scale
    if _text(lexes, at) in SCALES:
        scale, at = SCALES[_text(lexes, at)], at + 1
    if [_text(lexes, at + n) for n in range(2)] == ["of", "rupees"]:
        at += 1
    if _text(lexes, at) in ("degree", "degrees") and _text(lexes, at + 1) in UNITS:
        at += 1
    hyphen = 1 if _text(lexes, at) == "-" and _text(lexes, at + 1) in UNITS else 0
    unit = UNITS.get(_text(lexes, at + hyphen))
    if not unit:
        return _Value(value, at, scale)
    return _Value(value, at + hyphen + 1, scale, *unit)


def _digits(lexes: Sequence[_Lex], at: int) -> tuple[Fraction, int] | None:
    said = _text(lexes, at).replace(",", "").replace("\u2044", "/")
    if not said[:1].isdigit():
        return None
    try:
        return Fraction(said), at + 1
    except (ValueError, ZeroDivisionError):
        return Fraction(-1), at + 1  # stands nowhere else


def _fraction(lexes: Sequence[_Lex], at: int) -> tuple[Fraction, int] | None:
    """Read "half an hour", "a quarter of an hour", "three quarters of an hour"."""
    said = [_text(lexes, at + n) for n in range(3)]
    if said[0] == "half" and said[1] in ("a", "an") and said[2] in UNITS:
        return Fraction(1, 2), at + 2
    quarters = {"quarter": 1, "quarters": 3}.get(said[0])
    if quarters and said[1] == "of" and said[2] in ("a", "an"):
        return Fraction(quarters, 4), at + 3
    if said[0] == "three" and said[1] == "quarters":
        return _fraction(lexes, at + 1)
    return None


def _spelled(lexes: Sequence[_Lex], at: int) -> tuple[Fraction, int] | None:
    """Read "forty-five", "two thousand five hundred", "a hundred and twenty", "a couple of"."""
    if [_text(lexes, at + n) for n in range(3)] == ["a", "couple", "of"]:
        return Fraction(2), at + 3
    before = _text(lexes, at - 1)
    if _text(lexes, at) == "single" and (before in WORTH or before[:1].isdigit()):
        return None  # "ten single visits"
    if _text(lexes, at) in ("a", "one") and not _is_counted(lexes, at):
        return None
    total, part, begun = 0, 0, at
    while True:
        word = _text(lexes, at)
        if word in WORTH and _goes_with(part % 100, WORTH[word]):
            part += WORTH[word]
        elif word in SCALES and (part or at == begun + 1):
            total, part = _scaled(total, max(part, 1), SCALES[word])
        elif not (_joins(lexes, at, begun) or (word == "a" and at == begun)):
            break
        at += 1
    return (Fraction(total + part), at) if total + part or _text(lexes, begun) == "zero" else None


def _goes_with(part: int, worth: int) -> bool:
    """Tell whether a word can stand behind what is below a hundred: "twenty one", not "two one"."""
    return part == 0 or (part >= min(map(WORTH.__getitem__, TENS)) and part % 10 + worth < 10)  # noqa: PLR2004  # the tens


def _scaled(total: int, part: int, scale: int) -> tuple[int, int]:
    """Add a part that a scale stands behind: "hundred" goes on being added to, "thousand" ends."""
    return (total, part * scale) if scale < SCALES["thousand"] else (total + part * scale, 0)


def _joins(lexes: Sequence[_Lex], at: int, begun: int) -> bool:
    """Tell whether a "-" or an "and" stands within one number."""
    before, after = _text(lexes, at - 1), _text(lexes, at + 1)
    if at == begun:
        return False
    if _text(lexes, at) == "-":
        return before in TENS and after in ONES[1:10]
    is_range = "between" in (_text(lexes, begun - 1), _text(lexes, begun - 2))
    return _text(lexes, at) == "and" and before in SCALES and after in WORTH and not is_range


def _is_counted(lexes: Sequence[_Lex], at: int) -> bool:
    """Tell whether "one" or "a" is a number: not in "one of us", "this one", "a visit"."""
    after = _text(lexes, at + 1)
    if _text(lexes, at) == "a":
        return after in SCALES
    before = _text(lexes, at - 1)
    if before in _NUMBERED:
        return True  # "from day one"
    is_counting = after.isalpha() and after not in STOP_WORDS and before not in _NEVER_ONE_AFTER
    return is_counting or after == "-"


def _repeated(lexes: Sequence[_Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "twice a day": once means a number only before what it is counted for."""
    word = lexes[at].text
    counts = word in REPEATS and (
        word != "once"
        or _text(lexes, at + 1) in {"per", "every", "each", "in", *ADVERBS}
        or (_text(lexes, at + 1) in {"a", "an"} and _text(lexes, at + 2) in UNITS)
    )
    if not counts:
        return None
    value = Fraction(REPEATS[word])
    return _one("count", value, lexes[at], at + 1, nouns=("time",))


def _article(lexes: Sequence[_Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "an hour" as one; not in "twice a day"."""
    unit = UNITS.get(_text(lexes, at + 1), ("", Fraction(0)))
    before = _text(lexes, at - 1)
    is_per = before in REPEATS or before in ("times", "time") or before[:1].isdigit() or (
        _noun_of_count(lexes, at)
    )  # fmt: skip
    after = _text(lexes, at + 1)
    is_other = after in ("night", "second", "min", "sec", "hr")  # "a night guard"
    if lexes[at].text not in ("a", "an") or not _is_long(unit[0], after) or is_per or is_other:
        return None
    behind = [_text(lexes, at + n) for n in range(2, 5)]
    part = _PARTS.get(behind[2], Fraction(0)) if behind[:2] == ["and", "a"] else Fraction(0)
    end = at + 5 if part else at + 2
    value = unit[1] * (1 + part)
    return Quantity(
        kind=unit[0], low=value, high=value, start=lexes[at].start, end=lexes[end - 1].end
    ), end


def _is_long(kind: str, name: str) -> bool:
    """Tell whether "a" before a unit counts it: "a litre", "an hour"; not "a g"."""
    return kind in TIMES or (bool(kind) and len(name) > len("gram") - 1 and name != "percent")


def _noun_of_count(lexes: Sequence[_Lex], at: int) -> bool:
    """Tell whether a number stands two words before: "2 tablets a day"."""
    before = _text(lexes, at - 2)
    return before[:1].isdigit() or before in WORTH


def _ordinal(lexes: Sequence[_Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "first" and "3rd"; in "at first" nothing is counted."""
    word, after = lexes[at].text, _text(lexes, at + 1)
    if (
        word not in ORDINALS
        or after in WORTH
        or after == "of"
        or (not after.isalpha() and _text(lexes, at - 1) != "a")
        or _text(lexes, at - 1) == "at"
    ):
        return None
    end = ORDINALS.get(_text(lexes, at + 2)) if after in ("or", "to", "and") else None
    low, high = Fraction(ORDINALS[word]), Fraction(end or ORDINALS[word])
    last = at + 2 if end else at
    return Quantity(
        kind="ordinal", low=low, high=high, start=lexes[at].start, end=lexes[last].end
    ), last + 1


def _one(
    kind: str, value: Fraction, lex: _Lex, after: int, nouns: tuple[str, ...] = ()
) -> tuple[Quantity, int]:
    return Quantity(
        kind=kind, low=value, high=value, start=lex.start, end=lex.end, nouns=nouns
    ), after


def _nouns(lexes: Sequence[_Lex], at: int) -> tuple[str, ...]:
    found: list[str] = []
    for each in lexes[at : at + _NOUNS]:
        if each.text == "-" and not found:
            continue
        if not each.text.isalpha() or each.text in STOP_WORDS:
            break
        found.append(stem(each.text))
    return tuple(found)


def _text(lexes: Sequence[_Lex], at: int) -> str:
    return lexes[at].text if 0 <= at < len(lexes) else ""


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
_BEHIND = (
    (
        "least",
        _pattern(
            r"[\w ]{0,24}?\b(?:(?:or|and) (?:more|over|older|above|longer|later|higher)"
            r"|minimum|at least)\b|\+"
        ),
    ),
    (
        "most",
        _pattern(
            r"[\w ]{0,24}?\b(?:(?:or|and) (?:less|fewer|under|younger|below|earlier|lower)"
            r"|maximum|at most)\b"
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


def _in_context(quantity: Quantity, text: str) -> Quantity:
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
