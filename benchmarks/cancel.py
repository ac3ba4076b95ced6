"""Callers who hang up at random moments: how long until the LLM is let go, and what is left behind.

The LLM is one that writes slowly. Beside the agent's doors, in the same run, stand callers who hang
up on that LLM itself.
"""

import asyncio
import json
import os
import random
import re
import socket
import statistics
import struct
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import typer
from grpc import aio
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from rich.console import Console
from rich.table import Table

from servers import AGENT, Server, running
from slow_llm import MODEL, SlowLlm

_ASKED = "Whats the price range for Root Canal Therapy?"
_TELL_APART = 200  # tokens that the first caller asks for; no call of the agent's own has so many
_LONGEST_S = 1.5  # that a caller stays; the LLM writes for five seconds
_WARM_UP = 200  # pools of threads fill up once
_SETTLE_S, _LONGEST_SETTLE_S = 8.0, 60.0  # connections that idle are kept for five seconds
_AGENTS = ("v1", "v2", "gRPC", "/chat/stream")
_RESET = struct.pack("ii", 1, 0)

HangUp = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Held:
    """What the agent holds while nobody asks it anything.

    Attributes:
        connections: its sockets.
        threads: without those of Chroma's and gRPC's pools, which have names, and come and go.
    """

    connections: int
    threads: int
    tasks: int
    llm_inflight: int


def main(
    callers: Annotated[int, typer.Option(help="Callers over all doors.")] = 1000,
    at_once: Annotated[int, typer.Option(help="Callers at once.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure what becomes of a question whose caller hangs up."""
    report = asyncio.run(measure(callers, at_once))
    if as_json:
        print(json.dumps(report))
        return
    title = f"{callers} hang-ups, {at_once} at once, load average {os.getloadavg()[0]:.1f}"
    table = Table("from hang-up to the LLM's end, ms", title=title, box=None)
    for column in next(iter(report["doors"].values())):
        table.add_column(column, justify="right")
    for door, row in report["doors"].items():
        table.add_row(door, *(f"{value:.4g}" for value in row.values()))
    Console().print(table)
    Console().print(f"held before {report['before']}, after {report['after']}")


async def measure(callers: int, at_once: int) -> dict[str, Any]:
    """Let callers hang up on the agent and, in turn with them, on the LLM."""
    async with SlowLlm() as llm:
        served = running(AGENT, LLM_BASE_URL=llm.base_url)
        server = await asyncio.to_thread(served.__enter__)
        try:
            crowd = _Crowd(server, llm, at_once)
            await crowd.come_and_go(_WARM_UP)
            before = await _held(server)
            crowd.gone.clear()
            await crowd.come_and_go(callers)
            after = await _held(server, before)
        finally:
            await asyncio.to_thread(served.__exit__, None, None, None)
    held = {"before": _plain(before), "after": _plain(after)}
    doors = {door: crowd.told_of(door) for door in crowd.doors}
    return held | {"doors": {"all of the agent's": crowd.told_of(*_AGENTS)} | doors}


class _Crowd:
    def __init__(self, server: Server, llm: SlowLlm, at_once: int) -> None:
        self.doors: dict[str, Callable[[int], Awaitable[HangUp]]] = {
            "v1": lambda at: _post(server.port, "/v1/models/rag-agent:predict", _v1(at)),
            "v2": lambda at: _post(server.port, "/v2/models/rag-agent/infer", _v2(at)),
            "gRPC": lambda at: _infer(server.grpc_port, at),
            "/chat/stream": lambda at: _post(server.port, "/chat/stream", _chat(at)),
            "the LLM itself": lambda at: _post(llm.port, "/v1/chat/completions", _direct(at)),
            "the LLM itself, streaming": lambda at: _post(
                llm.port, "/v1/chat/completions", _direct(at) | {"stream": True}
            ),
        }
        self.gone: dict[int, tuple[str, float]] = {}
        self._llm, self._gate = llm, asyncio.Semaphore(at_once)
        self._random = random.Random(7)
        self._next = _TELL_APART

    async def come_and_go(self, agents: int) -> None:
        """Have so many callers hang up on the agent, evenly over its doors, and some on the LLM."""
        doors = cycle(self.doors)
        count = agents * len(self.doors) // len(_AGENTS)
        await asyncio.gather(*(self._hang_up(next(doors)) for _ in range(count)))
        await asyncio.sleep(1.0)  # what is late shall be seen as late, and not be missed

    async def _hang_up(self, door: str) -> None:
        at, stay_s = self._next, self._random.uniform(0, _LONGEST_S)
        self._next += 1
        async with self._gate:
            leave = await self.doors[door](at)
            await asyncio.sleep(stay_s)
            self.gone[at] = door, time.monotonic()
            await leave()

    def told_of(self, *doors: str) -> dict[str, float]:
        """Return how long the LLM wrote for nobody."""
        gone = {at: when for at, (name, when) in self.gone.items() if name in doors}
        calls = {at: self._llm.calls[at] for at in gone if at in self._llm.calls}
        took = sorted((call.closed or 1e9) - gone[at] for at, call in calls.items())
        return {
            "callers": len(gone),
            "had the LLM": len(calls),
            "never let go": sum(call.closed is None for call in calls.values()),
            "p50": 1000 * statistics.median(took),
            "p95": 1000 * took[int(0.95 * len(took))],
            "p99": 1000 * took[int(0.99 * len(took))],
            "longest": 1000 * took[-1],
        }


async def _post(port: int, path: str, body: object) -> HangUp:
    """Ask over a socket of one's own; returns what hangs up: every other one by a reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(content) + content)
    reading = asyncio.create_task(reader.read())

    async def hang_up() -> None:
        if len(content) % 2 == 0:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    return hang_up


async def _infer(port: int, at: int) -> HangUp:
    """Ask over gRPC, on a connection of one's own; returns what hangs up."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    channel = aio.insecure_channel(f"127.0.0.1:{port}", options=own)
    request = ModelInferRequest(model_name="rag-agent")
    question = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    question.contents.bytes_contents.append(_ASKED.encode())
    request.parameters["max_tokens"].int64_param = at
    asked = GRPCInferenceServiceStub(channel).ModelInfer(request)

    async def hang_up() -> None:
        if at % 2:
            asked.cancel()
        await channel.close()

    return hang_up


def _chat(at: int) -> dict[str, object]:
    return {"question": _ASKED + " " * (at % 2), "max_tokens": at}


def _v1(at: int) -> dict[str, object]:
    return {"instances": [_chat(at)]}


def _v2(at: int) -> dict[str, object]:
    tensor = {"name": "question", "shape": [1], "datatype": "BYTES"}
    text = _ASKED + " " * (at % 2)
    return {"inputs": [tensor | {"data": [text]}], "parameters": {"max_tokens": at}}


def _direct(at: int) -> dict[str, object]:
    message = {"role": "user", "content": _ASKED + " " * (at % 2)}
    return {"model": MODEL, "messages": [message], "max_tokens": at}


async def _held(server: Server, before: Held | None = None) -> Held:
    """Look at the agent's process once all is quiet; what is more than before may take its time."""
    await asyncio.sleep(_SETTLE_S)
    held = await _look(server)
    end = time.monotonic() + _LONGEST_SETTLE_S
    while before and time.monotonic() < end and _leaked(before, held):
        await asyncio.sleep(1)
        held = await _look(server)
    return held


def _leaked(before: Held, after: Held) -> bool:
    was, now = _plain(before), _plain(after)
    return any(now[name] > was[name] for name in was)


async def _look(server: Server) -> Held:
    url = f"http://127.0.0.1:{server.port}/metrics"
    page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read().decode())
    process = Path(f"/proc/{server.pid}")
    name = (process / "comm").read_text()
    named = [(each / "comm").read_text() for each in (process / "task").iterdir()]
    opened = [each.readlink().name for each in (process / "fd").iterdir()]
    return Held(
        connections=sum(each.startswith("socket:") for each in opened),
        threads=named.count(name),
        tasks=_sum(page, "agentic_rag_tasks"),
        llm_inflight=_sum(page, "agentic_rag_llm_inflight"),
    )


def _sum(page: str, name: str) -> int:
    found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)
    return int(sum(float(value) for value in found))


def _plain(held: Held) -> dict[str, int]:
    return {name: getattr(held, name) for name in Held.__slots__}


if __name__ == "__main__":
    typer.run(main)
