"""Takes a passage apart into statements, each with what stands over it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from agentic_rag.language import BULLET, denial_over, sentence_spans
from agentic_rag.safety.numbers import quantities
from agentic_rag.safety.polarity import Figure
from agentic_rag.safety.reading import Reading, read
from agentic_rag.safety.wording import Dictionary

_LONGEST = 1200  # what goes on for longer without a stop is no statement
_MOST_LINES = 6  # of figures that can be told in one sentence
_ANSWERED_IN = 3  # statements behind a question lean on it
_LINE = re.compile(r"[^\n]+")
_SEPARATOR = re.compile(r";\s*|,(?: and)? then |\band then |\Z")
_FIELD = re.compile(r"\s*([A-Za-z][\w ()/%-]{0,40}?)\s*:\s+(?=\S)")
_HEADING = re.compile(r"\s*#{1,6}\s")
_NAMES = {"name", "title", "item", "treatment", "service", "product"}
_PRICED = re.compile(r"\b(?:fees?|prices?|tariff|charges?|costs?|rates?)\b", re.IGNORECASE)
_NONE = {"0", "-", "\u2013", "\u2014", "nil", "none"}
_CELL = re.compile(r"\s+\|\s+|\t+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The span `start` to `end` of a passage.

    Attributes:
        lent: meanings of the headings above, and of the name of the item.
        nearby: meanings of the statement before, where this one goes on from it.
        lent_figures: numbers of the headings.
        is_priced: whether a bare number in the passage can be a price.
    """

    start: int
    end: int
    reading: Reading
    lent: frozenset[str]
    lent_figures: tuple[Figure, ...]
    is_priced: bool
    nearby: frozenset[str] = frozenset()


@lru_cache(maxsize=1024)
def statements(text: str, heading: str, words: Dictionary) -> tuple[Statement, ...]:
    """Return the statements of a passage; remembered, for many sentences are held against them."""
    spans = list(_spans(text))
    named = ((start, end) for start, end, name, _ in spans if name.lower() in _NAMES)
    names = " ".join(text[start:end] for start, end in named)
    above = read(f"{heading} {names}", words)
    is_priced = bool(_PRICED.search(f"{heading} {text}"))

    def make(start: int, end: int, reading: Reading) -> Statement:
        return Statement(
            start=start,
            end=end,
            reading=reading,
            lent=above.lendable | above.meanings,
            lent_figures=above.figures,
            is_priced=is_priced,
        )

    told = []
    for start, end, name, whole in spans:
        said = f"{denial_over(text, whole, heading)} {text[start:end]}".strip()
        told.append(make(start, end, read(said, words, name)))
    rows = [
        replace(made, lent=made.lent | read(row.kind, words).lendable)
        for row in _rows(text)
        for said, name in row.told
        for made in [make(row.start, row.end, read(said, words, name))]
    ]
    return (*_in_context(text, told), *_records(told), *rows)


def _spans(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Yield (start, end, field name) of each statement, and where its sentence begins.

    What a ";" parts are two statements of one sentence.
    """
    for line in _LINE.finditer(text):
        if _HEADING.match(line[0]):
            continue
        bullet = BULLET.match(line[0])
        at = line.start() + (bullet.end() if bullet else 0)
        body = text[at : line.end()]
        named = _FIELD.match(body)
        for whole, end in sentence_spans(body):
            start = whole
            if ";" not in body[start:end] and any(
                each[0] for each in _SEPARATOR.finditer(body, start, end)
            ):
                yield at + start, at + end, named[1] if named else "", at + whole
            for separator in _SEPARATOR.finditer(body, start, end):
                until = start + len(body[start : separator.start()].rstrip())
                if start < until <= start + _LONGEST:
                    yield at + start, at + until, named[1] if named else "", at + whole
                start = separator.end()  # the rest of the sentence


def _in_context(text: str, told: Sequence[Statement]) -> Iterator[Statement]:
    """Yield the statements; one that says "it", or goes on, leans on the one before."""
    asked, question = frozenset[str](), 0
    yield from told[:1]
    for at, (before, each) in enumerate(pairwise(told)):
        if text[before.end - 1] == "?":
            asked, question = before.reading.meanings, at
        goes_on = "\n" not in text[before.end : each.start] and not text[
            before.start : before.end
        ].rstrip(")\"'").endswith((".", "!", "?"))
        leans = goes_on or "@it" in each.reading.flags_in()
        yield replace(
            each,
            nearby=before.reading.meanings if leans else frozenset(),
            lent=each.lent | asked if at - question < _ANSWERED_IN else each.lent,
        )


class _Row(NamedTuple):
    """The span of a table's row, what its things are, and what it tells of one: (words, field)."""

    start: int
    end: int
    kind: str
    told: tuple[tuple[str, str], ...]


def _rows(text: str) -> Iterator[_Row]:
    """Yield each row of a table, told cell by cell with the name of its column, and whole."""
    header: list[str] = []
    width = 1
    for line in _LINE.finditer(text):
        cells = _CELL.split(line[0].strip().strip("|").strip())
        begins, width = len(cells) != width, len(cells)
        if width == 1:
            continue
        named = [(found[1], cell[found.end() :]) for cell in cells if (found := _FIELD.match(cell))]
        if len(named) == len(cells):  # "Lens: soft | Price: INR 650"
            yield _row(line, named)
        elif begins and not any(map(_is_value, cells)):
            header = cells
        elif not begins and header:
            yield _row(line, list(zip(header, cells, strict=True)))
        else:
            header = []  # the table has none
            told = ((" ".join(cells), ""),) if _is_one_of_each(cells) else ()
            yield _Row(line.start(), line.end(), "", told)


def _row(line: re.Match[str], cells: Sequence[tuple[str, str]]) -> _Row:
    (kind, thing), *others = cells
    others = [(name, "no" if cell.strip().lower() in _NONE else cell) for name, cell in others]
    told = [(f"{thing} {name} {cell}", name) for name, cell in others]
    if _is_one_of_each([f"{name} {cell}" for name, cell in others]):
        told.append((f"{thing}; " + "; ".join(f"{name} {cell}" for name, cell in others), ""))
    return _Row(line.start(), line.end(), kind, tuple(told))


def _is_value(cell: str) -> bool:
    """Tell whether a cell is a price, a time of day or a phone, and no name of a column."""
    kinds = {each.kind for each in quantities(cell) if not cell[: each.start].strip(" +(")}
    return any(kind.startswith(("money:", "clock", "phone")) for kind in kinds)


def _is_one_of_each(cells: Sequence[str]) -> bool:
    """Tell whether no two cells measure the same, so that one cannot be taken for the other."""
    kinds = [each.kind for cell in cells for each in quantities(cell)]
    return len(kinds) == len(set(kinds))


def _records(told: Sequence[Statement]) -> Iterator[Statement]:
    """Yield the runs of lines that only give a figure each, taken together."""
    run: list[Statement] = []
    for each in told:
        if not _is_figure(each.reading):
            run = []
            continue
        run = [*run, each][-_MOST_LINES:]
        for first in range(len(run) - 1):
            yield _together(run[first:])


def _is_figure(reading: Reading) -> bool:
    """Tell whether a line is a field with a figure alone: "Visits: 2"."""
    bare = all(word.root in reading.field_roots or word.is_light for word in reading.words)
    return bool(reading.field_roots and reading.figures) and bare


def _together(parts: Sequence[Statement]) -> Statement:
    """Return neighbours as one statement, each a clause."""
    readings = [part.reading for part in parts]
    merged = Reading(
        words=tuple(
            replace(word, clause=at, item=at)
            for at, reading in enumerate(readings)
            for word in reading.words
        ),
        figures=tuple(
            replace(figure, clause=at, item=at)
            for at, reading in enumerate(readings)
            for figure in reading.figures
        ),
        flags=frozenset(
            (flag, at) for at, reading in enumerate(readings) for flag, _ in reading.flags
        ),
        meanings=frozenset(m for reading in readings for m in reading.meanings),
        lendable=frozenset(),
        roots=tuple(r for reading in readings for r in reading.roots),
        field_roots=frozenset(r for reading in readings for r in reading.field_roots),
    )
    return replace(parts[0], end=parts[-1].end, reading=merged)
