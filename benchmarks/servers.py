"""Starts the servers that are measured, each a process of its own, and stops them."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from agentic_rag.settings import child_environment

AGENT = ("-m", "agentic_rag.serving.kserve_runtime")
ECHO = (str(Path(__file__).with_name("echo_model.py")),)
READY = "/v2/models/rag-agent/ready"

_READY_S = 180
_NO_LLM = dict.fromkeys(("LLM_BASE_URL", "OPENAI_API_KEY", "OLLAMA_BASE_URL", "CHROMA_HOST"), "")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers on `port`, and over gRPC on `grpc_port`.

    Attributes:
        start_s: from the program's start until it said that it is ready.
    """

    port: int
    pid: int
    start_s: float
    grpc_port: int

    def rss_mb(self) -> float:
        """Return the memory that it holds now, in MB."""
        return psutil.Process(self.pid).memory_info().rss / 1e6

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        used = psutil.Process(self.pid).cpu_times()
        return used.user + used.system


@contextmanager
def running(module: Sequence[str], **environment: str) -> Iterator[Server]:
    """Run a KServe server in a fresh folder until the block ends; without any LLM.

    Args:
        module: what Python runs.
        environment: variables to set; DATA_DIR is a fresh one where it is not among them.

    Raises:
        RuntimeError: it ended, or was not ready in time; with the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="agentic-rag-bench-") as folder:
        http, grpc = _free_ports()
        command = [sys.executable, *module, f"--http_port={http}", f"--grpc_port={grpc}"]
        log = Path(folder) / "server.log"
        start = time.monotonic()
        with log.open("w") as sink:
            process = subprocess.Popen(
                command,
                cwd=folder,  # no .env of the caller's
                env=child_environment(
                    **{**_NO_LLM, "DATA_DIR": str(Path(folder) / "data"), **environment}
                ),
                stdout=sink,
                stderr=sink,
            )
        try:
            _wait_until_ready(http, process, log)
            yield Server(http, process.pid, time.monotonic() - start, grpc)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        asked = HTTPConnection("127.0.0.1", port, timeout=2)  # cheap: it shares the server's cores
        try:
            asked.request("GET", READY)
            if asked.getresponse().status == HTTPStatus.OK:
                return
        except (OSError, HTTPException):
            pass
        finally:
            asked.close()
        time.sleep(0.02)
    raise RuntimeError(f"the server is not ready\n{log.read_text()[-3000:]}")
