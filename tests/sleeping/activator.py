"""An activator: a real proxy that starts a real server when it is wanted, and stops it when idle.

Knative's holds a request while it starts the server, and says 504 when that takes too long. In
Standard mode nobody holds anything: nobody listens, or a gateway says 503 or 404 at once, and what
starts the server is a metric that KEDA reads.
"""

import asyncio
import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.ports import HOST, free_port
from tests.sleeping.server import ROOT

_POLL_S = 0.02
_REASONS = {404: "Not Found", 503: "Service Unavailable", 504: "Gateway Timeout"}

Cold = Literal["hold", "refuse", "503", "404"]


@dataclass
class Activator:
    """One service at zero replicas, and the way to it.

    Attributes:
        command: what starts the server; `{port}` in it is filled in.
        cold: what becomes of a request while there is no server: held as Knative does, or, as in
            Standard mode, refused by TCP or answered by a gateway.
        demand: what KEDA scales by; above zero the server is started. Knative needs none.
        hold_limit_s: after which a held request gets a 504.
        idle_s: without a request or demand, after which the server is stopped.
        health: the path that says 200 when the server can be given requests; empty: it listens.
        starts: when a server was started, as `time.monotonic` has it.
        ups: when each could be given requests.
        stops: when each was stopped.
        seen: the requests that arrived, as "GET /v1/models".
        held: the most requests that were held at once.
    """

    command: Sequence[str]
    cold: Cold = "hold"
    demand: Callable[[], float] = float
    hold_limit_s: float = 600.0
    idle_s: float = 600.0
    health: str = "/health"
    cwd: Path = ROOT
    environment: dict[str, str] | None = None
    starts: list[float] = field(default_factory=list)
    ups: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    held: int = 0

    def __enter__(self) -> "Activator":
        self._gate = _bound(0)
        self.port = int(self._gate.getsockname()[1])
        self._opened = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._opened.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    @property
    def base_url(self) -> str:
        """Return the address that a client is given, `/v1` included."""
        return f"http://{HOST}:{self.port}/v1"

    def stop_server(self) -> None:
        """Scale to zero now, and wait for it."""
        asyncio.run_coroutine_threadsafe(self._go_down(), self._loop).result()

    @property
    def is_up(self) -> bool:
        """Tell whether a server can be given requests."""
        return self._up.is_set()

    async def _run(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._up, self._going_up = asyncio.Event(), asyncio.Lock()
        self._starting: set[asyncio.Task[None]] = set()  # the loop itself holds no task
        self._process: subprocess.Popen[bytes] | None = None
        self._backend, self._last, self._in_flight, self._waiting = 0, time.monotonic(), 0, 0
        self._listening: asyncio.Server | None = None
        if self.cold != "refuse":
            await self._listen()
        watching = asyncio.create_task(self._watch())
        self._opened.set()
        await self._ended.wait()
        watching.cancel()
        for starting in self._starting:
            starting.cancel()
        await asyncio.gather(watching, *self._starting, return_exceptions=True)
        if self._listening:
            self._listening.close()
        self._gate.close()
        await self._go_down()

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._serve, sock=self._gate, backlog=512)

    async def _watch(self) -> None:
        """Start the server on demand, and stop it when nobody has asked for long enough."""
        while True:
            await asyncio.sleep(_POLL_S)
            wanted = self.demand() > 0
            if wanted or self._in_flight:
                self._last = time.monotonic()
            if wanted and not self._process:
                await self._go_up()
            # one that starts is not idle, however long that takes
            if self._up.is_set() and time.monotonic() - self._last > self.idle_s:
                await self._go_down()

    async def _go_up(self) -> None:
        """Start the server once, whoever asks, and wait until it is up."""
        async with self._going_up:
            if self._up.is_set() or self._ended.is_set():
                return
            process = self._start()
            while not await self._answers():
                await asyncio.sleep(_POLL_S)  # another process tells no event
                if self._process is not process:
                    return  # it was stopped before it was up
            self._last = time.monotonic()
            self.ups.append(self._last)
            self._up.set()
            if not self._listening:
                await self._listen()

    def _start(self) -> subprocess.Popen[bytes]:
        self._backend = free_port()
        self.starts.append(time.monotonic())
        self._process = subprocess.Popen(
            [part.format(port=self._backend) for part in self.command],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        return self._process

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(HOST, self._backend)
        except OSError:
            return False
        with contextlib.closing(writer):
            if not self.health:
                return True
            writer.write(f"GET {self.health} HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                return b" 200 " in await reader.readuntil(b"\r\n")
        return False

    async def _go_down(self) -> None:
        process, self._process = self._process, None
        self._up.clear()
        if self.cold == "refuse" and self._listening:
            self._listening.close()
            self._listening, self._gate = None, _bound(self.port)
        if process:
            process.terminate()
            await asyncio.to_thread(process.wait)
            self.stops.append(time.monotonic())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request of one connection."""
        self._in_flight += 1
        with (
            contextlib.closing(writer),
            contextlib.suppress(OSError, asyncio.IncompleteReadError, EOFError),
        ):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            self.seen.append(" ".join(head.decode("latin-1").split()[:2]))
            if await self._let_through(reader, writer):
                await self._pass_on(head + body, reader, writer)
        self._in_flight -= 1
        self._last = time.monotonic()

    async def _let_through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if self._up.is_set():
            return True
        if self.cold in {"503", "404"}:
            await _say(writer, int(self.cold), "no healthy upstream")
            return False
        self._waiting += 1
        self.held = max(self.held, self._waiting)
        try:
            async with asyncio.timeout(self.hold_limit_s):
                return await self._started_for(reader)
        except TimeoutError:
            await _say(writer, 504, "activator request timeout")
            return False
        finally:
            self._waiting -= 1

    async def _started_for(self, reader: asyncio.StreamReader) -> bool:
        """Wait for the server as long as the caller does; what was started goes on without it."""
        starting = asyncio.create_task(self._go_up())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({starting, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        return starting.done()

    async def _pass_on(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass the request on and the reply back; when one side goes, so does the other."""
        there, onwards = await asyncio.open_connection(HOST, self._backend)
        with contextlib.closing(onwards):
            onwards.write(_closing(request))
            back = asyncio.ensure_future(_copy(there, writer))
            gone = asyncio.ensure_future(reader.read(1))
            await asyncio.wait({back, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in (back, gone):
                task.cancel()
            await asyncio.gather(back, gone, return_exceptions=True)


async def _copy(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_closing(await there.readuntil(b"\r\n\r\n")))
    while block := await there.read(65_536):
        writer.write(block)
        await writer.drain()


def _closing(message: bytes) -> bytes:
    """Have a request's or a reply's connection closed after it: one request, one connection."""
    head, _, rest = message.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"connection: close"]) + b"\r\n\r\n" + rest


async def _say(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: text/plain\r\n"
    head += f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode() + text.encode())
    await writer.drain()


def _bound(port: int) -> socket.socket:
    """Hold a port on which nobody listens yet: connections to it are refused."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, port))
    return held
