"""An upstream: a model's server on a real socket, each of whose replies a play decides."""

import asyncio
import contextlib
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
MODEL = "llm-server"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Call:
    """One request as it arrived, and the way to answer it.

    Attributes:
        nth: which one of its path it is, from 1 on.
    """

    path: str
    body: bytes
    nth: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: "Upstream"

    @property
    def streams(self) -> bool:
        """Tell whether the reply is wanted piece by piece."""
        return b'"stream":true' in self.body.replace(b" ", b"")

    async def send(self, *parts: bytes) -> None:
        """Send one part after the other, each by itself."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            self.upstream.sent += len(part)
            await asyncio.sleep(0)

    async def silence(self) -> None:
        """Say nothing until the caller goes away."""
        while await self.reader.read(65_536):
            pass
        self.writer.close()

    def reset(self) -> None:
        """Break the connection off as a crashed machine does."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Play = Callable[[Call], Awaitable[None]]


@dataclass
class Upstream:
    """A server; what it does with a request, or with a connection before any, is for plays to say.

    Attributes:
        on_connect: takes the place of all that follows.
        asked: the paths that were asked for, in order.
        keys: the keys that callers showed.
        sent: bytes.
        open: connections.
        busy: those of them that are in the middle of a reply.
    """

    chat: Play
    models: Play
    health: Play
    on_connect: Play | None = None
    asked: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    sent: int = 0
    open: int = 0
    busy: int = 0

    async def __aenter__(self) -> "Upstream":
        self._server = await asyncio.start_server(self._connected, HOST, 0, limit=1 << 24)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        """Return the address that a client is given, `/v1` included."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def chats(self) -> int:
        """Count the calls for an answer."""
        return self.asked.count("/v1/chat/completions")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.tasks.add(task)
        self.open += 1
        try:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError, asyncio.CancelledError
            ):  # whoever cancels it ends the server: in 3.11 asyncio takes that for an error
                await self._served(reader, writer)
        finally:
            self.open -= 1
            writer.close()
            self.tasks.discard(task)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.on_connect:
            with self._replying():
                await self.on_connect(Call("", b"", 1, reader, writer, self))
            return
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            with self._replying():
                await self._replied(head.decode("latin-1"), body, reader, writer)

    async def _replied(
        self, head: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = head.split()[1]
        self.asked.append(path)
        self.keys |= set(re.findall(r"(?i)\r\nauthorization: *Bearer (\S+)", head))
        plays = {"/v1/chat/completions": self.chat, "/v1/models": self.models}
        play = plays.get(path, self.health)
        await play(Call(path, body, self.asked.count(path), reader, writer, self))

    @contextlib.contextmanager
    def _replying(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1


def http(
    body: bytes | str = b"",
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    **headers: str,
) -> bytes:
    """Return a reply in one piece; `retry_after="1"` is a header."""
    content = body.encode() if isinstance(body, str) else body
    told = {"content-type": kind, "content-length": str(len(content))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    """Return a chunk, as HTTP has it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """Return an event of a stream; bytes are sent as they are."""
    return b"data: %s\n\n" % (value if isinstance(value, bytes) else json.dumps(value).encode())


def completion(content: object, finish: str | None = "stop", **extra: object) -> dict[str, Any]:
    """Return a whole reply."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    return _envelope("chat.completion", choice) | {"usage": usage} | extra


def piece(content: object, finish: str | None = None, **extra: object) -> dict[str, Any]:
    """Return a piece of a reply that is streamed."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return _envelope("chat.completion.chunk", choice) | extra


def pieces(text: str, finish: str | None = "stop") -> list[dict[str, Any]]:
    """Return a reply word by word."""
    words = [piece(word) for word in re.findall(r"\s*\S+", text)]
    return [*words, piece("", finish)] if finish else words


def _envelope(kind: str, choice: object) -> dict[str, Any]:
    return {"id": "c-1", "object": kind, "created": 1, "model": MODEL, "choices": [choice]}


def error(message: str, **extra: object) -> str:
    """Return an error in OpenAI's form, which is vLLM's."""
    return json.dumps({"error": {"message": message, "type": "error", "param": None, **extra}})


@contextlib.contextmanager
def nobody(_upstream: Upstream) -> Iterator[str]:
    """Lend an address where connections are refused."""
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield f"http://{HOST}:{held.getsockname()[1]}/v1"


@contextlib.contextmanager
def black_hole(_upstream: Upstream) -> Iterator[str]:
    """Lend an address that swallows connections: its backlog is full, so that nothing answers."""
    with socket.socket() as held, contextlib.ExitStack() as waiting:
        held.bind((HOST, 0))
        held.listen(0)
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(held.getsockname())
        yield f"http://{HOST}:{held.getsockname()[1]}/v1"
