"""Splits what people and documents say into text, citation marks and phone numbers. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from agentic_rag.domain import Answer, Citation, Outcome

_MARK = r"\[\d{1,3}\]"
_ABROAD = r"\+\d[\d ()-]{6,18}\d"
"""How a number looks that can be called from anywhere."""

_NEVER = r"(?!)"
_SOURCE = "Source: "


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; `target` is a citation's number or what is dialled."""

    kind: Literal["text", "mark", "phone"]
    text: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A number that an emergency names, and whose it is."""

    whose: str
    number: str
    dialled: str


def lines(answer: Answer, phones: Collection[str]) -> list[list[Piece]]:
    """Return an answer's lines in pieces, without the last one that names its sources."""
    said = answer.text.splitlines()
    if said and said[-1].startswith(_SOURCE):
        said.pop()
    cited = {f"[{citation.number}]" for citation in answer.citations}
    numbers = _numbers(phones, answer)
    return [list(_pieces(line, cited, numbers)) for line in said if line.strip()]


def place(citation: Citation) -> str:
    """Return where a quote stands, in words rather than as a label.

    >>> _place("policies/emergency.md", "red-flags"), _place("treatments.json", "TX-RCT-01")
    ('policies · emergency · red flags', 'treatments · TX-RCT-01')
    >>> _place("consent.pdf", "page=2"), _place("faq.md", "")
    ('consent · page 2', 'faq')
    """
    return _place(citation.doc_id, citation.section)


def _place(doc_id: str, section: str) -> str:
    path = PurePosixPath(doc_id)
    within = section.replace("=", " ")
    within = within.replace("-", " ") if within.islower() else within
    words = (part.replace("-", " ") for part in (*path.parent.parts, path.stem))
    return " · ".join((*words, within) if within else words)


def dial(number: str) -> str:
    """Return what a telephone takes of a number.

    >>> dial("+91-99-9999 (9999)")
    '+919999999999'
    """
    return re.sub(r"[^\d+]", "", number)


def calls(answer: Answer, phones: Mapping[str, str]) -> list[Call]:
    """Return whom an emergency tells to call: the crisis line first, then as the text has them."""
    if answer.outcome is not Outcome.EMERGENCY:
        return []
    whose = {number: name for name, number in phones.items()}
    named = dict.fromkeys(re.findall(_numbers(whose, answer), answer.text))
    found = sorted(named, key=lambda number: whose.get(number) != "crisis")
    return [Call(whose.get(number, ""), number, dial(number)) for number in found]


def _pieces(line: str, cited: Collection[str], numbers: str) -> Iterable[Piece]:
    for part in re.split(f"({_MARK}|{numbers})", line):
        if part in cited:
            yield Piece("mark", part, part[1:-1])
        elif re.fullmatch(numbers, part):
            yield Piece("phone", part, dial(part))
        elif part:
            yield Piece("text", part)


def _numbers(phones: Collection[str], answer: Answer) -> str:
    """Return what can be called: the clinic's numbers; an emergency's, where they are not known."""
    known = sorted(map(re.escape, phones), key=len, reverse=True)
    if not known and answer.outcome is Outcome.EMERGENCY:
        known = [_ABROAD]
    return rf"(?<![\w+])(?:{'|'.join(known) or _NEVER})(?!\w)"
