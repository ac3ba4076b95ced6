"""The page's process: one web app that holds the page and nothing else, and keeps to itself."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentic_rag.page.doors import Doors
from agentic_rag.page.shell import PATH, Desk, mount

logger = logging.getLogger(__name__)

_MOST_BYTES = 200_000
_OPEN = (
    "assets", "static", "theme.css", "config", "favicon.ico", "manifest.json",
    "gradio_api/queue", "gradio_api/heartbeat", "gradio_api/cancel", "gradio_api/run",
    "gradio_api/call", "gradio_api/component_server", "gradio_api/startup-events",
    "gradio_api/reset",
)  # fmt: skip
"""What the page needs of Gradio; uploads, files, proxies and the rest stay shut."""

_GUARDS = {
    "content-security-policy": "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Nothing is loaded from, or told to, another host. Gradio itself needs inline scripts and eval."""


class Fence:
    """Lets the page's own paths in, and sends the guards out with every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_GUARDS)
            await send(message)

        await self._chosen(scope)(scope, receive, guarded)

    def _chosen(self, scope: Scope) -> ASGIApp:
        path, length = scope["path"], Headers(scope=scope).get("content-length", "")
        if path in {"/", PATH}:
            return RedirectResponse(f"{PATH}/")
        if scope["method"] == "POST" and not (length.isdecimal() and int(length) <= _MOST_BYTES):
            return PlainTextResponse("too much", 413)
        below = path.removeprefix(f"{PATH}/")
        is_open = not below or any(below == each or below.startswith(f"{each}/") for each in _OPEN)
        return self._app if path != below and is_open else PlainTextResponse("not here", 404)


def build_app(server: str, key: str) -> ASGIApp:
    """Return the page before a server, at `/ui`."""
    doors = Doors(server, key)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await doors.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    mount(app, Desk(doors))
    return Fence(app)


def serve(server: str, key: str, *, host: str, port: int) -> None:
    """Show the page until somebody ends it."""
    logger.info("page on http://%s:%d%s before %s", host, port, PATH, server)
    uvicorn.run(build_app(server, key), host=host, port=port, log_level="warning")
