"""How errors look outside: one shape at every door, naming the field and never a secret."""

import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve.errors import InvalidInput, ModelNotFound
from starlette.exceptions import HTTPException

from agentic_rag.errors import (
    BadQuestion,
    NotAllowed,
    Overloaded,
    RecordsUnavailable,
    RetrievalUnavailable,
    plain,
    told_of,
)
from agentic_rag.serving.openai.faults import fault, speaks_openai

logger = logging.getLogger(__name__)

_AWAY_S = "5"  # after which an index may be there again

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


class Refused(InvalidInput):  # type: ignore[misc]  # kserve ships no types
    """The caller's fault: 400, or INVALID_ARGUMENT over gRPC."""

    def __init__(self, error: BadQuestion) -> None:
        super().__init__(str(error))
        self.field = error.field


class UnknownModel(Refused):
    """A model was named that is not served: 404."""

    def __init__(self, name: str | None) -> None:
        named = plain(name, "the one that was named")
        super().__init__(BadQuestion("model", f"{named} is not served here"))


class NoSuchModel(ModelNotFound):  # type: ignore[misc]
    """A model, or a version of it, that is not served: 404, or NOT_FOUND over gRPC."""

    def __init__(self, *names: str) -> None:
        super().__init__(" version ".join(plain(each, "of that kind") for each in names))


class Failed(GrpcException):  # type: ignore[misc]  # no types either
    """Ours: 500, or INTERNAL over gRPC; tells nothing."""

    status_code = StatusCode.INTERNAL
    details = "prediction failed"


class Busy(GrpcException):  # type: ignore[misc]
    """Too many ask: 429 or 503 with Retry-After, RESOURCE_EXHAUSTED or UNAVAILABLE over gRPC."""

    def __init__(self, error: Overloaded) -> None:
        is_late = error.reason == "late"
        self.http_status = (
            HTTPStatus.SERVICE_UNAVAILABLE if is_late else HTTPStatus.TOO_MANY_REQUESTS
        )
        self.retry_after_s = math.ceil(error.retry_after_s)
        super().__init__(
            status_code=StatusCode.UNAVAILABLE if is_late else StatusCode.RESOURCE_EXHAUSTED,
            details=f"{error}; try again in {self.retry_after_s} s",
        )


class Forbidden(GrpcException):  # type: ignore[misc]
    """The caller has not the scope for it: 403, or PERMISSION_DENIED over gRPC."""

    def __init__(self, error: NotAllowed) -> None:
        super().__init__(status_code=StatusCode.PERMISSION_DENIED, details=str(error))


class Closed(GrpcException):  # type: ignore[misc]
    """A route that kserve leaves open to everyone: 403, or PERMISSION_DENIED over gRPC."""

    status_code = StatusCode.PERMISSION_DENIED
    details = "loading and unloading models is closed"


def _reply(status: HTTPStatus, text: str, **extra: object) -> JSONResponse:
    content = {"error": _unbroken(text)} | {k: _unbroken(str(v)) for k, v in extra.items()}
    return JSONResponse(status_code=status, content=content)


def _unbroken(text: str) -> str:
    """Escape half characters, which no response can carry."""
    return text.encode("utf-8", "backslashreplace").decode()


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    field = error.field if isinstance(error, Refused | BadQuestion) else "body"
    return _reply(HTTPStatus.BAD_REQUEST, str(error), field=field)


async def _unknown_model(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.NOT_FOUND, str(error), field="model")


async def _closed(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.FORBIDDEN, Closed.details)


async def _forbidden(_request: Request, error: Exception) -> JSONResponse:
    text = error.details if isinstance(error, Forbidden) else error
    return _reply(HTTPStatus.FORBIDDEN, str(text))


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.INTERNAL_SERVER_ERROR, Failed.details)


async def _away(_request: Request, error: Exception) -> JSONResponse:
    reply = _reply(HTTPStatus.SERVICE_UNAVAILABLE, "the index is not available now")
    reply.headers["retry-after"] = _AWAY_S
    return reply


async def _unkept(_request: Request, error: Exception) -> JSONResponse:
    logger.warning("records of answers cannot be used: %s", error)
    reply = _reply(HTTPStatus.SERVICE_UNAVAILABLE, "records of answers are not available now")
    reply.headers["retry-after"] = _AWAY_S
    return reply


async def _busy(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, Overloaded):
        error = Busy(error)
    if not isinstance(error, Busy):
        return await _failed(_request, error)
    reply = _reply(error.http_status, str(error.details))
    reply.headers["retry-after"] = str(error.retry_after_s)
    return reply


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.NOT_FOUND, str(error))


async def _http(_request: Request, error: Exception) -> JSONResponse:
    """Give what the framework refuses our own form: no such route, method or readable body."""
    if not isinstance(error, HTTPException):
        return await _failed(_request, error)
    extra = {"field": "body"} if error.status_code == HTTPStatus.BAD_REQUEST else {}
    reply = _reply(HTTPStatus(error.status_code), str(error.detail), **extra)
    reply.headers.update(error.headers or {})
    return reply


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    """Name the field of a body that kserve's own models refuse, without its value."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    first = faults[0] if faults else {"loc": ("body",), "msg": "cannot be read"}
    field = told_of(".".join(map(str, first["loc"])))
    return _reply(HTTPStatus.BAD_REQUEST, f"{field}: {first['msg']}", field=field)


HANDLERS: dict[type[Exception], Handler] = {
    BadQuestion: _refused,
    Overloaded: _busy,
    RetrievalUnavailable: _away,
    RecordsUnavailable: _unkept,
    Refused: _refused,
    UnknownModel: _unknown_model,
    Failed: _failed,
    Closed: _closed,
    Forbidden: _forbidden,
    NotAllowed: _forbidden,
    Busy: _busy,
    NoSuchModel: _not_found,
    RequestValidationError: _malformed,
    HTTPException: _http,
}


def install(app: FastAPI) -> None:
    """Make the app speak of errors as this page says.

    kserve sets handlers of its own for its base classes when it starts; ours are for our own
    subclasses, and Starlette takes the closest.
    """
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, in_their_form(handler))


def in_their_form(handler: Handler) -> Handler:
    """Have a handler speak OpenAI's way to who came by OpenAI's door."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        reply = await handler(request, error)
        if not speaks_openai(request.url.path):
            return reply
        told = orjson.loads(reply.body)
        if not isinstance(told["error"], str):  # it speaks so already
            return reply
        # OpenAI knows no 422
        is_malformed = reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        reply.status_code = HTTPStatus.BAD_REQUEST if is_malformed else reply.status_code
        reply.body = reply.render(fault(reply.status_code, told["error"], told.get("field")))
        reply.headers["content-length"] = str(len(reply.body))
        return reply

    return handle
