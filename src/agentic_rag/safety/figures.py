"""Finds for every number of a sentence the same number of the same thing in a statement. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

from agentic_rag.safety.likeness import tags_fit
from agentic_rag.safety.polarity import Figure
from agentic_rag.safety.quantity import Quantity, is_carried
from agentic_rag.safety.reading import Reading
from agentic_rag.safety.statements import Statement
from agentic_rag.safety.wording import root

_UNIT_NAMES: dict[tuple[str, object], str] = {
    ("time", 60): "hour",
    ("time", 1440): "day",
    ("time", 10080): "week",
    ("months", 1): "month",
    ("months", 12): "year",
}
_CONDITIONS = {"if", "only if", "unless", "except", "who"}
_SPANS = {"day", "week", "month", "year", "night", "hour"}
_RATES = {
    "day": {root("daily")},
    "night": {root("nightly"), "day"},
    "week": {root("weekly")},
    "month": {root("monthly")},
    "hour": {root("hourly")},
    "year": {root("yearly"), root("annual"), root("annually")},
}
_MEASURE_WORDS = """
    duration time length minutes hours days weeks months years price prices band cost costs fee
    fees charge charges rate rates tariff amount total visits sessions dose dosage quantity number
    count age inr rs mg ml
"""
_MEASURES = frozenset(map(root, _MEASURE_WORDS.split()))
"""Words in the name of a field that only say what is measured."""


def figure_refusal(said: Reading, statement: Statement) -> str:
    """Return why a number is not carried, or nothing."""
    if said.figures and statement.reading.figures and _is_of_another_field(said, statement):
        return "number of another field"
    if _is_lost(said, statement.reading):
        return "a bound was dropped"
    refusals = (_refusal(figure, said, statement) for figure in said.figures)
    return next(filter(None, refusals), "")


def _is_lost(said: Reading, there: Reading) -> bool:
    """Tell whether "for bills above 1,000", "if you have two", "every third" was left out."""
    kinds = {figure.quantity.kind for figure in said.figures}
    used = {w.clause for w in there.words if not w.meanings.isdisjoint(said.meanings)}
    return any(
        figure.clause in used and figure.quantity.kind not in kinds and _restricts(figure)
        for figure in there.figures
    )


def _restricts(figure: Figure) -> bool:
    bounds = figure.quantity.bound in ("over", "under") and figure.quantity.kind != "time"
    return bounds or figure.tag in _CONDITIONS or figure.quantity.kind == "ordinal"


def _is_of_another_field(said: Reading, statement: Statement) -> bool:
    """Tell whether the field is of something that is not named: "Recovery: 2 days"."""
    names = statement.reading.field_roots - _MEASURES
    bare = all(w.root in statement.reading.field_roots for w in statement.reading.words)
    return bare and any(
        word.root in names
        and not word.is_light
        and word.meanings.isdisjoint(said.meanings | statement.lent)
        for word in statement.reading.words
    )


def _refusal(figure: Figure, said: Reading, statement: Statement) -> str:
    there = statement.reading
    fitting = list(_same(figure.quantity, statement))
    if not fitting:
        above = any(is_carried(figure.quantity, f.quantity) for f in statement.lent_figures)
        is_told = above or _is_every(figure.quantity, said, there)
        return "" if is_told else f"number: {figure.quantity.kind}"
    is_mixed = any(w.is_negated for w in said.words) and any(w.is_negated for w in there.words)
    if not is_mixed and all(f.is_negated != figure.is_negated for f in fitting):
        return "polarity of a number"
    fitting = [f for f in fitting if _stand_alike(figure, f)]
    if not fitting:
        return "relation of a number"
    if all(_is_bare_rate(f.quantity, figure.quantity, said) for f in fitting):
        return "rate without its time"
    if all(_lacks_its_case(f, said, there) for f in fitting):
        return "number of another case"
    return _rivalled(figure, fitting, said, there)


def _is_bare_rate(carried: Quantity, quantity: Quantity, said: Reading) -> bool:
    """Tell whether what is paid again and again is told as if it were paid once."""
    if quantity.per or carried.per not in _SPANS or not carried.kind.startswith("money:"):
        return False
    units = {_UNIT_NAMES.get((f.quantity.kind, f.quantity.low)) for f in said.figures}
    told = {word.root for word in said.words} | said.field_roots | {root(u) for u in units if u}
    return told.isdisjoint({carried.per, *_RATES.get(carried.per, ())})


def _lacks_its_case(figure: Figure, said: Reading, there: Reading) -> bool:
    """Tell whether what a number is for was left out: "70 on weekdays and 100 at weekends"."""
    told = [f.quantity for f in said.figures]
    at = there.figures.index(figure)
    before, following = there.figures[:at], there.figures[at + 1 :]
    left = [f for f in (*before, *following) if not any(is_carried(q, f.quantity) for q in told)]
    if there.field_roots or all(f.quantity.kind != figure.quantity.kind for f in left):
        return False
    own = list(takewhile(lambda f: f.quantity.kind != figure.quantity.kind, following))
    end = following[len(own)].at if len(own) < len(following) else len(there.words)
    behind = [w for w in there.words[figure.at : end] if w.item == figure.item]
    is_left = any(not w.is_light and w.meanings.isdisjoint(said.meanings) for w in behind)
    return is_left or any(f.item == figure.item for f in own if f in left)


def _same(quantity: Quantity, statement: Statement) -> Iterator[Figure]:
    """Yield the figures of a statement that carry a quantity."""
    there = statement.reading
    rates = {f.quantity.per for f in there.figures}
    is_above = quantity.per in _SPANS - rates and quantity.per in statement.lent | there.meanings
    is_of_column = {root("per"), quantity.per} <= there.field_roots
    found = [f for f in there.figures if is_carried(quantity, f.quantity)]
    if not found and (is_above or is_of_column):
        quantity = replace(quantity, per="")  # the "per night" of a heading, or of a column
        found = [f for f in there.figures if is_carried(quantity, f.quantity)]
    yield from found
    if not found and statement.is_priced and quantity.kind.startswith("money:"):
        bare = replace(quantity, kind="count", nouns=())
        for figure in there.figures:
            if not figure.quantity.nouns and is_carried(bare, figure.quantity):
                yield figure


def _is_every(quantity: Quantity, said: Reading, there: Reading) -> bool:
    """Tell whether "once a week" is what "every week" says, or "for a day" what "a day" does."""
    unit = _UNIT_NAMES.get((quantity.kind, quantity.low))
    if unit and not quantity.is_range and unit in {f.quantity.per for f in there.figures}:
        return True  # "INR 60 for a day"
    is_one = quantity.kind == "count" and quantity.low == quantity.high == 1
    of_one = (f.quantity for f in there.figures if f.quantity.per in quantity.nouns[:1])
    if is_one and any(is_carried(f.quantity, each) for each in of_one for f in said.figures):
        return True  # "one dose costs" what it costs "per dose"
    is_once = is_one and quantity.nouns == ("time",)
    return is_once and bool({"all", "every"} & there.flags_in()) and quantity.per in there.meanings


def _stand_alike(said: Figure, carried: Figure) -> bool:
    """Tell whether two stand in one relation: "after 15 minutes" and "15 minutes later" do."""
    if said.quantity.is_range and {said.tag, carried.tag} == {"", "after"}:
        return True  # "in 10 to 14 days" is after ten
    crossed = {(said.tag, carried.quantity.side), (carried.tag, said.quantity.side)}
    return tags_fit(said.tag, carried.tag) or any(tag and tag == side for tag, side in crossed)


def _rivalled(figure: Figure, fitting: list[Figure], said: Reading, there: Reading) -> str:
    """Refuse where another number of the kind stands nearer to what the sentence is about."""
    rivals = [f for f in there.figures if f.quantity.kind == figure.quantity.kind]
    if not {f.clause for f in fitting} & {word.clause for word in there.words}:
        last = max(f.clause for f in fitting)  # "from 11 to 12 and from 4 to 7": what it is of
        rivals = [f for f in rivals if f.clause > last]  # stands before
    nearness = {id(f): _nearness(f, said, there) for f in (*rivals, *fitting)}
    best = max(nearness[id(f)] for f in fitting)
    is_rivalled = any(nearness[id(f)] > best for f in rivals)
    return "number of another thing" if is_rivalled else ""


def _nearness(figure: Figure, said: Reading, there: Reading) -> int:
    """Count how much of a number's clause is in the sentence, less what is not."""
    words = [w for w in there.words if w.clause == figure.clause and not w.is_light]
    shared = sum(not word.meanings.isdisjoint(said.meanings) for word in words)
    return 2 * shared - len(words)
