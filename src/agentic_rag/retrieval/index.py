"""The index as an artefact: each version a folder that never changes, one of them current."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from agentic_rag.domain import Passage
from agentic_rag.retrieval.embedder import Vectors

FORMAT = 3
"""Raised when chunking or the layout changes, so that an old index is built anew."""


_LONGEST_NAME = 255  # that a folder can have


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a version was made of.

    Attributes:
        created: when, in UTC, as ISO 8601.
        documents: SHA-256 by doc_id.
        skipped: the reason by doc_id, for the files that could not be read.
        store: where its vectors are: "folder" or "server".
    """

    format: int
    version: str
    created: str
    embedder: str
    store: str
    documents: Mapping[str, str]
    skipped: Mapping[str, str]
    passages: int


def version_of(documents: Mapping[str, str], embedder: str, store: str) -> str:
    """Name a version by all that it is made of: the same input has the same name."""
    made_of = orjson.dumps([FORMAT, embedder, store, sorted(documents.items())])
    return hashlib.sha256(made_of).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """The folder of one version."""

    folder: Path

    @property
    def chroma(self) -> Path:
        """Chroma's folder, where Chroma is embedded."""
        return self.folder / "chroma"

    @property
    def lexical(self) -> Path:
        """The BM25 index."""
        return self.folder / "lexical"

    def manifest(self) -> Manifest:
        """Read what the version was made of.

        Raises:
            ValueError: it is not a manifest of this format.
        """
        fields = _fields(self.folder)
        if fields.get("format") != FORMAT:
            raise ValueError(f"format {fields.get('format')}, expected {FORMAT}")
        try:
            return Manifest(**fields)
        except TypeError as error:
            raise ValueError(f"manifest.json: {error}") from error

    def passages(self) -> list[Passage]:
        """Read the passages, in the order of the rows of every other part."""
        with (self.folder / "passages.jsonl").open("rb") as lines:
            return [Passage(**orjson.loads(line)) for line in lines]

    def ids(self) -> list[str]:
        """Read the name of each row's vector; Chroma knows the row by it."""
        return (self.folder / "ids.txt").read_text(encoding="ascii").split()

    def vectors(self) -> Vectors:
        """Map the vectors [rows, dimension] into memory."""
        vectors: Vectors = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return vectors

    def write(
        self,
        manifest: Manifest,
        passages: Sequence[Passage],
        ids: Sequence[str],
        vectors: Vectors,
    ) -> None:
        """Write all parts but Chroma's and the lexical one; the manifest last."""
        with (self.folder / "passages.jsonl").open("wb") as lines:
            lines.writelines(orjson.dumps(asdict(passage)) + b"\n" for passage in passages)
        (self.folder / "ids.txt").write_text("\n".join(ids), encoding="ascii")
        np.save(self.folder / "vectors.npy", vectors)
        (self.folder / "manifest.json").write_bytes(
            orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A version as it stands on the shelf; of one in another format only what can be told."""

    name: str
    created: str
    embedder: str
    documents: int
    passages: int
    size_bytes: int
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What `current` says.

    Attributes:
        name: of the live version; empty where there is no such file.
        written: differs when it was written anew, if with the same name.
    """

    name: str
    written: tuple[int, int]


@dataclass(frozen=True, slots=True)
class IndexShelf:
    """Where versions stand: `versions/<name>/` each, and `current`, which names the live one."""

    folder: Path

    def current(self) -> IndexVersion | None:
        """Return the live version, or None before the first ingest."""
        name = self.pointer().name
        return self.place(name) if self.holds(name) else None

    def pointer(self) -> Pointer:
        """Read what `current` says, whether or not that stands here."""
        try:
            with (self.folder / "current").open("rb") as file:
                written = os.fstat(file.fileno())
                name = file.read(_LONGEST_NAME).decode("utf-8", "backslashreplace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return Pointer(name="", written=(0, 0))
        return Pointer(name=name, written=(written.st_ino, written.st_mtime_ns))

    def holds(self, name: str) -> bool:
        """Tell whether a version of that name stands here, whole."""
        is_name = name not in ("", ".", "..") and Path(name).name == name and "\x00" not in name
        fits = len(name.encode("utf-8", "replace")) <= _LONGEST_NAME
        return is_name and fits and (self.folder / "versions" / name / "manifest.json").exists()

    def place(self, name: str) -> IndexVersion:
        """Return where the version of that name stands, or would."""
        return IndexVersion(self.folder / "versions" / name)

    def switch(self, name: str) -> None:
        """Make a version the live one, in one step that cannot be seen half done.

        A power cut leaves the one before or this one, for what is written reaches the disk first.
        """
        pointer = self.folder / f"current.{os.getpid()}"
        with pointer.open("w", encoding="utf-8") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        pointer.replace(self.folder / "current")
        sync_folder(self.folder)

    def names(self) -> list[str]:
        """Return the names of all whole versions, newest first."""
        return [each.name for each in self.inventory()]

    def inventory(self) -> list[Standing]:
        """Return what stands on the shelf, newest first."""
        live = self.current()
        found = [
            _standing(made.parent, live=live is not None and live.folder == made.parent)
            for made in self._versions.glob("[!.]*/manifest.json")
        ]
        return sorted(found, key=lambda each: (each.created, each.name), reverse=True)

    def remove(self, name: str) -> None:
        """Take a version off the shelf, in one step; a process that has it open keeps its files."""
        version = self.place(name)
        gone = version.folder.with_name(f".removed-{name}")
        version.folder.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what builds that were cut off have left; only while nobody builds."""
        left = (*self._versions.glob(".building-*"), *self._versions.glob(".removed-*"))
        for path in (*left, *self.folder.glob("current.*")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @property
    def _versions(self) -> Path:
        return self.folder / "versions"


def sync_folder(folder: Path) -> None:
    """Have a folder's entries reach the disk: a file that was moved into it is there for good."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fields(folder: Path) -> dict[str, Any]:
    fields = orjson.loads((folder / "manifest.json").read_bytes())
    if not isinstance(fields, dict):
        raise ValueError("manifest.json: expected fields and values")  # noqa: TRY004  # one kind of damage
    return fields


def _standing(folder: Path, *, live: bool) -> Standing:
    try:
        fields = _fields(folder)
    except (OSError, ValueError):
        fields = {}
    documents = fields.get("documents")
    passages = fields.get("passages")
    return Standing(
        name=folder.name,
        created=str(fields.get("created", "")),
        embedder=str(fields.get("embedder", "")),
        documents=len(documents) if isinstance(documents, dict) else 0,
        passages=passages if isinstance(passages, int) else 0,
        size_bytes=sum(_sizes(folder)),
        live=live,
    )


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                yield (Path(parent) / name).lstat().st_size
            except OSError:  # taken away meanwhile
                continue
