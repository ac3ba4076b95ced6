"""Bodies of requests: none is larger, or nested deeper, than any door has a use for."""

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentic_rag.serving.refusals import refusal

BINARY_HEADER = "inference-header-content-length"
"""How much of a v2 body is JSON, where tensors follow."""

MOST_LEVELS = 64
_MOST_LISTS = 50_000  # and objects: some times what a full batch with long histories has
_BODILESS = frozenset(("GET", "HEAD", "OPTIONS"))
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_TEXTS = re.compile(rb'"[^"]*"')
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_MARK = bytes(set(range(256)) - set(b'[]{}"'))


class Bodies:
    """Reads a body to its end, refusing it as soon as it is too large, and hands it on whole."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose body is fit."""
        if scope["type"] != "http" or scope["method"] in _BODILESS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = await self._read(headers, receive)
        if body is None:
            text = f"body: expected at most {self._most_bytes} bytes"
            reply = refusal(scope["path"], HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, _BYE)
        elif is_too_nested(_json_of(body, scope)):
            text = f"body: expected JSON of at most {MOST_LEVELS} levels and {_MOST_LISTS} lists"
            reply = refusal(scope["path"], HTTPStatus.BAD_REQUEST, text)
        else:
            await self._app(scope, _Replayed(body, receive), send)
            return
        await reply(scope, receive, send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        told = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(told) or int(told) > self._most_bytes:
            return None
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._most_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)


_BYE = {"connection": "close"}  # what is still to come is not wanted


class _Replayed:
    """Gives a body that was read, and then whatever comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _json_of(body: bytes, scope: Scope) -> bytes:
    """Leave out the tensors that stand behind the JSON, where there can be any."""
    head = Headers(scope=scope).get(BINARY_HEADER, "")
    may_be = scope["path"].startswith("/v2/") and scope["path"].endswith("/infer")
    return body[: int(head)] if may_be and _LENGTH.fullmatch(head) else body


def is_too_nested(document: bytes) -> bool:
    r"""Tell whether JSON has too many levels, or lists and objects; what is no JSON may have, too.

    Done before anything is parsed, and without a step in Python for each byte.

    >>> is_too_nested(b'{"a": [1, "[[", {}]}')
    False
    >>> is_too_nested(b"[" * 65 + b"]" * 65)
    True
    """
    if document.count(b"[") + document.count(b"{") <= MOST_LEVELS:
        return False
    marks = document.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARK)
    brackets = _TEXTS.sub(b"", marks.replace(b'""', b"")).translate(_AS_SQUARE)
    if len(brackets) > 2 * _MOST_LISTS:
        return True
    for _ in range(MOST_LEVELS):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
