"""HTML pages to text under headings, without what is around it; the only room that knows lxml."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentic_rag.retrieval.passages.documents import Content
from agentic_rag.retrieval.passages.encodings import decode
from agentic_rag.retrieval.passages.outline import Sheet, squeeze
from agentic_rag.retrieval.passages.tables import Cell, Row, table_lines

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_MOST_TAGS = 1_000_000  # 20 seconds, and a quarter of a kilobyte of memory each

_DEEPEST_LIST = 8  # levels that are set in

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = {"ul", "ol", "menu"}
_BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu
    nav ol p pre search section summary table tbody td tfoot th thead tr ul
    """.split()  # noqa: SIM905  # a list of words reads best as words
)
_UNREAD = frozenset(
    """
    applet area audio base button canvas datalist embed frame frameset iframe input link map
    meta noembed noframes noscript object optgroup option param progress rp rt script select source
    style svg template textarea title track video
    nav aside footer search
    del s strike
    """.split()  # noqa: SIM905
)
"""Not text, or not shown; around the text; struck out: an old price must not be quoted."""

_AROUND_ROLES = {
    *("navigation", "banner", "contentinfo", "complementary", "search", "menu", "menubar"),
    *("dialog", "alertdialog"),
}
_UNSEEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_CHARSET = re.compile(
    rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?([\w:.-]+)""", re.IGNORECASE
)
_END_OF_PAGE = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[\d,.*+-]+\s*")


def read_html(content: bytes) -> Content:
    r"""Read a page: its `<main>` or `<article>` where it has one, else all but what is around.

    Raises:
        ValueError: it is no text, or made to choke a reader.

    >>> page = "<title>T</title><nav>Home</nav><h2>Fees</h2><p>A visit<br>costs 20.<ul><li>Cash"
    >>> read_html(page.encode()).text
    '## Fees\n\nA visit\ncosts 20.\n\n- Cash'
    """
    declared = _CHARSET.search(content[:4096])
    text = decode(content, declared=declared[1].decode("ascii", "ignore") if declared else "")
    page = _parse(text)
    if page is None:
        return Content(text="", sections=())
    whole = _write(page, [page])
    for tag, least in (("main", 1), ("article", len(whole.text) // 2)):
        inner = _outermost(page, tag)
        if inner and len((kept := _write(page, inner)).text) >= least:
            return kept
    return whole


def _parse(text: str) -> "Element | None":
    """Return the tree of a page; None for an empty one."""
    from lxml import etree  # only who reads such files pays

    if text.count("<") > _MOST_TAGS:
        raise ValueError(f"has more than {_MOST_TAGS:,} tags")
    # what stands behind the end of a page is shown by browsers, and dropped by this parser
    text = _END_OF_PAGE.sub("", text)
    parser = etree.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    try:
        page = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        if not text.strip():
            return None
        raise ValueError(f"cannot be read as HTML: {error.msg}") from error
    if any(fault.type_name == "ERR_RESOURCE_LIMIT" for fault in parser.error_log):
        raise ValueError("has tags in tags, more than 2,000 deep")
    return page


def _outermost(page: "Element", tag: str) -> "list[Element]":
    """Return the parts of a page of one kind, in order, but those in another or unread."""
    found: list[Element] = []
    if not page.xpath(f"boolean(//{tag} | //*[@role='{tag}'])"):
        return found

    def enter(each: "Element") -> bool:
        is_part = each.tag == tag or (each.get("role") or "").lower() == tag
        if is_part and not _is_unread(each):
            found.append(each)
        return not is_part and not _is_unread(each)

    for _ in _walk(page, enter):
        pass
    return found


def _write(page: "Element", parts: "Iterable[Element]") -> Content:
    """Write parts of a page down, below its first H1 or else its title."""
    writer = _Writer()
    for part in parts:
        writer.read(part, is_main=part is not page)
    if not writer.sheet.has_title:
        tops = (next(page.iter(tag), None) for tag in ("h1", "title"))
        titles = (_text_of(top) for top in tops if top is not None)
        writer.sheet.root = next(filter(None, titles), "")
    return writer.sheet.content()


def _walk(root: "Element", enter: "Callable[[Element], bool]") -> "Iterator[tuple[Element, bool]]":
    """Go through a tree; yield each element as it is left, and whether `enter` let us into it."""
    from lxml import etree

    walker = etree.iterwalk(root, events=("start", "end"))
    passed = None
    for event, element in walker:
        if event == "end":
            yield element, element is not passed
        elif not enter(element):
            passed = element
            walker.skip_subtree()


def _is_unread(element: "Element") -> bool:
    if element.tag in {"html", "head", "body"}:  # scripts hide a page until it is loaded
        return False
    if element.tag in _UNREAD or not element.attrib:
        return element.tag in _UNREAD or element.tag == "dialog"
    return (
        (element.get("role") or "").lower() in _AROUND_ROLES
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or (element.tag == "dialog" and element.get("open") is None)
        or bool(_UNSEEN.search(element.get("style") or ""))
    )


def _text_of(element: "Element") -> str:
    """Return the text of an element on one line, a list's items apart."""
    items: list[list[str]] = [[]]

    def enter(each: "Element") -> bool:
        if each is not element and each.tag != "button" and _is_unread(each):
            return False
        if each.tag == "li":
            items.append([])
        items[-1] += [" " if each.tag in _BLOCKS or each.tag == "br" else "", _own_text(each)]
        return True

    for each, _ in _walk(element, enter):
        if each is not element:
            items[-1] += [" " if each.tag in _BLOCKS else "", each.tail or ""]
    texts = [text for item in items if (text := squeeze("".join(item)))]
    return " ".join(
        text if text[-1] in ".:;!?," or at == len(texts) else f"{text};"
        for at, text in enumerate(texts, start=1)
    )


def _own_text(element: "Element") -> str:
    """Return the text right behind an opening tag; a raised number must not join the one before."""
    text = element.text or ""
    return f"^{text}" if element.tag == "sup" and _NUMBER.fullmatch(text) else text


class _Writer:
    """Writes what it reads of a page on a sheet, block by block."""

    def __init__(self) -> None:
        self.sheet = Sheet()
        self._text: list[str] = []  # of the block under way
        self._lists: list[_List] = []
        self._mark = ""  # of the list item that has begun
        self._term = ""  # that a definition is to follow
        self._mains = 0  # open: a header within one belongs to the text

    def read(self, part: "Element", *, is_main: bool) -> None:
        """Read a page, or its main part."""
        self._mains = int(is_main)
        for element, entered in _walk(part, self._enter):
            if entered:
                self._leave(element)
            if element is not part:
                self._take(element.tail)
        self._flush()
        self._flush_term()

    def _enter(self, element: "Element") -> bool:
        tag = str(element.tag)
        if tag in _BLOCKS:
            self._flush()
        if _is_unread(element) or (tag == "header" and not self._mains):
            return False
        if tag in _HEADINGS:
            self._flush_term()
            self.sheet.add_heading(_HEADINGS[tag], _text_of(element))
        elif tag == "pre":
            self._flush_term()
            self.sheet.add("".join(element.itertext()).strip("\n"))
        elif tag == "table" and not _is_layout(element):
            self._flush_term()
            self.sheet.add_lines(_table_lines(element))
        else:
            self._begin(element, tag)
            return True
        return False

    def _begin(self, element: "Element", tag: str) -> None:
        if tag in _LISTS or (tag == "li" and not self._lists):
            before = element.getprevious()
            if not self._lists and (before is None or before.tag != "li"):
                self.sheet.begin_lines()
            self._lists.append(_List(element, is_numbered=tag == "ol"))
        if tag == "li":
            self._mark = self._lists[-1].next_mark()
        elif tag == "br":
            self._text.append("\n")
        self._mains += tag in {"main", "article"}
        self._take(_own_text(element))

    def _leave(self, element: "Element") -> None:
        tag = str(element.tag)
        if tag == "dt":
            self._term = "; ".join(filter(None, (self._term, squeeze("".join(self._text)))))
            self._text.clear()
        elif tag in _BLOCKS:
            self._flush()
        if tag == "dl":
            self._flush_term()
        if self._lists and self._lists[-1].element is element:
            self._lists.pop()
        self._mains -= tag in {"main", "article"}

    def _take(self, text: str | None) -> None:
        if text:
            self._text.append(re.sub(r"\s+", " ", text))

    def _flush(self) -> None:
        """Write the block under way, behind the mark or the term that it belongs to."""
        lines = [line for part in "".join(self._text).split("\n") if (line := squeeze(part))]
        self._text.clear()
        if not lines:
            return
        if self._term:
            joint = ": " if self._term[-1].isalnum() else " "
            lines[0], self._term = f"{self._term}{joint}{lines[0]}", ""
        indent = "  " * min(max(0, len(self._lists) - 1), _DEEPEST_LIST)
        rest = f"{indent}  " if self._lists else ""
        first = f"{indent}{self._mark}" if self._mark else rest
        self.sheet.add(first + f"\n{rest}".join(lines), as_line=bool(self._lists))
        self._mark = ""

    def _flush_term(self) -> None:
        """Write a term that nothing followed."""
        self.sheet.add(self._term)
        self._term = ""


@dataclass
class _List:
    element: "Element"  # a list, or an item outside of one
    is_numbered: bool
    _count: int = 0

    def next_mark(self) -> str:
        self._count += 1
        return f"{self._count}. " if self.is_numbered else "- "


def _is_layout(table: "Element") -> bool:
    """Tell whether a table only arranges a page: what is in it is read as if it were none."""
    return (
        (table.get("role") or "").lower() in {"presentation", "none"}
        or any(each is not table for each in table.iter("table", *_HEADINGS))
        or all(len(row) <= 1 for row in table.iter("tr"))
    )


def _table_lines(table: "Element") -> Iterator[str]:
    for caption in table.iter("caption"):
        yield _text_of(caption)
    yield from table_lines(_rows(table))


def _rows(table: "Element") -> Iterator[Row]:
    for row in table.iter("tr"):
        above = row.getparent()
        if not _is_unread(row) and (above is None or not _is_unread(above)):
            is_head = above is not None and above.tag == "thead"
            yield [_cell(each, is_head) for each in row.iter("td", "th") if not _is_unread(each)]


def _cell(element: "Element", is_head: bool) -> Cell:
    return Cell(
        text=_text_of(element),
        is_head=is_head or element.tag == "th" or _is_bold(element),
        across=_span(element.get("colspan")),
        down=_span(element.get("rowspan")),
    )


def _is_bold(cell: "Element") -> bool:
    inner = [*cell]
    alone = len(inner) == 1 and not (cell.text or "").strip() and not (inner[0].tail or "").strip()
    return alone and inner[0].tag in {"b", "strong"}


def _span(number: str | None) -> int:
    number = (number or "").strip()
    return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1  # noqa: PLR2004
