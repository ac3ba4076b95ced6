"""Hybrid search: both halves of one open index version, fused section by section."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agentic_rag.domain import Passage, Within, rank_among
from agentic_rag.language import terms
from agentic_rag.retrieval.chroma import VectorStore
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.expected import ExpectedQuestions
from agentic_rag.retrieval.fusion import DENSE_WEIGHT, Scores, fuse
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.spelling import Speller

_WIDE = 100  # candidates from each half, at least
_FEW = 200  # rows that are cheaper to ask for and throw away than to filter out
_EXPECTED = 3  # sections that a question like this one was expected of, at most
_LIKE = 0.5  # cosine from which two questions may ask for the same
_BESIDE = (-1, 1)  # rows: what a passage goes on from, and how it goes on
_ALIKE = 0.95  # cosine from which two passages may be the same twice
_SAME = 0.9  # share of their words, both ways, from which they are

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is read of a version; row n of vectors [rows, dimension] and ids is passages[n].

    The rows of the lexical half are sections.

    Attributes:
        digests: SHA-256 of each document's file, by doc_id.
        expected: the questions that were written for its sections.
    """

    name: str
    passages: Sequence[Passage]
    ids: Sequence[str]
    vectors: Vectors
    lexical: LexicalIndex
    digests: Mapping[str, str] = field(default_factory=dict)
    expected: ExpectedQuestions


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """What a clinic thinks of its documents, as globs of doc_ids, and how its patients speak.

    Attributes:
        noisy_sources: never found.
        precedence: the most trusted first; what no glob names comes last.
        spoken: words of its patients that are no slips, whether a document has them or not.
    """

    noisy_sources: Sequence[str] = ()
    precedence: Sequence[str] = ()
    spoken: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex:
    """A version with all its parts at hand.

    Row n of the vectors and of the store is passages[n]; rows of the lexical half are sections,
    each a run of rows.

    Attributes:
        bounds: where each section begins, and the last one ends [sections + 1].
        evidence: whether a section may be found at all [sections].
        trust: the rank of each section's document in the pack's precedence, 0 first [sections].
        digests: SHA-256 of each document's file, by doc_id; a passage that is found has its own.
        rows: the row of each part of a section, by label.
        speller: mends a question's slips by the documents' words.
        expected: the questions that were written for its sections.
        dense_weight: how much meaning counts against words, 0 to 1.
    """

    name: str
    passages: Sequence[Passage]
    vectors: Vectors
    lexical: LexicalIndex
    store: VectorStore
    bounds: Rows
    evidence: Mask
    trust: NDArray[np.intp]
    digests: Mapping[str, str]
    rows: Mapping[tuple[str, int], int]
    speller: Speller
    expected: ExpectedQuestions
    dense_weight: float = DENSE_WEIGHT

    @classmethod
    def of(cls, parts: Parts, store: VectorStore, taste: Taste) -> "OpenIndex":
        """Put the parts of a version together."""
        firsts = np.flatnonzero([passage.part == 0 for passage in parts.passages])
        doc_ids = [passage.doc_id for passage in parts.passages if passage.part == 0]
        trust = {doc_id: rank_among(taste.precedence, doc_id) for doc_id in set(doc_ids)}
        noisy = {doc_id for doc_id in trust if _matches(doc_id, taste.noisy_sources)}
        return cls(
            name=parts.name,
            passages=parts.passages,
            vectors=parts.vectors,
            lexical=parts.lexical,
            store=store,
            bounds=np.append(firsts, len(parts.passages)),
            evidence=np.array([doc_id not in noisy for doc_id in doc_ids], dtype=bool),
            trust=np.array([trust[doc_id] for doc_id in doc_ids], dtype=np.intp),
            digests=parts.digests,
            rows={(each.label, each.part): row for row, each in enumerate(parts.passages)},
            speller=Speller([*parts.lexical.vocabulary, *taste.spoken]),
            expected=parts.expected,
        )

    async def search(
        self, queries: Sequence[str], vectors: Vectors, *, k: int, within: Within | None = None
    ) -> list[Passage]:
        """Return the k best passages over all queries, best first, with their scores, 0 to 1.

        One passage a section, as long as there are sections: its part that is nearest. Passages
        that say the same as a better or more trusted one stand behind all others, and the last
        places go to sections that a question like one of these was expected of.

        Args:
            queries: what is looked for, in any number of ways.
            vectors: of the queries [queries, dimension].
            k: passages wanted.
            within: the documents and sections to look in; noisy sources are always left out.
        """
        allowed = self.evidence
        if within and (within.documents or within.sections):
            allowed = allowed & self._mask_of(within)
        if not queries or not allowed.any():
            return []
        wide = max(_WIDE, 2 * k)
        near = await asyncio.gather(*(self._nearest(v, wide, allowed) for v in vectors))
        return await asyncio.to_thread(self._rank, queries, vectors, near, allowed, k)

    def beside(self, found: Sequence[Passage]) -> list[Passage]:
        """Return what stands right before and behind passages in their sections, without a score.

        A section is found by its nearest part, and what is asked for may stand in the next.
        """
        wanted = {(each.label, each.part + step) for each in found for step in _BESIDE}
        wanted -= {(each.label, each.part) for each in found}
        return [self._found(self.rows[key], 0.0) for key in sorted(wanted & self.rows.keys())]

    def headings(self, labels: Sequence[str]) -> list[str]:
        """Return the innermost heading of each section that is here and has one."""
        rows = (self.rows.get((label, 0)) for label in labels)
        found = (self.passages[row].heading.rpartition(" > ")[2] for row in rows if row is not None)
        return [heading for heading in found if heading]

    async def _nearest(self, vector: Vectors, wide: int, allowed: Mask) -> Rows:
        """Return the nearest rows of the sections that are allowed, about `wide` of them."""
        too_many = int(np.diff(self.bounds)[~allowed].sum())
        if too_many <= _FEW:  # a filter costs Chroma more than a few rows thrown away
            k = min(wide + too_many, len(self.passages))
            rows = np.array([row for row, _ in await self.store.query(vector, k=k)], dtype=np.intp)
            return rows[allowed[self._section_of(rows)]]
        rows = self._rows_of(np.flatnonzero(allowed))
        cosine = await asyncio.to_thread(lambda: self.vectors[rows] @ vector)
        return rows[_top(cosine, wide)]

    def _rank(
        self,
        queries: Sequence[str],
        vectors: Vectors,
        near: Sequence[Rows],
        allowed: Mask,
        k: int,
    ) -> list[Passage]:
        found = (
            self._fused(query, vector, rows, allowed)
            for query, vector, rows in zip(queries, vectors, near, strict=True)
        )
        sections, told, rows = (np.concatenate(each) for each in zip(*found, strict=True))
        by_section = np.lexsort((-told, sections))  # its best score stands first
        once = by_section[np.unique(sections[by_section], return_index=True)[1]]
        sections, told, rows = sections[once], told[once], rows[once]
        best = np.lexsort((sections, self.trust[sections], -told))[: 2 * k]
        firsts: list[int] = rows[best].tolist()
        scores: dict[int, float] = dict(zip(rows.tolist(), told.tolist(), strict=True))
        ranked = self._with_expected(self._distinct_first(firsts)[:k], vectors, allowed, k)
        if len(ranked) < k:  # few sections: their other parts follow
            ranked += [row for row in self._others(firsts, vectors) if row not in scores]
        return [self._found(row, scores.get(row, 0.0)) for row in ranked[:k]]

    def _with_expected(
        self, ranked: Sequence[int], vectors: Vectors, allowed: Mask, k: int
    ) -> list[int]:
        """Have the few sections found that such a question was expected of; others give way."""
        labels = self.expected.sections(vectors, at_least=_LIKE)
        firsts = [self.rows[label, 0] for label in labels if (label, 0) in self.rows]
        sections: list[int] = self._section_of(np.array(firsts, dtype=np.intp)).tolist()
        few = [each for each in sections if allowed[each]][: min(_EXPECTED, k // 2)]
        found: list[int] = self._section_of(np.array(ranked, dtype=np.intp)).tolist()
        parts = [self._rows_of(np.array([each])) for each in few if each not in found]
        nearest = [each[(self.vectors[each] @ vectors.T).max(axis=1).argmax()] for each in parts]
        others = [row for row, section in zip(ranked, found, strict=True) if section not in few]
        too_many = max(0, len(ranked) + len(nearest) - k)
        gone = others[len(others) - too_many :]
        return [row for row in ranked if row not in gone] + [int(each) for each in nearest]

    def _found(self, row: int, score: float) -> Passage:
        passage = self.passages[row]
        return replace(passage, score=score, digest=self.digests.get(passage.doc_id, ""))

    def _fused(
        self, query: str, vector: Vectors, near: Rows, allowed: Mask
    ) -> tuple[Rows, Scores, Rows]:
        """Return every candidate of either half: its section, score and nearest row."""
        bm25 = self.lexical.scores(query) * allowed
        worded = _top(bm25, max(_WIDE, len(near)))
        sections = np.union1d(self._section_of(near), worded[bm25[worded] > 0])
        rows = self._rows_of(sections)
        cosine: Scores = self.vectors[rows] @ vector
        groups = self._section_of(rows)
        firsts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(rows)])
        nearest = rows[np.lexsort((-cosine, groups))[firsts]]
        # the first part tells best what a section is about, the nearest what it holds
        dense = np.float32(0.5) * (np.maximum.reduceat(cosine, firsts) + cosine[firsts])
        return sections, fuse(dense, bm25[sections], dense_weight=self.dense_weight), nearest

    def _distinct_first(self, rows: Sequence[int]) -> list[int]:
        """Put the rows that repeat another behind the others; of two, the less trusted goes."""
        vectors = self.vectors[rows]
        pairs = np.argwhere(np.triu(vectors @ vectors.T > _ALIKE, k=1))
        gone: set[int] = set()
        for better, worse in pairs.tolist():
            if {better, worse} & gone or not self._same(rows[better], rows[worse]):
                continue
            a, b = self._section_of(np.array([rows[better], rows[worse]]))
            gone.add(worse if self.trust[a] <= self.trust[b] else better)
        kept = [row for at, row in enumerate(rows) if at not in gone]
        return kept + [rows[at] for at in sorted(gone)]

    def _same(self, one: int, other: int) -> bool:
        words, others = (set(terms(self.passages[row].text)) for row in (one, other))
        return len(words & others) >= _SAME * len(words | others)

    def _others(self, rows: Sequence[int], vectors: Vectors) -> list[int]:
        parts = self._rows_of(np.unique(self._section_of(np.array(rows))))
        cosine = (self.vectors[parts] @ vectors.T).max(axis=1)
        return list(parts[np.argsort(-cosine, kind="stable")].tolist())

    def _mask_of(self, within: Within) -> Mask:
        firsts = (self.passages[row] for row in self.bounds[:-1])
        return np.array(
            [
                _matches(passage.doc_id, within.documents or ("*",))
                and _matches(passage.section, within.sections or ("*",))
                for passage in firsts
            ],
            dtype=bool,
        )

    def _section_of(self, rows: Rows) -> Rows:
        return np.searchsorted(self.bounds, rows, side="right") - 1

    def _rows_of(self, sections: Rows) -> Rows:
        """Return all rows of sections, in order."""
        starts, lengths = self.bounds[sections], np.diff(self.bounds)[sections]
        before = np.cumsum(lengths) - lengths
        return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def _matches(name: str, globs: Sequence[str]) -> bool:
    return rank_among(globs, name) < len(globs)


def _top(scores: Scores, wide: int) -> Rows:
    """Return where the `wide` highest scores are, in no order."""
    if len(scores) <= wide:
        return np.arange(len(scores))
    return np.argpartition(-scores, wide - 1)[:wide]
