"""Our OpenAPI document: what each door takes and gives, and every status that can come."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from agentic_rag import __version__
from agentic_rag.serving.keys.gate import OPEN
from agentic_rag.serving.shapes import (
    ErrorReply,
    ModelReply,
    ModelsReply,
    V1Reply,
    V1Request,
)

Json = dict[str, Any]

ASKING = (400, 429, 500, 503)
"""How a question can fail, whatever door it came through."""

_GATE = (401, 403, 429)
_REF = "#/components/schemas/{model}"
_ERROR = {"$ref": _REF.format(model=ErrorReply.__name__)}
_RETRY = {"Retry-After": {"schema": {"type": "string"}, "description": "seconds"}}

_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
_STREAM = {"content": {"text/event-stream": {"schema": _EVENT}}}

_KSERVE: dict[tuple[str, str], tuple[int, ...]] = {
    ("/", "get"): (),
    ("/metrics", "get"): (),
    ("/v1/models", "get"): (),
    ("/v1/models/{model_name}", "get"): (404, 503),
    ("/v1/models/{model_name}:predict", "post"): (404, *ASKING),
    ("/v2", "get"): (),
    ("/v2/health/live", "get"): (),
    ("/v2/health/ready", "get"): (),
    ("/v2/models", "get"): (),
    ("/v2/models/{model_name}", "get"): (404,),
    ("/v2/models/{model_name}/ready", "get"): (404, 503),
    ("/v2/models/{model_name}/infer", "post"): (404, *ASKING),
    ("/v2/repository/models/{model_name}/load", "post"): (403,),
    ("/v2/repository/models/{model_name}/unload", "post"): (403,),
}
"""The errors of the routes that kserve brings, of which its own document knows none."""

_OURS: dict[str, type[BaseModel]] = {
    "/v1/models": ModelsReply,
    "/v1/models/{model_name}": ModelReply,
}
"""Routes of kserve that ours stand in front of."""

_CLOSED = "/v2/repository/"
_ABSENT = "/v1/models/{model_name}:explain"  # kserve has the route, and we no explanation


def describe(
    gives: type[BaseModel] | None,
    *,
    takes: type[BaseModel] | None = None,
    asks: type[BaseModel] | None = None,
    errors: Iterable[int] = ASKING,
    also: int = 200,
) -> Json:
    """Return what a route tells FastAPI of itself: its body, its parameters and its replies.

    `also` is another status that comes with what it gives; what gives no model gives a stream.
    """
    extra: Json = {}
    if takes:
        extra["requestBody"] = _body(takes)
    if asks:
        extra["parameters"] = _parameters(asks)
    replies = {status: _reply(status) for status in errors}
    given = dict.fromkeys({200, also}, {"model": gives} if gives else _STREAM)
    return {"openapi_extra": extra, "responses": {**given, **replies}}


def or_streams(described: Json) -> Json:
    """Add to what a route tells of itself that it may give a stream."""
    replies = described["responses"]
    return described | {"responses": replies | {200: replies[200] | _STREAM}}


def install(app: FastAPI) -> None:
    """Have the app give this document."""
    app.title, app.version = "agentic-rag", __version__

    def document() -> Json:
        if not app.openapi_schema:
            app.openapi_schema = _mended(FastAPI.openapi(app))
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _mended(told: Json) -> Json:
    """Tell the truth of kserve's routes, and put schemas where they are looked for."""
    paths, schemas = told["paths"], told["components"]["schemas"]
    for path in [path for path in paths if path == _ABSENT or "/versions/" in path]:
        del paths[path]
    for (path, method), errors in _KSERVE.items():
        operation = paths[path][method]
        named = operation.get("parameters", [])
        operation["parameters"] = [each for each in named if each["name"] != "model_version"]
        replies = operation["responses"]
        replies.pop("422", None)
        replies |= {str(status): _reply(status) for status in errors}
        if path.startswith(_CLOSED):
            replies.pop("200")
    predict = paths["/v1/models/{model_name}:predict"]["post"]
    predict["requestBody"] = _body(V1Request)
    predict["responses"]["200"]["content"] = _json(_schema(V1Reply, "serialization"))
    for path, shape in _OURS.items():
        gives = _json(_schema(shape, "serialization"))
        paths[path]["get"]["responses"]["200"]["content"] = gives
    paths["/metrics"]["get"]["responses"]["200"]["content"] = {"text/plain": {}}
    schemas[ErrorReply.__name__] = _schema(ErrorReply)
    schemas |= _taken_out(paths)
    _tell_the_gate(told)
    return told


def _tell_the_gate(told: Json) -> None:
    """Say of each door what stands before it: keys, rates and the size of a body."""
    told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    told["security"] = [{}, {"key": []}]  # keys are asked for where any are set
    for path, operations in told["paths"].items():
        if path in OPEN:
            continue
        for method, operation in operations.items():
            for status in (*_GATE, 413) if method == "post" else _GATE:
                operation["responses"].setdefault(str(status), _reply(status))


def _taken_out(node: Any) -> Json:  # noqa: ANN401  # JSON
    """Take the definitions out of all that is below, and return them."""
    found: Json = {}
    if isinstance(node, dict):
        found |= node.pop("$defs", {})
    for each in node.values() if isinstance(node, dict) else node:
        if isinstance(each, dict | list):
            found |= _taken_out(each)
    return found


def _body(model: type[BaseModel]) -> Json:
    return {"required": True, "content": _json(_schema(model))}


def _parameters(model: type[BaseModel]) -> list[Json]:
    schema = _schema(model)
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": told}
        for name, told in schema["properties"].items()
    ]


def _reply(status: int) -> Json:
    told: Json = {"description": HTTPStatus(status).phrase, "content": _json(_ERROR)}
    return told | ({"headers": _RETRY} if status in {429, 503} else {})


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _schema(model: type[BaseModel], mode: Any = "validation") -> Json:  # noqa: ANN401  # theirs
    return model.model_json_schema(ref_template=_REF, mode=mode)
