"""What the agent adds to a model that takes 50 ms for 100 tokens, for one caller.

Each question is asked of the agent, and then what the agent sent to the model is sent to it again,
directly: what is reported are the differences.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from load import UPSTREAM
from questions import ASKED
from servers import AGENT, running
from upstream import MODEL

_MARKER = " [1]"


class Caller:
    """Asks the agent, and the model behind it."""

    def __init__(self, http: httpx.AsyncClient, agent: str, upstream: str) -> None:
        self._http = http
        self._agent = agent
        self._upstream = upstream

    async def whole(self, question: str) -> tuple[float, float] | None:
        """Return the seconds of an answer and of the reply that it rests on."""
        url = f"{self._agent}/v1/models/rag-agent:predict"
        reply, agent_s = await _timed(lambda: self._http.post(url, json={"instances": [question]}))
        if not reply.json()["predictions"][0]["generator"].startswith("vllm/"):
            return None
        body = await self._repeated()
        chat = f"{self._upstream}/v1/chat/completions"
        _, direct_s = await _timed(lambda: self._http.post(chat, json=body))
        return agent_s, direct_s

    async def first_sentence(self, question: str) -> tuple[float, float] | None:
        """Return the seconds to the first proven sentence, and to its end in the model's reply."""
        proven = await self._told(f"{self._agent}/chat/stream", {"question": question}, _proven)
        if not proven:
            return None
        body = await self._repeated() | {"stream": True}
        written = await self._told(f"{self._upstream}/v1/chat/completions", body, _written)
        sentence, agent_s = proven
        heard, direct_s = written or ("", 0.0)
        is_first = heard.strip().startswith(sentence.partition(_MARKER)[0])
        return (agent_s, direct_s) if is_first else None

    async def _repeated(self) -> dict[str, Any]:
        messages = (await self._http.get(f"{self._upstream}/last")).json()
        return {"model": MODEL, "messages": messages}

    async def _told(
        self, url: str, body: dict[str, Any], hear: Callable[[str, str], str]
    ) -> tuple[str, float] | None:
        """Listen until a whole sentence was heard; return it, and when that was."""
        start, heard, name, ended = time.perf_counter(), "", "", None
        async with self._http.stream("POST", url, json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: {") and not ended:
                    heard += hear(name, line.removeprefix("data: "))
                    if _MARKER in heard:
                        ended = heard, time.perf_counter() - start
        return ended


def _proven(name: str, told: str) -> str:
    return str(json.loads(told)["text"]) if name == "sentence" else ""


def _written(_name: str, told: str) -> str:
    return str(json.loads(told)["choices"][0]["delta"].get("content", ""))


async def _timed(call: Callable[[], Awaitable[httpx.Response]]) -> tuple[httpx.Response, float]:
    start = time.perf_counter()
    reply = await call()
    seconds = time.perf_counter() - start
    reply.raise_for_status()
    return reply, seconds


def main(
    rounds: Annotated[int, typer.Option(help="Times that each question is asked.")] = 8,
    embedder: Annotated[str, typer.Option(help="Folder of an export, as the image has one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure what the agent adds."""
    with running(UPSTREAM) as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        with running(AGENT, LLM_BASE_URL=f"{url}/v1", EMBEDDING_DIR=embedder) as server:
            agent = f"http://127.0.0.1:{server.port}"
            reports = asyncio.run(_measured(agent, url, rounds))
    if as_json:
        print(json.dumps(reports))
        return
    table = Table("ms", *next(iter(reports.values())), box=None)
    table.title = f"load average {os.getloadavg()[0]:.1f}"
    for name, report in reports.items():
        table.add_row(name, *(f"{value:,.1f}" for value in report.values()))
    Console().print(table)


async def _measured(agent: str, upstream: str, rounds: int) -> dict[str, dict[str, float]]:
    async with httpx.AsyncClient(timeout=60) as http:
        caller, reports = Caller(http, agent, upstream), {}
        for name, ask in {
            "a whole answer": caller.whole,
            "the first proven sentence": caller.first_sentence,
        }.items():
            for question in ASKED:  # what is made at first use
                await ask(question)
            pairs = [await ask(question) for _ in range(rounds) for question in ASKED]
            reports[name] = _report([pair for pair in pairs if pair])
    return reports


def _report(pairs: list[tuple[float, float]]) -> dict[str, float]:
    added = [(agent - direct) * 1000 for agent, direct in pairs]
    return {
        "direct p50": statistics.median(direct for _, direct in pairs) * 1000,
        "agent p50": statistics.median(agent for agent, _ in pairs) * 1000,
        "added p50": statistics.median(added),
        "added p99": statistics.quantiles(added, n=100)[98],
        "answers": len(pairs),
    }


if __name__ == "__main__":
    typer.run(main)
