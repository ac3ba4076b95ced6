"""The doors to look back at answers: the operators' to see one explained, the callers' to rate."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, StringConstraints
from starlette.exceptions import HTTPException

from agentic_rag.bootstrap.house import House
from agentic_rag.callers import Scope, caller
from agentic_rag.glass.keeper import Feedback, Keeper
from agentic_rag.glass.receipts import receipt_of
from agentic_rag.glass.records import hashed
from agentic_rag.personal import mask
from agentic_rag.serving.fields import Strict, clean
from agentic_rag.serving.keys.needs import needs
from agentic_rag.serving.openapi import describe
from agentic_rag.serving.shapes import AnswersReply, ReceiptsReply
from agentic_rag.serving.wire import read_body

_UNKNOWN = "no answer of that request_id"
_ONLY, _HOW = [needs(Scope.ADMIN)], (403, 404, 500, 503)


class FeedbackBody(Strict):
    """What a caller thought of an answer that they got."""

    request_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    rating: Literal["up", "down"]
    comment: Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean)] | None = None


def router(house: House) -> APIRouter:
    """Return the routes of one house."""
    routes = APIRouter(tags=["answers"])
    _add_records(routes, house.watch.keeper)
    _add_feedback(routes, house.watch.keeper)
    return routes


def _add_records(routes: APIRouter, keeper: Keeper | None) -> None:
    async def found(request_id: str) -> list[dict[str, Any]]:
        records = await keeper.find(request_id) if keeper else []
        if not records:
            raise HTTPException(404, _UNKNOWN)
        return records

    @routes.get("/answers/{request_id}", dependencies=_ONLY, **describe(AnswersReply, errors=_HOW))
    async def explain(request_id: str) -> dict[str, Any]:
        """Explain what was answered: one request may hold several, and several have one name."""
        return {"answers": await found(request_id)}

    @routes.get(
        "/answers/{request_id}/receipt",
        dependencies=_ONLY,
        **describe(ReceiptsReply, errors=_HOW),
    )
    async def receipts(request_id: str) -> dict[str, Any]:
        """Give what `agentic-rag verify` proves the answers by."""
        return {"receipts": [receipt_of(each) for each in await found(request_id)]}


def _add_feedback(routes: APIRouter, keeper: Keeper | None) -> None:
    told = describe(None, takes=FeedbackBody, errors=(400, 404, 429, 500, 503))
    told["responses"].pop(200)

    @routes.post("/feedback", status_code=204, **told)
    async def rate(request: Request) -> Response:
        """Rate an answer of one's own; the last word counts. Another's is unknown here."""
        body = read_body(FeedbackBody, await request.body())
        comment = mask(body.comment) if body.comment else None
        feedback = Feedback(body.request_id, body.rating, comment)
        if not keeper or not await keeper.rate(feedback, hashed(caller.get().name)):
            raise HTTPException(404, _UNKNOWN)
        return Response(status_code=204)
