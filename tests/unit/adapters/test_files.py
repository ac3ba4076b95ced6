"""An adapter's files: what they say, and whether they are what was registered."""

import json

import pytest
from tests.adapting.making import make_adapter

from agentic_rag.adapters.files import check, describe, digests
from agentic_rag.errors import BadAdapter


@pytest.fixture
def folder(tmp_path):
    return make_adapter(tmp_path / "adapter", 1, base="tiny/llm", rank=4)


def test_an_adapter_says_what_it_is(folder):
    described = describe(folder)

    assert (described.base_model, described.rank) == ("tiny/llm", 4)
    assert len(described.fingerprint) == 3


def test_the_rank_is_that_of_the_matrices_whatever_the_configuration_says(folder):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 1}))

    assert describe(folder).rank == 4


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()

    with pytest.raises(BadAdapter, match=f"{name}: is missing"):
        describe(folder)


def test_weights_that_are_cut_short_are_no_weights(folder):
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])

    with pytest.raises(BadAdapter, match=r"adapter_model.safetensors: cannot be read"):
        describe(folder)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        {},
        [{"prompt": "Hi"}],
        [{"prompt": "Hi", "text": "", "max_tokens": 3}],
        [{"prompt": "Hi", "text": "there", "max_tokens": 0}],
        [{"prompt": "Hi", "text": "there", "max_tokens": 500}],
    ],
)
def test_a_fingerprint_that_tells_nothing_is_refused(folder, rows):
    (folder / "fingerprint.json").write_text(json.dumps(rows))

    with pytest.raises(BadAdapter, match=r"fingerprint\.json"):
        describe(folder)


@pytest.mark.parametrize(
    "config", ["{", "[]", '{"peft_type": "IA3"}', '{"peft_type": "LORA", "r": 8}']
)
def test_a_configuration_of_something_else_is_refused(folder, config):
    (folder / "adapter_config.json").write_text(config)

    with pytest.raises(BadAdapter, match=r"adapter_config\.json"):
        describe(folder)


def test_a_folder_is_checked_file_by_file(folder):
    wanted = digests(folder)
    check(folder, wanted)

    (folder / "more").write_text("")
    with pytest.raises(BadAdapter, match="more: was not registered"):
        check(folder, wanted)

    (folder / "more").unlink()
    (folder / "README.md").write_text("other")
    with pytest.raises(BadAdapter, match=r"README\.md: is not what was registered"):
        check(folder, wanted)

    (folder / "README.md").unlink()
    with pytest.raises(BadAdapter, match=r"README\.md: is missing"):
        check(folder, wanted)


def test_a_link_is_no_file_of_an_adapter(folder):
    (folder / "link").symlink_to("/etc/hostname")

    with pytest.raises(BadAdapter, match="link: expected a plain file"):
        digests(folder)
