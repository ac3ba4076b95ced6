"""The gate before all HTTP routes: no request gets further without a key, but for the probes'."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from agentic_rag.callers import Scope, caller
from agentic_rag.errors import NotAllowed
from agentic_rag.serving.keys.doorman import Doorman
from agentic_rag.serving.refusals import NO_KEY, refusal

OPEN = ("/healthz", "/ready", "/v2/health/live", "/v2/health/ready")
"""Probes, which need no key and have no rate."""

_POLICY_VIOLATION = 1008
_ASK = {"www-authenticate": "Bearer"}  # the same whether there was no key, or a wrong one


class Gate:
    """Lets in who is known and may ask. Nothing of a request is read before but its head.

    It stands before the routing, so that a new route is closed, one that does not exist too, and
    nobody learns which there are.
    """

    def __init__(self, app: ASGIApp, doorman: Doorman, open_to_all: frozenset[str]) -> None:
        self._app = app
        self._doorman = doorman
        self._open_to_all = open_to_all

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Let one request in, or refuse it."""
        if connection["type"] == "lifespan" or self._is_open(connection):
            await self._app(connection, receive, send)
            return
        known = await self._doorman.admit(Headers(scope=connection).getlist("authorization"))
        if known is None or Scope.ASK not in known.scopes:
            await _refusal(connection, is_known=known is not None)(connection, receive, send)
            return
        token = caller.set(known)
        try:
            await self._app(connection, receive, send)
        finally:
            caller.reset(token)

    def _is_open(self, connection: Connection) -> bool:
        is_bodiless = connection.get("method") in {"GET", "HEAD"}
        return is_bodiless and connection["path"] in self._open_to_all


def _refusal(connection: Connection, *, is_known: bool) -> ASGIApp:
    if connection["type"] == "websocket":
        return _closed
    path = connection["path"]
    if is_known:
        return refusal(path, HTTPStatus.FORBIDDEN, str(NotAllowed(Scope.ASK)))
    return refusal(path, HTTPStatus.UNAUTHORIZED, NO_KEY, _ASK)


async def _closed(_connection: Connection, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
