"""Many callers at once, each question a new one: the agent beside chat APIs of the usual kind.

All ask the same model, in the same run, one after the other; the callers are a process of theirs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from servers import AGENT, Server, running

_HERE = Path(__file__).parent
UPSTREAM = (str(_HERE / "upstream.py"),)
_PLAIN = (str(_HERE / "plain_chat.py"),)
_SERVERS = {
    "plain chat API": _PLAIN,
    "with MiniLM made per request": (*_PLAIN, "--each-time"),
    "rag-agent": AGENT,
}
_ENDLESS = 100_000  # questions: more than are asked
_ROWS = {
    "throughput": "requests/s",
    "p50_ms": "latency p50, ms",
    "p95_ms": "latency p95, ms",
    "p99_ms": "latency p99, ms",
    "requests": "requests",
    "errors": "errors",
    "cpu_ms": "server CPU, ms/request",
}

Report = dict[str, Any]


def main(
    seconds: Annotated[float, typer.Option(help="How long to ask each server.")] = 30,
    callers: Annotated[int, typer.Option(help="Callers at once.")] = 64,
    embedder: Annotated[str, typer.Option(help="Folder of an export, as the image has one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure requests a second and latency of each."""
    with running(UPSTREAM) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/v1"
        told = {"LLM_BASE_URL": url, "EMBEDDING_DIR": embedder}
        reports = {
            name: _measured(module, told, seconds, callers) for name, module in _SERVERS.items()
        }
    if as_json:
        print(json.dumps(reports))
        return
    title = f"{callers} callers, {seconds:g} s each, load average {os.getloadavg()[0]:.1f}"
    table = Table("", *reports, title=title, box=None)
    for key, row in _ROWS.items():
        table.add_row(row, *(f"{report[key]:,.1f}" for report in reports.values()))
    Console().print(table)
    Console().print({name: report["degraded"] for name, report in reports.items()})


def _measured(module: Sequence[str], told: dict[str, str], seconds: float, callers: int) -> Report:
    with running(module, **told) as server:
        asked(server, seconds=2, callers=callers, first=_ENDLESS)  # whatever is made at first use
        cpu = server.cpu_seconds()
        outcome = asked(server, seconds=seconds, callers=callers)
        cpu = server.cpu_seconds() - cpu
    served = sorted(outcome["latencies"])
    broken = {kind: n for kind, n in outcome["errors"].items() if not kind.startswith("llm_")}
    return {
        "throughput": len(served) / outcome["seconds"],
        **{f"p{p}_ms": served[int(p / 100 * (len(served) - 1))] * 1000 for p in (50, 95, 99)},
        "requests": len(served),
        "errors": sum(broken.values()),
        "degraded": {kind: n for kind, n in outcome["errors"].items() if kind not in broken},
        "cpu_ms": cpu * 1000 / max(1, len(served)),
    }


def asked(server: Server, *, seconds: float, callers: int, first: int = 0) -> Report:
    """Let the callers loose on a server, with questions that nobody asked before."""
    load = [f"--port={server.port}", f"--seconds={seconds}", f"--callers={callers}"]
    load += [f"--count={_ENDLESS}", f"--first={first}"]
    command = [sys.executable, str(_HERE / "callers.py"), *load]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    outcome: Report = json.loads(done.stdout)
    return outcome


if __name__ == "__main__":
    typer.run(main)
