"""What a test looks at in a document."""

from agentic_rag.retrieval.passages.documents import Document, label_of


def labels(document: Document) -> list[str]:
    return [label_of(document.doc_id, section.slug) for section in document.sections]


def parts(document: Document) -> list[str]:
    return [document.text[section.start : section.end] for section in document.sections]
