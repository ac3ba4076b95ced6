"""What a loader makes of a file: readable text, and where its sections lie."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as text.

    Attributes:
        doc_id: the path below the documents' folder, with forward slashes.
        digest: SHA-256 of the file, hexadecimal.
    """

    doc_id: str
    text: str
    sections: tuple[Section, ...]
    digest: str


def label_of(doc_id: str, slug: str) -> str:
    """Return the label of a section.

    >>> label_of("faq.md", "parking"), label_of("notes.txt", "")
    ('faq.md#parking', 'notes.txt')
    """
    return f"{doc_id}#{slug}" if slug else doc_id
