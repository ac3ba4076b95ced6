"""The way to a Chroma server: an address, and clients that wait only so long."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import httpx
import orjson
from chromadb.api import ClientAPI
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.api.client import Client
from chromadb.api.fastapi import FastAPI
from chromadb.auth import UserIdentity
from chromadb.config import Settings as ChromaSettings
from chromadb.config import System
from chromadb.errors import AuthorizationError, ChromaAuthError, NotFoundError, error_types
from typing_extensions import override

from agentic_rag.errors import BadSettings

_BATCH_S = 60.0  # a batch of rows takes a server longer than a question does
_KEEP_ALIVE = httpx.Limits(keepalive_expiry=30.0)
_LOCKED = {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return TLS that trusts the authorities in `ca_file` alone; without one, the usual ones.

    Raises:
        BadSettings: the file cannot be read as certificates.
    """
    if ca_file is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one, too
        raise BadSettings(
            f"CHROMA_CA_FILE {ca_file}: expected a file of certificates in PEM form"
        ) from error


class ServerAddress:
    """Where a Chroma server listens, how to be let in, and how long to wait for it.

    Its clients are made at first use and kept. They speak through HTTP clients of ours: Chroma's
    own wait for ever, and its async one trusts any certificate and is shared, headers and all, by
    everything that one event loop connects to.

    Attributes:
        batch_s: how long a thread waits for an answer, which may be to many rows at once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        timeout_s: float,
        *,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            host: the server's name.
            port: its port.
            timeout_s: how long a connection, or an answer to a question, may take.
            headers: sent with each request; a token, say.
            tls: what to trust; None speaks plain HTTP.
        """
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self.batch_s = max(_BATCH_S, timeout_s)
        self._headers = {**(headers or {}), "Content-Type": "application/json"}
        self._tls = tls
        self._client: _PatientClient | None = None
        self._api: tuple[asyncio.AbstractEventLoop, PatientApi] | None = None

    def __str__(self) -> str:
        return f"CHROMA_HOST {self.host}, CHROMA_PORT {self.port}"

    def client(self) -> ClientAPI:
        """Return the client for a thread; the first call asks the server who we are."""
        if self._client is None:
            timeout = httpx.Timeout(self.batch_s, connect=self.timeout_s)
            http = httpx.Client(
                timeout=timeout,
                headers=self._headers,
                verify=self._tls or True,
                limits=_KEEP_ALIVE,
                event_hooks={"response": [_read_and_refuse]},
            )
            try:
                self._client = _PatientClient(http, self._settings("chromadb.api.fastapi.FastAPI"))
            except BaseException:
                http.close()
                raise
        return self._client

    def api(self) -> "PatientApi":
        """Return the API for the event loop that runs now; asks nobody."""
        loop = asyncio.get_running_loop()
        if self._api is None or self._api[0] is not loop:
            http = httpx.AsyncClient(
                timeout=self.timeout_s,
                headers=self._headers,
                verify=self._tls or True,
                limits=_KEEP_ALIVE,
                event_hooks={"response": [_aread_and_refuse]},
            )
            settings = self._settings("chromadb.api.async_fastapi.AsyncFastAPI")
            self._api = loop, PatientApi(http, settings)
        return self._api[1]

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        client, self._client = self._client, None
        api, self._api = self._api, None
        if client:
            await asyncio.to_thread(client.close)
        if api and api[0] is asyncio.get_running_loop():
            await api[1].aclose()

    def explain(self, error: BaseException) -> str:
        """Say what went wrong with a call, and what to mend where that can be told."""
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        if status in _LOCKED or isinstance(error, ChromaAuthError | AuthorizationError):
            return f"Chroma at {self} refuses us; see CHROMA_TOKEN and CHROMA_HEADERS"
        if status is not None:
            return f"Chroma at {self} answers {status}, and not in Chroma's own words"
        if isinstance(error, NotFoundError):
            return f"Chroma at {self} does not hold the index; run `agentic-rag ingest`"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"Chroma at {self} shows a certificate that is not trusted; see CHROMA_CA_FILE"
        if "[SSL" in str(error):
            return f"Chroma at {self} does not speak TLS as we do; see CHROMA_SSL"
        return f"Chroma at {self} does not answer as it should"

    def _settings(self, implementation: str) -> ChromaSettings:
        return ChromaSettings(
            anonymized_telemetry=False,
            chroma_api_impl=implementation,
            chroma_server_host=self.host,
            chroma_server_http_port=self.port,
            chroma_server_ssl_enabled=self._tls is not None,
        )


class _PatientClient(Client):
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
    """Chroma's API for an event loop, speaking through an HTTP client that it is given."""

    def __init__(self, http: httpx.AsyncClient, settings: ChromaSettings) -> None:
        super().__init__(System(settings))
        self._http = http

    @override  # its metaclass insists
    def _get_client(self) -> httpx.AsyncClient:
        return self._http

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _read_and_refuse(response: httpx.Response) -> None:
    response.read()
    _refuse_strangers(response)


async def _aread_and_refuse(response: httpx.Response) -> None:
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
