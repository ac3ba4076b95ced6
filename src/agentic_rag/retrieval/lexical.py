"""The lexical half of search: BM25 over stemmed words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from agentic_rag.language import terms


class LexicalIndex:
    """BM25 (Lucene's variant, k1 1.5, b 0.75) by the `bm25s` library."""

    def __init__(self, index: Any) -> None:  # noqa: ANN401  # bm25s ships no types
        self._index = index

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index texts; row n is texts[n]."""
        index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
        # bm25s cannot index nothing at all: a word that no query has keeps it whole
        index.index(
            [list(terms(text)) or ["\x00"] for text in texts] or [["\x00"]], show_progress=False
        )
        return cls(index)

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Read what `save` wrote."""
        return cls(bm25s.BM25.load(folder, show_progress=False))

    def save(self, folder: Path) -> None:
        """Write the index into a folder."""
        self._index.save(folder, show_progress=False)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Return the BM25 score of every row [rows]; 0 where no word is shared."""
        known = [term for term in terms(query) if term in self._index.vocab_dict]
        if not known:
            return np.zeros(self._index.scores["num_docs"], dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)
