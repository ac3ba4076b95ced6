"""Hybrid search: both halves of one open index version, fused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agentic_rag.domain import Passage
from agentic_rag.retrieval.chroma import Hits, VectorStore
from agentic_rag.retrieval.embedder import Vectors
from agentic_rag.retrieval.fusion import Scores, fuse
from agentic_rag.retrieval.lexical import LexicalIndex

_FEW = 200  # noisy passages


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex:
    """A version with all its parts at hand; row n of each is passages[n].

    But for the lexical half, whose rows are sections: `section_of` [rows] names each one's.
    """

    name: str
    passages: Sequence[Passage]
    vectors: Vectors
    lexical: LexicalIndex
    store: VectorStore
    noisy: tuple[str, ...]
    section_of: NDArray[np.intp]
    evidence: np.ndarray[tuple[int], np.dtype[np.bool_]]

    async def search(self, query: str, vector: Vectors, *, k: int) -> Hits:
        """Return the k best rows with their scores, 0 to 1, best first; noisy sources left out."""
        wide = min(max(4 * k, 50), int(self.evidence.sum()))
        if wide == 0:
            return []
        noisy = int((~self.evidence).sum())
        # a filter costs Chroma more than a few rows that are asked for and thrown away
        if noisy <= _FEW:
            found = await self.store.query(vector, k=wide + noisy, without=())
            nearest = [hit for hit in found if self.evidence[hit[0]]]
        else:
            nearest = await self.store.query(vector, k=wide, without=self.noisy)
        bm25 = self.lexical.scores(query)[self.section_of] * self.evidence
        worded = np.argpartition(-bm25, min(wide, len(bm25)) - 1)[:wide]
        rows = np.union1d([row for row, _ in nearest], worded[bm25[worded] > 0]).astype(np.intp)
        cosine: Scores = self.vectors[rows] @ vector
        scores = np.clip(fuse(cosine, bm25[rows]), 0.0, 1.0)
        order = np.argsort(-scores, kind="stable")[:k]
        return [(int(rows[at]), float(scores[at])) for at in order]
