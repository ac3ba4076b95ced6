"""A cold start: callers who find the model asleep, in both shapes, and what each of them gets when.

The model is the scripted one, behind the tests' activator; the agent is a server of its own, asked
over its streaming door. Its index is made once, before the rounds.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from servers import AGENT, Server, running

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the activator is the tests'

from tests.sleeping.activator import Activator, Cold
from tests.sleeping.server import command

_QUESTION = "Whats the price range for Root Canal Therapy?"
_REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1] It takes 2 visits. [1]"
_GAUGE = re.compile(rb"^agentic_rag_llm_inflight\{.*\} (\S+)$", re.MULTILINE)
_SCRAPED_S = 0.25
_SETTLED_S = 2.0  # a gauge that was read, or a look that was begun, just before would wake it again
_SHAPES: dict[str, Cold] = {"Knative (held)": "hold", "Standard with KEDA (refused)": "refuse"}
_ROWS = {
    "rounds": "{:.0f}",
    "first answer p50, s": "{:.2f}",
    "first answer p95, s": "{:.2f}",
    "processes started a round": "{:.2f}",
    "upgrades, of all callers": "{:.0%}",
    "upgrade after the model was up, p95, s": "{:.2f}",
    "ETA told in the last round, s": "{:.1f}",
    "truth, s": "{:.1f}",
    "ETA beside the truth": "{:+.0%}",
}


class Scraped:
    """What KEDA sees: the gauge, read as Prometheus does, if more often.

    It is read in a thread of its own: who scales must not make those wait who are passed on.
    """

    def __init__(self) -> None:
        self._value = 0.0
        self._ended = threading.Event()

    def __call__(self) -> float:
        """Return the gauge's sum."""
        return self._value

    @contextmanager
    def watching(self, server: Server) -> Iterator[None]:
        """Read a server's gauge now and then, until the block ends."""
        thread = threading.Thread(target=self._watch, args=(server.port,))
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self, port: int) -> None:
        while not self._ended.wait(_SCRAPED_S):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
                self._value = sum(float(value) for value in _GAUGE.findall(page.read()))


def main(
    callers: Annotated[int, typer.Option(help="Callers at once.")] = 20,
    rounds: Annotated[int, typer.Option(help="Cold starts of each shape.")] = 6,
    start_s: Annotated[float, typer.Option(help="Seconds that the model takes to start.")] = 8.0,
    idle_s: Annotated[float, typer.Option(help="Seconds without a question before each.")] = 31.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure what callers get who find the model asleep."""
    reports = {
        name: measure(cold, callers, start_s, [idle_s] * rounds) for name, cold in _SHAPES.items()
    }
    if as_json:
        print(json.dumps(reports))
        return
    title = f"{callers} callers, load average {os.getloadavg()[0]:.1f}"
    table = Table("", *reports, title=title, box=None)
    for row, shown in _ROWS.items():
        table.add_row(row, *(shown.format(report[row]) for report in reports.values()))
    Console().print(table)


def measure(cold: Cold, callers: int, start_s: float, idle_s: Sequence[float]) -> dict[str, float]:
    """Let the callers find one shape asleep, again and again, and report."""
    scraped = Scraped()
    with (
        Activator(
            command(start_s=start_s, ms_per_token=10, reply=_REPLY), cold=cold, demand=scraped
        ) as service,
        running(AGENT, LLM_BASE_URL=service.base_url) as server,
        scraped.watching(server),
    ):
        heard = [asyncio.run(_cold_start(server, service, callers, each)) for each in idle_s]
    first = [each["first_s"] for told in heard for each in told]
    after = sorted(
        each["at"] - up for told, up in zip(heard, service.ups, strict=True) for each in told
    )
    per_round = len(service.starts) / len(idle_s)
    told_s, took_s = heard[-1][0]["eta_s"], service.ups[-1] - service.starts[-1]
    return {
        "rounds": len(idle_s),
        "first answer p50, s": statistics.median(first),
        "first answer p95, s": _p95(sorted(first)),
        "processes started a round": per_round,
        "upgrades, of all callers": statistics.mean(e["upgraded"] for told in heard for e in told),
        "upgrade after the model was up, p95, s": _p95(after),
        "ETA told in the last round, s": told_s,
        "truth, s": took_s,
        "ETA beside the truth": told_s / took_s - 1,
    }


async def _cold_start(
    server: Server, service: Activator, callers: int, idle_s: float
) -> list[dict[str, Any]]:
    """Put the model to sleep, let a while pass, ask from all sides, and stay."""
    await asyncio.sleep(_SETTLED_S)
    await asyncio.to_thread(service.stop_server)
    await asyncio.sleep(idle_s)
    url = f"http://127.0.0.1:{server.port}/chat/stream"
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        return await asyncio.gather(*(_listen(client, url) for _ in range(callers)))


async def _listen(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    start, name = time.monotonic(), ""
    told: dict[str, Any] = {"eta_s": 0.0}
    async with client.stream("POST", url, json={"question": _QUESTION}) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name in {"provisional", "answer"}:
                answer = json.loads(line.removeprefix("data: "))
                told.setdefault("first_s", time.monotonic() - start)
                told["eta_s"] = told["eta_s"] or answer.get("eta_seconds", 0.0)
                told["upgraded"] = answer["generator"].startswith("vllm/")
    return told | {"at": time.monotonic()}


def _p95(values: list[float]) -> float:
    return values[min(len(values) - 1, int(0.95 * len(values)))]


if __name__ == "__main__":
    typer.run(main)
