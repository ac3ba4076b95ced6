"""The model that is measured against: a reply of at most 100 tokens in 50 ms, whoever asks.

It quotes the first passage of its prompt. `GET /last` tells the messages that it was last sent.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web

MODEL = "llm-server"
WHOLE_S, TOKENS = 0.05, 100
_BURST = 10  # tokens sent at a time, as a batch of a GPU is
_PASSAGE = re.compile(r'<passage number="1">\n[^\n]*\n(.*?)\n</passage>', re.DOTALL)
_PLAIN = re.compile(r"Context:\n(.*?)\n\n", re.DOTALL)
_SENTENCE = re.compile(r"[^.!?\n]*[a-z0-9)][.!?](?=\s|$)")

Body = dict[str, Any]


def words_of(messages: list[Body]) -> list[str]:
    """Return the tokens of a reply: sentences of the first passage, each with its marker."""
    prompt = "\n".join(str(each["content"]) for each in messages)
    found = _PASSAGE.search(prompt) or _PLAIN.search(prompt)
    said = _SENTENCE.findall(found[1] if found else "") or ["I don't have that."]
    return " ".join(f"{each.strip()} [1]" for each in said).split(" ")[:TOKENS]


class Upstream:
    """A chat model with one mood."""

    def __init__(self) -> None:
        self._last: list[Body] = []

    async def models(self, _request: web.Request) -> web.Response:
        """List the model."""
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def last(self, _request: web.Request) -> web.Response:
        """Tell what was asked last."""
        return web.json_response(self._last)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Write, in one piece or as it comes."""
        body = await request.json()
        self._last = body["messages"]
        words = words_of(body["messages"])
        if not body.get("stream"):
            await asyncio.sleep(WHOLE_S)
            message = {"role": "assistant", "content": " ".join(words)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response(_named([choice]) | {"usage": _usage(words)})
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for chunk in _chunks(words):
            await asyncio.sleep(WHOLE_S * _BURST / TOKENS)
            await reply.write(chunk)
        await reply.write(b"data: [DONE]\n\n")
        return reply


def _named(choices: list[Body]) -> Body:
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": MODEL} | {
        "choices": choices
    }


def _usage(words: list[str]) -> Body:
    return {"prompt_tokens": 0, "completion_tokens": len(words), "total_tokens": len(words)}


def _chunks(words: list[str]) -> Iterator[bytes]:
    """Yield the events of ten tokens at a time; the last says that it is the end."""
    for at in range(0, TOKENS, _BURST):
        events = []
        for word in words[at : at + _BURST]:
            choice = {"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}
            events.append(_named([choice]))
        if at + _BURST >= TOKENS:
            events.append(_named([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        yield "".join(f"data: {json.dumps(each)}\n\n" for each in events).encode()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http_port", type=int, required=True)
    parser.add_argument("--grpc_port", type=int)
    upstream, app = Upstream(), web.Application()
    app.router.add_get("/v1/models", upstream.models)
    app.router.add_get("/v2/models/rag-agent/ready", upstream.models)
    app.router.add_get("/last", upstream.last)
    app.router.add_post("/v1/chat/completions", upstream.chat)
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().http_port, print=None)


if __name__ == "__main__":
    main()
