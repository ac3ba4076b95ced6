"""The workshop: what an index is built with and where it stands."""

from dataclasses import dataclass, field

from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.embedder import Embedder
from agentic_rag.retrieval.engine import Engine, LocalEngine
from agentic_rag.retrieval.index import IndexShelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What ingest works with.

    Attributes:
        server: the Chroma server that holds the vectors; None: a folder in the version.
        collection: stem of the collections' names on the server.
        keep: versions to keep besides the live one.
        engine: what reads and embeds.
    """

    shelf: IndexShelf
    embedder: Embedder
    server: ServerAddress | None
    collection: str
    keep: int = 2
    engine: Engine = field(default_factory=LocalEngine)

    @property
    def store(self) -> str:
        """Where vectors go: "folder" or "server"."""
        return "server" if self.server else "folder"

    def collection_of(self, version: str) -> str:
        """Name the collection that holds a version's vectors on a Chroma server."""
        return f"{self.collection}-{version}"
