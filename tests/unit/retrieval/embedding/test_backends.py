"""Backends: the export where there is one of this model, torch where there is none."""

import json
import logging
import os
import shutil

import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.backends import Recipe, pick_backend
from agentic_rag.retrieval.embedding.onnx_backend import OnnxBackend
from agentic_rag.retrieval.embedding.torch_backend import TorchBackend

SHIPPED = "sentence-transformers/all-MiniLM-L6-v2"


def pick(folder, model=SHIPPED, **how):
    backend = pick_backend(Recipe(model=model, folder=folder, **how))
    backend.close()
    return backend


@pytest.mark.parametrize("backend", ["auto", "onnx"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_export_is_taken_where_there_is_one(exported, backend, precision):
    picked = pick(exported, backend=backend, precision=precision)

    assert isinstance(picked, OnnxBackend)
    assert picked.fingerprint.endswith(precision)


def test_torch_is_taken_where_there_is_no_export(tmp_path):
    assert isinstance(pick(tmp_path), TorchBackend)


def test_torch_is_taken_where_it_was_asked_for(exported):
    assert isinstance(pick(exported, backend="torch"), TorchBackend)


def test_an_export_that_was_asked_for_and_is_not_there_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(RetrievalUnavailable, match=r"agentic-rag export-embedder"):
        pick(tmp_path, backend="onnx")


@pytest.mark.parametrize("backend", ["auto", "onnx"])
def test_an_export_of_another_model_is_not_taken(exported, tmp_path, caplog, backend):
    other = tmp_path / "another"
    other.mkdir()
    (other / "model.safetensors").write_bytes(b"x")
    (other / "config.json").write_text("{}", "utf-8")

    if backend == "onnx":
        with pytest.raises(RetrievalUnavailable, match="another"):
            pick(exported, str(other), backend=backend)
        return
    with caplog.at_level(logging.WARNING):
        picked = pick(exported, str(other), backend=backend)

    assert isinstance(picked, TorchBackend)
    assert "agentic-rag export-embedder" in caplog.text


@pytest.mark.parametrize("backend", ["auto", "onnx"])
def test_a_damaged_export_is_refused_and_not_passed_over(exported, tmp_path, backend):
    copy = shutil.copytree(exported, tmp_path / "embedder", copy_function=os.link)
    (copy / "manifest.json").unlink()
    (copy / "manifest.json").write_text(json.dumps({"format": 1}), "utf-8")

    with pytest.raises(RetrievalUnavailable, match=r"manifest\.json"):
        pick(copy, backend=backend)
