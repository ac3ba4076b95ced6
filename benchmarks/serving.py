"""Throughput and latency of the agent beside a bare KServe model, under the same load.

Both servers are processes of their own, asked one after the other by 32 callers (a process of
theirs), while a third process asks every 100 ms whether the server is ready.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from servers import AGENT, ECHO, Server, running

_HERE = Path(__file__).parent
_ROWS = (
    ("requests", "requests", "{:,.0f}"),
    ("errors", "errors", "{:,.0f}"),
    ("answers that changed", "changed", "{:,.0f}"),
    ("throughput, requests/s", "throughput", "{:,.1f}"),
    ("latency p50, ms", "p50_ms", "{:,.1f}"),
    ("latency p95, ms", "p95_ms", "{:,.1f}"),
    ("latency p99, ms", "p99_ms", "{:,.1f}"),
    ("readiness probes", "probes", "{:,.0f}"),
    ("probes failed", "probes_failed", "{:,.0f}"),
    ("probe p50, ms", "probe_p50_ms", "{:,.1f}"),
    ("probe p99, ms", "probe_p99_ms", "{:,.1f}"),
    ("probe max, ms", "probe_max_ms", "{:,.1f}"),
    ("server CPU, ms/request", "cpu_ms", "{:,.1f}"),
    ("RSS before, MB", "rss_before_mb", "{:,.0f}"),
    ("RSS after, MB", "rss_after_mb", "{:,.0f}"),
)

Report = dict[str, Any]


def main(
    seconds: Annotated[float, typer.Option(help="How long to ask each server.")] = 60,
    callers: Annotated[int, typer.Option(help="Callers at once.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    baseline: Annotated[bool, typer.Option(help="Measure the bare model too.")] = True,
) -> None:
    """Measure throughput and latency of the agent beside a bare KServe model."""
    load = [f"--seconds={seconds}", f"--callers={callers}"]
    modules = {"bare KServe": ECHO} if baseline else {}
    reports = {
        name: measure(module, load) for name, module in {**modules, "rag-agent": AGENT}.items()
    }
    if as_json:
        print(json.dumps(reports))
    else:
        _show(reports, f"{callers} callers, {seconds:g} s, load average {os.getloadavg()[0]:.1f}")


def measure(module: Sequence[str], load: Sequence[str]) -> Report:
    """Start a server, let the callers loose on it and report."""
    with running(module) as server:
        rss, cpu = server.rss_mb(), server.cpu_seconds()
        with _probed(server) as probed:
            asked = _asked(server, load)
        cpu, after = server.cpu_seconds() - cpu, server.rss_mb()
    served, probes = sorted(asked["latencies"]), sorted(probed["latencies"])
    return {
        "requests": len(served),
        "errors": sum(asked["errors"].values()),
        "error_kinds": asked["errors"],
        "outcomes": asked["outcomes"],
        "changed": asked["changed"],
        "throughput": len(served) / asked["seconds"],
        **{f"p{percent}_ms": _percentile(served, percent) for percent in (50, 95, 99)},
        "probes": len(probes),
        "probes_failed": probed["failed"],
        **{f"probe_p{percent}_ms": _percentile(probes, percent) for percent in (50, 99)},
        "probe_max_ms": _percentile(probes, 100),
        "cpu_ms": cpu * 1000 / max(1, len(served)),
        "rss_before_mb": rss,
        "rss_after_mb": after,
    }


def _asked(server: Server, load: Sequence[str]) -> Report:
    done = subprocess.run(
        [sys.executable, str(_HERE / "callers.py"), f"--port={server.port}", *load],
        stdout=subprocess.PIPE,
        check=True,
    )
    outcome: Report = json.loads(done.stdout)
    return outcome


@contextmanager
def _probed(server: Server) -> Iterator[Report]:
    """Probe the server during the block; what was seen is there when it ends."""
    seen: Report = {}
    probe = subprocess.Popen(
        [sys.executable, str(_HERE / "probe.py"), f"--port={server.port}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield seen
    finally:
        seen.update(json.loads(probe.communicate(timeout=60)[0]))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of the ordered seconds do not exceed, in ms."""
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] * 1000


def _show(reports: dict[str, Report], title: str) -> None:
    table = Table("", title=title)
    for name in reports:
        table.add_column(name, justify="right")
    for what, key, form in _ROWS:
        table.add_row(what, *(form.format(report[key]) for report in reports.values()))
    console = Console()
    console.print(table)
    outcomes = reports["rag-agent"]["outcomes"]
    console.print("rag-agent: " + ", ".join(f"{n:,} {kind}" for kind, n in outcomes.items()))


if __name__ == "__main__":
    typer.run(main)
