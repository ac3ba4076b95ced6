"""The export: an embedder as ONNX graphs in a folder, and what its manifest says of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.weights import Stamps, find_weights, read_stamps, read_weights

FORMAT = 1
"""Raised when the graphs' inputs or the layout change, so that an old export is made anew."""

Precision = Literal["int8", "fp32"]
MANIFEST = "manifest.json"
REMEDY = "run `agentic-rag export-embedder`"


class ExportedFile(BaseModel):
    """A file of the export; its name has its digest in it, so it never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    size: int
    digest: str


class Manifest(BaseModel):
    """What an export was made of; written last, in one step, so what it names is whole.

    Attributes:
        model: the model's name, without whose it is or where it lies.
        weights: digest of the weights and the tokenizer.
        stamps: of the files that the digest is about, so that they need not be read again.
        max_tokens: what the model reads, its own special tokens included.
        graphs: the graph of each precision.
        cosines: the worst cosine to what sentence-transformers makes, by precision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    model: str
    weights: str
    stamps: dict[str, list[int]]
    pooling: str
    max_tokens: int
    dimension: int
    graphs: Annotated[dict[Precision, ExportedFile], Field(min_length=2)]
    tokenizer: ExportedFile
    cosines: dict[Precision, float]


@dataclass(frozen=True, slots=True)
class Export:
    """A folder with a manifest."""

    folder: Path
    manifest: Manifest

    def fingerprint(self, precision: Precision) -> str:
        """Name what the graph of that precision makes."""
        made = self.manifest
        return fingerprint_of(made.weights, made.pooling, made.max_tokens, precision)

    def read(self, file: ExportedFile) -> bytes:
        """Return a file of the export.

        Raises:
            RetrievalUnavailable: it is not what was written.
        """
        path = self.folder / file.name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _damaged(path, error.strerror or "it cannot be read") from error
        if len(content) != file.size or digest_of(content) != file.digest:
            raise _damaged(path, "it is not what was written")
        return content

    def check(self) -> None:
        """Read all files.

        Raises:
            RetrievalUnavailable: one is not what was written.
        """
        for file in (*self.manifest.graphs.values(), self.manifest.tokenizer):
            self.read(file)

    def is_of(self, model: str) -> bool:
        """Tell whether it was made of the weights of `model`, reading these only if they changed.

        Where the weights are not on this machine, the name decides.
        """
        folder = Path(find_weights(model))
        try:
            stamps = read_stamps(folder)
            if not stamps:
                return short_name(model) == self.manifest.model
            return same_stamps(stamps, self.manifest.stamps) or (
                read_weights(folder).digest == self.manifest.weights
            )
        except (OSError, ValueError, KeyError):
            return False


def read_export(folder: Path) -> Export | None:
    """Return the export in a folder; None where there is none.

    Raises:
        RetrievalUnavailable: it is damaged, or of another format; names the file and the remedy.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise _damaged(path, f"{where}: {fault['msg']}") from None
    if manifest.format != FORMAT:
        raise _damaged(path, f"format: it is {manifest.format}, expected {FORMAT}")
    return Export(folder, manifest)


def fingerprint_of(weights: str, pooling: str, max_tokens: int, quantisation: str) -> str:
    """Name what makes vectors: two that make the same, but for float noise, have one name."""
    return f"{weights}:{pooling}:{max_tokens}:{quantisation}"


def short_name(model: str) -> str:
    """Return a model's name without whose it is or where it lies.

    >>> short_name("sentence-transformers/all-MiniLM-L6-v2")
    'all-MiniLM-L6-v2'
    """
    return Path(model).name


def same_stamps(stamps: Stamps, recorded: Mapping[str, list[int]]) -> bool:
    """Tell whether files are still those that were recorded."""
    return {name: list(stamp) for name, stamp in stamps.items()} == recorded


def digest_of(content: bytes) -> str:
    """Return the digest of a file's content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, in one step that cannot be seen half done."""
    aside = folder / f".{MANIFEST}"
    aside.write_bytes(orjson.dumps(manifest.model_dump(), option=orjson.OPT_INDENT_2))
    aside.replace(folder / MANIFEST)


def _damaged(path: Path, why: str) -> RetrievalUnavailable:
    return RetrievalUnavailable(f"the embedder's export is damaged: {path}: {why}; {REMEDY}")
