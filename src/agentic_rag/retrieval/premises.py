"""Premises: where index versions stand, and what their questions are embedded with."""

from dataclasses import dataclass

from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.index import IndexShelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What opening a version needs.

    Attributes:
        server: the Chroma server that holds the vectors; None: a folder in the version.
        collection: stem of the collections' names on the server.
    """

    shelf: IndexShelf
    embedder: Embedder
    server: ServerAddress | None
    collection: str

    @property
    def store(self) -> str:
        """Where vectors go: "folder" or "server"."""
        return "server" if self.server else "folder"

    def collection_of(self, version: str) -> str:
        """Name the collection that holds a version's vectors on a Chroma server."""
        return f"{self.collection}-{version}"
