"""A clinic's documents, answered with proof: a LangGraph agent served by KServe."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentic_rag.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    """Import the clients when they are wanted: all else here does without them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentic_rag import client

    return getattr(client, name)
