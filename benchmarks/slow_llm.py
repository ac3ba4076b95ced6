"""An LLM that writes slowly, and takes down when each of its callers came and went."""

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

MODEL = "llm-server"
_TOKENS, _TOKEN_S = 100, 0.05
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Call:
    """One call, as `time.monotonic` has it; `closed` by a caller who went away."""

    opened: float
    closed: float | None = None


@dataclass
class SlowLlm:
    """A server of the OpenAI protocol on a port of its own.

    Attributes:
        calls: by the tokens that were asked for at most, which tells the callers apart.
        open: connections that are.
    """

    calls: dict[int, Call] = field(default_factory=dict)
    open: int = 0

    async def __aenter__(self) -> "SlowLlm":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with suppress(asyncio.IncompleteReadError, OSError):
            while await self._answer(reader, writer):
                pass
        self.open -= 1
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tells whether the caller is still there."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if head.startswith(b"GET"):
            _send(writer, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
            return True
        asked = json.loads(body)
        most = asked.get("max_completion_tokens") or asked["max_tokens"]
        call = self.calls[most] = Call(time.monotonic())
        writing = asyncio.create_task(_write(writer, streams=bool(asked.get("stream"))))
        gone = asyncio.create_task(reader.read(1))
        await asyncio.wait({writing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            call.closed = time.monotonic()
        for each in (writing, gone):
            each.cancel()
        await asyncio.gather(writing, gone, return_exceptions=True)
        return call.closed is None


async def _write(writer: asyncio.StreamWriter, *, streams: bool) -> None:
    if not streams:
        await asyncio.sleep(_TOKENS * _TOKEN_S)
        message = {"role": "assistant", "content": "I don't have that."}
        _send(writer, _chat(message=message, finish_reason="stop"))
        return
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    writer.write(b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(_TOKENS):
        event = b"data: %s\n\n" % json.dumps(_chat(delta={"content": " slowly"})).encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await asyncio.sleep(_TOKEN_S)
    writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


def _chat(**choice: object) -> dict[str, object]:
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": MODEL}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return made | {"choices": [{"index": 0, **choice}], "usage": usage}


def _send(writer: asyncio.StreamWriter, told: object) -> None:
    body = json.dumps(told).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
