"""Sight: what a reply, or the lack of one, says about a model's service. Pure."""

import ssl
from collections.abc import Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus

import orjson

_TIRED = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_MALFORMED = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus(422)}
_NO_WAY_THERE = {"ConnectError", "ConnectTimeout"}
_NO_REPLY = "without sending a response"  # httpx's words: for one, a connection that had idled
_TOO_LONG = ("context length", "context window", "max_tokens must be at least 1")


class Sight(StrEnum):
    """What was seen."""

    HERE = "answers"
    NOBODY = "nobody is there"
    LOADING = "has no model loaded yet"
    STRANGER = "serves other models"
    SILENT = "did not answer in time"
    BROKEN = "failed before it answered"
    CUT = "broke off"
    BUSY = "has too much to do"
    KEY_REFUSED = "refuses the key"
    NAME_UNKNOWN = "serves no model of that name"
    TOO_LONG = "cannot read so long a prompt"
    REFUSED = "refuses the request"
    ELSEWHERE = "is no chat model's address"


def of_reply(status: int, body: str | bytes) -> Sight:
    """Read a reply to any request.

    A gateway before nothing and an activator that gave up use the same codes as a model's server
    that has too much to do; the server's own errors are JSON of a known form, and theirs are not.

    >>> of_reply(504, "activator request timeout")
    <Sight.NOBODY: 'nobody is there'>
    >>> of_reply(503, '{"error": {"message": "queue is full"}}')
    <Sight.BUSY: 'has too much to do'>
    """
    error = _own_error(body)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Sight.HERE
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Sight.KEY_REFUSED
    if status == HTTPStatus.NOT_FOUND or status in _TIRED:
        return _of_absence(status, error)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}:
        return Sight.BUSY
    if status in _MALFORMED:
        return Sight.TOO_LONG if _is_about_length(error or {}) else Sight.REFUSED
    return Sight.BROKEN if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Sight.ELSEWHERE


def of_models(status: int, body: str | bytes, model: str) -> Sight:
    """Read a reply to a request for the list of models.

    >>> of_models(200, '{"data": []}', "llm-server")
    <Sight.LOADING: 'has no model loaded yet'>
    """
    sight = of_reply(status, body)
    if sight is not Sight.HERE:
        return sight
    listed = _parsed(body).get("data")
    if listed == []:
        return Sight.LOADING
    listed = listed if isinstance(listed, list) else []
    ids = [each.get("id") for each in listed if isinstance(each, Mapping)]
    return Sight.HERE if model in ids else Sight.STRANGER


def of_failure(error: BaseException) -> Sight:
    """Read what was raised in place of a reply; clients wrap it, so its causes are read too."""
    causes = list(_causes(error))
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return Sight.ELSEWHERE
    if any(type(each).__name__ in _NO_WAY_THERE for each in causes):
        return Sight.NOBODY
    if any(isinstance(e, TimeoutError) or "Timeout" in type(e).__name__ for e in causes):
        return Sight.SILENT
    # else the connection was lost in mid-reply, or for all we know it was
    return Sight.BROKEN if any(_NO_REPLY in str(each) for each in causes) else Sight.CUT


def _of_absence(status: int, error: Mapping[str, object] | None) -> Sight:
    if error is None:
        return Sight.NOBODY
    if status != HTTPStatus.NOT_FOUND:
        return Sight.BUSY
    about_model = error.get("param") == "model" or "model" in str(error.get("message")).lower()
    return Sight.NAME_UNKNOWN if about_model else Sight.ELSEWHERE


def _is_about_length(error: Mapping[str, object]) -> bool:
    message = str(error.get("message")).lower()
    return error.get("code") == "context_length_exceeded" or any(s in message for s in _TOO_LONG)


def _own_error(body: str | bytes) -> Mapping[str, object] | None:
    """Return a model server's error: OpenAI's form, vLLM's older one, or its framework's."""
    read = _parsed(body)
    error = read.get("error")
    if isinstance(error, Mapping):
        return error
    if read.get("object") == "error":
        return read
    return {"message": read["detail"]} if "detail" in read else None


def _parsed(body: str | bytes) -> Mapping[str, object]:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
