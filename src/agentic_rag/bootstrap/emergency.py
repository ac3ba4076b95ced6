"""What is said in an emergency: read from the pack once, at hand for good."""

from collections.abc import Sequence

from agentic_rag.agent.deps import Emergency
from agentic_rag.clinic.profile import Clinic
from agentic_rag.domain import Passage
from agentic_rag.errors import BadPack
from agentic_rag.injection import talks_to_models
from agentic_rag.language import statement_spans
from agentic_rag.retrieval.passages.documents import Document, label_of
from agentic_rag.retrieval.passages.loaders import load


def read_emergency(clinic: Clinic) -> Emergency:
    """Read the section that the pack names as `emergency_source`, so that it is at hand for good.

    Raises:
        BadPack: there is no such section.
    """
    label = clinic.profile.emergency_source
    doc_id, _, slug = label.partition("#")
    document = load(clinic.documents / doc_id, clinic.documents)
    section = None
    if isinstance(document, Document):
        section = next((s for s in document.sections if s.slug == slug), None)
    if section is None or not isinstance(document, Document):
        raise BadPack(
            f"{clinic.folder / 'clinic.yaml'}: emergency_source: no section {label} in documents/"
        )
    whole = document.text[section.start : section.end]
    text, start = whole.strip(), section.start + len(whole) - len(whole.lstrip())
    if not _advice(text):
        raise BadPack(f"{clinic.folder / 'clinic.yaml'}: emergency_source: {label} says nothing")
    passage = Passage(
        label=label_of(doc_id, slug),
        doc_id=doc_id,
        section=slug,
        heading=section.heading,
        text=text,
        start=start,
        end=start + len(text),
        score=1.0,
        digest=document.digest,
    )
    return Emergency(passage=passage, advice=tuple(_advice(text)))


def _advice(text: str) -> Sequence[str]:
    """Return every statement of the emergency section but the ones that only introduce a list."""
    said = (text[start:end] for start, end in statement_spans(text))
    return [line for line in said if not line.endswith(":") and not talks_to_models(line)]
