"""The way to a Chroma server: its address, and what went wrong on the way."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from chromadb.api import ClientAPI
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import AuthorizationError, ChromaAuthError, NotFoundError

from agentic_rag.errors import BadSettings

if TYPE_CHECKING:
    from agentic_rag.retrieval.chroma_clients import PatientApi, PatientClient

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

    Its clients are made at first use and kept; importing them, too, is put off until then, for it
    takes a tenth of a second. They speak through HTTP clients of ours: Chroma's own wait for ever,
    and its async one trusts any certificate and is shared, headers and all, by everything that one
    event loop connects to.

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
        self._client: PatientClient | None = None
        self._api: tuple[asyncio.AbstractEventLoop, PatientApi] | None = None

    def __str__(self) -> str:
        return f"CHROMA_HOST {self.host}, CHROMA_PORT {self.port}"

    def client(self) -> ClientAPI:
        """Return the client for a thread; the first call asks the server who we are."""
        if self._client is None:
            from agentic_rag.retrieval.chroma_clients import PatientClient, read_and_refuse

            timeout = httpx.Timeout(self.batch_s, connect=self.timeout_s)
            http = httpx.Client(
                timeout=timeout,
                headers=self._headers,
                verify=self._tls or True,
                limits=_KEEP_ALIVE,
                event_hooks={"response": [read_and_refuse]},
            )
            try:
                self._client = PatientClient(http, self._settings("chromadb.api.fastapi.FastAPI"))
            except BaseException:
                http.close()
                raise
        return self._client

    def api(self) -> "PatientApi":
        """Return the API for the event loop that runs now; asks nobody."""
        loop = asyncio.get_running_loop()
        if self._api is None or self._api[0] is not loop:
            from agentic_rag.retrieval.chroma_clients import PatientApi, aread_and_refuse

            http = httpx.AsyncClient(
                timeout=self.timeout_s,
                headers=self._headers,
                verify=self._tls or True,
                limits=_KEEP_ALIVE,
                event_hooks={"response": [aread_and_refuse]},
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
        return f"Chroma at {self} {_fault(error)}"

    def _settings(self, implementation: str) -> ChromaSettings:
        return ChromaSettings(
            anonymized_telemetry=False,
            chroma_api_impl=implementation,
            chroma_server_host=self.host,
            chroma_server_http_port=self.port,
            chroma_server_ssl_enabled=self._tls is not None,
        )


def _fault(error: BaseException) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "does not answer in time; see CHROMA_TIMEOUT_S"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "shows a certificate that is not trusted; see CHROMA_CA_FILE"
    if "[SSL" in str(error):
        return "does not speak TLS as we do; see CHROMA_SSL"
    return "does not answer as it should"
