"""A hunch: a small linear classifier over the letters of words, which may only add alarms. Pure.

`benchmarks/train_triage.py` makes its weights from the project's own set.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from agentic_rag.safety.spelling import indic

WEIGHTS = Path(__file__).with_name("hunch.json")

_SHORTEST, _LONGEST = 2, 4
_WINDOW = 60  # words that are judged together: the set's messages are no longer, as a rule
_LETTERS = 24


@dataclass(frozen=True)
class Hunch:
    """Weights by run of letters; above the threshold it is an alarm."""

    weights: Mapping[str, float]
    bias: float
    threshold: float

    @cached_property
    def _weigh(self) -> Callable[[str], float]:
        return lru_cache(maxsize=1 << 16)(self._word)

    def speaks(self, words: Sequence[str]) -> bool:
        """Tell whether some stretch of the words sounds like an alarm."""
        scores = [self._weigh(word) for word in words]
        starts = range(0, max(1, len(words) - _WINDOW // 2), _WINDOW // 2)
        return bool(words) and any(self._above(scores[start : start + _WINDOW]) for start in starts)

    def _above(self, scores: Sequence[float]) -> bool:
        return self.bias + sum(scores) / math.sqrt(len(scores)) > self.threshold

    def _word(self, word: str) -> float:
        return sum(self.weights.get(run, 0.0) for run in letter_runs(word))


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


def read_hunches() -> dict[str, Hunch]:
    """Read the shipped weights, by what they raise: "crisis" and "emergency".

    Raises:
        OSError, ValueError, TypeError, KeyError: they are broken.
    """
    table = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {
        name: Hunch(each["weights"], float(each["bias"]), float(each["threshold"]))
        for name, each in table.items()
    }
