"""A proxy before a real server, which spoils one thing."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from tests.integration.servers import HOST

_UPSTREAM_S = 60
_OWN = {"content-length", "transfer-encoding", "connection", "date", "server"}


@dataclass(frozen=True)
class Reply:
    """What comes back of a path; `hold` keeps it back, `keep` sends no more than so many bytes."""

    path: str
    status: int
    body: bytes
    hold: bool = False
    keep: int | None = None

    def but(self, **changes: object) -> "Reply":
        return replace(self, **changes)  # type: ignore[arg-type]


Tamper = Callable[[Reply], Reply]


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str, tamper: Tamper) -> None:
        super().__init__((HOST, 0), _Handler)
        self.upstream, self.tamper = upstream, tamper
        self.ended = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers who hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass(None)

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _pass(self, body: bytes | None) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {*_OWN, "host"}}
        heard = httpx.request(
            self.command,
            self.server.upstream + self.path,
            content=body,
            headers=headers | {"accept-encoding": "identity"},
            timeout=_UPSTREAM_S,
        )
        reply = self.server.tamper(Reply(self.path, heard.status_code, heard.content))
        if reply.hold:
            self.server.ended.wait()
        self.send_response(reply.status)
        for name, value in heard.headers.items():
            if name not in _OWN:
                self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.keep])
        self.close_connection = reply.keep is not None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def tampered(
    upstream: str, tamper: Tamper = lambda reply: reply, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Lend the address of a proxy that spoils what a server says."""
    proxy = _Proxy(upstream, tamper)
    if tls:
        proxy.socket = tls.wrap_socket(proxy.socket, server_side=True)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{proxy.server_port}"
    finally:
        proxy.ended.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def at(path: str, **changes: object) -> Tamper:
    """Spoil the replies of paths that end so."""
    return lambda reply: reply.but(**changes) if reply.path.endswith(path) else reply


def words(path: str, *pairs: tuple[bytes, bytes]) -> Tamper:
    """Put other words into the replies of paths that end so."""

    def tamper(reply: Reply) -> Reply:
        body = reply.body
        for old, new in pairs if reply.path.endswith(path) else ():
            body = body.replace(old, new)
        return reply.but(body=body)

    return tamper
