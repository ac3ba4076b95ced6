"""Clients of a Chroma server that wait only so long, for a thread and for an event loop."""

import asyncio
from typing import cast

import httpx
import orjson
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.client import Client
from chromadb.api.fastapi import FastAPI
from chromadb.auth import UserIdentity
from chromadb.config import Settings as ChromaSettings
from chromadb.config import System
from chromadb.errors import error_types
from typing_extensions import override

_TOGETHER = 8  # questions at the server at once


class PatientClient(Client):
    """Chroma's client, speaking through an HTTP client that it is given."""

    def __init__(self, http: httpx.Client, settings: ChromaSettings) -> None:
        self._http = http  # at hand before the base class asks the server who we are
        super().__init__(settings=settings)

    def get_user_identity(self) -> UserIdentity:
        """Ask who we are, which is what the base class does first."""
        server = cast(FastAPI, self._server)
        server._session = self._http
        return server.get_user_identity()

    def _validate_tenant_database(self, tenant: str, database: str) -> None:
        """Ask nothing: the base class would, through a client of its own that waits for ever."""

    def close(self) -> None:
        """Close the connections, too."""
        super().close()
        self._http.close()


class PatientApi(AsyncFastAPI):
    """Chroma's API for an event loop, speaking through an HTTP client that it is given.

    Attributes:
        turns: taken by who asks a question: many connections cost the HTTP client more than they
            bring, five times as much a question where 200 ask at once.
    """

    def __init__(self, http: httpx.AsyncClient, settings: ChromaSettings) -> None:
        super().__init__(System(settings))
        self._http = http
        self.turns = asyncio.Semaphore(_TOGETHER)

    @override  # its metaclass insists
    def _get_client(self) -> httpx.AsyncClient:
        return self._http

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def read_and_refuse(response: httpx.Response) -> None:
    """Raise for a failure that Chroma did not write itself."""
    response.read()
    _refuse_strangers(response)


async def aread_and_refuse(response: httpx.Response) -> None:
    """Raise for a failure that Chroma did not write itself."""
    await response.aread()
    _refuse_strangers(response)


def _refuse_strangers(response: httpx.Response) -> None:
    """Raise for a failure that Chroma did not write itself: it would end in a bare `Exception`."""
    if response.is_success:
        return
    try:
        told = orjson.loads(response.content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or str(told.get("error")) not in error_types:
        response.raise_for_status()
