"""Cuts documents into passages along their own structure, losing no text."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import tee

from agentic_rag.domain import Passage
from agentic_rag.injection import find_injections
from agentic_rag.language import statement_spans
from agentic_rag.retrieval.passages.counting import TokenCounter, WordCounter
from agentic_rag.retrieval.passages.cutting import (
    Limits,
    Span,
    Stretch,
    breaks_a_word,
    cut,
    in_bytes,
    stretches,
    trimmed,
)
from agentic_rag.retrieval.passages.documents import Document, Section, label_of

_BATCH_CHARS = 1_000_000  # whose tokens are counted, and remembered, at once
_BYTES_PER_CHAR = 4
_CHARS_PER_TOKEN = 8  # twice what is usual: more is white space, or a word that is none
_HEADING_CHARS = 240
_LEAD_CHARS, _LEAD_REACH = 150, 500


def chunk(document: Document, tokens: TokenCounter) -> list[Passage]:
    """Return the passages of a document, in order; together they hold all its sections' text.

    A section is one passage where the embedder reads it whole, its headings included; else it is
    cut into parts of about the same size, each of which the embedder reads whole.
    """
    return next(chunk_all([document], tokens))


def chunk_all(documents: Iterable[Document], tokens: TokenCounter) -> Iterator[list[Passage]]:
    """Yield `chunk` of each document; small ones are counted together, which is faster."""
    ahead, documents = tee(documents)
    homes = ((document, section) for document in ahead for section in document.sections)
    cuts = _cut_all(homes, _counter(tokens))
    for document in documents:
        yield [
            Passage(
                label=label_of(document.doc_id, section.slug),
                doc_id=document.doc_id,
                section=section.slug,
                heading=section.heading,
                text=document.text[start:end],
                start=start,
                end=end,
                part=part,
                injected=find_injections(document.text[start:end]),
            )
            for section in document.sections
            for part, (start, end) in enumerate(next(cuts))
        ]


def embedding_texts(passages: Sequence[Passage]) -> list[str]:
    """Return what is embedded of each passage: its headings, then its text.

    A later part of a section has the section's first sentence in front, else nothing tells what
    its "it" is.
    """
    texts = []
    first, lead = "", ""
    for passage in passages:
        if passage.part == 0:
            first, lead = passage.text, ""
        elif passage.part == 1:
            lead = first[slice(*_lead_span(first))]
        before = (_above(passage.heading), lead if passage.part else "")
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


def _above(heading: str) -> str:
    """Return the headings that are embedded above a passage: of too long a path, the innermost.

    >>> _above("Fees > Braces"), _above("x" * 1000 + " > Braces"), len(_above("x" * 1000))
    ('Fees > Braces', 'Braces', 240)
    """
    while len(heading) > _HEADING_CHARS and " > " in heading:
        heading = heading.partition(" > ")[2]
    return heading[:_HEADING_CHARS]


def _lead_span(text: str) -> Span:
    """Return where the first statement of a section stands, cut off where it is long."""
    start, end = next(iter(statement_spans(text[:_LEAD_REACH])), (0, 0))
    return start, min(end, start + _LEAD_CHARS)


_Home = tuple[Document, Section]


@lru_cache(maxsize=1)
def _counter(tokens: TokenCounter) -> WordCounter:
    """Return what has counted for the same embedder before: it knows most words already."""
    return WordCounter(tokens)


def _cut_all(homes: Iterator[_Home], counter: WordCounter) -> Iterator[list[Span]]:
    """Yield the spans of each section's passages, counting tokens batch by batch."""
    while batch := list(_take(homes)):
        yield from _cut_batch(batch, counter)


def _take(homes: Iterator[_Home]) -> Iterator[_Home]:
    size = 0
    while size < _BATCH_CHARS and (home := next(homes, None)):
        size += home[1].end - home[1].start
        yield home


def _cut_batch(homes: Sequence[_Home], counter: WordCounter) -> Iterator[list[Span]]:
    """Yield the spans of each section's passages; all that needs counting is counted at once."""
    spans = [trimmed(document.text, (s.start, s.end)) for document, s in homes]
    parts = [
        [] if _fits_anyway(section, span, counter) else list(stretches(document.text, span))
        for (document, section), span in zip(homes, spans, strict=True)
    ]
    long = [(home, part) for home, part in zip(homes, parts, strict=True) if part]
    above = {heading: 0 for heading in (_above(section.heading) for (_, section), _ in long)}
    above = dict(zip(above, counter.sizes(above), strict=True))
    counted = iter(
        counter.count([home[0].text[slice(*span)] for home, part in long for span in part])
    )
    for (document, section), span, part in zip(homes, spans, parts, strict=True):
        if part:
            whole = [Stretch(document.text, start, end, next(counted)) for start, end in part]
            yield _cut(whole, above[_above(section.heading)], counter)
        else:
            yield [span] if span[0] < span[1] else []


def _fits_anyway(section: Section, span: Span, counter: WordCounter) -> bool:
    """Tell whether a section is short enough without counting: a token is a byte at least."""
    chars = span[1] - span[0] + min(len(section.heading), _HEADING_CHARS)
    return chars * _BYTES_PER_CHAR < counter.max_tokens or span[0] == span[1]


def _cut(section: Sequence[Stretch], above: int, counter: WordCounter) -> list[Span]:
    """Cut a section below so many tokens of headings."""
    first, least = section[0], counter.max_tokens // 4
    most_chars = _CHARS_PER_TOKEN * counter.max_tokens
    room = max(counter.max_tokens - above, least, 1)
    if len(section) == 1 and first.counted.size <= room and first.end - first.start <= most_chars:
        return [(first.start, first.end)]
    room = max(room - _lead_size(first), least, 1)
    spans = [span for each in section for span in cut(each, Limits(room, most_chars))]
    broken = [span for span in spans if breaks_a_word(first.text, span)]
    if not broken:
        return spans
    # what is left of a word that was cut is other tokens than those that were counted
    sizes = counter.sizes(first.text[slice(*span)] for span in broken)
    too_long = {span for span, size in zip(broken, sizes, strict=True) if size > room}
    return [
        piece
        for span in spans
        for piece in (in_bytes(first.text, span, room) if span in too_long else [span])
    ]


def _lead_size(first: Stretch) -> int:
    """Return the most tokens that `embedding_texts` can put in front of a section's later parts."""
    start, end = _lead_span(first.text[first.start : first.start + _LEAD_REACH])
    # where the first part ends above the first statement, a line of what is there is the lead
    return max(first.counted.between(start, end), first.counted.between(0, start))
