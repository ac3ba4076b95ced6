"""A value in a unit, and whether one says no more than another. Pure."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from agentic_rag.language import stem
from agentic_rag.safety.units import CURRENCIES, TIMES, UNITS


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


def lent(quantity: Quantity, field: str) -> Quantity:
    """Return a bare number with the unit that its field's name lends: "duration_minutes: 40".

    >>> from agentic_rag.safety.numbers import quantities
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

    >>> from agentic_rag.safety.numbers import quantities
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
