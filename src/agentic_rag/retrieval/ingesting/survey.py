"""Survey: what lies in a folder of documents, told without parsing any."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from agentic_rag.retrieval.passages.documents import Skipped
from agentic_rag.retrieval.passages.loaders import find_files, has_reader, load

_MAX_BYTES = 1 << 30  # no reader takes more


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The files of a folder.

    Attributes:
        paths: by doc_id, in a stable order, of the files that a reader is there for.
        digests: their SHA-256, or why there is none.
        unread: the reason by doc_id, of the files that no reader is there for.
    """

    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    unread: Mapping[str, str]


def survey(folder: Path, progress: Callable[[str, int], Callable[[int], None]]) -> Survey:
    """Look at every file below a folder; `progress` starts a stage."""
    found = find_files(folder)
    advance = progress("looking", len(found))
    paths: dict[str, Path] = {}
    digests: dict[str, str] = {}
    unread: dict[str, str] = {}
    for path in found:
        doc_id = _doc_id(path, folder)
        if has_reader(path):
            paths[doc_id], digests[doc_id] = path, digest_of(path)
        else:
            left = load(path, folder)
            unread[doc_id] = left.reason if isinstance(left, Skipped) else ""
        advance(1)
    return Survey(paths=paths, digests=digests, unread=unread)


def _doc_id(path: Path, folder: Path) -> str:
    """Name a file by its path below the folder; a character that is not Unicode is written out."""
    name = path.relative_to(folder).as_posix()
    return name.encode("utf-8", "backslashreplace").decode()


def digest_of(path: Path) -> str:
    """Return a file's SHA-256, or why there is none."""
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            return f"{status.st_size} bytes"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error.strerror or "unreadable"
