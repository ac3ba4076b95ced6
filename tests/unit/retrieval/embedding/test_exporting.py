"""Exporting: nothing is installed that is not proven, and nothing that stands is lost."""

import json
import os
import shutil
from pathlib import Path

import pytest

from agentic_rag.errors import BadExport, RetrievalUnavailable
from agentic_rag.retrieval.embedding.export import read_export
from agentic_rag.retrieval.embedding.exporting import export_embedder
from agentic_rag.retrieval.embedding.weights import find_weights

SHIPPED = "sentence-transformers/all-MiniLM-L6-v2"


def run(model, folder):
    steps: list[str] = []
    report = export_embedder(str(model), folder, steps.append)
    return report, steps


@pytest.fixture
def copy(exported, tmp_path):
    """An export that a test may change; the files are shared, so it has to replace them."""
    return shutil.copytree(exported, tmp_path / "embedder", copy_function=os.link)


@pytest.fixture
def prompted_model(tmp_path) -> Path:
    """A tiny model that puts a prompt before each text, which a graph cannot do."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "prompted"
    weights = shutil.ignore_patterns("*.safetensors", "config_sentence_transformers.json")
    shutil.copytree(find_weights(SHIPPED), folder, ignore=weights)
    config = BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=1.0,  # else all texts look alike to it
    )
    BertModel(config).save_pretrained(folder)
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), "utf-8")
    prompts = {"prompts": {"any": "teeth, teeth, teeth: "}, "default_prompt_name": "any"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts), "utf-8")
    return folder


def test_an_export_says_what_it_is_and_how_good(exported):
    manifest = read_export(exported).manifest

    assert (manifest.model, manifest.dimension) == ("all-MiniLM-L6-v2", 384)
    assert (manifest.pooling, manifest.max_tokens) == ("mean", 256)
    assert manifest.cosines["fp32"] >= 0.9999
    assert manifest.cosines["int8"] >= 0.98


def test_nothing_else_is_left_in_the_folder(exported):
    kinds = {path.name.partition("-")[0] for path in exported.iterdir()}

    assert kinds == {".lock", "manifest.json", "fp32", "int8", "tokenizer"}


def test_a_second_run_has_nothing_to_do(exported):
    report, steps = run(SHIPPED, exported)

    assert not report.changed
    assert steps == []


def test_a_bad_export_is_not_installed(prompted_model, copy):
    before = read_export(copy)

    with pytest.raises(BadExport, match=r"fp32.*cosine.*nothing was installed"):
        run(prompted_model, copy)

    assert read_export(copy) == before
    before.check()
    assert not list(copy.glob(".building-*"))


def test_what_a_killed_run_left_is_swept(copy):
    (copy / ".building-x").mkdir()
    (copy / ".building-x" / "fp32.onnx").write_bytes(b"half")

    run(SHIPPED, copy)

    assert not list(copy.glob(".building-*"))


def test_weights_that_are_nowhere_are_named(tmp_path):
    with pytest.raises(RetrievalUnavailable, match="EMBEDDING_MODEL nobody/has-this"):
        run("nobody/has-this", tmp_path / "embedder")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")

    with pytest.raises(RetrievalUnavailable, match="file"):
        run(SHIPPED, tmp_path / "file" / "embedder")
