"""Tells whether a passage carries a sentence, and in which words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agentic_rag.language import denial_over, sentence_spans
from agentic_rag.safety.conditions import condition_refusal
from agentic_rag.safety.figures import figure_refusal
from agentic_rag.safety.grammar import ACTORS, MARKERS, NEGATORS, SHUNNING
from agentic_rag.safety.hedges import hedge_refusal
from agentic_rag.safety.likeness import Likeness, has_all, liken
from agentic_rag.safety.reading import Reading, read
from agentic_rag.safety.roles import role_refusal
from agentic_rag.safety.statements import Statement, statements
from agentic_rag.safety.wording import Dictionary, dictionary, root

_MOST_CHARS = 600  # a longer sentence is none, and cannot be judged
_WIDEST_SPAN = 600  # of two statements that carry a half each
_MOST_CUTS = 12
_PARAPHRASED = 0.9  # what a word counts that stands for another
_CONNECTOR = re.compile(
    r"[,;]\s+(?:(?:and|but|while|so|or|whereas|because|although|though)\s+)?|\s+(?:and|but)\s+|\s+-\s+"
)
_TURNS_ROUND = SHUNNING | {root(word) for word in NEGATORS | MARKERS.keys() - {"who"}}


@dataclass(frozen=True, slots=True)
class Support:
    """The span `start` to `end` of a passage's text that carries a sentence, 0 to 1 of it."""

    score: float
    start: int
    end: int


NOTHING = Support(0.0, 0, 0)


def find_support(
    sentence: str, text: str, heading: str, words: Dictionary | None = None
) -> Support:
    """Return the span of `text` that best carries the sentence; NOTHING where none does.

    A statement of the passage carries it when every word that says something has its like there,
    or in the heading, under the same "not", "before" and "if"; when every number is there, of the
    same thing; and when no condition and no hedge was added or lost. Two neighbours can carry a
    half each. What cannot be judged, a question or a sentence without end, is not carried.

    >>> text = "Scaling takes 40 minutes. Crowns take longer."
    >>> find_support("Scaling takes 40 minutes.", text, "").score
    1.0
    >>> find_support("Scaling takes 90 minutes.", text, "") is NOTHING
    True
    """
    if len(sentence) > _MOST_CHARS or sentence.rstrip().endswith("?"):
        return NOTHING
    words = words or dictionary()
    if found := _whole(sentence, text, heading):
        return found
    said = read(sentence, words)
    told = statements(text, heading, words)
    return _find(said, told) or _find_in_two(sentence, said, told, words) or NOTHING


def _whole(sentence: str, text: str, heading: str) -> Support | None:
    """Find a sentence of several parts as it stands; the rest is made of the parts alone."""
    if ";" not in sentence:
        return None
    for start, end in sentence_spans(text):
        is_same = text[start:end].split() == sentence.split()
        if is_same and not denial_over(text, start, heading):
            return Support(1.0, start, end)
    return None


def refusal(said: Reading, statement: Statement) -> str:
    """Return why a statement does not carry what is said, or nothing."""
    there = statement.reading
    if _word_for_word(said, there):
        return ""
    if not said.says_enough:
        return "too little is said"
    likeness = liken(said, statement)
    if likeness.refusal:
        return likeness.refusal
    if not likeness.pairs and not (said.figures and (said.words or len(said.figures) > 1)):
        return "nothing in common"
    return (
        _unlike(said, statement, likeness)
        or figure_refusal(said, statement)
        or hedge_refusal(said, there, likeness.pairs)
        or role_refusal(said, there, likeness.pairs)
    )


def _word_for_word(said: Reading, there: Reading) -> bool:
    """Tell whether a sentence is a whole statement, or all of it behind a field's plain name."""
    before, rest = there.roots[: -len(said.roots)], there.roots[-len(said.roots) :]
    is_name = there.field_roots.issuperset(before) and _TURNS_ROUND.isdisjoint(before)
    return is_name and rest == said.roots and said.amounts == there.amounts


def _find(said: Reading, told: Sequence[Statement]) -> Support | None:
    """Return the best support of one statement alone; of the equally good, the shortest."""
    found = [
        Support(_score(said, each.reading), each.start, each.end)
        for each in told
        if has_all(said, each) and not refusal(said, each)
    ]
    return max(found, key=lambda s: (s.score, s.start - s.end), default=None)


def _score(said: Reading, there: Reading) -> float:
    """Return how much of a sentence stands in the statement in the same words."""
    own = {word.root for word in there.words}
    counted = [word for word in said.words if not word.is_light]
    points = sum(1.0 if word.root in own else _PARAPHRASED for word in counted)
    return points / len(counted) if counted else 1.0


def _unlike(said: Reading, statement: Statement, likeness: Likeness) -> str:
    """Refuse where the statement is about something else, or says it under a condition."""
    there = statement.reading
    met = {like.at for _, like in likeness.pairs}
    first = 0 if likeness.leans_for_subject else 1  # which may be a verb: "add a spoon"
    if likeness.leans and any(not w.is_light and w.at not in met for w in there.words[first:]):
        return "more is said"
    needs_subject = likeness.lends or (said.words and said.words[0].root in ACTORS)
    if needs_subject and not likeness.leans and (other := _own_subject(statement, met)):
        return f"another subject: {other}"
    if not any(w.is_negated for w in said.words) and _drops_a_no(said, there, likeness):
        return "dropped: no"
    return condition_refusal(there, likeness, statement.lent)


def _drops_a_no(said: Reading, there: Reading, likeness: Likeness) -> bool:
    """Tell whether a "no ..." or a "without ..." was left out of what is used of a statement."""
    met = {like.at for _, like in likeness.pairs}
    used = {like.clause for _, like in likeness.pairs if not like.is_light}
    amounts = {(f.quantity.kind, f.quantity.low) for f in said.figures}
    used |= {f.clause for f in there.figures if (f.quantity.kind, f.quantity.low) in amounts}
    denied = {clause for flag, clause in there.flags if flag == "@no"}
    return any(
        w.is_negated
        and w.at not in met
        and not w.is_light
        and w.clause in denied
        and {w.clause, w.clause + 1} & used
        for w in there.words
    )


def _own_subject(statement: Statement, met: set[int]) -> str:
    """Return what a statement is about where that is not what its heading lends."""
    for word in statement.reading.words:
        if word.at in met:
            return ""
        if word.at == 0 and statement.reading.is_order:
            continue
        is_field = word.root in statement.reading.field_roots
        is_listed = word.is_negated  # "avoid bananas, oranges ..."
        if not (word.is_light or is_field or is_listed) and word.meanings.isdisjoint(
            statement.lent
        ):
            return word.root
    return ""


def _find_in_two(
    sentence: str, said: Reading, told: Sequence[Statement], words: Dictionary
) -> Support | None:
    """Find two neighbours that carry a half of the sentence each."""
    told = [each for each in told if "@then" not in each.reading.flags_in()]  # its parts are told
    there = [each.reading.meanings | each.lent for each in told]
    if any(not w.is_light and all(map(w.meanings.isdisjoint, there)) for w in said.words):
        return None
    for first, second in _halves(sentence, words):
        begun = _find(first, told)
        going_on = [each for each in told if begun and _goes_on(first, second, each)]
        ended = _find(second, [replace(e, lent=e.lent | first.meanings) for e in going_on])
        if begun and ended:
            start, end = min(begun.start, ended.start), max(begun.end, ended.end)
            if end - start <= _WIDEST_SPAN:
                return Support(min(begun.score, ended.score), start, end)
    return None


def _goes_on(first: Reading, second: Reading, statement: Statement) -> bool:
    """Tell whether a second half without a verb is of what the statement is about."""
    if second.has_verb:
        return True
    subject = next((w for w in statement.reading.words if not w.is_light or w.root in ACTORS), None)
    named = first.meanings | second.meanings | statement.lent
    return not subject or not subject.meanings.isdisjoint(named)


def _halves(sentence: str, words: Dictionary) -> Iterator[tuple[Reading, Reading]]:
    """Yield each way to part a sentence in two that say enough to be judged alone."""
    for cut in islice(_CONNECTOR.finditer(sentence), _MOST_CUTS):
        first, second = read(sentence[: cut.start()], words), read(sentence[cut.end() :], words)
        if first.says_enough and second.says_enough:
            yield first, second
