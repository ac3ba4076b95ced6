"""A folder of documents and a workshop whose embedder costs nothing; the real one, loaded once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes import WordEmbedder

from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.embedding.torch_backend import TorchBackend
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.passages.documents import Document, Skipped
from agentic_rag.retrieval.passages.loaders import load
from agentic_rag.settings import Settings


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str | bytes], Document | Skipped]:
    """Write a file, load it."""

    def write_and_load(doc_id: str, content: str | bytes) -> Document | Skipped:
        path = tmp_path / doc_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load(path, tmp_path)

    return write_and_load


@pytest.fixture
def shop_at() -> Callable[..., Workshop]:
    """Make a workshop at a DATA_DIR."""

    def make(data_dir: Path, embedder: object = None) -> Workshop:
        return Workshop(
            shelf=IndexShelf(data_dir / "index"),
            embedder=embedder or WordEmbedder(),
            server=None,
            collection="clinic",
        )

    return make


@pytest.fixture
def shop(shop_at: Callable[..., Workshop], tmp_path: Path) -> Workshop:
    """A workshop with an empty shelf."""
    return shop_at(tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents."""
    made = tmp_path / "documents"
    made.mkdir()
    (made / "fees.md").write_text("# Fees\n\n## Visits\n\nA visit costs 20 euro.\n", "utf-8")
    (made / "hours.md").write_text("# Hours\n\n## Monday\n\nWe open at nine.\n", "utf-8")
    (made / "parking.txt").write_text("Parking is free behind the house.\n", "utf-8")
    return made


@pytest.fixture(scope="session")
def embedder() -> Iterator[Embedder]:
    """The embedder that is shipped, on torch: what every other is measured by."""
    model = Settings.model_fields["embedding_model"].default
    made = Embedder(lambda: TorchBackend(model, threads=0))
    yield made
    made.close()
