"""A real MLflow server in a process of its own, and a gate before it which can be shut."""

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from tests.integration.servers import HOST, environment, until
from tests.ports import free_port

_HOPS = {"connection", "transfer-encoding", "content-length", "server", "date", "host"}


class Mlflow:
    """MLflow with SQLite, on a loopback socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Mlflow":
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers=1"),
                    f"--backend-store-uri=sqlite:///{self.folder / 'mlflow.db'}",
                    f"--artifacts-destination={self.folder / 'artifacts'}",
                    *(f"--host={HOST}", f"--port={self.port}"),
                ],
                env=environment(
                    MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"
                ),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._answers, self._log, limit_s=180)
        return self

    def stop(self) -> None:
        """End it, with the workers that it has."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self._log()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health", timeout=10).is_success
        return False

    def _log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", errors="replace")[-4000:]


class Gate:
    """Hands requests on to a server, until it is shut.

    Attributes:
        is_shut: whether whoever comes is turned away without a word.
        says: where set, (status, page) that everybody gets in the server's place.
        heard: is told of each request, before it is handed on.
        replied: is told of each request, when its reply is there and not yet sent.
        spoils: changes the body of a reply to a path.
    """

    def __init__(self, port: int) -> None:
        self.port_behind = port
        self.is_shut = False
        self.says: tuple[int, str] | None = None
        self.heard: Callable[[str, str], None] = lambda method, path: None
        self.replied: Callable[[str, str], None] = lambda method, path: None
        self.spoils: Callable[[str, bytes], bytes] = lambda path, body: body

    def __enter__(self) -> "Gate":
        gate = self

        class Handler(_Handler):
            gate_ = gate

        self._server = _Server((HOST, 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def open(self) -> None:
        """Let everybody through again, as they are."""
        fresh = Gate(self.port_behind)
        self.is_shut, self.says = False, None
        self.heard, self.replied, self.spoils = fresh.heard, fresh.replied, fresh.spoils


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that are killed."""


class _Handler(BaseHTTPRequestHandler):
    gate_: Gate
    protocol_version = "HTTP/1.0"

    def _hand_on(self) -> None:
        gate, length = self.gate_, int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if gate.is_shut:
            self.close_connection = True
            return
        if gate.says:
            self._send(gate.says[0], [("content-type", "text/html")], gate.says[1].encode())
            return
        gate.heard(self.command, self.path)
        behind = http.client.HTTPConnection(HOST, gate.port_behind, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOPS}
        try:
            behind.request(self.command, self.path, body, headers)
            reply = behind.getresponse()
            said = gate.spoils(self.path, reply.read())
        finally:
            behind.close()
        gate.replied(self.command, self.path)
        kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in _HOPS]
        self._send(reply.status, kept, said)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _hand_on  # noqa: N815  # as the library wants

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
