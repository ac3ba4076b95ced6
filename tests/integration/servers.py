"""Real servers, each in a process of its own: the agent and Chroma."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.ports import HOST, free_port

from agentic_rag.settings import Settings

MODEL = "rag-agent"
START_LIMIT_S = 120
STOP_LIMIT_S = 60
COMES_LIMIT_S = 30
AWAKE = {"LLM_WHEN_COLD": "wait"}
"""For a model that does not sleep: where a busy machine makes it look so, it is waited for."""

_LOG_TAIL_CHARS = 4_000
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For looks that speak no TLS: to read all authorities anew takes a core 70 ms at each."""


def environment(**overrides: str) -> dict[str, str]:
    """Return ours, less every variable that `Settings` reads, plus the overrides."""
    kept = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    at_once = {"SHUTDOWN_NOTICE_S": "0"}  # no balancer has to hear that it ends
    return kept | at_once | {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"} | overrides


def until(
    is_so: Callable[[], object],
    otherwise: Callable[[], str] = str,
    limit_s: float = COMES_LIMIT_S,
) -> None:
    """Wait for what comes about in its own time, and fail where it does not."""
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, otherwise() or "did not come about in time"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the two readiness doors said at one moment."""

    ready: int
    model_ready: int


@dataclass
class Agent:
    """An agent's process and its doors.

    Attributes:
        said: what the readiness doors said, from the first reply on, until it was ready.
    """

    process: subprocess.Popen[bytes] = field(repr=False)
    http_port: int
    grpc_port: int
    log_path: Path
    said: list[Readiness] = field(default_factory=list, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def base(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def v1(self) -> str:
        return f"{self.base}/v1/models/{MODEL}:predict"

    @property
    def v2(self) -> str:
        return f"{self.base}/v2/models/{MODEL}/infer"

    @property
    def grpc(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    def log(self) -> str:
        """Read what the server has logged so far."""
        return self.log_path.read_text("utf-8", errors="replace")

    def log_with(self, text: str) -> str:
        """Wait until something is in the log: a reply may be here before its line is there."""
        until(lambda: text in self.log(), self._tail)
        return self.log()

    def readiness(self) -> Readiness:
        """Ask both readiness doors."""
        codes = (
            httpx.get(f"{self.base}{path}", timeout=10, verify=_PLAIN).status_code
            for path in ("/ready", f"/v2/models/{MODEL}/ready")
        )
        return Readiness(*codes)

    def wait_until_live(self) -> "Agent":
        """Wait until it answers at all."""
        live = f"{self.base}/healthz"
        self._wait_for(lambda: httpx.get(live, timeout=10, verify=_PLAIN).is_success)
        return self

    def wait_until_ready(self) -> "Agent":
        """Wait until both doors say 200."""

        def is_ready() -> bool:
            self.said.append(self.readiness())
            return self.said[-1] == Readiness(200, 200)

        self._wait_for(is_ready)
        return self

    def wait_until_not_ready(self) -> "Agent":
        """Wait until both doors say 503."""
        self._wait_for(lambda: self.readiness() == Readiness(503, 503))
        return self

    def stop(self, limit_s: float = STOP_LIMIT_S) -> int:
        """Send SIGTERM and return the exit code; what does not end in time is killed."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {limit_s} s:\n{self._tail()}") from None

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self._tail()}")
            with contextlib.suppress(httpx.TransportError):
                if is_so():
                    return
            time.sleep(0.1)
        raise AssertionError(f"not so within {START_LIMIT_S} s:\n{self._tail()}")

    def _tail(self) -> str:
        return self.log()[-_LOG_TAIL_CHARS:]


def start_agent(
    folder: Path,
    *flags: str,
    http_port: int | None = None,
    grpc_port: int | None = None,
    **settings: str,
) -> Agent:
    """Start `python -m agentic_rag.serving.kserve_runtime`; returns before it is ready.

    `folder` is where it runs, logs and, unless told otherwise, keeps its data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    http_port, grpc_port = http_port or free_port(), grpc_port or free_port()
    log_path = folder / "server.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "agentic_rag.serving.kserve_runtime",
                f"--http_port={http_port}",
                f"--grpc_port={grpc_port}",
                *flags,
            ],
            cwd=folder,
            env=environment(**{"DATA_DIR": str(folder / "data")} | settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Agent(process, http_port, grpc_port, log_path)


@dataclass
class Chroma:
    """A Chroma server's process, which can be stopped and started again at the same place."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The variables that point the agent at it."""
        return {"CHROMA_HOST": HOST, "CHROMA_PORT": str(self.port)}

    def start(self) -> None:
        """Run `chroma run` and wait for its heartbeat; does nothing where it runs."""
        if self.process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        chroma = Path(sys.executable).with_name("chroma")
        with (self.folder.parent / f"{self.folder.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [chroma, "run", "--path", self.folder, "--host", HOST, "--port", str(self.port)],
                cwd=self.folder.parent,
                env=environment(ANONYMIZED_TELEMETRY="FALSE"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                url = f"http://{HOST}:{self.port}/api/v2/heartbeat"
                if httpx.get(url, timeout=10, verify=_PLAIN).is_success:
                    return
            time.sleep(0.05)
        raise AssertionError("chroma run did not come up")

    def stop(self) -> None:
        """Stop it; does nothing where it does not run."""
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
