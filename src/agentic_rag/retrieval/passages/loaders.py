"""Turns files into documents; what cannot be read is reported by name and left out."""

import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unicodedata import category

from agentic_rag.retrieval.passages.documents import Content, Document, Skipped, label_of
from agentic_rag.retrieval.passages.docx_files import read_docx
from agentic_rag.retrieval.passages.encodings import decode
from agentic_rag.retrieval.passages.html_files import read_html
from agentic_rag.retrieval.passages.json_files import read_json, read_jsonl
from agentic_rag.retrieval.passages.markdown_files import read_markdown
from agentic_rag.retrieval.passages.outline import Mark, cut, title_in
from agentic_rag.retrieval.passages.pdf_files import read_pdf

MOST_BYTES = 150_000_000
"""A larger file is not opened."""

_MOST_MARKUP_BYTES = 30_000_000  # of what is a tree, in memory twenty times as large
_MARKUP = {".md", ".html", ".htm"}

_UNDERLINED = re.compile(
    r"^(?P<title>[^\n]*[^\W_][^\n]*)\r?\n[ \t]*(?P<rule>[=~-])(?P=rule){2,}[ \t]*\r?$", re.MULTILINE
)
_LEVELS = {"=": 1, "-": 2, "~": 3}

_MOST_NAMED = 20  # unreadable parts of one file that are told one by one


def find_files(folder: Path) -> list[Path]:
    """Return all that lies below `folder` in a stable order, hidden files and folders left out.

    Links to folders are not followed, so that none can loop; they are returned, and so is a
    folder that cannot be listed, for `load` to say so.
    """
    found: list[Path] = []
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            with os.scandir(here) as entries:
                seen = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            found.append(here)
            continue
        for entry in seen:
            is_folder = entry.is_dir(follow_symlinks=False)
            (folders if is_folder else found).append(Path(entry.path))
    return sorted(found)


def has_reader(path: Path) -> bool:
    """Tell by its name whether a file is of a kind that is read."""
    return path.suffix.lower() in READERS


def load(path: Path, folder: Path) -> Document | Skipped:
    """Read one file below `folder`."""
    doc_id = path.relative_to(folder).as_posix()
    oddity = _oddity(path, doc_id)
    if oddity:
        return Skipped(_printable(doc_id), oddity)
    try:
        raw = _read_bytes(path)
        content = READERS[path.suffix.lower()](raw)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return Skipped(doc_id, _why(error))
    flaws = _told(doc_id, content)
    if not content.text.strip():
        return Skipped(doc_id, flaws[0].reason if flaws else "is empty")
    return Document(
        doc_id=doc_id,
        text=content.text,
        sections=content.sections,
        digest=hashlib.sha256(raw).hexdigest(),
        skipped=flaws,
    )


def _oddity(path: Path, doc_id: str) -> str:
    """Say why something is not opened at all; nothing for a file that a reader is there for."""
    if path.is_dir():
        is_link = path.is_symlink()
        return (
            "is a link to a folder; such links are not followed" if is_link else "cannot be listed"
        )
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere"
    if not _is_plain(doc_id):
        return "its name has a character that no label can hold; rename it"
    if not has_reader(path):
        return f"no reader for {path.suffix or 'a file without a suffix'}"
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    deep = isinstance(error, RecursionError)
    return "is nested too deeply" if deep else "takes too much memory to read"


def _read_bytes(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        OSError: it is not there any more, or may not be read.
        ValueError: it is no file, or empty, or too large.
    """
    most = _MOST_MARKUP_BYTES if path.suffix.lower() in _MARKUP else MOST_BYTES
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
        raise ValueError("is not a regular file")
    if found.st_size <= most:
        with path.open("rb") as file:
            raw = file.read(most + 1)  # it may have grown
        if not raw:
            raise ValueError("is empty")
        if len(raw) <= most:
            return raw
    raise ValueError(
        f"is too large: {found.st_size / 1e6:,.0f} MB; up to {most / 1e6:,.0f} is read"
    )


def _told(doc_id: str, content: Content) -> tuple[Skipped, ...]:
    told = [Skipped(label_of(doc_id, f.slug), f.reason) for f in content.flaws[:_MOST_NAMED]]
    more = len(content.flaws) - len(told)
    if more:
        told.append(Skipped(doc_id, f"{more:,} more of its parts cannot be read"))
    return tuple(told)


def _is_plain(name: str) -> bool:
    return not any(category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in name)


def _printable(name: str) -> str:
    return "".join(c if _is_plain(c) else ascii(c)[1:-1] for c in name)


def read_text(raw: bytes) -> Content:
    r"""Take a plain text under its underlined lines, which make no labels; or else under its title.

    That is a line above all others that ends openly.

    >>> read_text(b"After a filling\n\nWait an hour.\n").sections[0].heading
    'After a filling'
    >>> read_text(b"Bills\n=====\nBy card\n-------\nTo 9 pm.\n").sections[1].heading
    'Bills > By card'
    """
    text = decode(raw)
    line, _, below = text.lstrip().partition("\n")
    title = title_in(line) if below.lstrip(" \t\r").startswith("\n") else ""
    marks = [
        Mark(found.start(), _LEVELS[found["rule"]], found["title"].strip())
        for found in _UNDERLINED.finditer(text)
    ]
    sections = cut(text, marks, title)
    return Content(text=text, sections=tuple(replace(each, slug="") for each in sections))


READERS: dict[str, Callable[[bytes], Content]] = {
    ".md": read_markdown,
    ".txt": read_text,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
}
"""Each raises `ValueError`, with words that go behind the file's name, for what it cannot read."""
