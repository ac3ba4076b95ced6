"""Tables as lines that can be read, and quoted, one by one. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

_LONGEST_NAME = 60  # characters; a longer head is a sentence, and repeating it tires
_WIDEST = 100  # columns that spanning cells are laid out over; what reaches further takes one


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        is_head: names what stands below or beside it.
        across: columns that it takes.
        down: rows that it takes.
    """

    text: str
    is_head: bool = False
    across: int = 1
    down: int = 1


Row = Sequence[Cell]


def table_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line for each row, in which each cell has its column's name in front.

    >>> head = [Cell("Treatment", is_head=True), Cell("Price", is_head=True)]
    >>> list(table_lines([head, [Cell("Scaling"), Cell("INR 1,500")]]))
    ['Treatment: Scaling | Price: INR 1,500']
    >>> list(table_lines([[Cell("Scaling"), Cell("INR 1,500")]]))
    ['Scaling | INR 1,500']
    """
    heads: list[list[Cell]] = []
    names: dict[int, str] | None = None
    for row in _laid_out(rows):
        if names is None and all(cell.is_head for cell in row):
            if len(set(map(id, row))) > 1:
                heads.append(row)
            else:  # one head above all columns names the table
                yield row[0].text
            continue
        if names is None:
            names = _names(heads)
            if not names:
                yield from (_line(head, {}) for head in heads)
        yield _line(row, names)
    if names is None:  # nothing but heads: they are all there is to read
        yield from (_line(head, {}) for head in heads)


def _names(heads: Sequence[Row]) -> dict[int, str]:
    """Return the columns' names by their place; none at all where one of them is no name."""
    columns: dict[int, list[str]] = {}
    for head in heads:
        for at, cell in enumerate(head):
            columns.setdefault(at, []).append(cell.text)
    names = {at: _joined(" ", texts) for at, texts in columns.items()}
    return names if all(len(name) <= _LONGEST_NAME for name in names.values()) else {}


def _joined(joint: str, texts: Iterable[str]) -> str:
    return joint.join(filter(None, dict.fromkeys(texts)))


def _line(row: Row, names: Mapping[int, str]) -> str:
    cells = [[*group] for _, group in groupby(enumerate(row), key=lambda each: id(each[1]))]
    cells = [group for group in cells if group[0][1].text]
    texts = [group[0][1].text for group in cells]
    if names and len(cells) > 1:
        over = [_joined(" / ", (names.get(at, "") for at, _ in group)) for group in cells]
        named = zip(over, texts, strict=True)
        texts = [f"{name}: {text}" if name else text for name, text in named]
    elif [group[0][1].is_head for group in cells] == [True, False]:  # a name and its value
        return ": ".join(texts)
    return " | ".join(texts)


def _laid_out(rows: Iterable[Row]) -> Iterator[list[Cell]]:
    """Yield each row with its cells wherever they reach to, those that hang from above too."""
    above: dict[int, tuple[Cell, int]] = {}  # by column: the cell, and the rows it still reaches
    for row in rows:
        line: list[Cell] = []
        below: dict[int, tuple[Cell, int]] = {}
        for cell in row:
            _let_down(above, line)
            at = len(line)
            line += [cell] * max(1, min(cell.across, _WIDEST - at))
            if cell.down > 1 and at < _WIDEST and len(cell.text) <= _LONGEST_NAME:
                below |= dict.fromkeys(range(at, len(line)), (cell, cell.down - 1))
        _let_down(above, line)
        if row:
            yield line
        above = {at: (c, left - 1) for at, (c, left) in above.items() if left > 1} | below


def _let_down(above: dict[int, tuple[Cell, int]], line: list[Cell]) -> None:
    """Put into the line what hangs from above at its end."""
    while len(line) in above:
        line.append(above[len(line)][0])
