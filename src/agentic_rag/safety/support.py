"""Tells whether a passage carries a sentence, and in which words. Pure."""

import re
from dataclasses import dataclass
from itertools import pairwise

from agentic_rag.language import sentence_spans, stem, topic_words, words
from agentic_rag.safety.numbers import carries_numbers, numbers

ENOUGH = 0.8
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

    A sentence of the passage carries it when it holds enough of its content words (the heading
    lends its own), all of its numbers, and is turned round by the same words as often. Two
    neighbours together carry only what has no number: the number could be the other's.

    >>> text = "Scaling takes 40 minutes. Crowns take longer."
    >>> find_support("Scaling takes 40 minutes.", text, "").score
    1.0
    >>> find_support("Scaling takes 90 minutes.", text, "") is NOTHING
    True
    """
    said = set(_content(sentence))
    if not said:
        return NOTHING
    lent = set(_content(heading))
    best = NOTHING
    for start, end in _windows(text, alone=bool(numbers(sentence))):
        span = text[start:end]
        score = len(said & (set(_content(span)) | lent)) / len(said)
        if score > best.score and said & set(_content(span)) and _agree(sentence, span, heading):
            best = Support(score, start, end)
    return best if best.score >= ENOUGH else NOTHING


def _content(text: str) -> list[str]:
    """Return the stems of the words that a statement is about; "takes" and the like are none."""
    return [stem(word) for word in topic_words(text)]


def _windows(text: str, *, alone: bool) -> list[tuple[int, int]]:
    """Return each sentence, then each pair of neighbours: the shortest best span wins."""
    spans = sentence_spans(text)
    pairs = [] if alone else [(start, end) for (start, _), (_, end) in pairwise(spans)]
    return [*spans, *pairs]


def _agree(sentence: str, span: str, heading: str) -> bool:
    if not carries_numbers(sentence, f"{heading} {span}"):
        return False
    said = {stem(word) for word in words(sentence)}
    carried = {stem(word) for word in words(span)}
    if said & _GUARDS - {stem(word) for word in words(heading)} != carried & _GUARDS:
        return False
    return _negations(sentence) == _negations(span)


def _negations(text: str) -> int:
    return len(_NEGATION.findall(text.replace("\u2019", "'")))
