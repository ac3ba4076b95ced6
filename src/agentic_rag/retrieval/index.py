"""The index as an artefact: each version a folder that never changes, one of them current."""

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from agentic_rag.domain import Passage, SectionQuestions
from agentic_rag.retrieval.embedding.embedder import Vectors

FORMAT = 6
"""Raised when chunking, `injection` or the layout changes, so that an old index is built anew."""


_LONGEST_NAME = 255  # that a folder can have


class Mark(NamedTuple):
    """A section that has passages: a digest of its text and headings, and where it starts."""

    digest: str
    start: int


class Expected(NamedTuple):
    """A question that was written for a section, by label: one that it answers, or none does."""

    section: str
    answered: bool
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a version holds of one file, its vectors aside.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
        ids: names each passage's vector, in every version that has it.
        marks: one for each section that has passages.
        skipped: the reason by name of what is not in the index: the file, or parts of it.
    """

    doc_id: str
    digest: str
    passages: tuple[Passage, ...]
    ids: tuple[str, ...]
    marks: tuple[Mark, ...]
    skipped: Mapping[str, str]

    @classmethod
    def nothing(cls, doc_id: str) -> "Entry":
        """Return the entry of a file that no version holds."""
        return cls(doc_id=doc_id, digest="", passages=(), ids=(), marks=(), skipped={})


def vector_name(row_id: str) -> str:
    """Return the name of a row's vector: rows of the same words in one document share it.

    >>> vector_name("0f3c"), vector_name("0f3c-1")
    ('0f3c', '0f3c')
    """
    return row_id.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a version was made of.

    Attributes:
        created: when, in UTC, as ISO 8601.
        documents: SHA-256 by doc_id of what is in the index.
        refused: SHA-256 by doc_id of the files that could not be read.
        skipped: the reason by name of what could not be read: files, and parts of files.
        injected: how often, by label, a document talks to models.
        stale: the sections, by label, that have changed since questions were written for them.
        store: where its vectors are: "folder" or "server".
        churn: rows that were changed in Chroma's folder since it was filled from nothing.
        parts: the size in bytes of each file of the version, by its path.
    """

    format: int
    version: str
    created: str
    embedder: str
    store: str
    documents: Mapping[str, str]
    refused: Mapping[str, str]
    skipped: Mapping[str, str]
    injected: Mapping[str, int]
    stale: Sequence[str]
    passages: int
    churn: int
    parts: Mapping[str, int]


def version_of(
    digests: Mapping[str, str],
    embedder: str,
    store: str,
    questions: Sequence[SectionQuestions] = (),
) -> str:
    """Name a version by all that it is made of: the same input has the same name.

    Args:
        digests: SHA-256 by doc_id of every file that was read, or could not be.
        embedder: the embedder's fingerprint.
        store: where its vectors are.
        questions: what was written for its sections.
    """
    expected = sorted(orjson.dumps(asdict(each)).decode() for each in questions)
    made_of = orjson.dumps([FORMAT, embedder, store, sorted(digests.items()), expected])
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

    def damaged(self) -> set[str]:
        """Return the paths of the files that are missing or not of the size that was written.

        Raises:
            ValueError: there is no manifest of this format to tell by.
        """
        parts = self.manifest().parts
        return {path for path, size in parts.items() if _size(self.folder / path) != size}

    def is_whole(self) -> bool:
        """Tell whether all its files are there, as they were written."""
        try:
            return not self.damaged()
        except (OSError, ValueError):
            return False

    def passages(self) -> list[Passage]:
        """Read the passages, in the order of the rows of every other part."""
        with (self.folder / "passages.jsonl").open("rb") as lines:
            return [_passage(line) for line in lines]

    def ids(self) -> list[str]:
        """Read the name of each row's vector; Chroma knows the row by it."""
        return (self.folder / "ids.txt").read_text(encoding="ascii").split()

    def vectors(self) -> Vectors:
        """Map the vectors [rows, dimension] into memory."""
        return _mapped(self.folder / "vectors.npy")

    def questions(self) -> tuple[list[Expected], Vectors]:
        """Read the expected questions, and their vectors [questions, dimension]."""
        with (self.folder / "questions.jsonl").open("rb") as lines:
            questions = [Expected(*orjson.loads(line)) for line in lines]
        return questions, _mapped(self.folder / "questions.npy")

    def entries(self) -> dict[str, Entry]:
        """Read what it holds of each file, by doc_id."""
        manifest = self.manifest()
        rows = zip(self.passages(), self.ids(), strict=True)
        held = {doc: list(of) for doc, of in groupby(rows, key=lambda row: row[0].doc_id)}
        marks = iter(self._marks())
        entries = {}
        for doc_id, digest in [*manifest.documents.items(), *manifest.refused.items()]:
            passages = tuple(passage for passage, _ in held.get(doc_id, ()))
            entries[doc_id] = Entry(
                doc_id=doc_id,
                digest=digest,
                passages=passages,
                ids=tuple(row_id for _, row_id in held.get(doc_id, ())),
                marks=tuple(islice(marks, sum(passage.part == 0 for passage in passages))),
                skipped=_skipped_of(doc_id, manifest.skipped),
            )
        return entries

    def write(self, entries: Sequence[Entry]) -> None:
        """Write the passages, their ids and the marks."""
        with (self.folder / "passages.jsonl").open("wb") as lines:
            for entry in entries:
                lines.writelines(orjson.dumps(each) + b"\n" for each in entry.passages)
        ids = (row_id for entry in entries for row_id in entry.ids)
        (self.folder / "ids.txt").write_text("\n".join(ids), encoding="ascii")
        marks = (f"{m.digest} {m.start}" for entry in entries for m in entry.marks)
        (self.folder / "marks.txt").write_text("\n".join(marks), encoding="ascii")

    def write_vectors(self, rows: Iterable[Vectors], shape: tuple[int, int]) -> None:
        """Write the vectors [rows, dimension], row by row."""
        _write_rows(self.folder / "vectors.npy", rows, shape)

    def write_questions(self, vectors: Mapping[Expected, Vectors], dimension: int) -> None:
        """Write the expected questions, each with its vector [dimension]."""
        with (self.folder / "questions.jsonl").open("wb") as lines:
            lines.writelines(orjson.dumps([*each]) + b"\n" for each in vectors)
        shape = len(vectors), dimension
        _write_rows(self.folder / "questions.npy", vectors.values(), shape)

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest, and have everything reach the disk."""
        parts = {path: size for path, size in _files(self.folder) if path != "manifest.json"}
        content = orjson.dumps(asdict(replace(manifest, parts=parts)), option=orjson.OPT_INDENT_2)
        (self.folder / "manifest.json").write_bytes(content)
        for path in [*self.folder.rglob("*"), self.folder]:
            sync(path)

    def _marks(self) -> list[Mark]:
        lines = (self.folder / "marks.txt").read_text(encoding="ascii").splitlines()
        return [Mark(digest, int(start)) for digest, start in map(str.split, lines)]


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

    @property
    def journal(self) -> Path:
        """Where vectors are kept for a version that is not made yet."""
        return self.folder / "journal"

    def place(self, name: str) -> IndexVersion:
        """Return where the version of that name stands, or would."""
        return IndexVersion(self.folder / "versions" / name)

    def switch(self, name: str) -> None:
        """Make a version the live one, in one step that cannot be seen half done.

        A power cut leaves the one before or this one, for what is written reaches the disk first.
        """
        pointer = self.folder / f"current.{uuid.uuid4().hex}"
        with pointer.open("x", encoding="utf-8") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        pointer.replace(self.folder / "current")
        sync(self.folder)

    def put(self, version: IndexVersion) -> None:
        """Take in a version that was built aside; one of the same name, if any, is put away."""
        final = self.place(version.folder.name).folder
        if final.exists():
            self.remove(final.name)
        version.folder.replace(final)
        sync(final.parent)

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
        version = self.place(name).folder
        gone = Path(tempfile.mkdtemp(prefix=".removed-", dir=version.parent))
        version.replace(gone / name)
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


def sync(path: Path) -> None:
    """Have a file's content, or a folder's entries, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(version: IndexVersion) -> str:
    """Return a digest of what a version answers from: equal ones answer alike.

    That of its Chroma folder is not among it: the same rows come to lie differently there.
    """
    whole = hashlib.sha256()
    for part in ("passages.jsonl", "ids.txt", "vectors.npy", "questions.jsonl", "questions.npy"):
        whole.update((version.folder / part).read_bytes())
    for path, _ in sorted(_files(version.lexical)):
        whole.update(path.encode() + (version.lexical / path).read_bytes())
    return whole.hexdigest()


def _mapped(path: Path) -> Vectors:
    # of the plain kind: numpy takes longer for each look into a memmap
    vectors: Vectors = np.load(path, mmap_mode="r").view(np.ndarray)
    return vectors


def _write_rows(path: Path, rows: Iterable[Vectors], shape: tuple[int, int]) -> None:
    """Write vectors row by row; not through a map: on a full disk that would end the process."""
    with path.open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        file.writelines(np.asarray(row, dtype="<f4").tobytes() for row in rows)


def _skipped_of(doc_id: str, skipped: Mapping[str, str]) -> dict[str, str]:
    parts = f"{doc_id}#"
    return {name: why for name, why in skipped.items() if name == doc_id or name.startswith(parts)}


def _passage(line: bytes) -> Passage:
    fields = orjson.loads(line)
    return Passage(**fields | {"injected": tuple(map(tuple, fields["injected"]))})


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
        size_bytes=sum(size for _, size in _files(folder)),
        live=live,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield each file below a folder, as a path from there, with its size."""
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent) / name
            try:
                yield path.relative_to(folder).as_posix(), path.lstat().st_size
            except OSError:  # taken away meanwhile
                continue
