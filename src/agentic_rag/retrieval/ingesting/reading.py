"""Reading: makes a file's entry, cutting only those sections that have changed."""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agentic_rag.domain import Passage
from agentic_rag.retrieval.index import Entry, Mark, vector_name
from agentic_rag.retrieval.passages.chunking import chunk, embedding_texts, vector_ids
from agentic_rag.retrieval.passages.counting import TokenCounter
from agentic_rag.retrieval.passages.documents import Document, Section
from agentic_rag.retrieval.passages.loaders import load


@dataclass(frozen=True, slots=True)
class _Cut:
    """A section's passages, each with the name of its vector; `start` is where the section does."""

    start: int
    passages: Sequence[Passage]
    names: Sequence[str]

    def moved(self, start: int) -> Iterable[Passage]:
        """Return the passages of the same section where it starts elsewhere."""
        by = start - self.start
        if not by:
            return self.passages
        return [replace(each, start=each.start + by, end=each.end + by) for each in self.passages]


def read_file(
    path: Path, folder: Path, digest: str, before: Entry, tokens: TokenCounter
) -> tuple[Entry, dict[str, str]]:
    """Return a file's entry, and by name of its vector the text of each passage that was cut anew.

    Args:
        path: the file.
        folder: below which its doc_id is its path.
        digest: what the file's was when it was looked at; the entry has what it was when read.
        before: what the version before held of the file.
        tokens: counts them as the embedder will.
    """
    loaded = load(path, folder)
    if not isinstance(loaded, Document):
        nothing = Entry.nothing(before.doc_id)
        return replace(nothing, digest=digest, skipped={before.doc_id: loaded.reason}), {}
    digests = [_digest(loaded, each) for each in loaded.sections]
    known = _cuts_before(before)
    fresh: dict[str, Section] = {}
    for own, section in zip(digests, loaded.sections, strict=True):
        if own not in known:
            fresh.setdefault(own, section)  # of the same ones the first, so that they ascend
    cuts, texts = _cut(loaded, fresh, tokens)
    cuts.update(known)
    placed = [
        (Mark(own, section.start), cuts[own])
        for own, section in zip(digests, loaded.sections, strict=True)
        if own in cuts
    ]
    entry = Entry(
        doc_id=loaded.doc_id,
        digest=loaded.digest,
        passages=tuple(each for mark, cut in placed for each in cut.moved(mark.start)),
        ids=_numbered(name for _, cut in placed for name in cut.names),
        marks=tuple(mark for mark, _ in placed),
        skipped={each.doc_id: each.reason for each in loaded.skipped},
    )
    return entry, texts


def _digest(document: Document, section: Section) -> str:
    text = document.text[section.start : section.end]
    whole = f"{section.slug}\x1f{section.heading}\x1f{text}".encode()
    return hashlib.blake2b(whole, digest_size=16).hexdigest()


def _cuts_before(before: Entry) -> dict[str, _Cut]:
    starts = [row for row, passage in enumerate(before.passages) if passage.part == 0]
    if not starts or len(starts) != len(before.marks):  # nothing, or not as we write it
        return {}
    ends = [*starts[1:], len(before.passages)]
    names = [vector_name(row_id) for row_id in before.ids]
    return {
        mark.digest: _Cut(mark.start, before.passages[start:end], names[start:end])
        for mark, start, end in zip(before.marks, starts, ends, strict=True)
    }


def _cut(
    document: Document, sections: Mapping[str, Section], tokens: TokenCounter
) -> tuple[dict[str, _Cut], dict[str, str]]:
    """Cut those sections; return the cuts by digest, and the embedded texts by name."""
    passages = chunk(replace(document, sections=tuple(sections.values())), tokens)
    texts = embedding_texts(passages)
    names = [vector_name(row_id) for row_id in vector_ids(passages, texts)]
    left = deque(zip(passages, names, strict=True))
    cuts = {}
    for digest, section in sections.items():
        own = []
        while left and left[0][0].start < section.end:
            own.append(left.popleft())
        if own:  # a blank section has none
            cuts[digest] = _Cut(section.start, [p for p, _ in own], [name for _, name in own])
    return cuts, dict(zip(names, texts, strict=True))


def _numbered(names: Iterable[str]) -> tuple[str, ...]:
    """Make names of vectors into ids of rows: a repeated one has a number behind it."""
    seen: Counter[str] = Counter()
    ids = []
    for name in names:
        ids.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return tuple(ids)
