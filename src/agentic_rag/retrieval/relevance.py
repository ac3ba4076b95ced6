"""Relevance: says how well a passage fits a question, and what of the question it lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from agentic_rag.domain import Passage
from agentic_rag.language import statement_spans, stem, terms, topic_words, words
from agentic_rag.retrieval.embedder import Embedder, Vectors

ENOUGH = 0.6
"""Relevance from which a passage counts as fitting. Set on 58 questions about the shipped clinic:
30 of 32 answerable ones lie above it, 23 of 26 about absent topics below."""

_COVERAGE_WEIGHT = 0.65
_WARM = 1_000  # passages: a clinic's worth, and less than the cache holds
_TOGETHER = 8  # passages
_HALF = 0.5
_NEAR, _SAME = 0.2, 0.6  # cosine of a word and a statement: from none of it to all of it


@dataclass(frozen=True, slots=True)
class Relevance:
    """How one passage fits: `score` 0 to 1, and the question's words that it does not speak of."""

    score: float
    missing: tuple[str, ...]


class RelevanceJudge:
    """Weighs a passage's closeness in meaning with how much of the question's topic it covers.

    Closeness alone lets "a crown for my car" through to a dental crown. So each topic word of the
    question is looked for in the passage, by stem, by synonym, else by meaning; and it weighs as
    much as the question changes when that word is left out. None of this depends on how many
    documents there are.
    """

    def __init__(self, embedder: Embedder, synonyms: Mapping[str, Sequence[str]]) -> None:
        self._embedder = embedder
        self._groups = [
            [" ".join(words(form)) for form in (term, *others)] for term, others in synonyms.items()
        ]

    async def warm(self, passages: Sequence[Passage]) -> None:
        """Embed the passages' statements ahead of the first question, as far as the cache goes."""
        for at in range(0, min(len(passages), _WARM), _TOGETHER):  # a question may go in between
            few = passages[at : at + _TOGETHER]
            await self._embedder.embed([each for passage in few for each in _statements(passage)])

    async def judge(self, question: str, passages: Sequence[Passage]) -> list[Relevance]:
        """Return the relevance of each passage, in order.

        Raises:
            RetrievalUnavailable: the embedder cannot be used.
        """
        if not passages:
            return []
        told = topic_words(question)
        statements = [_statements(passage) for passage in passages]
        asked = [question, *told, *(_without(question, word) for word in told)]
        vectors = await self._embedder.embed([*asked, *chain.from_iterable(statements)])
        meaning, rest = vectors[: len(told) + 1], vectors[len(told) + 1 :]
        weights = _weights(meaning[0], rest[: len(told)])
        alike = self._alike(question, told)
        ends = np.cumsum([len(each) for each in statements[:-1]], dtype=int)
        spoken = np.split(rest[len(told) :], ends)
        return [
            _judge(passage, _Told(told, meaning, weights, alike), vectors_of_it)
            for passage, vectors_of_it in zip(passages, spoken, strict=True)
        ]

    def _alike(self, question: str, told: Sequence[str]) -> dict[str, list[frozenset[str]]]:
        """Return, for each topic word, the stems of the synonyms that can stand for it."""
        asked = f" {' '.join(words(question))} "
        alike: dict[str, list[frozenset[str]]] = {word: [] for word in told}
        for forms in self._groups:
            used = [form for form in forms if f" {form} " in asked]
            others = [frozenset(terms(form)) for form in forms if form not in used]
            for word in {word for form in used for word in form.split()} & alike.keys():
                alike[word] += others
        return alike


@dataclass(frozen=True, slots=True)
class _Told:
    """What a question speaks of: its topic words, and for each the vector, weight and synonyms.

    `meaning` is [1 + words, dimension]: the question itself, then its words.
    """

    words: Sequence[str]
    meaning: Vectors
    weights: Vectors
    alike: Mapping[str, Sequence[frozenset[str]]]


def _judge(passage: Passage, told: _Told, spoken: Vectors) -> Relevance:
    """Weigh a passage, whose statements have the vectors `spoken` [statements, dimension]."""
    near = told.meaning @ spoken.T  # [1 + words, statements]
    closeness = max(0.0, float(near[0].max()))
    held = set(terms(f"{passage.heading} {passage.text}"))
    credit = [
        1.0
        if stem(word) in held or any(form <= held for form in told.alike[word])
        else _soft(float(cosines.max()))
        for word, cosines in zip(told.words, near[1:], strict=True)
    ]
    coverage = float(told.weights @ np.array(credit)) if credit else closeness
    score = (1 - _COVERAGE_WEIGHT) * closeness + _COVERAGE_WEIGHT * coverage
    missing = (word for word, part in zip(told.words, credit, strict=True) if part < _HALF)
    return Relevance(score=min(score, 1.0), missing=tuple(missing))


def _weights(meant: Vectors, without: Vectors) -> Vectors:
    """Weigh each topic word by how far the question moves without it; they sum to 1."""
    moved: Vectors = np.maximum(1.0 - without @ meant, 1e-3)
    return moved / moved.sum() if len(moved) else moved


def _without(question: str, word: str) -> str:
    return " ".join(each for each in words(question) if each != word) or word


def _soft(cosine: float) -> float:
    return min(1.0, max(0.0, (cosine - _NEAR) / (_SAME - _NEAR)))


def _statements(passage: Passage) -> list[str]:
    """Return what the passage says, each statement under its heading."""
    spans = list(statement_spans(passage.text)) or [(0, len(passage.text))]
    return [f"{passage.heading}: {passage.text[start:end]}" for start, end in spans]
