"""Limits on HTTP requests: what comes too often is only listened to for an emergency."""

from http import HTTPStatus
from math import ceil

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from agentic_rag.agent.admission import turned_away
from agentic_rag.callers import caller
from agentic_rag.errors import Overloaded
from agentic_rag.serving.keys.turnstile import Turnstile
from agentic_rag.serving.refusals import refusal

_SMALL_BYTES, _DIGITS = 65_536, 5


class Limited:
    """Counts a caller's requests; one too many that may be a question goes on, turned away.

    Triage is done by rule before anything is admitted, at every door: an emergency is answered,
    and the door refuses all else in its own form.
    """

    def __init__(self, app: ASGIApp, turnstile: Turnstile, uncounted: frozenset[str]) -> None:
        self._app = app
        self._turnstile = turnstile
        self._uncounted = uncounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request while it lasts."""
        if scope["type"] != "http" or scope["path"] in self._uncounted:
            await self._app(scope, receive, send)
            return
        with self._turnstile.passed(caller.get().name) as fault:
            if fault and not _may_ask(scope):
                await _refused(fault, scope["path"])(scope, receive, send)
                return
            token = turned_away.set(fault)
            try:
                await self._app(scope, receive, send)
            finally:
                turned_away.reset(token)


def _may_ask(scope: Scope) -> bool:
    length = Headers(scope=scope).get("content-length", "0")
    return scope["method"] == "POST" and (
        len(length) <= _DIGITS and length.isdecimal() and int(length) <= _SMALL_BYTES
    )


def _refused(fault: Overloaded, path: str) -> ASGIApp:
    seconds = ceil(fault.retry_after_s)
    text = f"{fault}; try again in {seconds} s"
    return refusal(path, HTTPStatus.TOO_MANY_REQUESTS, text, {"retry-after": str(seconds)})
