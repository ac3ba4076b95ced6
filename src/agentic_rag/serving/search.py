"""The door that searches, and answers nothing."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from agentic_rag.bootstrap.house import House
from agentic_rag.domain import Within
from agentic_rag.serving.fields import K, QuestionText, Strict, bounded
from agentic_rag.serving.openapi import describe
from agentic_rag.serving.shapes import SearchReply
from agentic_rag.serving.wire import deadline, read_body
from agentic_rag.serving.writing import write_hit

Globs = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...],
    Field(max_length=100, strict=False),
]


class SearchBody(Strict):
    """A search, in all documents and sections or in those that a glob names."""

    query: QuestionText
    k: K = 4
    documents: Globs = ()
    sections: Globs = ()


def router(house: House) -> APIRouter:
    """Return the route of one house."""
    routes = APIRouter()
    search_body = bounded(SearchBody, "query", house.settings.max_question_chars)

    @routes.post("/search", **describe(SearchReply, takes=search_body))
    async def search(request: Request) -> JSONResponse:
        """Find passages."""
        body = read_body(search_body, await request.body())
        within = Within(documents=body.documents, sections=body.sections)
        async with house.deps.admission.admitted(deadline(request.headers)):
            passages = await house.library.search([body.query], k=body.k, within=within)
        return JSONResponse({"hits": [write_hit(passage) for passage in passages]})

    return routes
