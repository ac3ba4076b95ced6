"""The lexical half of search: BM25 over stems and neighbouring pairs of stems."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, count, pairwise, repeat
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from agentic_rag.language import STOP_WORDS, stem, words

K1, B = 0.9, 0.75
"""BM25's saturation and length normalisation. Robertson & Zaragoza 2009 name b 0.75; k1 0.9 is what
Anserini uses for passages. Between 0.6 and 1.5 the development sets hardly tell k1 apart."""

_PAIR = 32  # bits: the key of a pair is (first << 32) | second, of a single stem its number alone
_UNKNOWN = 0  # the number of a stem that no text has
_SHORTEST, _LONG = 5, 8  # letters: shorter words are not mended, longer ones may have two slips
_REMEMBERED = 10_000  # words whose number is kept
_ARRAYS = ("keys", "starts", "rows", "weights", "told", "ends")

Numbers = NDArray[np.int64]


class LexicalIndex:
    """BM25 whose terms are content stems, and every pair of neighbouring stems.

    Pairs reward word order, stop words and all, as in the sequential dependence model (Metzler &
    Croft 2005). The weights are worked out when the index is built, by array; scoring adds up one
    slice a term. Files are mapped into memory, so that an index costs what is read of it.

    >>> index = LexicalIndex.build(["dry socket", "socket set"])
    >>> [round(float(score), 2) for score in index.scores("What is a dry soket?")]
    [1.19, 0.1]
    """

    def __init__(self, forms: Mapping[str, int], arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take what `build` made.

        Args:
            forms: every word that the texts have, and the number of its stem.
            arrays: `keys` [terms], ascending; `starts` [terms + 1], where each term's postings
                begin in `rows` and `weights` [postings]; `told` [words], every text's words by
                their place in `forms`, and `ends` [texts], where each text's end.
        """
        self._forms = forms
        self._stems = {stem(form): number for form, number in forms.items()}
        self._stops = frozenset(self._stems.get(each, _UNKNOWN) for each in _stop_stems())
        self._arrays = arrays
        # no `lru_cache` of a method: it would hold the index, and the index it, for good
        self._numbers: dict[str, int] = {}

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self._arrays["ends"])

    @classmethod
    def build(
        cls, texts: Iterable[str], before: "LexicalIndex | None" = None, rows: Iterable[int] = ()
    ) -> "LexicalIndex":
        """Index texts; row n is texts[n].

        Args:
            texts: what to index.
            before: an index that has some of the texts: they are not read again.
            rows: the row there of each text, -1 for those that it lacks; none of them has the rest.
        """
        forms = _Forms(zip(before._forms, count(), strict=False) if before else ())
        told = [
            before._told(row)
            if before and row >= 0
            else np.array([forms[word] for word in words(text)], dtype=np.int32)
            for text, row in zip(texts, chain(rows, repeat(-1)), strict=False)
        ]
        flat, used = _in_order(np.concatenate([*told, np.empty(0, dtype=np.int32)]), list(forms))
        stems: dict[str, int] = {}
        numbered = [stems.setdefault(stem(form), len(stems) + 1) for form in used]
        numbers = np.array(numbered, dtype=np.int64)
        stops = [stems.get(each, _UNKNOWN) for each in _stop_stems()]
        lengths = [len(each) for each in told]
        at = np.repeat(np.arange(len(told)), lengths)
        weighed = _weigh(*_terms(numbers[flat], at, stops), size=len(told))
        ends = np.cumsum(lengths, dtype=np.int64)
        return cls(dict(zip(used, numbered, strict=True)), weighed | {"told": flat, "ends": ends})

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Map what `save` wrote."""
        # a view of the plain kind: numpy takes 5 microseconds more for each slice of a memmap
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)
            for name in _ARRAYS
        }
        return cls(orjson.loads((folder / "forms.json").read_bytes()), arrays)

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", self._arrays[name])
        (folder / "forms.json").write_bytes(orjson.dumps(self._forms))

    def scores(self, query: str) -> NDArray[np.float32]:
        """Return the BM25 score of every row [rows]; 0 where no word is shared."""
        scores = np.zeros(self.size, dtype=np.float32)
        keys, starts = self._arrays["keys"], self._arrays["starts"]
        rows, weights = self._arrays["rows"], self._arrays["weights"]
        for key in self._keys(query):
            at = int(np.searchsorted(keys, key))
            if at < len(keys) and keys[at] == key:
                postings = slice(int(starts[at]), int(starts[at + 1]))
                scores[rows[postings]] += weights[postings]  # a row stands but once in a slice
        return scores

    def _told(self, row: int) -> NDArray[np.generic]:
        ends = self._arrays["ends"]
        return self._arrays["told"][int(ends[row - 1]) if row else 0 : int(ends[row])]

    def _keys(self, query: str) -> list[int]:
        if len(self._numbers) > _REMEMBERED:
            self._numbers.clear()
        asked = [self._number(word) for word in words(query)]
        singles = [number for number in asked if number != _UNKNOWN and number not in self._stops]
        return singles + [(a << _PAIR) | b for a, b in pairwise(asked)]

    def _number(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:  # another thread may work it out, or clear, at the same time
            number = self._numbers[word] = self._number_of(word)
        return number

    def _number_of(self, word: str) -> int:
        """Return the number of a word's stem, or of the word's that it is most likely a slip of."""
        known = self._forms.get(word) or self._stems.get(stem(word))
        if known or len(word) < _SHORTEST or not word.isalpha():
            return known or _UNKNOWN
        slips = 1 if len(word) < _LONG else 2
        # a slip hardly ever hits the first letter (Pollock & Zamora 1984)
        near = [form for form in self._forms if form[0] == word[0]]
        found = process.extract(word, near, scorer=OSA.distance, score_cutoff=slips, limit=None)
        ranked = [(distance, -self._commonness(self._forms[form])) for form, distance, _ in found]
        best = min(range(len(found)), key=ranked.__getitem__, default=None)
        return _UNKNOWN if best is None else self._forms[found[best][0]]

    def _commonness(self, number: int) -> int:
        at = int(np.searchsorted(self._arrays["keys"], number))
        return int(np.diff(self._arrays["starts"][at : at + 2])[0])


class _Forms(dict[str, int]):
    """Words by their number; numbers a word when it is first looked up."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def _in_order(told: NDArray[np.int32], forms: Sequence[str]) -> tuple[NDArray[np.int32], list[str]]:
    """Number words in the order in which they come, and leave out those that do not.

    So an index is the same, whatever the one was that it took words from.
    """
    firsts = np.full(len(forms), len(told))
    firsts[told[::-1]] = np.arange(len(told))[::-1]  # the last to be written stays
    order = np.argsort(firsts, kind="stable")[: int((firsts < len(told)).sum())]
    numbers = np.zeros(len(forms), dtype=np.int32)
    numbers[order] = np.arange(len(order))
    return numbers[told], [forms[at] for at in order]


@cache
def _stop_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in STOP_WORDS)


def _terms(flat: Numbers, rows: Numbers, stops: Sequence[int]) -> tuple[Numbers, Numbers]:
    """Return the key and the row of every occurrence of a term: content stems, and pairs."""
    told = ~np.isin(flat, stops)
    together = rows[1:] == rows[:-1]
    pairs = (flat[:-1] << _PAIR) | flat[1:]
    return (
        np.concatenate([flat[told], pairs[together]]),
        np.concatenate([rows[told], rows[1:][together]]),
    )


def _weigh(keys: Numbers, rows: Numbers, *, size: int) -> dict[str, NDArray[np.generic]]:
    """Count the occurrences and weigh each term's part in each row, by Lucene's BM25."""
    order = np.argsort(keys, kind="stable")  # each key's rows come in ascending order
    keys, rows = keys[order], rows[order]
    fresh = np.append(True, (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1]))[: len(keys)]
    firsts = np.flatnonzero(fresh)
    times = np.diff(np.append(firsts, len(keys)))
    keys, rows = keys[firsts], rows[firsts]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    spread = np.diff(np.append(starts, len(keys)))  # rows that have the term
    lengths = np.bincount(rows, weights=times, minlength=size)
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0)) if size else lengths
    idf = np.log1p((size - spread + 0.5) / (spread + 0.5))
    return {
        "keys": keys[starts],
        "starts": np.append(starts, len(keys)),
        "rows": rows.astype(np.int32),
        "weights": (np.repeat(idf, spread) * times / (times + norm[rows])).astype(np.float32),
    }
