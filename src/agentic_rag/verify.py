"""Verify: proves an answer again from its receipt and the documents; needs no index, no network."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentic_rag.agent.steps.cite import prove
from agentic_rag.domain import Passage
from agentic_rag.errors import BadReceipt
from agentic_rag.evaluation.cases import name_faults
from agentic_rag.retrieval.passages.documents import Document
from agentic_rag.retrieval.passages.loaders import find_files, load
from agentic_rag.safety.drafts import Claim
from agentic_rag.safety.wording import Dictionary

_MOST_BYTES = 10_000_000
_OTHERS = 20  # places that say the same, which are passed over on the way to the one that is cited


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cited(_Strict):
    """The words of a version of a document: its characters `start` to `end`."""

    number: int
    label: str
    doc_id: str
    digest: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    quote: str = Field(min_length=1)


class Sentence(_Strict):
    """A sentence, and what it rests on; one without claims nothing that could be proven."""

    text: str
    citations: list[Cited]


class Receipt(_Strict):
    """An answer as it was given, without its question."""

    receipt: Literal[1]
    request_id: str
    at: float
    index: str | None
    outcome: str
    generator: str
    adapter: str | None = None
    sentences: list[Sentence]


class _Several(_Strict):
    receipts: list[Receipt]


@dataclass(frozen=True, slots=True)
class Fault:
    """A citation that could not be proven: of which answer and sentence, from 1, and why."""

    request_id: str
    sentence: int
    label: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it; `uncited` are the sentences that rest on nothing, for a person to read."""

    receipts: int
    proven: int
    faults: tuple[Fault, ...]
    uncited: tuple[str, ...]


class Versions:
    """The documents' versions that are to be had, by the SHA-256 of their bytes."""

    def __init__(self, folder: Path) -> None:
        """Look at each file below a folder.

        Raises:
            BadReceipt: there is no such folder.
        """
        if not folder.is_dir():
            raise BadReceipt(f"{folder}: is no folder of documents")
        files = [path for path in find_files(folder) if path.is_file()]
        self._folder = folder
        self._names = {path.relative_to(folder).as_posix() for path in files}
        self._files = {_digest(path): path for path in files}
        self._read = cache(self._load)

    def find(self, cited: Cited) -> Document | str:
        """Return the version that was cited, or why it is not to be had."""
        if cited.digest not in self._files:
            known = cited.doc_id in self._names
            return "the document has changed since" if known else "the document is not here"
        return self._read(cited.digest)

    def _load(self, digest: str) -> Document | str:
        loaded = load(self._files[digest], self._folder)
        if not isinstance(loaded, Document):
            return f"the document cannot be read: {loaded.reason}"
        return loaded if loaded.digest == digest else "the document has changed since"


def read_receipts(path: Path) -> list[Receipt]:
    """Read a file with a receipt, or with `receipts`.

    Raises:
        BadReceipt: names the file, the field and what was expected.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadReceipt(f"{path}: is too large to be a receipt")
        raw = path.read_bytes()
    except OSError as error:
        raise BadReceipt(f"{path}: cannot be read: {error.strerror}") from None
    kind = _Several if b'"receipts"' in raw[:64] else Receipt
    try:
        read = kind.model_validate_json(raw)
    except (ValidationError, ValueError) as error:
        told = name_faults(error) if isinstance(error, ValidationError) else str(error)
        raise BadReceipt(f"{path}: {told}") from None
    return read.receipts if isinstance(read, _Several) else [read]


def verify(receipts: list[Receipt], versions: Versions, words: Dictionary) -> Verdict:
    """Prove every citation again: its document's version, its words, and that they carry it."""
    found = [each for receipt in receipts for each in _examined(receipt, versions, words)]
    said = (sentence for receipt in receipts for sentence in receipt.sentences)
    return Verdict(
        receipts=len(receipts),
        proven=sum(not fault.why for fault in found),
        faults=tuple(fault for fault in found if fault.why),
        uncited=tuple(each.text for each in said if not each.citations),
    )


def _examined(receipt: Receipt, versions: Versions, words: Dictionary) -> Iterator[Fault]:
    for at, sentence in enumerate(receipt.sentences, start=1):
        for cited in sentence.citations:
            why = _fault(sentence.text, cited, versions.find(cited), words)
            yield Fault(receipt.request_id, at, cited.label, why)


def _fault(sentence: str, cited: Cited, document: Document | str, words: Dictionary) -> str:
    """Say what is wrong with a citation; nothing where it is proven."""
    if isinstance(document, str):
        return document
    if document.text[cited.start : cited.end] != cited.quote:
        return "the quote does not stand there"
    return "" if _carries(document, cited, sentence, words) else "the quote does not carry it"


def _carries(document: Document, cited: Cited, sentence: str, words: Dictionary) -> bool:
    """Tell whether a sentence is proven at the very place, with all that stands around it."""
    passage = _section(document, cited)
    if passage is None:
        return False
    start, end = cited.start - passage["start"], cited.end - passage["start"]
    text = passage["text"]
    for _ in range(_OTHERS):
        proven = prove(Claim(sentence, ()), [Passage(**{**passage, "text": text})], words)
        if proven is None:
            return False
        found = proven.support
        if start <= found.start and found.end <= end:
            return True
        text = text[: found.start] + " " * (found.end - found.start) + text[found.end :]
    return False


def _section(document: Document, cited: Cited) -> dict[str, Any] | None:
    for each in document.sections:
        if each.start <= cited.start < cited.end <= each.end:
            return {
                "label": cited.label,
                "doc_id": document.doc_id,
                "section": each.slug,
                "heading": each.heading,
                "text": document.text[each.start : each.end],
                "start": each.start,
                "end": each.end,
            }
    return None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return f"unreadable {path}"
