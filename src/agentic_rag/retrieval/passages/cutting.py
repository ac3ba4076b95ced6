"""Cuts one long text into parts of about the same size, where it pauses. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from unicodedata import category

from agentic_rag.language import sentence_spans
from agentic_rag.retrieval.passages.counting import Counted

Span = tuple[int, int]

_AIM = 0.95  # of what there is room for
_LEAST, _MOST = 0.6, 1.3  # of the part's share, to cut where the text pauses

_STRETCH_CHARS = 100_000
_CONTEXT = 20  # characters before a window, by which an abbreviation is known

_PARAGRAPH = re.compile(r"\n\s*\n\s*")
_LINE = re.compile(r"\n\s*(?=[^\sa-z])")  # one that goes on in lower case is no line of its own
_FULL_STOP = re.compile("[\u3002\uff01\uff1f]\\s*")  # those of Chinese and Japanese
_SPACE = re.compile(r"\s+")
_ANY_SPACE = re.compile(r"\s*")
_INK = re.compile(r"\S")
_JOINERS = {"\u200d", "\ufe0f"}
_LONGEST_CLUSTER = 16  # characters that are one to the eye


@dataclass(frozen=True, slots=True)
class Limits:
    """What a part may have at most."""

    tokens: int
    chars: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters `start` to `end` of a text, and their tokens, counted from `start`."""

    text: str
    start: int
    end: int
    counted: Counted


def trimmed(text: str, span: Span) -> Span:
    """Return the span without the white space at its ends.

    >>> trimmed(" a b ", (0, 5)), trimmed("   ", (0, 3))
    ((1, 4), (3, 3))
    """
    found = _INK.search(text, *span)
    if not found:
        return span[1], span[1]
    return found.start(), found.start() + len(text[found.start() : span[1]].rstrip())


def stretches(text: str, span: Span) -> Iterator[Span]:
    """Yield parts of a text that are short enough to be counted one by one."""
    start, end = span
    while end - start > _STRETCH_CHARS:
        limit = start + _STRETCH_CHARS
        low = limit - _STRETCH_CHARS // 10
        places = (text.rfind(pause, low, limit) for pause in ("\n\n", "\n", " "))
        middle = next((place for place in places if place > 0), 0)
        middle = middle or _between_characters(text, start, limit)
        yield trimmed(text, (start, middle))
        start, end = trimmed(text, (middle, end))
    if start < end:
        yield start, end


def cut(stretch: Stretch, limits: Limits) -> Iterator[Span]:
    """Yield the parts of a stretch, none larger than the limits, none much smaller than others."""
    text, at, end = stretch.text, stretch.start, stretch.end
    while (found := _INK.search(text, at, end)) is not None:
        at = found.start()
        behind = stretch.counted.up_to(at - stretch.start)
        tokens = stretch.counted.size - behind
        if tokens <= limits.tokens and end - at <= limits.chars:
            yield trimmed(text, (at, end))
            return
        parts = max(2, ceil(tokens / (_AIM * limits.tokens)), ceil((end - at) / limits.chars))
        share = tokens / parts
        sizes = (share * _LEAST, share, min(share * _MOST, limits.tokens))
        low, middle, high = (
            stretch.start + stretch.counted.place_of(behind + int(size)) for size in sizes
        )
        place = _Window(text, at, low, middle, high).within(limits.chars).best()
        yield trimmed(text, (at, place))
        at = place


@dataclass(frozen=True, slots=True)
class _Window:
    """Where a part that starts at `at` may end: from `low` to `high`, best at `middle`."""

    text: str
    at: int
    low: int
    middle: int
    high: int

    def within(self, chars: int) -> "_Window":
        """Return the window drawn in to so many characters, in which few or no tokens may be."""
        high = max(self.at + 1, min(self.high, self.at + chars))
        middle = min(self.middle, self.at + ceil(chars * _AIM), high)
        low = min(self.low, self.at + int(chars * _LEAST), middle)
        return _Window(self.text, self.at, low, middle, high)

    def drawn_in(self) -> "_Window":
        """Return the window half as wide."""
        low, high = (self.low + self.middle) // 2, (self.middle + self.high) // 2
        return _Window(self.text, self.at, low, self.middle, high)

    def best(self) -> int:
        """Return where the next part begins: at a pause of the best kind found, else anywhere."""
        near = self.drawn_in()  # most often enough, and finding sentences takes time
        tries = ((self, _paragraphs), (self, _lines), (near, _sentences), (self, _sentences))
        for window, find in (*tries, (self, _words)):
            places = [place for place in find(window) if place > self.at]
            if places:
                return min(places, key=lambda place: abs(place - self.middle))
        return max(self.at + 1, _between_characters(self.text, self.at, self.middle))

    def reach(self) -> int:
        """Return the end of the white space behind the window: it belongs to no part."""
        found = _ANY_SPACE.match(self.text, self.high)
        return found.end() if found else self.high

    def behind(self, pattern: re.Pattern[str]) -> Iterator[int]:
        """Yield the places behind all that the pattern matches."""
        # one more character, for a pattern that looks at what comes next
        return (m.end() for m in pattern.finditer(self.text, self.low, self.reach() + 1))


def _paragraphs(window: _Window) -> Iterator[int]:
    return (place for place in window.behind(_PARAGRAPH) if not _is_introduced(window, place))


def _lines(window: _Window) -> Iterator[int]:
    return (place for place in window.behind(_LINE) if not _is_introduced(window, place))


def _is_introduced(window: _Window, place: int) -> bool:
    """Tell whether a heading, or a line that ends in a colon, stands right above."""
    before = window.text[window.at : place].rstrip()
    return before.endswith(":") or before[before.rfind("\n") + 1 :].startswith("#")


def _sentences(window: _Window) -> Iterator[int]:
    start = max(window.at, window.low - _CONTEXT)
    text = window.text[start : window.reach() + 1]
    for (_, end), (begin, _) in pairwise(sentence_spans(text)):
        if not ("\n" in text[end:begin] and text[begin].islower()):
            yield start + begin
    yield from window.behind(_FULL_STOP)


def _words(window: _Window) -> Iterator[int]:
    return window.behind(_SPACE)


def _between_characters(text: str, start: int, place: int) -> int:
    """Return the last place up to `place` where no accent is parted from its letter."""
    for at in range(place, max(start, place - _LONGEST_CLUSTER), -1):
        near = text[at - 1 : at + 1]
        if not (near[-1] in _JOINERS or near[0] == "\u200d" or category(near[-1])[0] == "M"):
            return at
    return place


def breaks_a_word(text: str, span: Span) -> bool:
    """Tell whether one end of the span stands within a word.

    >>> breaks_a_word("to rest", (0, 2)), breaks_a_word("to rest", (3, 5))
    (False, True)
    """
    start, end = span
    return not (text[start - 1 : start].strip() == "" and text[end : end + 1].strip() == "")


def in_bytes(text: str, span: Span, most: int) -> Iterator[Span]:
    """Yield parts of so many bytes at most, of which so many tokens at most can be made."""
    start, end = span
    step = max(1, most // max(len(c.encode("utf-8", "replace")) for c in set(text[start:end])))
    while start < end:
        place = end if end - start <= step else _between_characters(text, start, start + step)
        yield trimmed(text, (start, place))
        start = trimmed(text, (place, end))[0]
