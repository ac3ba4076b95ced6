"""What a route needs of its caller. Every route needs ASK, of itself; an operators' says ADMIN.

@routes.get("/answers/{request_id}", dependencies=[needs(Scope.ADMIN)])
"""

from typing import Any

from fastapi import Depends

from agentic_rag.callers import Scope, demand


def needs(scope: Scope) -> Any:  # noqa: ANN401  # as FastAPI's own Depends
    """Return the dependency of a route that needs a scope."""

    async def check() -> None:
        demand(scope)

    return Depends(check)
