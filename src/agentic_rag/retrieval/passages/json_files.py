"""JSON and JSON lines to readable text, an item to a section."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from agentic_rag.retrieval.passages.documents import Content, Flaw, Section
from agentic_rag.retrieval.passages.encodings import decode

_MOST_VALUES = 4_000_000  # a tenth of a kilobyte of memory each
_MOST_BROKEN = 10_000  # lines; a file of more is not what its name says
_MOST_DIGITS = 4_000  # more than Python converts is refused, with words that help nobody
_LONGEST_NAME = 200  # characters of an id, in a label
_LONGEST_HEADING = 300  # a longer title is text


def read_json(raw: bytes) -> Content:
    """Render a JSON list item by item; any other JSON value is one part without a section.

    Raises:
        ValueError: it is no JSON; says where.
    """
    text = decode(raw)
    try:
        value = _parse(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(value, list):
        return _lay_out([("", value)])
    return _lay_out((_own_name(item, ("code", "id")) or "", item) for item in value)


def read_jsonl(raw: bytes) -> Content:
    """Render JSON lines; a line with `text` (and `title`) is that text. Broken lines are flaws."""
    return _lay_out(_items(decode(raw)))


def _items(text: str) -> "Iterator[tuple[str, object]]":
    broken = 0
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        if broken > _MOST_BROKEN:
            yield f"L{number}", _Broken("and all lines behind it are not read: too many are broken")
            return
        try:
            item = _parse(line)
        except json.JSONDecodeError as error:
            broken += 1
            flaw = f"is not JSON: {error.msg} at character {error.pos + 1} of line {number}"
            yield f"L{number}", _Broken(flaw)
        except (ValueError, RecursionError) as error:
            broken += 1
            yield f"L{number}", _Broken(f"{_why(error)}, in line {number}")
        else:
            yield _own_name(item, ("id", "_id")) or f"L{number}", item


def _lines(text: str) -> Iterator[str]:
    """Yield the lines one by one: a list of them all would double a large file in memory."""
    at = 0
    while at <= len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at:end]
        at = end + 1


class _Broken:
    """Stands where an item would, had it been readable."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _why(error: Exception) -> str:
    return "is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _parse(text: str) -> object:
    if sum(text.count(mark) for mark in ",[{") > _MOST_VALUES:
        raise ValueError(f"has more than {_MOST_VALUES:,} values")
    value: object = json.loads(text, parse_int=_read_integer)
    return value


def _read_integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"has a number of more than {_MOST_DIGITS:,} digits")
    return int(digits)


def _own_name(item: object, keys: tuple[str, ...]) -> str:
    """Return the first of some fields that names an item, on one line; else nothing."""
    if not isinstance(item, Mapping):
        return ""
    named = (item[key] for key in keys if isinstance(item.get(key), str | int | float))
    return next(filter(None, (" ".join(str(name).split()) for name in named)), "")


def _lay_out(items: Iterable[tuple[str, object]]) -> Content:
    """Put the rendered items under one another, a blank line between."""
    pieces: list[str] = []
    sections: list[Section] = []
    flaws: list[Flaw] = []
    at = 0
    for name, item in items:
        slug = name[:_LONGEST_NAME]
        if isinstance(item, _Broken):
            flaws.append(Flaw(slug, item.reason))
            continue
        try:
            heading, body = _render_item(item)
            f"{slug}{heading}{body}".encode()  # JSON can smuggle half a character in
        except (UnicodeEncodeError, RecursionError) as error:
            half = "has a character that is not Unicode"
            why = half if isinstance(error, UnicodeEncodeError) else _why(error)
            flaws.append(Flaw(_printable(slug), why))
            continue
        if body.strip():
            pieces.append(body)
            sections.append(Section(slug=slug, heading=heading, start=at, end=at + len(body)))
            at += len(body) + 2
    return Content(text="\n\n".join(pieces), sections=tuple(sections), flaws=tuple(flaws))


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()


def _render_item(item: object) -> tuple[str, str]:
    """Return an item's heading and its text."""
    if not isinstance(item, Mapping):
        return "", render_value("", item)
    title = _own_name(item, ("title", "name", "question"))
    heading = title if len(title) <= _LONGEST_HEADING else ""
    text = item.get("text")
    if isinstance(text, str):
        text = re.sub("\r\n?", "\n", text) if "\r" in text else text
        if heading and text.strip():
            return heading, text
        return "", "\n\n".join(part for part in (title, text) if part.strip())
    return heading, "\n".join(
        render_field(str(name), value)
        for name, value in item.items()
        if value not in (None, "", [])
    )


_UNITS = ("minutes", "hours", "days", "weeks", "months", "years", "percent", "mg", "ml")
_CURRENCY = re.compile(r"^(?P<name>.*price.*|.*cost.*|.*fee.*)_(?P<code>[a-z]{3})$")


def render_field(name: str, value: object) -> str:
    """Write one field as a readable line, with its unit behind the number it belongs to.

    >>> render_field("price_band_inr", [6000, 9500])
    'Price band: INR 6,000 to 9,500'
    >>> render_field("duration_minutes", 40)
    'Duration: 40 minutes'
    >>> render_field("aftercare", ["Rinse gently.", "Rest"])
    'Aftercare: Rinse gently. Rest'
    """
    money = _CURRENCY.match(name)
    if money:
        return f"{_readable(money['name'])}: {_money(money['code'].upper(), value)}"
    stem, _, unit = name.rpartition("_")
    if stem and unit in _UNITS and isinstance(value, int | float):
        return f"{_readable(stem)}: {value} {unit}"
    return f"{_readable(name)}: {render_value(name, value)}"


def render_value(name: str, value: object) -> str:
    """Write a JSON value in words; nested fields in brackets."""
    if isinstance(value, list):
        texts = [render_value(name, item) for item in value]
        return " ".join(t if t.endswith((".", "!", "?")) else f"{t};" for t in texts).rstrip(";")
    if isinstance(value, Mapping):
        return "(" + ", ".join(render_field(str(k), v) for k, v in value.items()) + ")"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _money(code: str, value: object) -> str:
    if isinstance(value, list):
        return f"{code} " + " to ".join(_grouped(amount) for amount in value)
    return f"{code} {_grouped(value)}"


def _grouped(amount: object) -> str:
    return f"{amount:,}" if isinstance(amount, int | float) else str(amount)


def _readable(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
