"""The server that is looked at: where it is, the key, and the two ways of asking it over HTTP."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx

from agentic_rag.client import Client
from agentic_rag.client.reading import read_error, read_json
from agentic_rag.errors import BadCases

_CONNECT_S, _SPARE_S = 5.0, 2.0
_GRPC_PORT = 8081


@dataclass
class Server:
    """Where a server is, and as whom it is asked; `grpc` is like `localhost:8081`."""

    url: str
    key: str = field(default="", repr=False)
    model: str = "rag-agent"
    grpc: str = ""
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        """Fill in where gRPC is, unless told.

        Raises:
            BadCases: the address or the key is none.
        """
        self.url = self.url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.username or parts.password:
            raise BadCases("--url: expected no user and no password; a key goes to --api-key")
        if parts.scheme not in {"http", "https"} or not host:
            raise BadCases(f"--url {self.url[:80]}: expected one like http://localhost:8080")
        if not (self.key.isascii() and self.key.isprintable()):
            raise BadCases("--api-key: expected printable ASCII")
        self.is_secure = parts.scheme == "https"
        self.grpc = self.grpc or f"{f'[{host}]' if ':' in host else host}:{_GRPC_PORT}"

    @cached_property
    def client(self) -> Client:
        """The client that callers use."""
        return Client(self.url, key=self.key, timeout_s=self.timeout_s, model=self.model)

    @cached_property
    def _http(self) -> httpx.Client:
        timeout = httpx.Timeout(self.timeout_s + _SPARE_S, connect=_CONNECT_S)
        return httpx.Client(base_url=self.url, timeout=timeout)

    def send(self, method: str, path: str, body: object = None, *, bare: bool = False) -> Any:  # noqa: ANN401  # JSON
        """Return the JSON that a path replies with; `bare` sends no key.

        Raises:
            ClientError: it refuses, fails, or what it replies is no JSON.
            httpx.RequestError: it does not reply.
        """
        headers = {"authorization": f"Bearer {self.key}"} if self.key and not bare else {}
        reply = self._http.request(method, path, headers=headers, json=body)
        if not reply.is_success:
            after = reply.headers.get("retry-after", "")
            raise read_error(reply.status_code, reply.content, after)
        return read_json(reply.content)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self._http.close()
