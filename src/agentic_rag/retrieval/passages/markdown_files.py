"""Markdown, cut at its headings; the only room that knows markdown-it."""

from collections.abc import Iterator
from functools import cache
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt

from agentic_rag.retrieval.passages.documents import Content
from agentic_rag.retrieval.passages.encodings import decode
from agentic_rag.retrieval.passages.outline import DEEPEST, Mark, cut

_MOST_LINES = 500_000  # a kilobyte of memory each
_LONGEST_TITLE = 1_000  # characters of a heading that is read for its marks


def read_markdown(raw: bytes) -> Content:
    r"""Cut Markdown at its H1, H2 and H3 headings; the label is the nearest H2's or H3's slug.

    Raises:
        ValueError: it is no text, or too long.

    >>> [(s.slug, s.heading) for s in read_markdown(b"# Faq\n\n## Sunday?\n\nNo.\n").sections]
    [('', 'Faq'), ('sunday', 'Faq > Sunday?')]
    """
    text = decode(raw)
    if text.count("\n") > _MOST_LINES:
        raise ValueError(f"has more than {_MOST_LINES:,} lines")
    offsets = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    marks = [Mark(offsets[line], level, title) for line, level, title in _headings(text)]
    return Content(text=text, sections=cut(text, marks))


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, title) of each heading that cuts."""
    known: dict[str, object] = {}  # what links in headings refer to
    for here, following in pairwise(_blocks_only().parse(text, known)):
        if here.type == "heading_open" and here.map and here.level == 0:
            level = int(here.tag[1])
            if level <= DEEPEST:  # H4 and deeper belong to the H3 above
                parts = _whole().parseInline(following.content[:_LONGEST_TITLE], known)[0].children
                yield here.map[0], level, "".join(part.content for part in parts or ()).strip()


@cache
def _whole() -> MarkdownIt:
    return MarkdownIt("commonmark")


@cache
def _blocks_only() -> MarkdownIt:
    """Return a parser that leaves the words within a block alone: most of the work."""
    return MarkdownIt("commonmark").disable(["inline", "text_join"])
