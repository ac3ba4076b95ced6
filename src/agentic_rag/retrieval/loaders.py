"""Turns files into documents; what cannot be read is reported by name and left out."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unicodedata import category

from markdown_it import MarkdownIt

from agentic_rag.retrieval.documents import Document, Section

Parts = tuple[str, tuple[Section, ...]]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the index, and why."""

    doc_id: str
    reason: str


def find_files(folder: Path) -> list[Path]:
    """Return every file below `folder` in a stable order, hidden ones left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def has_reader(path: Path) -> bool:
    """Tell by its name whether a file is of a kind that we read."""
    return path.suffix.lower() in _READERS


def load(path: Path, folder: Path) -> Document | Skipped:
    """Read one file below `folder`."""
    doc_id = path.relative_to(folder).as_posix()
    read = _READERS.get(path.suffix.lower())
    if read is None:
        return Skipped(doc_id, f"no reader for {path.suffix or 'a file without a suffix'}")
    try:
        content = path.read_bytes()
        text, sections = read(content.decode("utf-8-sig"))
        f"{doc_id}{text}{sections}".encode()  # JSON and file names can smuggle half a character in
    except UnicodeDecodeError as error:
        return Skipped(doc_id, f"is not UTF-8 text: {error.reason} at byte {error.start}")
    except UnicodeEncodeError:
        return Skipped(_printable(doc_id), "cannot be read: a character of it is not Unicode")
    except (OSError, ValueError, RecursionError) as error:
        return Skipped(doc_id, f"cannot be read: {error}")
    if not text.strip():
        return Skipped(doc_id, "is empty")
    digest = hashlib.sha256(content).hexdigest()
    return Document(doc_id=doc_id, text=text, sections=sections, digest=digest)


def _printable(name: str) -> str:
    return name.encode(errors="replace").decode()


def read_text(text: str) -> Parts:
    """Take a plain text whole: it has no sections."""
    return text, (Section(slug="", heading="", start=0, end=len(text)),)


def read_markdown(text: str) -> Parts:
    r"""Cut Markdown at its H1, H2 and H3 headings; the label is the nearest H2's or H3's slug.

    >>> [(s.slug, s.heading) for s in read_markdown("# Faq\n\n## Sunday?\n\nNo.\n")[1]]
    [('', 'Faq'), ('sunday', 'Faq > Sunday?')]
    """
    text = re.sub("\r\n?", "\n", text)
    lines = text.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    marks = [(offsets[line], level, title) for line, level, title in _headings(text)]
    path: dict[int, str] = {}
    slug, start, sections, used = "", 0, [], _Slugs()
    for offset, level, title in [*marks, (len(text), 0, "")]:
        if text[start:offset].strip():
            heading = " > ".join(path[depth] for depth in sorted(path))
            sections.append(Section(slug=slug, heading=heading, start=start, end=offset))
        path = {depth: name for depth, name in path.items() if depth < level} | {level: title}
        own = used.make(title)
        slug, start = ("" if level == 1 else own), offset
    return text, tuple(sections)


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, title) of each heading that cuts."""
    tokens = MarkdownIt("commonmark").parse(text)
    for here, following in pairwise(tokens):
        if here.type == "heading_open" and here.map and here.level == 0:
            level = int(here.tag[1])
            if level <= 3:  # noqa: PLR2004  # H4 and deeper belong to the H3 above
                parts = following.children or ()
                yield here.map[0], level, "".join(part.content for part in parts).strip()


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


def read_json(text: str) -> Parts:
    """Render a JSON list item by item; any other JSON value is one part without a section."""
    value = json.loads(text)
    if not isinstance(value, list):
        return _lay_out([("", value)])
    return _lay_out((_own_name(item, ("code", "id")) or "", item) for item in value)


def read_jsonl(text: str) -> Parts:
    """Render JSON lines; a line with `text` (and `title`) is that text."""
    items = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                item = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            items.append((_own_name(item, ("id", "_id")) or f"L{number}", item))
    return _lay_out(items)


def _own_name(item: object, keys: tuple[str, ...]) -> str | None:
    if not isinstance(item, Mapping):
        return None
    return next((str(item[key]) for key in keys if item.get(key) not in (None, "")), None)


def _lay_out(items: Iterable[tuple[str, object]]) -> Parts:
    """Put the rendered items under one another, a blank line between."""
    pieces, sections, at = [], [], 0
    for slug, item in items:
        heading, body = _render_item(item)
        if not body.strip():
            continue
        pieces.append(body)
        sections.append(Section(slug=slug, heading=heading, start=at, end=at + len(body)))
        at += len(body) + 2
    return "\n\n".join(pieces), tuple(sections)


def _render_item(item: object) -> tuple[str, str]:
    if not isinstance(item, Mapping):
        return "", render_value("", item)
    title = _own_name(item, ("title", "name", "question")) or ""
    if isinstance(item.get("text"), str):
        return title, item["text"]
    return title, "\n".join(
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


_READERS: dict[str, Callable[[str], Parts]] = {
    ".md": read_markdown,
    ".txt": read_text,
    ".json": read_json,
    ".jsonl": read_jsonl,
}
