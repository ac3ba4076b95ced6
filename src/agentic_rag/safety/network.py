"""A network: small convolutions over the words of a conversation, beside the hunch's sums. Pure.

`benchmarks/train_triage.py` makes its weights of messages by people who have not seen the rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
import numpy.typing as npt

from agentic_rag.safety.conversation import Reading
from agentic_rag.safety.hunch import WAYS, traits_of_word
from agentic_rag.safety.spelling import TURN

Floats = npt.NDArray[np.float32]

NETWORK = Path(__file__).with_name("network.npz")
BUCKETS = 1 << 13  # of runs of letters
REACH = (1, 2, 4)  # words between the three that a convolution joins, by layer
SEEN = 96  # words that it was taught to judge together; in longer talk a hint is a sign
STATES = 2 * WAYS  # how a word is meant, before the last turn or in it

_RUNS = 60  # of a word: few are that long
_ROWS = 16  # words: a larger product would wake threads, which take longer than it does


def buckets_of(word: str) -> list[int]:
    """Return the buckets that the letters of a word fall into."""
    return [crc32(run.encode()) % BUCKETS for run in traits_of_word(word)[:_RUNS]]


def states_of(reading: Reading, start: int = 0) -> list[int]:
    """Return for each word from `start` on how it is meant, and whether it was said last."""
    last = reading.turns[-1][0] if reading.turns else 0
    return [
        2 * reading.meant[at] + reading.muted[at] + (WAYS if at >= last else 0)
        for at in range(start, len(reading.texts))
    ]


@dataclass(frozen=True)
class Network:
    """Weights by name, as `benchmarks/train_triage.py` gives them; a score above nought speaks."""

    weights: Mapping[str, Floats]

    @cached_property
    def _letters(self) -> Callable[[str], Floats]:
        return lru_cache(maxsize=1 << 15)(self._sum_letters)

    @cached_property
    def _concepts(self) -> Callable[[int, int], Floats]:
        return lru_cache(maxsize=1 << 14)(self._sum_concepts)

    @cached_property
    def _places(self) -> Floats:
        """Return what each state means together with each gap, by state and gap."""
        state, gap = self.weights["state"], self.weights["gap"]
        return np.concatenate([state.repeat(len(gap), 0), np.tile(gap, (len(state), 1))], axis=1)

    def score(self, reading: Reading) -> float:
        """Return how much a conversation of at most `SEEN` words sounds like an alarm."""
        if not reading.texts:
            return -np.inf
        near = self._join(self._words(reading), 1)
        far = self._join(near, 2) + near
        return self._judge(near, self._join(far, 3) + far)

    def _words(self, reading: Reading) -> Floats:
        states = states_of(reading)
        count = len(states)
        ways = (state % WAYS for state in states)
        letters = np.concatenate([*map(self._letters, reading.texts)])
        concepts = np.concatenate([*map(self._concepts, reading.concepts, ways)])
        gaps = zip(states, reading.gaps, strict=True)
        places = self._places[[(TURN + 1) * state + gap for state, gap in gaps]]
        words = (letters.reshape(count, -1), concepts.reshape(count, -1), places)
        return np.concatenate(words, axis=1)

    def _join(self, words: Floats, layer: int) -> Floats:
        """Join each word with one before and one after it, and keep what speaks for something."""
        reach, count = REACH[layer - 1], len(words)
        padded = np.pad(words, ((reach, reach + -count % _ROWS), (0, 0)))
        whole = len(padded) - 2 * reach
        three = [padded[at : at + whole] for at in (0, reach, 2 * reach)]
        rows = np.concatenate(three, axis=1).reshape(-1, _ROWS, 3 * words.shape[1])
        weights, bias = self.weights[f"join{layer}"], self.weights[f"bias{layer}"]
        joined: Floats = (rows @ weights + bias).reshape(whole, -1)[:count]
        return np.maximum(joined, np.float32(0))

    def _judge(self, near: Floats, far: Floats) -> float:
        seen = np.concatenate([far.max(0), near.max(0), far.mean(0)])
        return float(seen @ self.weights["judge"] + self.weights["bias"][0])

    def _sum_letters(self, word: str) -> Floats:
        summed: Floats = self.weights["letters"][buckets_of(word)].sum(0)
        return summed

    def _sum_concepts(self, concepts: int, way: int) -> Floats:
        """Sum what concepts mean; it knows none of a pack's own."""
        known = self.weights["concepts"]
        at = [WAYS * bit + way for bit in range(len(known) // WAYS) if concepts >> bit & 1]
        summed: Floats = known[at].sum(0)
        return summed


def read_network(concepts: Sequence[str], path: Path = NETWORK) -> Network:
    """Read the shipped weights, for concepts by bit: a pack's own come behind those it learned.

    Raises:
        OSError, ValueError, KeyError: they are broken, or were learned with other concepts.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            table: dict[str, Any] = {name: file[name] for name in file.files}
    except (BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    learned = table.pop("names").tolist()
    if learned != list(concepts[: len(learned)]):
        raise ValueError(f"{path.name}: learned with other concepts; train it again")
    scales = {name: table.pop(f"{name}_scale") for name in ("letters", "concepts")}
    weights = {name: each.astype(np.float32) for name, each in table.items()}
    return Network({n: w * scales.get(n, np.float32(1)) for n, w in weights.items()})
