"""PDF pages to text whose lines are whole sentences again; the only room that knows pypdf."""

import io
import logging
import re
import time
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from agentic_rag.language import STOP_WORDS, field_name
from agentic_rag.retrieval.passages.documents import Content, Flaw, Section
from agentic_rag.retrieval.passages.outline import squeeze, title_in

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_SCANNED = "has no text (scanned?)"
_MOST_SECONDS = 120.0  # of computing; pages that come after are reported
_MOST_PARSED, _MOST_UNPACKED = 500_000, 50_000_000  # operators, and bytes, of one stream of a page

_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_HYPHENS, _SOFT_HYPHEN = ("-", "\u2010"), "\u00ad"
_BROKEN_WORD = re.compile(r"\w++[-\u2010\u00ad][^\S\n]*+\n\s*+\w++")
_WORD = re.compile(r"[^\W\d_]++(?:-[^\W\d_]++)*+")
_LETTERS = re.compile(r"[^\W\d_]+")
_ITEM = re.compile(r"(?:[-*+•▪◦‣·\u2013\u2014]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s")
_DIGIT = re.compile(r"\d")
_STOPS = tuple(".!?:")
_FULL, _SHORTEST_FULL = 0.75, 40  # a line that is full is gone on with in the next


def read_pdf(content: bytes) -> Content:
    """Read a PDF page by page; the label of a page is `page=N`, from 1.

    Raises:
        ValueError: it is broken, needs a password, or has no text; says which.
    """
    from pypdf import apply_configuration  # 0.2 s: only who reads such files pays

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells the log about every flaw
    with apply_configuration(
        stream_parsing_work_maximum_count=_MOST_PARSED, zlib_maximum_output_length=_MOST_UNPACKED
    ):
        pages, flaws = _read_pages(_open(content))
    if not any(page.strip() for page in pages):
        broken = next((flaw for flaw in flaws if flaw.reason != _SCANNED), None)
        raise ValueError(f"{broken.slug} {broken.reason}" if broken else _SCANNED)
    return _lay_out(_mended(pages), flaws)


def _open(content: bytes) -> "PdfReader":
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(content))
        locked = reader.is_encrypted and not reader.decrypt("")
    except Exception as error:  # a broken file makes a parser raise anything
        raise ValueError(f"cannot be read as PDF: {_reason(error)}") from error
    if locked:
        raise ValueError("is encrypted; save it without its password")
    return reader


def _read_pages(reader: "PdfReader") -> tuple[list[str], tuple[Flaw, ...]]:
    """Return the text of each page, and the pages that could not be read."""
    begun = time.thread_time()
    pages: list[str] = []
    flaws = []
    try:
        count = len(reader.pages)
    except Exception as error:
        raise ValueError(f"cannot be read as PDF: {_reason(error)}") from error
    for at in range(count):
        text = ""
        try:
            if time.thread_time() - begun > _MOST_SECONDS:
                flaws.append(Flaw(f"page={at + 1}", "and all behind it take too long to read"))
                break
            page = reader.pages[at]
            text = page.extract_text()
            if not text.strip() and _has_image(page):
                flaws.append(Flaw(f"page={at + 1}", _SCANNED))
        except Exception as error:  # noqa: BLE001  # one broken page must not take the others along
            flaws.append(Flaw(f"page={at + 1}", f"cannot be read: {_reason(error)}"))
        pages.append(_clean(text))
    return pages, tuple(flaws)


def _has_image(page: "PageObject") -> bool:
    """Tell whether a page shows an image; a blank page is nobody's loss."""
    drawn: Any = page  # what a PDF holds may be of any kind
    for name in ("/Resources", "/XObject"):
        if name not in drawn:
            return False
        drawn = drawn[name].get_object()
    return any(each.get_object().get("/Subtype") == "/Image" for each in drawn.values())


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {squeeze(str(error))}"[:200].strip()


def _clean(text: str) -> str:
    """Put letters for ligatures and halves of characters together; take out what cannot be read."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROL.sub(" ", whole.translate(_LIGATURES))


def _lay_out(pages: Sequence[str], flaws: tuple[Flaw, ...]) -> Content:
    sections = []
    at = 0
    heading = title_in(next(filter(None, pages), "").partition("\n")[0])
    for number, page in enumerate(pages, start=1):
        if page:
            end = at + len(page)
            sections.append(Section(slug=f"page={number}", heading=heading, start=at, end=end))
            at = end + 2
    return Content(text="\n\n".join(filter(None, pages)), sections=tuple(sections), flaws=flaws)


def _mended(pages: Sequence[str]) -> list[str]:
    """Join the lines of each page that belong to one paragraph."""
    unbroken = (_BROKEN_WORD.sub(" ", page).lower() for page in pages)
    known = {word for page in unbroken for word in _WORD.findall(page)}
    return [_under_titles(list(_paragraphs(page, known))) for page in pages]


def _under_titles(paragraphs: Sequence[str]) -> str:
    r"""Put the paragraphs below one another, and an empty line below those that are titles.

    A title is short, ends openly, tells no number, and a sentence or another title comes below.

    >>> _under_titles(["Drops", "Put them in at night.", "Price 400", "To be paid at once."])
    'Drops\n\nPut them in at night.\nPrice 400\nTo be paid at once.'
    """
    laid: list[str] = []
    is_over = False  # whether a title may stand above what is below
    for paragraph in reversed(paragraphs):
        is_title = is_over and bool(title_in(paragraph)) and not _DIGIT.search(paragraph)
        laid.append(f"{paragraph}\n" if is_title else paragraph)
        is_over = is_title or paragraph[-1:] in _STOPS
    return "\n".join(reversed(laid))


def _paragraphs(page: str, known: set[str]) -> Iterator[str]:
    r"""Yield the paragraphs of a page; an empty line, a short one or a list's item ends one.

    >>> page = "Before any treatment the dentist explains the\nbenefits, and answers you.\nFees"
    >>> list(_paragraphs(page, set()))
    ['Before any treatment the dentist explains the benefits, and answers you.', 'Fees']
    """
    lines = [line.strip() for line in page.split("\n")]
    lengths = sorted(len(line) for line in lines if line)
    full = max(_SHORTEST_FULL, _FULL * lengths[len(lengths) * 9 // 10]) if lengths else 0.0
    under_way: list[str] = []
    before = ""
    for line in lines:
        if under_way and _goes_on(before, line, full):
            _join(under_way, line, known)
        else:
            yield from filter(None, [squeeze("".join(under_way))])
            under_way = [line]
        before = line
    yield from filter(None, [squeeze("".join(under_way))])


def _goes_on(before: str, line: str, full: float) -> bool:
    """Tell whether a line goes on with what the line before has begun."""
    if not before or not line or _ITEM.match(line) or field_name(line):
        return False
    if before.endswith(_SOFT_HYPHEN) or (before.endswith(_HYPHENS) and line[0].islower()):
        return True
    if line[0].islower():
        return before[-1] not in ".!?:"
    if before[-1] in ".!?":  # a short line without a stop of its own is a heading
        return len(before) >= full and (len(line) >= full / 2 or line[-1] in ".!?")
    return len(before) >= full and before[-1] != ":"


def _join(under_way: list[str], line: str, known: set[str]) -> None:
    """Put a line behind the last, and a word that was cut at their joint together."""
    last = under_way[-1]
    if last.endswith(_SOFT_HYPHEN):
        under_way[-1] = last[:-1]
    elif not (last.endswith(_HYPHENS) and last[-2:-1].isalpha() and line[0].islower()):
        under_way.append(" ")
    else:
        letters = takewhile(str.isalpha, reversed(last[:-1]))
        head = _LETTERS.match(line)
        if not _is_compound("".join(letters)[::-1].lower(), head[0] if head else "", known):
            under_way[-1] = last[:-1]
    under_way.append(line)


def _is_compound(tail: str, head: str, known: set[str]) -> bool:
    """Tell whether the hyphen at a line's end belongs to the word, by the document's other words.

    >>> _is_compound("treat", "ment", {"treat"}), _is_compound("follow", "up", {"follow"})
    (False, True)
    """
    if tail + head in known:
        return False
    if f"{tail}-{head}" in known:
        return True
    return (tail in known and head in known) or (head in STOP_WORDS and tail not in STOP_WORDS)
