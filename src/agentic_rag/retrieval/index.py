"""The index as an artefact: each version a folder that never changes, one of them current."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson

from agentic_rag.domain import Passage
from agentic_rag.retrieval.embedder import Vectors

FORMAT = 2
"""Raised when chunking or the layout changes, so that an old index is built anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a version was made of.

    Attributes:
        documents: SHA-256 by doc_id.
        skipped: the reason by doc_id, for the files that could not be read.
        store: where its vectors are: "folder" or "server".
    """

    format: int
    version: str
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
        """Read what the version was made of."""
        return Manifest(**orjson.loads((self.folder / "manifest.json").read_bytes()))

    def passages(self) -> list[Passage]:
        """Read the passages, in the order of the rows of every other part."""
        with (self.folder / "passages.jsonl").open("rb") as lines:
            return [Passage(**orjson.loads(line)) for line in lines]

    def vectors(self) -> Vectors:
        """Map the vectors [rows, dimension] into memory."""
        vectors: Vectors = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return vectors

    def write(self, manifest: Manifest, passages: Sequence[Passage], vectors: Vectors) -> None:
        """Write all parts but Chroma's and the lexical one; the manifest last."""
        with (self.folder / "passages.jsonl").open("wb") as lines:
            lines.writelines(orjson.dumps(asdict(passage)) + b"\n" for passage in passages)
        np.save(self.folder / "vectors.npy", vectors)
        (self.folder / "manifest.json").write_bytes(
            orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
        )


@dataclass(frozen=True, slots=True)
class IndexShelf:
    """Where versions stand: `versions/<name>/` each, and `current`, which names the live one."""

    folder: Path

    def current(self) -> IndexVersion | None:
        """Return the live version, or None before the first ingest."""
        try:
            name = (self.folder / "current").read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        version = IndexVersion(self.folder / "versions" / name)
        return version if (version.folder / "manifest.json").exists() else None

    def place(self, name: str) -> IndexVersion:
        """Return where the version of that name stands, or would."""
        return IndexVersion(self.folder / "versions" / name)

    def switch(self, name: str) -> None:
        """Make a version the live one, in one step that cannot be seen half done."""
        pointer = self.folder / f"current.{os.getpid()}"
        pointer.write_text(name, encoding="utf-8")
        pointer.replace(self.folder / "current")

    def names(self) -> list[str]:
        """Return the names of all whole versions, newest first."""
        made = [path.parent for path in self._versions.glob("[!.]*/manifest.json")]
        made.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path.name for path in made]

    def sweep(self) -> None:
        """Remove what builds that were cut off have left; only while nobody builds."""
        for left in (*self._versions.glob(".building-*"), *self.folder.glob("current.*")):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    @property
    def _versions(self) -> Path:
        return self.folder / "versions"
