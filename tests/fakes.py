"""Fakes that behave: an OpenAI-compatible server on a real socket, and an embedder of words.

>>> import json, urllib.request
>>> with ScriptedLlm(reply="Scaling takes 40 minutes. [1]") as llm:
...     page = json.load(urllib.request.urlopen(f"{llm.base_url}/models"))
>>> page["data"][0]["id"]
'llm-server'
"""

import json
import math
import re
import select
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any, Literal

import numpy as np

from agentic_rag.retrieval.embedding.embedder import Vectors

Body = dict[str, Any]
Reply = str | Callable[[Body], str]
Fault = Literal["hang", "cut", "drip", "html", "bad_json", "no_choices", "null_content", "not_chat"]

MODEL = "llm-server"
_DRIPS, _DRIP_S = 20, 0.1

_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request as it arrived; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: Body


@dataclass
class ScriptedLlm:
    """An LLM server whose behaviour the test sets, before it starts or while it runs.

    Attributes:
        reply: what the model writes: a text, or a function of the request's body.
        model: the only model that is served; another one is not found.
        usage: (prompt, completion) tokens; None counts the words, as the real thing counts tokens.
        api_key: where set, requests without it get a 401.
        status: where not 200, each chat request gets this code and OpenAI's error body.
        stumbles: how many of them get it before it is well again; None: all.
        error: replaces that error body, as raw text.
        fault: breaks each chat request: "hang" never answers, "cut" closes the connection half
            way, "drip" takes two seconds over a good answer, a byte at a time, "html" is a page
            with status 200, "bad_json" is half a JSON object, "no_choices" has an empty list of
            them, "null_content" a message without text, "not_chat" is JSON of another kind.
        delay_s: seconds before each answer begins.
        token_s: seconds that each token takes.
        loading: whether it is up but has no model yet: `/health` says 503 and none is listed.
        port: where it listens; 0 takes a free one.
        max_model_len: the tokens that it says it reads at once.
        obeys_limit: whether it stops after `max_tokens`.
        asked: the chat requests, in order of arrival.
        seen: all requests, in order of arrival.
        aborted: when callers went away while it wrote, as `time.monotonic` has it.
    """

    reply: Reply = "I don't have that."
    model: str = MODEL
    usage: tuple[int, int] | None = None
    api_key: str | None = None
    status: int = 200
    stumbles: int | None = None
    error: str | None = None
    fault: Fault | None = None
    delay_s: float = 0.0
    token_s: float = 0.0
    loading: bool = False
    port: int = 0
    max_model_len: int | None = None
    obeys_limit: bool = True
    asked: list[Arrived] = field(default_factory=list)
    seen: list[Arrived] = field(default_factory=list)
    aborted: list[float] = field(default_factory=list)

    def __enter__(self) -> "ScriptedLlm":
        self.closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """Return the address that a client is given, `/v1` included."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def served(self) -> list[Body]:
        """Return the models as `/v1/models` lists them."""
        served = {"id": self.model, "object": "model", "created": 0, "owned_by": "me"}
        if self.max_model_len:
            served["max_model_len"] = self.max_model_len
        return [] if self.loading else [served]

    def told(self, path: str, body: Body) -> tuple[int, str | Body] | None:
        """Return the reply to another POST than a chat; None: there is no such route."""
        return None

    def written(self, body: Body) -> str:
        """Return what the model writes for a request."""
        return self.reply(body) if callable(self.reply) else self.reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, script: ScriptedLlm) -> None:
        self.script = script
        super().__init__(("127.0.0.1", script.port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that go away: tests make them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def parse_request(self) -> bool:
        """Read a request, unless the server has ended: its connections end with it."""
        self.close_connection = self._script.closing.is_set()
        return not self.close_connection and super().parse_request()

    def do_GET(self) -> None:
        asked = self._take({})
        if asked.path == "/health":
            self._send(503 if self._script.loading else 200, "")
        elif asked.path != "/v1/models":
            self._send_json(404, {"detail": "Not Found"})
        elif self._is_let_in(asked):
            self._send_json(200, {"object": "list", "data": self._script.served()})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            self._refuse(400, "We could not parse the JSON body of your request.")
            return
        asked = self._take(body)
        if asked.path != "/v1/chat/completions":
            self._answer_other(asked)
            return
        self._script.asked.append(asked)
        if self._waited(self._script.delay_s) and self._is_let_in(asked):
            if self._script.loading:
                self._send(503, "loading", "text/plain")
            elif self._is_well_asked(body):
                self._answer(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer_other(self, asked: Arrived) -> None:
        if not self._is_let_in(asked):
            return
        told = self._script.told(asked.path, asked.body)
        if told is None:
            self._refuse(404, f"Invalid URL (POST {asked.path})")
        elif isinstance(told[1], str):
            self._send(told[0], told[1], "text/plain")
        else:
            self._send_json(told[0], told[1])

    @property
    def _script(self) -> ScriptedLlm:
        return self.server.script

    def _take(self, body: Body) -> Arrived:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Arrived(path=self.path, headers=headers, body=body)
        self._script.seen.append(asked)
        return asked

    def _is_let_in(self, asked: Arrived) -> bool:
        key = self._script.api_key
        let_in = key is None or asked.headers.get("authorization") == f"Bearer {key}"
        if not let_in:
            self._refuse(401, "Incorrect API key provided.")
        return let_in

    def _is_well_asked(self, body: Body) -> bool:
        script = self._script
        most = math.inf if script.stumbles is None else script.stumbles
        if script.status != 200 and len(script.asked) <= most:
            self._refuse(script.status, f"The server had status {script.status}.")
        elif body.get("model") not in {each["id"] for each in script.served()}:
            self._refuse(404, f"The model `{body.get('model')}` does not exist.", param="model")
        elif not isinstance(body.get("messages"), list) or not body["messages"]:
            self._refuse(400, "Missing required parameter: 'messages'.", param="messages")
        else:
            return True
        return False

    def _answer(self, body: Body) -> None:
        if self._script.fault in {None, "cut", "drip"}:
            text, finish_reason = self._script.written(body), "stop"
            if self._script.obeys_limit:
                text, finish_reason = _limited(text, body)
            self._send_chat(body, text, finish_reason)
        elif self._script.fault == "hang":
            self._waited(threading.TIMEOUT_MAX)
            self.close_connection = True
        else:
            self._send_broken(body)

    def _send_chat(self, body: Body, text: str, finish_reason: str) -> None:
        usage = self._usage(body, text)
        if body.get("stream"):
            self._stream(list(_chunks(body, text, finish_reason, usage)))
            return
        if not self._waited(self._script.token_s * len(text.split(" "))):
            return
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        whole = json.dumps(
            _envelope(body, "chat.completion") | {"choices": [choice], "usage": usage}
        )
        if self._script.fault == "cut":
            self._begin(200, "application/json", len(whole.encode()))
            self.wfile.write(whole.encode()[: len(whole) // 2])
            self.close_connection = True
        elif self._script.fault == "drip":
            self._drip(whole)
        else:
            self._send(200, whole)

    def _drip(self, whole: str) -> None:
        """Send white space, which JSON allows, for two seconds; then the answer."""
        self._begin(200, "application/json", _DRIPS + len(whole.encode()))
        for _ in range(_DRIPS):
            self.wfile.write(b" ")
            self._script.closing.wait(_DRIP_S)
        self.wfile.write(whole.encode())

    def _stream(self, chunks: list[Body]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        cut = self._script.fault == "cut"
        for chunk in chunks[: len(chunks) // 2] if cut else chunks:
            self._event(json.dumps(chunk))
            each_s = _DRIP_S if self._script.fault == "drip" else self._script.token_s
            if not self._waited(each_s):
                return
        if cut:
            self.close_connection = True
            return
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _waited(self, seconds: float) -> bool:
        """Wait, unless the caller goes away or the server ends before that; tell whether."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._script.closing.is_set():
                return False
            if self._is_left(min(left, 0.05)):
                self._script.aborted.append(time.monotonic())
                self.close_connection = True
                return False
        return True

    def _is_left(self, within_s: float) -> bool:
        """Tell whether the caller closes the connection; who has not read all of it resets it."""
        readable, _, _ = select.select([self.connection], [], [], within_s)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True

    def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        except ConnectionError:
            self._script.aborted.append(time.monotonic())
            raise

    def _send_broken(self, body: Body) -> None:
        message = {"role": "assistant", "content": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        chat = _envelope(body, "chat.completion") | {"usage": self._usage(body, "")}
        pages: dict[str | None, tuple[str, str]] = {
            "html": ("text/html", "<html><body><h1>Welcome</h1></body></html>"),
            "bad_json": ("application/json", '{"id": "chatcmpl-1", "choices": [{"ind'),
            "no_choices": ("application/json", json.dumps(chat | {"choices": []})),
            "null_content": ("application/json", json.dumps(chat | {"choices": [choice]})),
            "not_chat": ("application/json", json.dumps({"status": "warming up"})),
        }
        kind, page = pages[self._script.fault]
        self._send(200, page, kind)

    def _usage(self, body: Body, text: str) -> dict[str, int]:
        said = sum(len(str(message.get("content")).split()) for message in body["messages"])
        prompt, completion = self._script.usage or (said, len(text.split()))
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _refuse(self, status: int, message: str, param: str | None = None) -> None:
        if self._script.error is not None:
            self._send(status, self._script.error)
            return
        kind, code = _ERRORS.get(status, ("server_error", None))
        error = {"message": message, "type": kind, "param": param, "code": code}
        self._send_json(status, {"error": error})

    def _send_json(self, status: int, value: Body) -> None:
        self._send(status, json.dumps(value))

    def _send(self, status: int, text: str, kind: str = "application/json") -> None:
        self._begin(status, kind, len(text.encode()))
        self.wfile.write(text.encode())

    def _begin(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(length))
        if status in {429, 503}:
            self.send_header("retry-after", "30")
        self.end_headers()


def _envelope(body: Body, kind: str) -> Body:
    created = int(time.time())
    made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": created}
    return made | {"model": body["model"]}


def _limited(text: str, body: Body) -> tuple[str, str]:
    """Stop after `max_tokens` words, as the real thing does after so many tokens."""
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    written = text.split(" ")
    if most is None or len(written) <= most:
        return text, "stop"
    return " ".join(written[:most]), "length"


def _chunks(body: Body, text: str, finish_reason: str, usage: dict[str, int]) -> Iterator[Body]:
    envelope = _envelope(body, "chat.completion.chunk")

    def chunk(delta: Body, finished: str | None = None) -> Body:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}
        return envelope | {"choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for at, word in enumerate(text.split(" ")):
        yield chunk({"content": f" {word}" if at else word})
    yield chunk({}, finish_reason)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield envelope | {"choices": [], "usage": usage}


class WordTokens:
    """Counts tokens as a tokenizer would that knows short words: a long one is several.

    Attributes:
        max_tokens: what an embedder with it reads.
        counted: every text that `token_ends` was given, in order.
    """

    def __init__(self, max_tokens: int = 180) -> None:
        self.max_tokens = max_tokens
        self.counted: list[str] = []

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return where each run of eight letters at most ends, and each other character."""
        self.counted += texts
        return [[m.end() for m in re.finditer(r"\w{1,8}|[^\w\s]", text)] for text in texts]


class WordEmbedder(WordTokens):
    """An embedder that needs no weights: texts that share words have vectors that point alike.

    Attributes:
        embedded: every text that `encode` was given, in order.
        max_tokens: words that it says it reads; it reads all of them.
    """

    def __init__(self, name: str = "words", dimension: int = 128, max_tokens: int = 254) -> None:
        super().__init__()
        self.fingerprint = name
        self.max_tokens = max_tokens
        self.embedded: list[str] = []
        self._dimension = dimension

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors [len(texts), dimension]."""
        self.embedded += texts
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % self._dimension] += 1
            vectors[row] /= np.linalg.norm(vectors[row]) or 1
            if progress:
                progress(1)
        return vectors

    def encode_in_blocks(self, texts: Iterable[str]) -> Iterator[Vectors]:
        """Yield the vectors of three texts at a time, in order."""
        rest = iter(texts)
        while block := list(islice(rest, 3)):
            yield self.encode(block)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Do `encode`."""
        return self.encode(texts)

    def token_ends(self, texts: Sequence[str]) -> list[Sequence[int]]:
        """Return where words and marks end."""
        return [[found.end() for found in re.finditer(r"\w+|[^\w\s]", text)] for text in texts]

    def load(self) -> None:
        """Load nothing."""

    def close(self) -> None:
        """Hold nothing."""
