"""Headings to labelled sections, for Markdown, HTML and Word alike; and a sheet to write on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from unicodedata import category

from agentic_rag.retrieval.passages.documents import Content, Section

DEEPEST = 3
"""H1 to H3 cut; what is deeper belongs to the section above."""

_LONGEST_TITLE = 300  # characters of a heading, in a label and above a passage
_LONGEST_LINE = 100  # characters of a title that nothing marks as one
_MOST_CHARS = 150_000_000

_INVISIBLE = {ord(c): None for c in "\u00ad\u200b\u2060\ufeff"}  # hyphens and spaces of no width


@dataclass(frozen=True, slots=True)
class Mark:
    """A heading that begins at `offset` of the text; level 0 is a title above every H1."""

    offset: int
    level: int
    title: str


def cut(text: str, marks: Iterable[Mark], root: str = "") -> tuple[Section, ...]:
    """Cut a text at its headings; a section's label is the slug of the nearest H2 or H3.

    Args:
        text: the whole of it.
        marks: its headings of level 0 to 3, in order.
        root: what stands above where neither a title nor an H1 does.

    >>> text = "# Faq" + chr(10) + "## Sunday?" + chr(10) + "No."
    >>> [(s.slug, s.heading) for s in cut(text, [Mark(0, 1, "Faq"), Mark(6, 2, "Sunday?")])]
    [('', 'Faq'), ('sunday', 'Faq > Sunday?')]
    """
    path: dict[int, str] = {}
    slug, start, sections, used = "", 0, [], _Slugs()
    for mark in (*marks, Mark(len(text), 0, "")):
        if text[start : mark.offset].strip():
            over = [path[depth] for depth in sorted(path) if path[depth]]
            heading = " > ".join(over if {0, 1} & set(path) or not root else [root, *over])
            sections.append(Section(slug=slug, heading=heading, start=start, end=mark.offset))
        title = mark.title[:_LONGEST_TITLE]
        path = {depth: above for depth, above in path.items() if depth < mark.level}
        path[mark.level] = title
        own = used.make(title)
        slug, start = ("" if mark.level <= 1 else own), mark.offset
    return tuple(sections)


def title_in(line: str) -> str:
    """Return the first line of a text without headings where it is a title, else nothing.

    >>> title_in("After a filling "), title_in("Wait an hour."), title_in("Fees: see below")
    ('After a filling', '', '')
    """
    title = line.strip()
    is_one = len(title) <= _LONGEST_LINE and title[-1:].isalnum() and ":" not in title
    return title if is_one else ""


class _Slugs:
    """GitHub's heading slugs: lower case, spaces to hyphens, a number behind a repeated one."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def make(self, title: str) -> str:
        kept = (c for c in title.strip().lower() if c in "_- " or category(c)[0] in "LMN")
        plain = "".join(kept).replace(" ", "-")
        slug, count = plain, self._seen.get(plain, 0)
        while slug in self._seen:
            count += 1
            slug = f"{plain}-{count}"
        self._seen[plain] = count
        self._seen[slug] = 0
        return slug


def squeeze(text: str) -> str:
    r"""Put one space where any white space is, and take out what has no width.

    >>> squeeze(" treat\u00adment \n\xa0 fees ")
    'treatment fees'
    """
    return " ".join(text.translate(_INVISIBLE).split())


@dataclass
class Sheet:
    """Takes down blocks from the top, as plain text with Markdown's marks for headings and lists.

    Attributes:
        root: what stands above all headings where there is no H1.
    """

    root: str = ""
    _blocks: list[str] = field(default_factory=list)
    _marks: list[Mark] = field(default_factory=list)
    _length: int = 0
    _in_lines: bool = False

    @property
    def has_title(self) -> bool:
        """Whether there is an H1."""
        return any(mark.level <= 1 for mark in self._marks)

    def add(self, text: str, *, as_line: bool = False) -> None:
        """Write a block below an empty line; one line of several right below the one before."""
        if not text.strip():
            return
        gap = "" if not self._blocks else "\n" if as_line and self._in_lines else "\n\n"
        self._blocks.append(gap + text)
        self._length += len(gap) + len(text)
        self._in_lines = as_line
        if self._length > _MOST_CHARS:  # tables whose cells repeat can grow a thousandfold
            raise ValueError("its text is too large")

    def add_heading(self, level: int, title: str) -> None:
        """Write a title, level 0, or a heading of level 1 to 6."""
        if not title:
            return
        offset = self._length + (2 if self._blocks else 0)
        if level <= DEEPEST:
            self._marks.append(Mark(offset, level, title))
        self.add(f"{'#' * max(1, level)} {title}")

    def begin_lines(self) -> None:
        """Leave an empty line above the next of several lines."""
        self._in_lines = False

    def add_lines(self, lines: Iterable[str]) -> None:
        """Write lines under one another, below an empty one."""
        self.begin_lines()
        for line in lines:
            self.add(line, as_line=True)

    def content(self) -> Content:
        """Return what was written."""
        text = "".join(self._blocks)
        return Content(text=text, sections=cut(text, self._marks, self.root))
