"""Torch: what every other backend is measured by."""

import asyncio

import numpy as np
import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.torch_backend import TorchBackend

SHIPPED = "sentence-transformers/all-MiniLM-L6-v2"


def test_vectors_have_the_length_of_one(embedder):
    vectors = embedder.encode(["Does scaling hurt?", "", "x" * 5000, "दाँत", "\x00", "\ud83d"])

    assert vectors.dtype == np.float32
    assert vectors.shape == (6, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_text_has_no_vector(embedder):
    assert embedder.encode([]).shape == (0, 384)


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


def test_what_the_model_does_not_read_changes_nothing(embedder):
    read = "tooth " * embedder.max_tokens

    whole, cut = embedder.encode([read + "and a car", read])

    np.testing.assert_allclose(whole, cut, atol=1e-5)


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


def test_the_fingerprint_tells_the_weights_and_not_where_they_lie():
    one, same = (TorchBackend(name, threads=0) for name in (SHIPPED, "all-MiniLM-L6-v2"))

    assert one.fingerprint == same.fingerprint
    assert one.fingerprint.endswith(":mean:256:fp32")


def test_making_a_backend_loads_nothing():
    TorchBackend("a/model-that-nobody-has", threads=0).close()


@pytest.mark.parametrize("kind", ["a name", "an empty folder", "a folder of something else"])
@pytest.mark.parametrize("use", ["fingerprint", "vectors", "token_ends"])
def test_weights_that_cannot_be_used_are_named(tmp_path, kind, use):
    model = "nobody/has-this" if kind == "a name" else str(tmp_path)
    if kind == "a folder of something else":
        (tmp_path / "modules.json").write_text("{]", "utf-8")
        (tmp_path / "model.safetensors").write_bytes(b"nothing")

    with pytest.raises(RetrievalUnavailable, match="EMBEDDING_MODEL"):
        use_it(TorchBackend(model, threads=0), use)


def use_it(backend: TorchBackend, use: str) -> object:
    if use == "fingerprint":
        return backend.fingerprint
    return getattr(backend, use)(["text"])
