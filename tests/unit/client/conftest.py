"""A server on a real socket that says what the test told it to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Desk:
    """What comes to the server, and what it says.

    Attributes:
        pieces: sent one by one; after the last the connection is closed, or held where `hangs`.
        asked: (path, headers in lower case, body) of each request.
        left: when callers were seen to hang up while they were held.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    hangs: bool = False
    asked: list[tuple[str, dict[str, str], dict]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    url: str = ""

    def says(self, body: object, status: int = 200, **headers: str) -> None:
        """Have it say JSON, or bytes as they are."""
        said = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.pieces, self.status = [said], status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Open for one test."""
    told = Desk()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.asked.append((self.path, headers, json.loads(body)))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in told.pieces:
                self.wfile.write(piece)
                self.wfile.flush()
            if told.hangs:
                self.connection.settimeout(20)
                with suppress(ConnectionError):  # a hang-up may come as a reset
                    self.connection.recv(1)
                told.left.append(time.monotonic())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield told
    server.shutdown()
    server.server_close()
