"""A real vLLM on this machine's CPU, started once for the tests in this folder."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".venv-vllm"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / "ready"

MODEL = "tiny-clinic"
HOST = "127.0.0.1"
MODEL_LIMIT_S = 120
START_LIMIT_S = 240
STOP_LIMIT_S = 20
# pytest-timeout counts the fixtures, and the first test waits for them.
TEST_LIMIT_S = MODEL_LIMIT_S + START_LIMIT_S + STOP_LIMIT_S + 60
LOG_TAIL_LINES = 60

OPTIONS = [
    f"--served-model-name={MODEL}",
    f"--host={HOST}",
    "--dtype=float32",  # bfloat16 crashes the worker on some CPUs
    "--enforce-eager",
    "--max-model-len=8192",
    "--max-num-seqs=16",
    "--generation-config=vllm",  # sampling is what the request says, and nothing else
    "--enable-auto-tool-choice",
    "--tool-call-parser=hermes",
]
ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_HOST_IP": HOST,
    "VLLM_LOOPBACK_IP": HOST,
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}

LORA = ["--enable-lora", "--max-lora-rank=16", "--max-loras=3", "--max-cpu-loras=8"]
LOADS = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "OMP_NUM_THREADS": "1",  # of several servers on few cores, threads only wait for one another
}
"""With LORA: it takes adapters while it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmServer:
    """The running server, as its callers see it."""

    base_url: str
    """Where the OpenAI API begins, with `/v1`."""
    model: str
    log_path: Path

    def metrics(self) -> dict[str, float]:
        """Read `/metrics`: each sample's name, and its sum over all labels."""
        url = self.base_url.removesuffix("/v1") + "/metrics"
        page = httpx.get(url, timeout=30, trust_env=False)
        totals: dict[str, float] = {}
        for family in text_string_to_metric_families(page.raise_for_status().text):
            for sample in family.samples:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
        return totals

    def count_tokens(self, **said: str) -> int:
        """Count the tokens of a prompt, given as what each role says, in order."""
        url = self.base_url.removesuffix("/v1") + "/tokenize"
        messages = [{"role": role, "content": text} for role, text in said.items()]
        body = {"model": self.model, "messages": messages}
        counted = httpx.post(url, json=body, timeout=30, trust_env=False)
        return int(counted.raise_for_status().json()["count"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the tests of this folder open sockets, and wait for a server to start."""
    for item in items:
        if not item.path.is_relative_to(HERE):
            continue
        if config.pluginmanager.hasplugin("socket"):
            item.add_marker("enable_socket")
        if config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_LIMIT_S))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the model once, with the very libraries that will read it."""
    if not STAMP.exists():
        give_up("there is no .venv-vllm: run `python tests/vllm/setup_vllm.py` first")
    folder = tmp_path_factory.mktemp("tiny-llama")
    made = subprocess.run(
        [str(PYTHON), str(HERE / "tiny_llama.py"), str(folder)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MODEL_LIMIT_S,
        check=False,
    )
    if made.returncode:
        pytest.fail(f"the tiny model could not be made:\n{made.stdout}", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def vllm_server(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """Start vLLM, wait until it is well, and stop it after the last test."""
    log_path = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with reserved_port() as port, running(tiny_llama, port, log_path) as process:
        wait_until_well(process, f"http://{HOST}:{port}/health", log_path)
        yield VllmServer(base_url=f"http://{HOST}:{port}/v1", model=MODEL, log_path=log_path)


def give_up(reason: str) -> None:
    """Skip; or fail, where `REQUIRE_VLLM=1` says that vLLM must be here."""
    if os.environ.get("REQUIRE_VLLM") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def environment() -> dict[str, str]:
    """Return ours, less what would lead vLLM astray, with caches that go when .venv-vllm goes."""
    astray = ("VLLM_", "PYTHON")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(astray)}
    caches = {"XDG_CACHE_HOME": str(HOME / "cache"), "XDG_CONFIG_HOME": str(HOME / "config")}
    return ours | caches | ENVIRONMENT


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Hold a free port for vLLM.

    Bound but not listening, it stays open to a second bind with SO_REUSEADDR, which is vLLM's,
    and nobody else is given it in the half minute before that.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def running(
    model: Path, port: int, log_path: Path, *further: str, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run vLLM in a process group of its own, and leave neither processes nor sockets behind."""
    command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", *OPTIONS, *further]
    with tempfile.TemporaryDirectory(prefix="vllm-") as scratch, log_path.open("w") as log:
        process = subprocess.Popen(
            [*command, f"--model={model}", f"--port={port}"],
            cwd=scratch,
            # a short path: Unix sockets lie in it
            env=environment() | variables | {"TMPDIR": scratch},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)


def wait_until_well(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    """Wait for a 200 from `/health`, within the limit and while the process lives."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.5)
    code = process.poll()
    ended = "was not well in time" if code is None else f"ended with code {code}"
    tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
    pytest.fail(f"vLLM {ended}; the end of {log_path}:\n{tail}", pytrace=False)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, then end whatever is left of its process group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
