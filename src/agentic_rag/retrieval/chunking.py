"""Cuts documents into passages along their own structure, losing no text."""

import hashlib
import re
from collections.abc import Iterator

from agentic_rag.domain import Passage
from agentic_rag.retrieval.documents import Document, Section, label_of

MAX_CHARS = 900
"""What all-MiniLM-L6-v2 reads: 256 word pieces of about 4 characters, less a heading."""

_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?।])\s+"),
    re.compile(r"\s+"),
)


def chunk(document: Document) -> list[Passage]:
    """Return the passages of a document, in order; together they hold all its sections' text."""
    return [
        Passage(
            label=label_of(document.doc_id, section.slug),
            doc_id=document.doc_id,
            section=section.slug,
            heading=section.heading,
            text=document.text[start:end],
            start=start,
            end=end,
        )
        for section in document.sections
        for start, end in _pieces(document.text, section)
    ]


def passage_id(passage: Passage) -> str:
    """Name a passage by what it holds and where, so that the next index knows it again."""
    identity = "\x1f".join((passage.label, passage.heading, str(passage.start), passage.text))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _pieces(text: str, section: Section) -> Iterator[tuple[int, int]]:
    start = section.start
    while section.end - start > MAX_CHARS:
        cut = _best_cut(text, start, start + MAX_CHARS)
        yield from _unless_blank(text, start, cut)
        start = cut
    yield from _unless_blank(text, start, section.end)


def _best_cut(text: str, start: int, limit: int) -> int:
    """Cut at the last paragraph in reach, else line, else sentence, else word, else anywhere."""
    for pattern in _BREAKS:
        cuts = [found.end() for found in pattern.finditer(text, start + MAX_CHARS // 3, limit)]
        if cuts:
            return cuts[-1]
    return limit


def _unless_blank(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
