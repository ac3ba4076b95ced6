"""Memory of the agent over many questions, each of them new, so that every cache fills."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from servers import AGENT, Server, running

_SETTLED = 1_000  # requests after which the memory has to stay where it is
_MOST = 0.05


def main(
    requests: Annotated[int, typer.Option(help="Questions to ask.")] = 10_000,
    every: Annotated[int, typer.Option(help="Questions between two looks.")] = 500,
    callers: Annotated[int, typer.Option(help="Callers at once.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Watch the agent's memory; exits 1 where it grows by over 5% after the first 1,000."""
    if requests <= _SETTLED or _SETTLED % every:
        raise typer.BadParameter(f"expected over {_SETTLED} questions, looked at on the way there")
    with running(AGENT) as server:
        samples = [(0, server.rss_mb(), 0.0)]
        errors: Counter[str] = Counter()
        for first in range(0, requests, every):
            start = time.monotonic()
            errors.update(_ask(server, first, min(every, requests - first), callers))
            spent = time.monotonic() - start
            samples.append((min(first + every, requests), server.rss_mb(), spent))
    settled = next(rss for asked, rss, _ in samples if asked == _SETTLED)
    growth = samples[-1][1] / settled - 1
    if as_json:
        print(json.dumps({"samples": samples, "errors": errors, "growth": growth}))
    else:
        _show(samples, errors, growth)
    sys.exit(growth > _MOST or bool(errors))


def _ask(server: Server, first: int, count: int, callers: int) -> dict[str, int]:
    """Ask the next questions; returns how often each kind of failure was seen."""
    load = [f"--first={first}", f"--count={count}", f"--callers={callers}"]
    script = str(Path(__file__).with_name("callers.py"))
    done = subprocess.run(
        [sys.executable, script, f"--port={server.port}", *load],
        stdout=subprocess.PIPE,
        check=True,
    )
    errors: dict[str, int] = json.loads(done.stdout)["errors"]
    return errors


def _show(
    samples: list[tuple[int, float, float]], errors: Mapping[str, int], growth: float
) -> None:
    table = Table("asked", "RSS, MB", "requests/s", title="Memory, every question a new one")
    for (before, *_), (asked, rss, spent) in zip([samples[0], *samples], samples, strict=False):
        rate = f"{(asked - before) / spent:,.0f}" if spent else ""
        table.add_row(f"{asked:,}", f"{rss:,.0f}", rate)
    console = Console()
    console.print(table)
    verdict = "stays within" if growth <= _MOST else "grows by more than"
    console.print(f"After {_SETTLED:,}: {growth:+.1%}; it {verdict} {_MOST:.0%}.")
    console.print(f"Errors: {dict(errors) or 'none'}.")


if __name__ == "__main__":
    typer.run(main)
