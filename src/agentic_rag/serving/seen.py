"""What stands around all HTTP routes so that a request can be told of: its door and its status."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentic_rag.glass.watch import Watch

_GONE = "499"  # the caller left before there was any


class Seen:
    """Has each request looked at."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app = app
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._watch.visiting(lambda: door_of(scope), Headers(scope=scope)) as visit:
            visit.status = _GONE

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    visit.status = str(message["status"])
                await send(message)

            try:
                await self._app(scope, receive, noted)
            except Exception:
                if visit.status == _GONE:
                    visit.status = "500"  # which is sent farther out
                raise


def door_of(scope: Scope) -> str:
    """Name the route of a request: never the path, which may say anything."""
    route = scope.get("route")
    return str(getattr(route, "path", "none")) if route else "none"
