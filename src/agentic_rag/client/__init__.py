"""The client: asks a server from Python, now or as it happens, and keeps the conversation."""

from agentic_rag.client.clients import AsyncClient, Client
from agentic_rag.client.errors import Busy, ClientError, Failed, Refused, Unreachable
from agentic_rag.client.reading import Hit

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Failed",
    "Hit",
    "Refused",
    "Unreachable",
]
