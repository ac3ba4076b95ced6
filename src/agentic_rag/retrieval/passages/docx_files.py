"""Word documents to text under their headings; the only room that knows python-docx."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentic_rag.retrieval.passages.documents import Content
from agentic_rag.retrieval.passages.outline import Sheet, squeeze
from agentic_rag.retrieval.passages.tables import Cell, Row, table_lines

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.oxml.xmlchemy import BaseOxmlElement as Element

_MOST_BYTES, _MOST_XML_BYTES = 300_000_000, 40_000_000  # unpacked; XML takes ten times that to read

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_HEADING = re.compile(r"heading ([1-6])", re.IGNORECASE)
_ITEM = re.compile(r"list (?:bullet|number)(?: ([1-9]))?", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[\d,.*+-]+\s*")
_GAPS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_DEEPEST_LIST = 8


def read_docx(content: bytes) -> Content:
    """Read a Word document's body: headings by their style, lists and tables in their place.

    Raises:
        ValueError: it is broken, encrypted, of the old kind, or made to choke a reader.
    """
    from docx import Document  # 0.3 s: only who reads such files pays

    _check(content)
    try:
        document = Document(io.BytesIO(content))
        reader = _Reader(_read_styles(document))
        reader.read(document.element.body)
        return reader.sheet.content()
    except Exception as error:  # a broken file makes a parser raise anything
        raise ValueError(f"cannot be read as a Word document: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {squeeze(str(error))}"[:200].strip()


def _check(content: bytes) -> None:
    """Refuse what is no Word document of today, and what unfolds to more than memory holds."""
    if content.startswith(_OLD_WORD):
        if _ENCRYPTED in content:
            raise ValueError("is encrypted; save it without its password")
        raise ValueError("is a Word document of the old kind (.doc); save it as .docx")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise ValueError(f"cannot be read as a Word document: {error}") from error
    size = sum(part.file_size for part in parts)
    xml_size = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
    if size > _MOST_BYTES or xml_size > _MOST_XML_BYTES:
        raise ValueError("is too large when unpacked")


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph's style says of it.

    Attributes:
        level: of a heading, from 1; 0 for the title; None for other text.
        depth: of a list's item, from 1; 0 for other text.
        is_contents: whether it is a line of the table of contents, which repeats the headings.
    """

    level: int | None = None
    depth: int = 0
    is_contents: bool = False


def _read_styles(document: "WordDocument") -> dict[str, _Style]:
    """Return the styles by their ids; one that is made from a heading's is a heading's."""
    styles = document.styles.element.iter(f"{_W}style")
    elements = {each.get(f"{_W}styleId", ""): each for each in styles}
    return {name: _read_style(name, elements) for name in elements}


def _read_style(name: str, elements: "dict[str, Element]") -> _Style:
    seen: set[str] = set()
    while name in elements and name not in seen:
        seen.add(name)
        style = elements[name]
        called = (_value(style, "name") or "").lower()
        heading = _HEADING.fullmatch(called)
        if heading or called == "title":
            return _Style(level=int(heading[1]) if heading else 0)
        item = _ITEM.fullmatch(called)
        if item:
            return _Style(depth=int(item[1] or 1))
        if called.startswith("toc "):
            return _Style(is_contents=True)
        name = _value(style, "basedOn") or ""
    return _Style()


def _value(element: "Element", tag: str) -> str | None:
    """Return the value of a property below an element; None where it is not set."""
    found = element.find(f"{_W}{tag}")
    return None if found is None else found.get(f"{_W}val", "")


class _Reader:
    """Writes what it reads on a sheet, in the order of the document."""

    def __init__(self, styles: dict[str, _Style]) -> None:
        self.sheet = Sheet()
        self._styles = styles
        self._in_list = False

    def read(self, container: "Element") -> None:
        """Read all paragraphs and tables below a body, or a cell of a table that only arranges."""
        for element in _blocks(container):
            if element.tag == f"{_W}p":
                self._read_paragraph(element)
            elif self._is_layout(element):
                for row in _children(element, "tr"):
                    for cell in _children(row, "tc"):
                        self.read(cell)
            else:
                self._in_list = False
                self.sheet.add_lines(table_lines(_rows(element)))

    def _read_paragraph(self, paragraph: "Element") -> None:
        style = self._style_of(paragraph)
        lines = [line for part in _text_of(paragraph).split("\n") if (line := squeeze(part))]
        if not lines or style.is_contents:
            return
        if style.level is not None:
            self.sheet.add_heading(style.level, " ".join(lines))
        elif style.depth:
            if not self._in_list:
                self.sheet.begin_lines()
            indent = "  " * min(style.depth - 1, _DEEPEST_LIST)
            self.sheet.add(f"{indent}- " + f"\n{indent}  ".join(lines), as_line=True)
        else:
            self.sheet.add("\n".join(lines))
        self._in_list = style.level is None and style.depth > 0

    def _style_of(self, paragraph: "Element") -> _Style:
        """Return what a paragraph's style says, and what it says itself."""
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return _Style()
        style = self._styles.get(_value(properties, "pStyle") or "", _Style())
        outline = _value(properties, "outlineLvl") or ""
        if style.level is None and outline in {"0", "1", "2", "3", "4", "5"}:
            return _Style(level=int(outline) + 1)
        numbering = properties.find(f"{_W}numPr")
        if style.level is not None or numbering is None:
            return style
        if _value(numbering, "numId") == "0":  # says that it is no item, whatever its style says
            return _Style()
        level = _value(numbering, "ilvl") or "0"
        return _Style(depth=int(level[:2]) + 1 if level.isdecimal() else 1)

    def _is_layout(self, table: "Element") -> bool:
        """Tell whether a table only arranges a page: it has others, or headings, in its cells."""
        if any(each is not table for each in table.iter(f"{_W}tbl")):
            return True
        if all(sum(1 for _ in _children(row, "tc")) <= 1 for row in _children(table, "tr")):
            return True
        return any(self._style_of(each).level is not None for each in table.iter(f"{_W}p"))


def _blocks(container: "Element") -> "Iterator[Element]":
    """Yield paragraphs and tables, in content controls and tracked changes too."""
    for element in container:
        if element.tag in {f"{_W}p", f"{_W}tbl"}:
            yield element
        elif element.tag in _WRAPPERS:
            yield from _blocks(element)


def _children(element: "Element", tag: str) -> "Iterator[Element]":
    for child in element:
        if child.tag == f"{_W}{tag}":
            yield child
        elif child.tag in _WRAPPERS:
            yield from _children(child, tag)


_WRAPPERS = {
    f"{_W}{tag}" for tag in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")
}


def _text_of(element: "Element") -> str:
    """Return the text that is shown below an element: not what is hidden, struck out or drawn."""
    pieces = []
    for child in element:
        if child.tag == f"{_W}t":
            pieces.append(child.text or "")
        elif child.tag in _GAPS:
            pieces.append(_GAPS[child.tag])
        elif child.tag == f"{_W}r":
            pieces.append(_text_of_run(child))
        elif child.tag in _HOLDERS:
            pieces.append(_text_of(child))
    return "".join(pieces)


_HOLDERS = _WRAPPERS | {f"{_W}{tag}" for tag in ("hyperlink", "fldSimple", "dir", "bdo")}


def _text_of_run(run: "Element") -> str:
    properties = run.find(f"{_W}rPr")
    if properties is None:
        return _text_of(run)
    for hiding in ("vanish", "strike", "dstrike"):
        if _is_on(properties, hiding):
            return ""
    text = _text_of(run)
    raised = _value(properties, "vertAlign") == "superscript" and _NUMBER.fullmatch(text)
    return f"^{text}" if raised else text  # else it would join the number before it


def _is_on(properties: "Element", tag: str) -> bool:
    return _value(properties, tag) not in {None, "0", "false", "off", "none"}


def _rows(table: "Element") -> Iterator[Row]:
    above: dict[int, Cell] = {}  # what a merged cell goes on with, by its first column
    for at, row in enumerate(_children(table, "tr")):
        is_head = row.find(f"{_W}trPr/{_W}tblHeader") is not None
        cells = []
        column = 0
        for element in _children(row, "tc"):
            cell = _cell(element, is_head, at == 0)
            if element.find(f"{_W}tcPr/{_W}vMerge") is not None:
                goes_on = element.find(f"{_W}tcPr/{_W}vMerge").get(f"{_W}val") != "restart"
                cell = above.get(column, cell) if goes_on and not cell.text else cell
                above[column] = cell
            cells.append(cell)
            column += cell.across
        yield cells


def _cell(element: "Element", is_head: bool, is_first: bool) -> Cell:
    texts = [squeeze(_text_of(each)) for each in _blocks(element)]
    span = element.find(f"{_W}tcPr/{_W}gridSpan")
    across = "" if span is None else span.get(f"{_W}val", "")
    return Cell(
        text=" ".join(filter(None, texts)),
        is_head=is_head or (is_first and _is_bold(element)),
        across=int(across) if across.isdigit() and len(across) < 4 else 1,  # noqa: PLR2004
    )


def _is_bold(cell: "Element") -> bool:
    runs = [run for run in cell.iter(f"{_W}r") if _text_of(run).strip()]
    properties = [run.find(f"{_W}rPr") for run in runs]
    return bool(runs) and all(each is not None and _is_on(each, "b") for each in properties)
