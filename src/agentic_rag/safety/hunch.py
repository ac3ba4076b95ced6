"""A hunch: a small linear classifier over letters, words and concepts, beside the rules. Pure.

`benchmarks/train_triage.py` makes its weights of messages by people who have not seen the rules.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

from agentic_rag.safety.conversation import Reading
from agentic_rag.safety.spelling import TURN, indic

WEIGHTS = Path(__file__).with_name("hunch.json")
SILENT = -10.0  # the score of no words
WAYS = 6  # three ways that a sign is meant, told or only talked about
WINDOW = 60  # words that are judged together: the set's messages are no longer, as a rule

_SHORTEST, _LONGEST = 2, 4
_STRIDE = 40  # so that two stretches share more than a sentence
_LETTERS = 24
_START = "<"


@dataclass(frozen=True, slots=True)
class View:
    """A stretch of words, as a hunch sees it: `ways` holds the concepts by how they are meant."""

    words: tuple[str, ...]
    ways: tuple[int, ...]


def views_of(reading: Reading) -> Iterator[View]:
    """Cut what was said last into stretches; what was said before stands behind each."""
    begin = max((at for at, gap in enumerate(reading.gaps) if gap == TURN), default=0)
    before = _ways(reading, 0, begin)
    end = len(reading.texts)
    for start in range(begin, max(begin + 1, end - (WINDOW - _STRIDE)), _STRIDE):
        stop = min(start + WINDOW, end)
        here = _ways(reading, start, stop)
        ways = tuple(old | new for old, new in zip(before, here, strict=True))
        yield View(tuple(reading.texts[start:stop]), ways)


def _ways(reading: Reading, start: int, stop: int) -> list[int]:
    ways = [0] * WAYS
    for at in range(start, stop):
        ways[2 * reading.meant[at] + reading.muted[at]] |= reading.concepts[at]
    return ways


@dataclass(frozen=True)
class Hunch:
    """Weights by trait, and a bias; the more, the more it sounds like an alarm.

    Attributes:
        concepts: the names of the concepts, by bit.
    """

    weights: Mapping[str, float]
    bias: float
    concepts: Sequence[str]

    @cached_property
    def _weigh(self) -> Callable[[str], float]:
        return lru_cache(maxsize=1 << 16)(self._word)

    @cached_property
    def _weigh_pair(self) -> Callable[[str, str], float]:
        return lru_cache(maxsize=1 << 16)(self._pair)

    @cached_property
    def _by_concept(self) -> tuple[dict[int, float], ...]:
        """Return the weight of each concept's bit, by how it is meant, last in any way."""
        return tuple(
            {
                1 << at: weight
                for at, name in enumerate(self.concepts)
                if (weight := self.weights.get(_trait_of(name, way)))
            }
            for way in range(WAYS + 1)
        )

    def highest(self, views: Iterable[View]) -> float:
        """Return the score of the stretch that sounds most like an alarm."""
        return max((self.score(view) for view in views if view.words), default=SILENT)

    def score(self, view: View) -> float:
        """Return how much a stretch sounds like an alarm."""
        said = sum(map(self._weigh, view.words))
        said += sum(map(self._weigh_pair, (_START, *view.words), view.words))
        anyhow = 0
        for concepts in view.ways:
            anyhow |= concepts
        total = self.bias + said / math.sqrt(len(view.words))
        for concepts, weights in zip((*view.ways, anyhow), self._by_concept, strict=True):
            total += _sum_of(concepts, weights)
        return total

    def _word(self, word: str) -> float:
        return sum(self.weights.get(run, 0.0) for run in traits_of_word(word))

    def _pair(self, word: str, after: str) -> float:
        return self.weights.get(_trait_of_pair(word, after), 0.0)


def _sum_of(concepts: int, weights: Mapping[int, float]) -> float:
    total = 0.0
    while concepts:
        bit = concepts & -concepts
        total += weights.get(bit, 0.0)
        concepts ^= bit
    return total


def traits_of(view: View, concepts: Sequence[str]) -> dict[str, float]:
    """Return what a hunch is trained on: the traits of a stretch, and how much of each."""
    share = 1 / math.sqrt(max(1, len(view.words)))
    traits: dict[str, float] = {}
    found = [trait for word in view.words for trait in traits_of_word(word)]
    found += [_trait_of_pair(*pair) for pair in pairwise((_START, *view.words))]
    for trait in found:
        traits[trait] = traits.get(trait, 0.0) + share
    for way, mask in enumerate(view.ways):
        for at, name in enumerate(concepts):
            if mask >> at & 1:
                traits[_trait_of(name, way)] = traits[_trait_of(name, WAYS)] = 1.0
    return traits


def letter_runs(word: str) -> list[str]:
    """Return the runs of two to four letters of a word, as it is heard.

    >>> letter_runs("hi")
    ['<h', 'hi', 'i>', '<hi', 'hi>', '<hi>']
    """
    heard = f"<{indic(word[:_LETTERS])}>"
    return [
        heard[at : at + size]
        for size in range(_SHORTEST, _LONGEST + 1)
        for at in range(len(heard) - size + 1)
    ]


def traits_of_word(word: str) -> list[str]:
    """Return the runs of letters of a word, and the word as it is heard."""
    return [*letter_runs(word), f"={indic(word[:_LETTERS])}"]


def _trait_of_pair(word: str, after: str) -> str:
    return f"{indic(word[:_LETTERS])} {indic(after[:_LETTERS])}"


def _trait_of(concept: str, way: int) -> str:
    return f"#{concept}" if way == WAYS else f"#{concept}#{way}"


def read_hunches(concepts: Sequence[str]) -> dict[str, Hunch]:
    """Read the shipped weights, by what they raise: "crisis" and "emergency".

    Raises:
        OSError, ValueError, TypeError, KeyError: they are broken.
    """
    table = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {
        name: Hunch(each["weights"], float(each["bias"]), concepts) for name, each in table.items()
    }
