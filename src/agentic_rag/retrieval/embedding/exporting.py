"""Exporting: writes an embedder as ONNX graphs, and lets none stand that is not proven."""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from agentic_rag.errors import BadExport, RetrievalUnavailable
from agentic_rag.retrieval.embedding.export import (
    FORMAT,
    MANIFEST,
    Export,
    ExportedFile,
    Manifest,
    Precision,
    digest_of,
    read_export,
    short_name,
    write_manifest,
)
from agentic_rag.retrieval.embedding.onnx_backend import OnnxBackend, quantise
from agentic_rag.retrieval.embedding.torch_backend import TorchBackend, write_graph
from agentic_rag.retrieval.embedding.weights import Weights

_NEEDS = ("onnx", "onnxscript")
_LEAST: dict[Precision, float] = {"fp32": 0.9999, "int8": 0.98}
_ASIDE = ".building-"

PROOF = (
    "Does scaling hurt?",
    "root canal",
    "How much is a crown, and how many visits does it take?",
    "Rinse with lukewarm salt water after 24 hours. Do not smoke. Eat soft food for two days.",
    "Price band: INR 6,000 to 9,500\nDuration: 45 minutes\nCode: TX-RCT-01",
    "दाँत में दर्द है, क्या करूँ?",
    "¿Cuánto cuesta una limpieza dental? 歯が痛い 🦷",
    "",
    "Patients are asked to call the front desk a day ahead if they cannot come. " * 40,
)
"""Texts whose vectors are compared: short, long, beyond what the model reads, empty, foreign."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What a run did.

    Attributes:
        changed: False when the export was there and whole.
    """

    export: Export
    changed: bool


def export_embedder(model: str, folder: Path, say: Say) -> ExportReport:
    """Make `folder` hold the export of a model; `say` gets each step as it begins.

    Raises:
        RetrievalUnavailable: the weights cannot be loaded, or the folder cannot be written.
        BadExport: a library is missing, or the graphs do not make the vectors that they should.
    """
    torch = TorchBackend(model, threads=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for left in folder.glob(f"{_ASIDE}*"):
                shutil.rmtree(left, ignore_errors=True)
            found = _whole(folder, torch.weights())
            if found:
                return ExportReport(export=found, changed=False)
            return ExportReport(export=_build(torch, model, folder, say), changed=True)
    except OSError as error:
        raise RetrievalUnavailable(f"{folder}: {error.strerror or error}") from error


def _whole(folder: Path, weights: Weights) -> Export | None:
    """Return the export that stands, if it is of these weights and nothing is wrong with it."""
    try:
        export = read_export(folder)
        if export is None or export.manifest.weights != weights.digest:
            return None
        export.check()
    except RetrievalUnavailable:
        return None
    return export


def _build(torch: TorchBackend, model: str, folder: Path, say: Say) -> Export:
    _demand_libraries()
    with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=folder) as name:
        aside = Path(name)
        say("writing the fp32 graph")
        graphs: dict[Precision, Path] = {"fp32": aside / "fp32.onnx", "int8": aside / "int8.onnx"}
        _write(torch, graphs, say)
        tokenizer = aside / "tokenizer.json"
        tokenizer.write_text(torch.tokens().text(), "utf-8")
        say("proving the vectors")
        weights, stored = torch.weights(), {p: _store(path) for p, path in graphs.items()}
        manifest = Manifest(
            format=FORMAT,
            model=short_name(model),
            weights=weights.digest,
            stamps={name: list(stamp) for name, stamp in weights.stamps.items()},
            pooling=weights.pooling,
            max_tokens=weights.max_tokens,
            dimension=torch.dimension,
            graphs=stored,
            tokenizer=_store(tokenizer),
            cosines={},
        )
        manifest = manifest.model_copy(update={"cosines": _prove(torch, Export(aside, manifest))})
        return _install(aside, folder, manifest)


def _demand_libraries() -> None:
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise BadExport(
            f"{' and '.join(missing)}: not installed; `pip install 'agentic-rag[export]'`"
        )


def _write(torch: TorchBackend, graphs: dict[Precision, Path], say: Say) -> None:
    try:
        write_graph(torch.weights().folder, graphs["fp32"])
        say("writing the int8 graph")
        quantise(graphs["fp32"], graphs["int8"])
    except OSError:  # a full disk is not the model's fault
        raise
    except Exception as error:  # torch's exporter and onnx raise whatever they like
        raise BadExport(
            f"EMBEDDING_MODEL {torch.weights().folder}: it cannot be written as an ONNX graph:"
            f" {type(error).__name__}; EMBEDDING_BACKEND=torch does without"
        ) from error


def _store(path: Path) -> ExportedFile:
    """Rename a file after its content."""
    content = path.read_bytes()
    digest = digest_of(content)
    name = f"{path.stem}-{digest[:12]}{path.suffix}"
    path.rename(path.with_name(name))
    return ExportedFile(name=name, size=len(content), digest=digest)


def _prove(torch: TorchBackend, export: Export) -> dict[Precision, float]:
    """Return each graph's worst cosine to what sentence-transformers makes."""
    wanted = torch.vectors(PROOF)
    cosines: dict[Precision, float] = {}
    for precision, least in _LEAST.items():
        made = OnnxBackend(export, precision, threads=1)
        cosines[precision] = float(np.min(np.sum(made.vectors(PROOF) * wanted, axis=1)))
        made.close()
        if not cosines[precision] >= least:  # a NaN is no proof
            raise BadExport(
                f"the {precision} graph makes other vectors than sentence-transformers: cosine"
                f" {cosines[precision]:.4f}, expected at least {least}; nothing was installed"
            )
    return cosines


def _install(aside: Path, folder: Path, manifest: Manifest) -> Export:
    """Move the files into place, then the manifest that names them; then drop all others."""
    named = {file.name for file in (*manifest.graphs.values(), manifest.tokenizer)}
    for name in named:
        (aside / name).replace(folder / name)
    write_manifest(folder, manifest)
    for path in folder.iterdir():
        if path.is_file() and path.name not in named and path.name not in {MANIFEST, ".lock"}:
            path.unlink(missing_ok=True)
    return Export(folder, manifest)
