"""Tells whether a passage carries a sentence, and in which words. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from agentic_rag.language import sentence_spans, stem, terms, words
from agentic_rag.safety.numbers import carries_numbers

ENOUGH = 0.7
"""Share of a sentence's content words that the quoted span must hold."""

_GUARDS = frozenset(
    stem(word)
    for word in words(
        "after always avoid before below above decrease hard gently gentle increase less least "
        "more most must never only optional required safe stop unsafe until"
    )
)
"""Words that turn a statement round when they come or go: both sides must have the same."""

_NEGATION = re.compile(r"\b(?:no|not|never|none|without|cannot|nor)\b|n't\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Support:
    """The span `start` to `end` of a passage's text that carries a sentence, 0 to 1 of it."""

    score: float
    start: int
    end: int


NOTHING = Support(0.0, 0, 0)


def find_support(sentence: str, text: str, heading: str) -> Support:
    """Return the span of `text` that best carries the sentence; NOTHING where none does.

    A span of one or two neighbouring sentences carries it when it holds enough of its content
    words (the heading lends its own), all of its numbers, and says "not" where it does.

    >>> text = "Scaling takes 40 minutes. Crowns take longer."
    >>> find_support("Scaling takes 40 minutes.", text, "").score
    1.0
    >>> find_support("Scaling takes 90 minutes.", text, "") is NOTHING
    True
    """
    said = set(terms(sentence))
    if not said:
        return NOTHING
    lent = set(terms(heading))
    best = NOTHING
    for start, end in _windows(text):
        span = text[start:end]
        score = len(said & (set(terms(span)) | lent)) / len(said)
        if score > best.score and said & set(terms(span)) and _agree(sentence, span, heading):
            best = Support(score, start, end)
    return best if best.score >= ENOUGH else NOTHING


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Yield each sentence alone, then each with its neighbour: the shortest best span wins."""
    spans = list(sentence_spans(text))
    yield from spans
    for (start, _), (_, end) in pairwise(spans):
        yield start, end


def _agree(sentence: str, span: str, heading: str) -> bool:
    if not carries_numbers(sentence, f"{heading} {span}"):
        return False
    said = {stem(word) for word in words(sentence)}
    carried = {stem(word) for word in words(span)}
    if said & _GUARDS - {stem(word) for word in words(heading)} != carried & _GUARDS:
        return False
    negations = len(_NEGATION.findall(sentence)), len(_NEGATION.findall(span))
    return negations[0] == negations[1] or not _shares_the_negated(sentence, span, negations)


def _shares_the_negated(sentence: str, span: str, negations: tuple[int, int]) -> bool:
    """Tell whether the "not" that only one of them has stands before a word that both have."""
    more, other = (sentence, span) if negations[0] > negations[1] else (span, sentence)
    others = {stem(word) for word in words(other)}
    behind = (more[found.end() : found.end() + 60] for found in _NEGATION.finditer(more))
    return any(term in others for piece in behind for term in terms(piece)[:3])
