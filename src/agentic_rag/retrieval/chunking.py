"""Cuts documents into passages along their own structure, losing no text."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from agentic_rag.domain import Passage
from agentic_rag.language import statement_spans
from agentic_rag.retrieval.documents import Document, Section, label_of

MAX_CHARS = 900
"""What all-MiniLM-L6-v2 reads: 256 word pieces of about 4 characters, less a heading."""

_LEAD_CHARS = 150

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
            part=part,
        )
        for section in document.sections
        for part, (start, end) in enumerate(_pieces(document.text, section))
    ]


def embedding_texts(passages: Sequence[Passage]) -> list[str]:
    """Return what is embedded of each passage: its headings, then its text.

    A later part of a section has the section's first sentence in front, else nothing tells what
    its "it" is.
    """
    texts = []
    lead = ""
    for passage in passages:
        if passage.part == 0:
            lead = _lead(passage.text)
        before = (passage.heading, lead if passage.part else "")
        texts.append("\n".join((*filter(None, before), passage.text)))
    return texts


def section_texts(passages: Sequence[Passage]) -> list[str]:
    """Return each section whole, under its headings: what the lexical half indexes."""
    sections: list[list[str]] = []
    for passage in passages:
        if passage.part == 0:
            sections.append([passage.heading] if passage.heading else [])
        sections[-1].append(passage.text)
    return ["\n".join(parts) for parts in sections]


def vector_ids(passages: Sequence[Passage], texts: Sequence[str]) -> list[str]:
    """Name each passage's vector by its document and embedded text, wherever that stands.

    The next index knows an unchanged passage by it, although a line before it has grown.
    """
    seen: Counter[str] = Counter()
    ids = []
    for passage, text in zip(passages, texts, strict=True):
        identity = f"{passage.doc_id}\x1f{text}".encode()
        digest = hashlib.blake2b(identity, digest_size=16).hexdigest()
        ids.append(f"{digest}-{seen[digest]}" if seen[digest] else digest)
        seen[digest] += 1
    return ids


def _lead(text: str) -> str:
    first = next(iter(statement_spans(text)), (0, 0))
    return text[first[0] : min(first[1], first[0] + _LEAD_CHARS)]


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
