"""How long a server takes until it is ready, and what it holds then: the export beside torch.

The index and the export are there; what is measured is the program's start until it says that it
is ready, that is until a question would be answered from the documents.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from agentic_rag.settings import child_environment
from servers import AGENT, Server, running

MODULE = "agentic_rag"
BACKENDS = {"onnx int8": "onnx", "torch": "torch"}


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until ready, passed and spent; the memory then, and if torch is in it."""

    ready_s: float
    cpu_s: float
    rss_mb: float
    has_torch: bool


def main(
    runs: Annotated[int, typer.Option(help="Starts of each.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Start servers one after the other, each backend in turn."""
    with tempfile.TemporaryDirectory(prefix="agentic-rag-bench-") as folder:
        homes = {name: prepare(Path(folder), backend) for name, backend in BACKENDS.items()}
        starts: dict[str, list[Start]] = {name: [] for name in BACKENDS}
        for _ in range(runs):
            for name, backend in BACKENDS.items():
                with running(AGENT, **settings(homes[name], backend)) as server:
                    starts[name].append(look_at(server))
    if as_json:
        print(json.dumps({name: [asdict(start) for start in of] for name, of in starts.items()}))
    else:
        _show(starts)


def settings(home: Path, backend: str) -> dict[str, str]:
    """Return the variables that point a server at its index and its embedder."""
    export = str(home.parent / "embedder")
    return {"DATA_DIR": str(home), "EMBEDDING_BACKEND": backend, "EMBEDDING_DIR": export}


def prepare(folder: Path, backend: str) -> Path:
    """Return a DATA_DIR with the shipped clinic's index, built by that backend."""
    home = folder / backend
    commands = [["export-embedder"], ["ingest"]] if backend == "onnx" else [["ingest"]]
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", MODULE, *command],
            cwd=folder,
            env=child_environment(**settings(home, backend)),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return home


def look_at(server: Server) -> Start:
    """Look at a server that has just become ready."""
    process = psutil.Process(server.pid)
    mapped = {Path(each.path).name for each in process.memory_maps()}
    has_torch = any(name.startswith("libtorch") for name in mapped)
    return Start(server.start_s, server.cpu_seconds(), server.rss_mb(), has_torch)


def _show(starts: dict[str, list[Start]]) -> None:
    table = Table("", *starts, title="From the program's start until it is ready")
    rows: dict[str, Callable[[Sequence[Start]], str]] = {
        "fastest, s": lambda of: f"{min(each.ready_s for each in of):.2f}",
        "median, s": lambda of: f"{statistics.median(each.ready_s for each in of):.2f}",
        "slowest, s": lambda of: f"{max(each.ready_s for each in of):.2f}",
        "CPU, s": lambda of: f"{statistics.median(each.cpu_s for each in of):.2f}",
        "RSS, MB": lambda of: f"{max(each.rss_mb for each in of):.0f}",
        "torch": lambda of: "yes" if any(each.has_torch for each in of) else "no",
    }
    for row, told in rows.items():
        table.add_row(row, *(told(of) for of in starts.values()))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
