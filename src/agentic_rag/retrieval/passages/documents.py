"""What a loader makes of a file: readable text, where its sections lie, and what is missing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a part of one, that is not in the index, and why.

    Attributes:
        doc_id: the file's path below the folder, or the label of the part.
    """

    doc_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A stretch `start` to `end` of a document's text under one label.

    Attributes:
        slug: the part of the label behind `#`; empty for the document itself.
        heading: the headings above it, outermost first, joined by " > ".
    """

    slug: str
    heading: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Flaw:
    """A part of a file that could not be read, by what would have been its slug, and why."""

    slug: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a reader finds in a file."""

    text: str
    sections: tuple[Section, ...]
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as text.

    Attributes:
        doc_id: the path below the documents' folder, with forward slashes.
        digest: SHA-256 of the file, hexadecimal.
        skipped: the parts of it that could not be read; all others are here.
    """

    doc_id: str
    text: str
    sections: tuple[Section, ...]
    digest: str
    skipped: tuple[Skipped, ...] = ()


def label_of(doc_id: str, slug: str) -> str:
    """Return the label of a section.

    >>> label_of("faq.md", "parking"), label_of("notes.txt", "")
    ('faq.md#parking', 'notes.txt')
    """
    return f"{doc_id}#{slug}" if slug else doc_id
