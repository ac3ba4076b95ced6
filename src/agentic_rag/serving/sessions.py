"""The door to forget: a caller's session is deleted, with everything that belongs to it."""

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agentic_rag.bootstrap.house import House
from agentic_rag.callers import Scope, caller, demand
from agentic_rag.errors import RecordsUnavailable, SessionUnavailable
from agentic_rag.glass.records import hashed
from agentic_rag.serving.wire import deadline

logger = logging.getLogger(__name__)


def router(house: House) -> APIRouter:
    """Return the route of one house."""
    routes = APIRouter()

    @routes.delete(
        "/sessions/{session_id:path}",
        status_code=204,
        responses={
            400: {"description": "X-Request-Timeout is no number of seconds"},
            403: {"description": "another caller's session, and no scope admin"},
            429: {"description": "too many speak in the session"},
            503: {"description": "it cannot be deleted now"},
        },
    )
    async def forget(session_id: str, request: Request, of: str | None = None) -> Response:
        """Say the same of a session that is deleted now, or was, or is another's, or of nobody.

        `of` names another caller, for who has the scope admin.
        """
        if of is not None:
            demand(Scope.ADMIN)
        try:
            if house.conversations:
                until = deadline(request.headers)
                await house.conversations.forget(session_id, until, of=of)
            if house.watch.keeper:
                name = caller.get().name if of is None else of
                await house.watch.keeper.forget(hashed(name, session_id))
        except (SessionUnavailable, RecordsUnavailable) as error:
            logger.warning("a session was not deleted: %s", error)
            return JSONResponse(
                {"error": "the session cannot be deleted now"}, 503, headers={"Retry-After": "5"}
            )
        return Response(status_code=204)

    return routes
