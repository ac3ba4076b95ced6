"""What every HTTP request passes first: a name, a readable content type, a last catch-all.

And what stops it: a caller who goes away before the answer has begun.
"""

import asyncio
import logging
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentic_rag.agent.admission import Admission
from agentic_rag.domain import SESSION_HEADER
from agentic_rag.inference.affinity.session import in_body, session_of
from agentic_rag.serving.bodies import BINARY_HEADER
from agentic_rag.serving.headers import protective
from agentic_rag.serving.refusals import refusal
from agentic_rag.telemetry import REQUEST_HEADER, clean_request_id, new_request_id, request_id

logger = logging.getLogger(__name__)


class Threshold:
    """Names the request, so that its log lines and its answer can be found again.

    And the session, where the caller brought none: with its name the next question of a
    conversation finds the replica that knows the last.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        names = _named(scope)
        token = request_id.set(names[REQUEST_HEADER])
        reply = _Reply(send, {**protective(scope), **names}, self._admission)
        try:
            async with _Caller(receive, reply) as caller:
                await self._app(scope, caller, reply)
        except ClientDisconnect:
            logger.info("a caller went away in mid-request door=%s", _door(scope))
        except Exception:
            logger.exception("request failed door=%s", _door(scope))
            if reply.begun:
                raise
            text = "prediction failed"
            failure = refusal(scope["path"], HTTPStatus.INTERNAL_SERVER_ERROR, text)
            await failure(scope, receive, reply)
        finally:
            request_id.reset(token)


def _door(scope: Scope) -> str:
    """Name the first part of a path: what follows may be a session's name."""
    return "/" + "".join(str(scope["path"]).split("/")[1:2])


def _named(scope: Scope) -> dict[str, str]:
    """Give a request the names that it lacks, and return those that its reply gets."""
    headers = MutableHeaders(scope=scope)
    names = {REQUEST_HEADER: clean_request_id(headers.get(REQUEST_HEADER, "")) or new_request_id()}
    if scope["method"] == "POST":
        names[SESSION_HEADER] = session_of(headers.get(SESSION_HEADER))
    headers.update(names)
    _read_as_json(headers)
    return names


class _Caller:
    """Passes on what a caller sends; one who goes away before the reply has begun cancels the work.

    Frameworks notice that only where they stream; a prediction would go on for nobody.
    """

    def __init__(self, receive: Receive, reply: "_Reply") -> None:
        self._receive = receive
        self._reply = reply
        self._is_gone = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._stopped = False

    async def __aenter__(self) -> "_Caller":
        self._working = asyncio.current_task()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if self._watching:
            self._watching.cancel()
        if not (self._stopped and self._working and kind is asyncio.CancelledError):
            return False
        return self._working.uncancel() == 0  # else somebody else cancelled it, too

    async def __call__(self) -> Message:
        if self._watching:  # all that there was has been read: what can come is the end
            await self._is_gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watching = asyncio.create_task(self._watch())
        return message

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone.set()
        if self._working and not self._reply.begun:
            self._stopped = True
            self._working.cancel()


class _Reply:
    """Sends on, with the request's and the session's names among the headers."""

    def __init__(self, send: Send, named: dict[str, str], admission: Admission) -> None:
        self._send = send
        self._named = named
        self._admission = admission
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            headers.update(self._named)
            if session := in_body.get():
                headers[SESSION_HEADER] = session
            if self._admission.closing:  # nobody may ask again where nobody will listen
                headers["connection"] = "close"
        await self._send(message)


def _read_as_json(headers: MutableHeaders) -> None:
    """Say `application/json` where a v2 client sends JSON without saying so.

    tritonclient sends none with `binary_data=False`; FastAPI then hands kserve raw bytes.
    """
    if BINARY_HEADER not in headers:
        kind = headers.get("content-type", "")
        if not kind or kind.partition(";")[0].strip() == "application/x-www-form-urlencoded":
            headers["content-type"] = "application/json"
