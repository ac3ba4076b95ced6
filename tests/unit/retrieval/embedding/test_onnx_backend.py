"""ONNX: the vectors of sentence-transformers, without it, and the same ones in any company."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.embedding.export import read_export
from agentic_rag.retrieval.embedding.onnx_backend import OnnxBackend

QUESTION = "Does scaling hurt?"
COMPANY = [f"{'word ' * length}end" for length in (0, 1, 300, 3, 8, 20, 20, 80, 2)]


@pytest.fixture(scope="module", params=["int8", "fp32"])
def backend(request, exported):
    made = OnnxBackend(read_export(exported), request.param, threads=2)
    yield made
    made.close()


@pytest.fixture
def copy(exported, tmp_path):
    """An export that a test may spoil; the files are shared, so it has to replace them."""
    return shutil.copytree(exported, tmp_path / "embedder", copy_function=os.link)


def spoil(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def graph(folder: Path, precision: str) -> Path:
    (found,) = folder.glob(f"{precision}-*.onnx")
    return found


def open_int8(folder: Path) -> OnnxBackend:
    return OnnxBackend(read_export(folder), "int8", threads=1)


SAID = [QUESTION, "दाँत में दर्द है, क्या करूँ?", "tooth " * 900, *COMPANY[1:]]
ODD = ["", "x" * 5000, "\x00", "\ud83d", "end"]


@pytest.mark.parametrize(("texts", "int8"), [(SAID, 0.98), (ODD, 0.96)], ids=["said", "odd"])
def test_vectors_are_those_of_sentence_transformers(backend, embedder, texts, int8):
    least = int8 if backend.fingerprint.endswith("int8") else 0.9999

    vectors = backend.vectors(texts)

    assert vectors.dtype == np.float32
    assert np.min(np.sum(vectors * embedder.encode(texts), axis=1)) >= least
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_text_has_the_very_same_vector_in_any_company(backend):
    alone = backend.vectors([QUESTION])[0]
    among = backend.vectors([*COMPANY, QUESTION])[-1]

    assert alone.tolist() == among.tolist()


def test_threads_change_nothing(backend, exported):
    texts = [*COMPANY, QUESTION]
    single = OnnxBackend(read_export(exported), backend.fingerprint.rpartition(":")[2], threads=1)

    assert single.vectors(texts).tolist() == backend.vectors(texts).tolist()


def test_many_may_compute_at_once(backend):
    expected = backend.vectors(COMPANY)

    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(lambda text: backend.vectors([text])[0], COMPANY * 4))

    assert np.stack(found).tolist() == expected.tolist() * 4


def test_no_text_has_no_vector(backend):
    assert backend.vectors([]).shape == (0, 384)


def test_a_megabyte_is_read_like_its_beginning(backend):
    read = "tooth " * backend.max_tokens

    whole, cut = backend.vectors([read * 700, read])

    assert whole.tolist() == cut.tolist()


def test_tokens_are_counted_as_torch_counts_them(backend, embedder):
    texts = ["Scaling hurts, a bit.", "दाँत 🦷 ½", "", "word " * 500]

    assert backend.max_tokens == embedder.max_tokens == 254
    assert backend.token_ends(texts) == embedder.token_ends(texts)


def test_fp32_is_one_class_with_torch_and_int8_another(exported, embedder):
    export = read_export(exported)

    assert export.fingerprint("fp32") == embedder.fingerprint
    assert export.fingerprint("int8") == embedder.fingerprint.replace("fp32", "int8")


def test_a_graph_that_is_not_what_was_written_is_refused_by_name(copy):
    path = graph(copy, "int8")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    spoil(path, bytes(content))

    with pytest.raises(RetrievalUnavailable, match=rf"{path.name}.*agentic-rag export-embedder"):
        open_int8(copy).load()


@pytest.mark.parametrize("kind", ["graph", "tokenizer"])
@pytest.mark.parametrize("fault", ["gone", "cut off", "a folder"])
def test_a_broken_export_is_refused_by_name(copy, kind, fault):
    path = graph(copy, "int8") if kind == "graph" else next(copy.glob("tokenizer-*"))
    content = path.read_bytes()
    path.unlink()
    if fault == "cut off":
        path.write_bytes(content[:-100])
    elif fault == "a folder":
        path.mkdir()

    with pytest.raises(RetrievalUnavailable, match=rf"{path.name}.*agentic-rag export-embedder"):
        open_int8(copy).load()


def test_what_failed_to_load_loads_when_it_is_mended(copy, exported):
    path = graph(copy, "int8")
    path.unlink()
    backend = open_int8(copy)
    with pytest.raises(RetrievalUnavailable):
        backend.vectors([QUESTION])

    shutil.copy(graph(exported, "int8"), path)

    assert backend.vectors([QUESTION]).shape == (1, 384)


def test_with_an_export_nothing_imports_torch(exported):
    code = """
import json, sys
from pathlib import Path
from agentic_rag.retrieval.embedding.backends import Recipe, pick_backend
from agentic_rag.retrieval.embedding.embedder import Embedder
recipe = Recipe(model="all-MiniLM-L6-v2", folder=Path(sys.argv[1]))
embedder = Embedder(lambda: pick_backend(recipe))
vectors = embedder.encode(["Does scaling hurt?"] * 3)
print(json.dumps([embedder.fingerprint, len(embedder.token_ends(["a b"])[0]), sorted(sys.modules)]))
"""

    done = subprocess.run(
        [sys.executable, "-c", code, exported],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    fingerprint, tokens, modules = json.loads(done.stdout)

    assert (fingerprint.rpartition(":")[2], tokens) == ("int8", 2)
    assert not {"torch", "transformers", "sentence_transformers", "onnx"} & set(modules)
