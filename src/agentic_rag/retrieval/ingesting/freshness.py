"""Freshness: tells how far an index version is from a folder of documents as it is now."""

from dataclasses import dataclass
from pathlib import Path

from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.ingesting.engine import Silent
from agentic_rag.retrieval.ingesting.survey import survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How many files are not in an index as they are in the folder."""

    changed: int
    new: int
    gone: int

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.gone)

    def __str__(self) -> str:
        return f"{self.changed} changed, {self.new} new, {self.gone} gone"


def drift(folder: Path, version: IndexVersion) -> Drift:
    """Compare the files below a folder with those that a version was made of.

    Raises:
        OSError, ValueError: the version's manifest cannot be read.
    """
    manifest = version.manifest()
    held = {**manifest.documents, **manifest.refused}
    found = survey(folder, Silent().start).digests
    return Drift(
        changed=sum(held[doc_id] != found[doc_id] for doc_id in held.keys() & found.keys()),
        new=len(found.keys() - held.keys()),
        gone=len(held.keys() - found.keys()),
    )
