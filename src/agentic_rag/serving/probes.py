"""The doors for Kubernetes and for a first look: alive, ready, health and search."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agentic_rag import __version__
from agentic_rag.bootstrap import House
from agentic_rag.domain import Scope
from agentic_rag.errors import RetrievalUnavailable
from agentic_rag.retrieval.library import Refusal
from agentic_rag.serving.wire import write_hit

Globs = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...],
    Field(max_length=100, strict=False),
]


class SearchBody(BaseModel):
    """A search, in all documents and sections or in those that a glob names."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
    k: Annotated[int, Field(ge=1, le=100)] = 4
    documents: Globs = ()
    sections: Globs = ()


def _write_refusal(refusal: Refusal) -> dict[str, str]:
    """Say what only the operator can mend; what may pass can name a host, and stays in the log."""
    reason = refusal.reason if refusal.for_good else "it cannot be opened now; see the log"
    return {"version": refusal.version, "reason": reason}


def router(house: House) -> APIRouter:
    """Return the routes of one house."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get("/ready")
    async def ready(response: Response) -> dict[str, Any]:
        is_ready = await house.library.ready()
        response.status_code = 200 if is_ready else 503
        return {"ready": is_ready}

    @routes.get("/health")
    async def health() -> dict[str, Any]:
        library, is_ready = house.library, await house.library.ready()
        refusal = library.refusal
        return {
            "status": "ok" if is_ready and not refusal else "degraded",
            "index": is_ready,
            "index_version": library.version,
            "refused": refusal and _write_refusal(refusal),
            "version": __version__,
        }

    @routes.post("/search")
    async def search(body: SearchBody) -> Response:
        scope = Scope(documents=body.documents, sections=body.sections)
        try:
            passages = await house.library.search([body.query], k=body.k, scope=scope)
        except RetrievalUnavailable:
            return JSONResponse(
                {"error": "the index is not available now"}, 503, headers={"Retry-After": "5"}
            )
        found = orjson.dumps({"hits": [write_hit(passage) for passage in passages]})
        return Response(found, media_type="application/json")

    return routes
