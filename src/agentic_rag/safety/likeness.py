"""Finds for every word of a sentence its like in a statement, standing in the same way. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agentic_rag.safety.polarity import Word
from agentic_rag.safety.reading import Reading
from agentic_rag.safety.statements import Statement

Pair = tuple[Word, Word]
"""A word of the sentence, and its like in the statement."""

_NEAR = 1  # words behind a "before" that surely belong to it; of the others nothing is sure
_HALVES = {"morn": (0, 12), "afternoon": (12, 18), "even": (16, 24)}
_MEASURED = {"mass": {"weigh", "weight"}, "phone": {"number"}, "length": {"distanc"}}
_OPENING = {"open", "close", "start", "begin", "end", "finish"}
_LOOSE = {"", "who", "with", "if", "while", "because", "despite"}
_HARD = {"before", "until", "unless", "except", "than", "instead"}
"""Relations that a heading lends only where it names them."""
_SOMETIME = {"only if", "if", "after"}


@dataclass(slots=True)
class Likeness:
    """The pairs that were found.

    Attributes:
        lends: whether a heading had to lend a word.
        leans: whether the statement before had to; `leans_for_subject`: for the first word.
        doubtful: a word whose "not" stands elsewhere in the statement.
        refusal: why a word has no like; empty where all have.
    """

    pairs: list[Pair] = field(default_factory=list)
    lends: bool = False
    leans: bool = False
    leans_for_subject: bool = False
    leaning: set[int] = field(default_factory=set)
    doubtful: str = ""
    refusal: str = ""


def has_all(said: Reading, statement: Statement) -> bool:
    """Look first, cheaply, whether every word can have its like."""
    there = (statement.reading.meanings, statement.lent, statement.nearby)
    return all(
        word.is_light
        or not all(map(word.meanings.isdisjoint, there))
        or _told_by_a_number(word, said)
        for word in said.words
    )


def liken(said: Reading, statement: Statement) -> Likeness:
    """Find the like of each word; of the first that has none, say why."""
    found = Likeness()
    for word in said.words:
        found.refusal = _find(word, said, statement, found)
        if found.refusal:
            return found
    agreed = any(a.is_negated and b.is_negated and not a.is_light for a, b in found.pairs)
    if len(found.leaning) > 1:
        found.refusal = "two things named before"
    if found.doubtful and not (agreed and _is_contrasted(found, statement.reading)):
        found.refusal = f"polarity: {found.doubtful}"
    return found


def _is_contrasted(found: Likeness, there: Reading) -> bool:
    """Tell whether what a "not" without a verb is about was said whole: "never hot water"."""
    if "@contrast" not in there.flags_in():
        return True
    met = {like.at for _, like in found.pairs}
    denied: dict[int, bool] = {}
    for word in there.words:
        if word.is_negated and not word.is_light:
            denied[word.clause] = denied.get(word.clause, True) and word.at in met
    return any(denied.values())


def _find(word: Word, said: Reading, statement: Statement, found: Likeness) -> str:
    likes = [w for w in statement.reading.words if not w.meanings.isdisjoint(word.meanings)]
    if not likes:
        return _lend(word, said, statement, found)
    fitting = _fitting(word, likes, statement.reading)
    is_agreed = any(like.is_negated == word.is_negated for like in likes)
    if not fitting and word.is_light:
        return "" if is_agreed or word.is_negated else f"polarity: {word.root}"
    if not fitting and is_agreed and not word.tag and word.meanings & statement.lent:
        found.lends = True
        return ""
    if not fitting and not is_agreed:
        is_scene = not word.clause and ("@front", 0) in said.flags
        fitting = likes if is_scene else _elsewhere_negated(word, likes, statement.reading)
        found.doubtful = word.root
        if not fitting:
            return f"polarity: {word.root}"
    found.pairs += [(word, like) for like in fitting]
    return "" if fitting else f"relation: {word.root}"


def _lend(word: Word, said: Reading, statement: Statement, found: Likeness) -> str:
    """Take a word from the heading, or from the statement before."""
    if word.is_light:
        return ""
    if word.tag in _HARD and word.tag not in statement.lent:
        return f"relation: {word.root}"
    if not statement.nearby.isdisjoint(word.meanings):
        found.lends = found.leans = True
        found.leaning.add(word.clause)
        found.leans_for_subject |= word.at == 0
    elif not statement.lent.isdisjoint(word.meanings):
        found.lends = True
    elif not _told_by_a_number(word, said):
        return f"unsupported: {word.root}"
    return ""


def _fitting(word: Word, likes: Sequence[Word], there: Reading) -> list[Word]:
    """Return the likes that stand under the same "not" and in the same relation."""
    same = [like for like in likes if like.is_negated == word.is_negated]
    fitting = [like for like in same if _stand_alike(word, like)]
    if not fitting and f"@{word.tag}" in there.flags_in():  # "the day before", of what is named
        fitting = [like for like in same if not like.tag]
    return fitting


def _elsewhere_negated(word: Word, likes: Sequence[Word], there: Reading) -> list[Word]:
    """Return the likes that "it" stands for under a "not", or that stand beside it."""
    named = {clause for flag, clause in there.flags if flag == "@it"}
    spoken = {w.clause for w in there.words if w.is_negated == word.is_negated}
    is_contrast = word.is_negated and "@contrast" in there.flags_in()
    if named & spoken or is_contrast:  # "cool water, never hot": do not rinse in hot water
        return list(likes)
    return [like for like in likes if (like.tag or word.tag) and _stand_alike(word, like)]


def _stand_alike(said: Word, carried: Word) -> bool:
    if tags_fit(said.tag, carried.tag):
        return True
    return (not said.tag and carried.depth > _NEAR) or (not carried.tag and said.depth > _NEAR)


def tags_fit(said: str, carried: str) -> bool:
    """Tell whether two relations are the same, or one that a paraphrase may leave open."""
    if said == carried or {said, carried} <= _SOMETIME:
        return True
    return said in _LOOSE and carried in _LOOSE and said != "because"


def _told_by_a_number(word: Word, said: Reading) -> bool:
    """Tell whether a word only says what a number beside it does: "in the morning", "weigh"."""
    told = [figure.quantity for figure in said.figures]
    is_open = any(q.kind == "clock" and (q.is_range or q.bound) for q in told)
    if is_open and word.root in _OPENING and not word.is_negated:
        return True
    if any(word.root in _MEASURED.get(q.kind, ()) for q in told):
        return True
    if word.root not in _HALVES:
        return False
    first, last = _HALVES[word.root]
    clocks = [f.quantity.low for f in said.figures if f.quantity.kind == "clock"]
    hours = [low[0] / 60 for low in clocks if isinstance(low, tuple)]
    return bool(hours) and all(first <= hour <= last for hour in hours)
