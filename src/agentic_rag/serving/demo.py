"""The demo: indexes the clinic, starts a server, asks it over every KServe protocol, stops it."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from agentic_rag.settings import child_environment

MODEL = "rag-agent"
ASKED = (
    ("v1 REST", "Whats the price range for Root Canal Therapy?"),
    ("v2 REST", "Do you treat dogs?"),
    ("v2 gRPC", "My face is badly swollen and I have a high fever. What should I do?"),
)
_READY_S = 120
_STYLES = {"answered": "green", "declined": "yellow", "emergency": "bold red"}


def main() -> None:
    """Run the demo; exits 0 when every protocol gave the outcome that it should."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="agentic-rag-demo-") as folder:
        console.rule("1. Index the shipped clinic")
        environment = {"DATA_DIR": folder}
        run_cli(["ingest"], environment)
        console.rule("2. Start the KServe server")
        with served(environment) as ports:
            console.print(f"REST on port {ports[0]}, gRPC on port {ports[1]}, ready.")
            console.rule("3. Ask")
            answers = asyncio.run(ask_all(*ports))
        for (door, question), answer in zip(ASKED, answers, strict=True):
            console.print(panel(door, question, answer))
    outcomes = [answer["outcome"] for answer in answers]
    console.rule("Server stopped")
    if outcomes != list(_STYLES):
        console.print(f"[red]expected {list(_STYLES)}, got {outcomes}[/red]")
        sys.exit(1)


def run_cli(arguments: Sequence[str], environment: dict[str, str]) -> None:
    """Run `agentic-rag` with those arguments, its output shown."""
    subprocess.run(  # our own module
        [sys.executable, "-m", "agentic_rag", *arguments],
        env=child_environment(**environment),
        check=True,
    )


@contextmanager
def served(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Run a server on free ports; yields (http, grpc) when it is ready and stops it at the end.

    Raises:
        RuntimeError: it ended, or was not ready in time; with the end of its log.
    """
    ports = _free_ports()
    command = [sys.executable, "-m", "agentic_rag.serving.kserve_runtime"]
    command += [f"--http_port={ports[0]}", f"--grpc_port={ports[1]}"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            command, env=child_environment(**environment), stdout=log, stderr=log
        )
        try:
            _wait_until_ready(ports[0], server)
            yield ports
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read()[-3000:]}") from None
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


async def ask_all(http_port: int, grpc_port: int) -> list[dict[str, Any]]:
    """Ask one question through each protocol, with KServe's own clients."""
    base = f"http://127.0.0.1:{http_port}"
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2"))
    grpc = InferenceGRPCClient(f"127.0.0.1:{grpc_port}")
    questions = [question for _, question in ASKED]
    first = await v1.infer(base, {"instances": [questions[0]]}, model_name=MODEL)
    second = await v2.infer(base, _tensor(questions[1]), model_name=MODEL)
    third = await grpc.infer(_tensor(questions[2]))
    await grpc.close()
    return [first["predictions"][0], _metadata(second), _metadata(third)]


def panel(door: str, question: str, answer: dict[str, Any]) -> Panel:
    """Lay an answer out for a person: the text, then each citation with its quote."""
    lines = [escape(answer["answer"])]
    for citation in answer["citations"]:
        quote = " ".join(citation["quote"].split())
        quote = quote if len(quote) <= 160 else quote[:160] + " ..."  # noqa: PLR2004
        lines.append(f"[dim]\\[{citation['number']}] {citation['label']}: “{escape(quote)}”[/dim]")
    style = _STYLES.get(answer["outcome"], "")
    lines.append(
        f"[dim]{answer['outcome']}, {answer['generator']}, {answer['latency_seconds']} s[/dim]"
    )
    return Panel("\n".join(lines), title=f"{door}: {escape(question)}", border_style=style)


def _tensor(question: str) -> InferRequest:
    tensor = InferInput("question", [1], "BYTES", [question])
    return InferRequest(MODEL, [tensor])


def _metadata(response: Any) -> dict[str, Any]:  # noqa: ANN401  # kserve ships no types
    output = next(o for o in response.outputs if o.name == "metadata")
    value = output.as_numpy().ravel()[0]
    answer: dict[str, Any] = json.loads(value)
    return answer


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {server.returncode}")
        try:
            reply = httpx.get(f"http://127.0.0.1:{port}/v2/models/{MODEL}/ready", timeout=2)
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if reply.status_code == httpx.codes.OK:
            return
        time.sleep(0.2)
    raise RuntimeError(f"the server was not ready within {_READY_S} s")


if __name__ == "__main__":
    main()
