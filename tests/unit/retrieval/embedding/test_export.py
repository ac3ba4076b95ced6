"""The export's manifest: read strictly, and only good for the weights that it was made of."""

import json
import shutil
from pathlib import Path

import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.export import (
    Export,
    Manifest,
    digest_of,
    read_export,
    write_manifest,
)
from agentic_rag.retrieval.embedding.weights import read_weights


@pytest.fixture
def model(tmp_path):
    """A folder of weights in name only."""
    made = tmp_path / "models" / "tiny"
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text('{"max_position_embeddings": 8}', "utf-8")
    return made


@pytest.fixture
def export(model, tmp_path):
    """An export of them, likewise."""
    folder = tmp_path / "embedder"
    folder.mkdir()
    files = {}
    for name in ("fp32.onnx", "int8.onnx", "tokenizer.json"):
        (folder / name).write_bytes(name.encode())
        digest = digest_of(name.encode())
        files[name] = {"name": name, "size": len(name), "digest": digest}
    weights = read_weights(model)
    manifest = {
        "format": 1,
        "model": "tiny",
        "weights": weights.digest,
        "stamps": {name: list(stamp) for name, stamp in weights.stamps.items()},
        "pooling": "mean",
        "max_tokens": 8,
        "dimension": 4,
        "graphs": {"fp32": files["fp32.onnx"], "int8": files["int8.onnx"]},
        "tokenizer": files["tokenizer.json"],
        "cosines": {"fp32": 1.0, "int8": 0.99},
    }
    write_manifest(folder, Manifest.model_validate_json(json.dumps(manifest)))
    return Export(folder, Manifest.model_validate_json(json.dumps(manifest)))


def test_what_was_written_is_read(export):
    assert read_export(export.folder) == export
    export.check()


@pytest.mark.parametrize("kind", ["no folder", "an empty folder", "a file"])
def test_where_there_is_none_there_is_none(tmp_path, kind):
    folder = tmp_path / "embedder"
    if kind == "an empty folder":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("x", "utf-8")

    assert read_export(folder) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("max_tokens", "8"),
        ("dimension", 4.5),
        ("graphs", {}),
        ("graphs", {"int4": {}}),
        ("weights", ["x"]),
        ("unknown", 1),
        ("format", 99),
    ],
)
def test_a_field_that_is_wrong_is_named_with_the_remedy(export, field, value):
    path = export.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {field: value}), "utf-8")

    with pytest.raises(RetrievalUnavailable, match=rf"{field}.*agentic-rag export-embedder"):
        read_export(export.folder)


@pytest.mark.parametrize("content", [b"", b"{]", b"[]", b"\xff\xfe", b'{"format": 1'])
def test_a_manifest_that_is_none_is_named_with_the_remedy(export, content):
    (export.folder / "manifest.json").write_bytes(content)

    with pytest.raises(RetrievalUnavailable, match=r"manifest\.json.*agentic-rag export-embedder"):
        read_export(export.folder)


def test_a_file_that_changed_is_found(export):
    (export.folder / "fp32.onnx").write_bytes(b"FP32.onnx")

    with pytest.raises(RetrievalUnavailable, match=r"fp32\.onnx"):
        export.check()


def test_it_is_of_the_weights_it_was_made_of(export, model):
    assert export.is_of(str(model))


def test_it_is_of_the_same_weights_wherever_they_lie_and_whenever_they_were_copied(
    export, model, tmp_path
):
    copy = shutil.copytree(model, tmp_path / "copy", copy_function=shutil.copyfile)

    assert export.is_of(str(copy))


def test_it_is_not_of_weights_that_changed_behind_the_same_name(export, model):
    (model / "model.safetensors").write_bytes(b"other!!")

    assert not export.is_of(str(model))


@pytest.mark.parametrize(("name", "same"), [("org/tiny", True), ("org/large", False)])
def test_where_the_weights_are_not_here_the_name_decides(
    export, tmp_path: Path, monkeypatch, name, same
):
    monkeypatch.chdir(tmp_path)

    assert export.is_of(name) is same
