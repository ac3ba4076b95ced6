"""How a refusal looks before any door has read the request: each protocol's own form of error."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse

from agentic_rag.serving.openai.faults import fault, speaks_openai

NO_KEY = "no key that is known; send it as Authorization: Bearer ..."


def refusal(
    path: str, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as the clients of a path expect it."""
    told = fault(status, text) if speaks_openai(path) else {"error": text}
    return JSONResponse(told, status, headers=dict(headers or {}))
