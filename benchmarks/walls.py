"""What keys, limits, metrics, records, logs and traces together cost a /v1 predict.

Servers on the same index are asked in turns, so that whatever else the machine does is shared: one
with nothing, one as `infra/components/otel` has it, which keeps a tenth of the traces, and one that
keeps all.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from servers import AGENT, Server, running

_HERE = Path(__file__).parent
_UNSEEN = (str(_HERE / "unseen_agent.py"),)
_KEY = "benchmark-key"
_HASH = sha256(_KEY.encode()).hexdigest()
_ENTRIES = ",".join([*(f"other-{at}:ask:{at:064x}" for at in range(9)), f"one:ask:{_HASH}"])
_SHARES = ("0.1", "1.0")  # of the traces, that are kept
_NONE = {"ANSWERS_TTL": "0", "LOG_LEVEL": "warning"}
_ALL = {
    "API_KEYS": _ENTRIES,
    "RATE_LIMIT": "99999/second",
    "MAX_CONCURRENCY_PER_KEY": "100",
    "LOG_FORMAT": "json",
}


class _Collector(BaseHTTPRequestHandler):
    """Takes spans, and counts their bytes."""

    taken = 0

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        _Collector.taken += len(self.rfile.read(length))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _collecting() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _asked(server: Server, seconds: float, callers: int) -> tuple[float, float]:
    """Return requests a second, and the server's processor time for each in milliseconds.

    Raises:
        RuntimeError: a request failed.
    """
    options = [f"--port={server.port}", f"--seconds={seconds}", f"--callers={callers}"]
    command = [sys.executable, str(_HERE / "callers.py"), *options, f"--key={_KEY}"]
    before = server.cpu_seconds()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    spent = server.cpu_seconds() - before
    outcome: dict[str, Any] = json.loads(done.stdout)
    if outcome["errors"]:
        raise RuntimeError(f"requests failed: {outcome['errors']}")
    served = len(outcome["latencies"])
    return served / outcome["seconds"], spent / served * 1000


def main(
    data_dir: Annotated[str, typer.Argument(help="A DATA_DIR with an index.")],
    rounds: Annotated[int, typer.Option(help="Turns of each server.")] = 10,
    seconds: Annotated[float, typer.Option(help="How long a turn takes.")] = 5,
    callers: Annotated[int, typer.Option(help="Callers at once.")] = 16,
) -> None:
    """Measure them, and print a table."""
    with ExitStack() as stack:
        told = _ALL | {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(_collecting())}
        servers = [stack.enter_context(running(_UNSEEN, DATA_DIR=data_dir, **_NONE))]
        for share in _SHARES:
            walls = told | {"DATA_DIR": data_dir, "OTEL_TRACES_SAMPLER_ARG": share}
            servers.append(stack.enter_context(running(AGENT, **walls)))
        for server in servers:  # whatever is made at first use
            _asked(server, seconds, callers)
        turns = [[_asked(server, seconds, callers) for server in servers] for _ in range(rounds)]
    table = Table("a /v1 predict", "traces", "without", "with", "ratio", "least", "most", box=None)
    for walled, share in enumerate(_SHARES, start=1):
        for at, name in enumerate(("requests/s", "processor ms a request")):
            without, with_all = (
                statistics.median(turn[server][at] for turn in turns) for server in (0, walled)
            )
            ratios = sorted(turn[walled][at] / turn[0][at] for turn in turns)
            shown = (without, with_all, statistics.median(ratios), ratios[0], ratios[-1])
            table.add_row(name, share, *(f"{value:.3g}" for value in shown))
    Console().print(table)
    Console().print(f"{_Collector.taken:,} bytes of spans; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
