"""Reads what is measured: a number with its currency and unit, a range, a ratio, a count. Pure."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from agentic_rag.language import STOP_WORDS, stem
from agentic_rag.safety.numerals import NUMBERED, Lex, Numeral, lexes_of, numeral, text_at
from agentic_rag.safety.quantity import Quantity
from agentic_rag.safety.units import (
    ADVERBS,
    CURRENCIES,
    ORDINALS,
    REPEATS,
    SCALES,
    TIMES,
    UNITS,
    WORTH,
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
_PARTS = {"half": Fraction(1, 2), "quarter": Fraction(1, 4)}
_MOST_IN = 100_000  # "one in 100,000"; "2 in 2025" is none
_NOUNS = 3  # words behind a number, one of which is what it counts


def measures(text: str) -> Iterator[Quantity]:
    """Yield the numbers with what stands around them: currency, scale, unit, the range's end."""
    lexes = lexes_of(text)
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


def _measure(lexes: Sequence[Lex], at: int) -> tuple[Quantity, int] | None:
    special = _repeated(lexes, at) or _article(lexes, at)
    if special:
        return special
    currency = CURRENCIES.get(lexes[at].text, "")
    first = numeral(lexes, _behind_currency(lexes, at) if currency else at)
    if not first:
        return _ordinal(lexes, at)
    ratio = _ratio(lexes, at, first)
    if ratio:
        return ratio
    second = _range_end(lexes, at, first)
    low, high = (_shared(first, second), second) if second else (first, first)
    end = (second or first).end
    behind, end = _currency_behind(lexes, end)
    currency = currency or behind
    kind = f"money:{currency}" if currency else high.kind or "count"
    if kind == "count" and text_at(lexes, at - 1) in NUMBERED:
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


def _ratio(lexes: Sequence[Lex], at: int, first: Numeral) -> tuple[Quantity, int] | None:
    """Read "two out of ten" and "1 in 100" as a percentage."""
    link = [text_at(lexes, first.end + n) for n in range(2)]
    start = first.end + 2 if link == ["out", "of"] else first.end + 1 if link[0] == "in" else 0
    whole = numeral(lexes, start) if start and not first.kind else None
    if not whole or whole.kind or not first.value <= whole.value <= _MOST_IN or not whole.value:
        return None
    share = 100 * first.value / (whole.value * whole.scale)
    return Quantity(
        kind="percent", low=share, high=share, start=lexes[at].start, end=lexes[whole.end - 1].end
    ), whole.end


def _behind_currency(lexes: Sequence[Lex], at: int) -> int:
    return at + 2 if text_at(lexes, at + 1) == "." else at + 1


def _currency_behind(lexes: Sequence[Lex], at: int) -> tuple[str, int]:
    """Return the currency behind a number, as in "500 rupees" and "500/-", and where it ends."""
    if text_at(lexes, at) == "/-":
        name = CURRENCIES.get(text_at(lexes, at + 1), "")
        return name or "inr", at + 2 if name else at + 1
    name = CURRENCIES.get(text_at(lexes, at), "")
    return name, at + 1 if name else at


def _shared(first: Numeral, second: Numeral) -> Numeral:
    """Lend a range's beginning what only its end has: "2 to 3 days", "1 to 1.5 lakh"."""
    scale = second.scale if first.scale == 1 and first.value <= second.value else first.scale
    kind = first.kind or second.kind
    return first._replace(
        scale=scale, kind=kind, factor=first.factor if first.kind else second.factor
    )


def _range_end(lexes: Sequence[Lex], at: int, first: Numeral) -> Numeral | None:
    link = text_at(lexes, first.end)
    is_between = link == "and" and "between" in (text_at(lexes, at - 1), text_at(lexes, at - 2))
    if link not in _LINKS and not is_between:
        return None
    start = first.end + 1
    if text_at(lexes, start) in CURRENCIES:
        start = _behind_currency(lexes, start)
    second = numeral(lexes, start)
    if not second or (first.kind and first.kind != second.kind):
        return None
    return second


def _repeated(lexes: Sequence[Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "twice a day": once means a number only before what it is counted for."""
    word = lexes[at].text
    counts = word in REPEATS and (
        word != "once"
        or text_at(lexes, at + 1) in {"per", "every", "each", "in", *ADVERBS}
        or (text_at(lexes, at + 1) in {"a", "an"} and text_at(lexes, at + 2) in UNITS)
    )
    if not counts:
        return None
    value = Fraction(REPEATS[word])
    return _one("count", value, lexes[at], at + 1, nouns=("time",))


def _article(lexes: Sequence[Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "an hour" as one; not in "twice a day"."""
    unit = UNITS.get(text_at(lexes, at + 1), ("", Fraction(0)))
    before = text_at(lexes, at - 1)
    is_per = before in REPEATS or before in ("times", "time") or before[:1].isdigit() or (
        _noun_of_count(lexes, at)
    )  # fmt: skip
    after = text_at(lexes, at + 1)
    is_other = after in ("night", "second", "min", "sec", "hr")  # "a night guard"
    if lexes[at].text not in ("a", "an") or not _is_long(unit[0], after) or is_per or is_other:
        return None
    behind = [text_at(lexes, at + n) for n in range(2, 5)]
    part = _PARTS.get(behind[2], Fraction(0)) if behind[:2] == ["and", "a"] else Fraction(0)
    end = at + 5 if part else at + 2
    value = unit[1] * (1 + part)
    return Quantity(
        kind=unit[0], low=value, high=value, start=lexes[at].start, end=lexes[end - 1].end
    ), end


def _is_long(kind: str, name: str) -> bool:
    """Tell whether "a" before a unit counts it: "a litre", "an hour"; not "a g"."""
    return kind in TIMES or (bool(kind) and len(name) > len("gram") - 1 and name != "percent")


def _noun_of_count(lexes: Sequence[Lex], at: int) -> bool:
    """Tell whether a number stands two words before: "2 tablets a day"."""
    before = text_at(lexes, at - 2)
    return before[:1].isdigit() or before in WORTH


def _ordinal(lexes: Sequence[Lex], at: int) -> tuple[Quantity, int] | None:
    """Read "first" and "3rd"; in "at first" nothing is counted."""
    word, after = lexes[at].text, text_at(lexes, at + 1)
    if (
        word not in ORDINALS
        or after in WORTH
        or after == "of"
        or (not after.isalpha() and text_at(lexes, at - 1) != "a")
        or text_at(lexes, at - 1) == "at"
    ):
        return None
    end = ORDINALS.get(text_at(lexes, at + 2)) if after in ("or", "to", "and") else None
    low, high = Fraction(ORDINALS[word]), Fraction(end or ORDINALS[word])
    last = at + 2 if end else at
    return Quantity(
        kind="ordinal", low=low, high=high, start=lexes[at].start, end=lexes[last].end
    ), last + 1


def _one(
    kind: str, value: Fraction, lex: Lex, after: int, nouns: tuple[str, ...] = ()
) -> tuple[Quantity, int]:
    return Quantity(
        kind=kind, low=value, high=value, start=lex.start, end=lex.end, nouns=nouns
    ), after


def _nouns(lexes: Sequence[Lex], at: int) -> tuple[str, ...]:
    found: list[str] = []
    for each in lexes[at : at + _NOUNS]:
        if each.text == "-" and not found:
            continue
        if not each.text.isalpha() or each.text in STOP_WORDS:
            break
        found.append(stem(each.text))
    return tuple(found)
