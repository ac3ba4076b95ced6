"""What every HTTP request passes first: a name, a readable content type, a last catch-all."""

import logging

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentic_rag.telemetry import clean_request_id, new_request_id, request_id

logger = logging.getLogger(__name__)

_BINARY = "inference-header-content-length"


class Threshold:
    """Names the request, so that its log lines and its answer can be found again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        name = clean_request_id(headers.get("x-request-id", "")) or new_request_id()
        headers["x-request-id"] = name
        _read_as_json(headers)
        token = request_id.set(name)
        reply = _Reply(send, name)
        try:
            await self._app(scope, receive, reply)
        except Exception:
            logger.exception("request failed path=%s", scope["path"])
            if reply.begun:
                raise
            failure = JSONResponse({"error": "prediction failed"}, status_code=500)
            await failure(scope, receive, reply)
        finally:
            request_id.reset(token)


class _Reply:
    """Sends on, with the request's name among the headers."""

    def __init__(self, send: Send, name: str) -> None:
        self._send = send
        self._name = name
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            MutableHeaders(scope=message)["x-request-id"] = self._name
        await self._send(message)


def _read_as_json(headers: MutableHeaders) -> None:
    """Say `application/json` where a v2 client sends JSON without saying so.

    tritonclient sends none with `binary_data=False`; FastAPI then hands kserve raw bytes.
    """
    if _BINARY not in headers:
        kind = headers.get("content-type", "")
        if not kind or kind.partition(";")[0].strip() == "application/x-www-form-urlencoded":
            headers["content-type"] = "application/json"
