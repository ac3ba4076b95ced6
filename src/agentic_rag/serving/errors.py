"""How errors look outside: one shape at every door, naming the field and never a secret."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve.errors import InvalidInput, ModelNotFound
from starlette.exceptions import HTTPException

from agentic_rag.errors import BadQuestion

logger = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


class Refused(InvalidInput):  # type: ignore[misc]  # kserve ships no types
    """The caller's fault: 400, or INVALID_ARGUMENT over gRPC."""

    def __init__(self, error: BadQuestion) -> None:
        super().__init__(str(error))
        self.field = error.field


class Failed(GrpcException):  # type: ignore[misc]  # no types either
    """Ours: 500, or INTERNAL over gRPC; tells nothing."""

    status_code = StatusCode.INTERNAL
    details = "prediction failed"


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
    field = error.field if isinstance(error, Refused) else "body"
    return _reply(HTTPStatus.BAD_REQUEST, str(error), field=field)


async def _closed(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.FORBIDDEN, Closed.details)


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    return _reply(HTTPStatus.INTERNAL_SERVER_ERROR, Failed.details)


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
    field = ".".join(str(part)[:64] for part in first["loc"])
    return _reply(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {first['msg']}", field=field)


HANDLERS: dict[type[Exception], Handler] = {
    Refused: _refused,
    Failed: _failed,
    Closed: _closed,
    ModelNotFound: _not_found,
    RequestValidationError: _malformed,
    HTTPException: _http,
}


def install(app: FastAPI) -> None:
    """Make the app speak of errors as this page says.

    kserve sets handlers of its own for its base classes when it starts; ours are for our own
    subclasses, and Starlette takes the closest.
    """
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
