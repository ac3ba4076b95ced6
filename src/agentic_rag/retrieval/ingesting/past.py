"""The past: what the version before has that the next one can take over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.index import Entry, IndexVersion, vector_name
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.lexical import LexicalIndex

_OURS = {
    "passages.jsonl", "ids.txt", "marks.txt", "vectors.npy", "questions.jsonl", "questions.npy",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A version before, or nothing of one.

    Attributes:
        entries: what it holds of each file, by doc_id.
        ids: of its rows, in order.
        vectors: of its rows [rows, dimension].
        chroma: its Chroma folder; None where there is none to build on.
        churn: rows that were changed in that folder since it was filled from nothing.
        lexical: its words, by section.
        questions: the vector of each expected question, by its text.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    ids: Sequence[str] = ()
    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    chroma: Path | None = None
    churn: int = 0
    lexical: LexicalIndex | None = None
    questions: Mapping[str, Vectors] = field(default_factory=dict)

    def sections(self) -> dict[str, int]:
        """Return a section's row in the lexical index by its digest."""
        marks = (mark for entry in self.entries.values() for mark in entry.marks)
        return {mark.digest: row for row, mark in enumerate(marks)}

    def rows(self) -> dict[str, int]:
        """Return a row by name of its vector."""
        return {vector_name(row_id): row for row, row_id in enumerate(self.ids)}


def look_back(shop: Workshop) -> Past:
    """Read the live version, else the newest; nothing where another embedder made it."""
    names = shop.shelf.names()
    version = shop.shelf.current() or (shop.shelf.place(names[0]) if names else None)
    try:
        return _read(version, shop.embedder.fingerprint) if version else Past()
    except (OSError, ValueError, TypeError, LookupError):  # damaged, or of another format
        return Past()


def _read(version: IndexVersion, fingerprint: str) -> Past:
    manifest, damaged = version.manifest(), version.damaged()
    if manifest.embedder != fingerprint or damaged & _OURS:
        return Past()
    ids, vectors, entries = version.ids(), version.vectors(), version.entries()
    if len(ids) != len(vectors):
        return Past()
    questions, question_vectors = version.questions()
    has_chroma = manifest.store == "folder" and not any(p.startswith("chroma/") for p in damaged)
    has_words = not any(p.startswith("lexical/") for p in damaged)
    return Past(
        entries=entries,
        ids=ids,
        vectors=vectors,
        chroma=version.chroma if has_chroma else None,
        churn=manifest.churn,
        lexical=LexicalIndex.load(version.lexical) if has_words else None,
        questions={
            each.question: row for each, row in zip(questions, question_vectors, strict=True)
        },
    )
