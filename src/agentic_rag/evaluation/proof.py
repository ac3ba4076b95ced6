"""Checks an answer against the documents themselves, and not against what the agent says of them.

An agent that cites what it likes is caught here: a quote must stand word for word in the document
that its label names, and must carry the sentence that it stands behind.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentic_rag.domain import Answer, Citation, Passage
from agentic_rag.evaluation.subject import carries
from agentic_rag.language import sentences
from agentic_rag.retrieval.passages.documents import Document, Section, label_of
from agentic_rag.retrieval.passages.loaders import find_files, load

_SOURCE_LINE = re.compile(r"^Source: .*\Z", re.MULTILINE)
_CITED = re.compile(r"(?P<said>[^\n]+?)(?P<markers>(?:\s*\[\d+\])+)|(?P<bare>[^\n]+)")
_MARKER = re.compile(r"\[(\d+)\]")
_NUMBER = re.compile(r"\d[\d,]*(?:[.:]\d+)?")
_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_IN_DIGITS = {word: str(at) for at, word in enumerate(_WORDS, start=1)}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence that a patient was shown.

    Attributes:
        cited: citations behind it.
        right: as many of them are true: the quote stands in the document and carries it.
        is_carried: whether anything in the documents carries it, cited or not.
        is_misnumbered: whether it has a number that no passage cited for it has.
    """

    text: str
    cited: int
    right: int
    is_carried: bool
    is_misnumbered: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """The documents of a pack, by label."""

    sections: Mapping[str, Sequence[Passage]]

    @classmethod
    def of(cls, folder: Path) -> "Shelf":
        """Read every document that can be read."""
        sections: dict[str, list[Passage]] = {}
        for path in find_files(folder):
            document = load(path, folder)
            if isinstance(document, Document):
                for section in document.sections:
                    passage = _passage(document, section)
                    sections.setdefault(passage.label, []).append(passage)
        return cls(sections)

    @property
    def text(self) -> str:
        """All that the documents say."""
        return " ".join(passage.text for passage in self._all())

    def examine(self, answer: Answer) -> tuple[Statement, ...]:
        """Check every sentence of an answer."""
        by_number = {citation.number: citation for citation in answer.citations}
        return tuple(
            self._examine(said, [by_number.get(number) for number in numbers])
            for said, numbers in statements(answer.text)
            if said not in answer.notes  # they say what the answer lacks, and nothing of the clinic
        )

    def _examine(self, said: str, cited: Sequence[Citation | None]) -> Statement:
        quotes = [quote for each in cited if each and (quote := self._quoted(each))]
        right = sum(_is_carried(said, quote) for quote in quotes)
        told = " ".join(f"{quote.heading} {quote.text}" for quote in quotes)
        return Statement(
            text=said,
            cited=len(cited),
            right=right,
            is_carried=right > 0 or any(_is_carried(said, each) for each in self._all()),
            is_misnumbered=not numbers(said) <= numbers(told),
        )

    def _quoted(self, citation: Citation) -> Passage | None:
        """Return the quote under its headings, if it stands where its label says."""
        for passage in self.sections.get(citation.label, ()):
            at = passage.text.find(citation.quote) if citation.quote.strip() else -1
            if at >= 0:
                return _part(passage, at, at + len(citation.quote))
        return None

    def _all(self) -> Iterable[Passage]:
        return (passage for passages in self.sections.values() for passage in passages)


def statements(text: str) -> list[tuple[str, list[int]]]:
    r"""Return the sentences of an answer, each with the numbers behind it.

    >>> statements("It takes 40 minutes. [1][2]\nIt does not hurt.\nSource: faq.md")
    [('It takes 40 minutes.', [1, 2]), ('It does not hurt.', [])]
    """
    found = []
    for each in _CITED.finditer(_SOURCE_LINE.sub("", text)):
        said = _MARKER.sub("", each["said"] or each["bare"]).strip()
        if any(letter.isalnum() for letter in said):
            found.append((said, [int(n) for n in _MARKER.findall(each["markers"] or "")]))
    return found


def body(text: str) -> str:
    """Return an answer without its sources and markers."""
    return _MARKER.sub("", _SOURCE_LINE.sub("", text))


def numbers(text: str) -> set[str]:
    """Return the numbers of a text in one spelling; read apart from the agent's own number lock.

    >>> sorted(numbers("INR 6,000 to 9,500 for two visits, from 9:30"))
    ['2', '6000', '9.30', '9500']
    """
    spelled = _NUMBER_WORD.sub(lambda found: _IN_DIGITS[found[0].lower()], text)
    return {each.replace(",", "").replace(":", ".") for each in _NUMBER.findall(spelled)}


def _is_carried(said: str, passage: Passage) -> bool:
    return all(carries(sentence, passage) for sentence in sentences(said))


def _passage(document: Document, section: Section) -> Passage:
    return Passage(
        label=label_of(document.doc_id, section.slug),
        doc_id=document.doc_id,
        section=section.slug,
        heading=section.heading,
        text=document.text[section.start : section.end],
        start=section.start,
        end=section.end,
    )


def _part(passage: Passage, start: int, end: int) -> Passage:
    return Passage(
        label=passage.label,
        doc_id=passage.doc_id,
        section=passage.section,
        heading=passage.heading,
        text=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
    )
