"""The wire: reads questions out of requests. Pure, but for the clock."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from agentic_rag.callers import Scope, demand
from agentic_rag.domain import SESSION_HEADER, Question, Turn, WhenCold
from agentic_rag.errors import BadQuestion
from agentic_rag.inference.affinity.session import in_body, is_new
from agentic_rag.serving.fields import MOST_S, Body, ChatBody, QuestionBody, WishesBody
from agentic_rag.settings import Settings

_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_SESSION = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")


def read_patient(payload: bytes, *, settings: Settings) -> Question:
    """Read the question of a caller who listens: one that names no time may stay until it is awake.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    body = parse(payload)
    question = read_question(body, where="body", settings=settings)
    if isinstance(body, Mapping) and body.get("timeout_seconds") is not None:
        return question
    return replace(question, timeout_s=settings.llm_wake_limit_s + settings.request_timeout_s)


def read_question(body: object, *, where: str, settings: Settings) -> Question:
    """Read a question: a string, or an object as `QuestionBody`; `where` names it in errors.

    Raises:
        BadQuestion: names the field and what was expected.
        NotAllowed: debug is the operators'.
    """
    if isinstance(body, str):
        body = {"question": body}
    if not isinstance(body, Mapping):
        raise BadQuestion(where, f"expected a string or an object, found {kind_of(body)}")
    return as_question(read_as(QuestionBody, body, where=where), where=where, settings=settings)


def read_body(model: type[Body], payload: bytes) -> Body:
    """Read a whole body, whose fields are named as they stand in it.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    body = parse(payload)
    if not isinstance(body, Mapping):
        raise BadQuestion("body", f"expected an object, found {kind_of(body)}")
    return read_as(model, body)


def read_as(model: type[Body], values: Mapping[Any, object], *, where: str = "") -> Body:
    """Read values as a model has them; `where` names the place in errors.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _bad_question(error, where, model) from None


def as_question(read: ChatBody, *, where: str = "", settings: Settings) -> Question:
    """Make a question of a body that was read.

    Raises:
        BadQuestion: it is too long.
        NotAllowed: debug is the operators'.
    """
    if read.debug:
        demand(Scope.ADMIN)
    if len(read.question) > settings.max_question_chars:
        most = settings.max_question_chars
        raise BadQuestion(f"{where}.question".lstrip("."), f"expected at most {most} characters")
    return Question(
        text=read.question,
        k=read.k,
        max_tokens=read.max_tokens,
        temperature=read.temperature,
        session_id=read.session_id,
        history=tuple(Turn(role=turn.role, text=turn.content) for turn in read.history),
        debug=read.debug,
        when_cold=WhenCold(read.when_cold or settings.llm_when_cold),
        timeout_s=read.timeout_seconds or settings.request_timeout_s,
    )


def headed(questions: Sequence[Question], headers: Mapping[str, str]) -> list[Question]:
    """Give questions what a request's headers say of them: their time, and their session.

    Raises:
        BadQuestion: names the header and what was expected.
    """
    return in_session(hurry(questions, headers), headers)


def hurry(questions: Sequence[Question], headers: Mapping[str, str]) -> list[Question]:
    """Give questions the time of the header `X-Request-Timeout`, where they have not less.

    Raises:
        BadQuestion: it is no number of seconds.
    """
    told_s = _seconds(headers)
    if told_s is None:
        return list(questions)
    return [replace(each, timeout_s=min(told_s, each.timeout_s or MOST_S)) for each in questions]


def deadline(headers: Mapping[str, str]) -> float | None:
    """Return until when the header `X-Request-Timeout` gives time, as `time.monotonic` has it.

    Raises:
        BadQuestion: it is no number of seconds.
    """
    told_s = _seconds(headers)
    return None if told_s is None else time.monotonic() + told_s


def _seconds(headers: Mapping[str, str]) -> float | None:
    told = headers.get("x-request-timeout", "").strip()
    if not told:
        return None
    if not _SECONDS.fullmatch(told) or not 0 < float(told) <= MOST_S:
        raise BadQuestion("X-Request-Timeout", f"expected seconds, above 0 and at most {MOST_S:g}")
    return float(told)


def in_session(questions: Sequence[Question], headers: Mapping[str, str]) -> list[Question]:
    """Give questions the session of the header `X-Session-ID`, where they name none themselves.

    Raises:
        BadQuestion: it is no name.
    """
    told = headers.get(SESSION_HEADER, "").strip()
    if told and not _SESSION.fullmatch(told):
        raise BadQuestion("X-Session-ID", "expected at most 256 printable ASCII characters")
    named = {each.session_id for each in questions if each.session_id}
    if len(named) == 1 and _SESSION.fullmatch(only := named.pop()):
        in_body.set(only)
    return [
        each
        if each.session_id
        else replace(each, session_id=told or None, session_is_new=is_new.get())
        for each in questions
    ]


def read_v1(payload: object, *, settings: Settings) -> list[Question]:
    """Return the questions of a KServe v1 payload; `parameters` hold for every instance.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    if isinstance(payload, bytes | str):
        payload = parse(payload)
    if not isinstance(payload, Mapping):
        raise BadQuestion("body", f'expected an object with "instances", found {kind_of(payload)}')
    unknown = sorted(str(key) for key in payload.keys() - {"instances", "parameters"})
    if unknown:
        raise BadQuestion(unknown[0][:64], "unknown field; expected instances and parameters")
    instances, parameters = payload.get("instances"), payload.get("parameters")
    if not isinstance(instances, list):
        raise BadQuestion("instances", f"expected a list of questions, found {kind_of(instances)}")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise BadQuestion("parameters", f"expected an object, found {kind_of(parameters)}")
    check_count("instances", len(instances), settings)
    check_wishes(parameters or {}, where="parameters")
    return [
        read_question(
            _with_wishes(instance, parameters or {}), where=f"instances[{at}]", settings=settings
        )
        for at, instance in enumerate(instances)
    ]


def check_count(field: str, count: int, settings: Settings) -> None:
    """Refuse a call with no questions or with too many.

    Raises:
        BadQuestion: with the field's name.
    """
    if not 1 <= count <= settings.max_instances:
        raise BadQuestion(field, f"expected 1 to {settings.max_instances} questions, found {count}")


def check_wishes(wishes: Mapping[str, object], *, where: str) -> None:
    """Refuse wishes that hold for all questions, by the name they were given under.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    read_as(WishesBody, wishes, where=where)


def _with_wishes(instance: object, wishes: Mapping[str, object]) -> object:
    if isinstance(instance, str):
        return {**wishes, "question": instance}
    return {**wishes, **instance} if isinstance(instance, Mapping) else instance


def parse(payload: bytes | str) -> object:
    """Read JSON.

    Raises:
        BadQuestion: it is none.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadQuestion("body", f"expected JSON: {error}") from None


def _bad_question(error: ValidationError, where: str, model: type[BaseModel]) -> BadQuestion:
    fault = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{str(p)[:64]}" for p in fault["loc"])
    field = f"{where}{path}".lstrip(".")
    if fault["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return BadQuestion(field, f"unknown field; expected one of {known}")
    if len(fault["loc"]) == 1 and (expected := _range(model, str(fault["loc"][0]))):
        return BadQuestion(field, expected)
    return BadQuestion(field, str(fault["msg"]).removeprefix("Value error, "))


@cache
def _range(model: type[BaseModel], name: str) -> str:
    """Say what numbers a field takes; nothing, of one that takes none.

    >>> _range(WishesBody, "k"), _range(WishesBody, "timeout_seconds")
    ('expected an integer from 1 to 100', 'expected a number above 0, at most 3600')
    """
    told = model.model_json_schema()["properties"].get(name, {})
    told = told.get("anyOf", [told])[0]
    if "maximum" not in told:
        return ""
    kind = "an integer" if told["type"] == "integer" else "a number"
    if "exclusiveMinimum" in told:
        return f"expected {kind} above {told['exclusiveMinimum']:g}, at most {told['maximum']:g}"
    return f"expected {kind} from {told['minimum']:g} to {told['maximum']:g}"


def kind_of(value: object) -> str:
    """Name a JSON value's kind, for an error."""
    names = {dict: "an object", list: "a list", str: "a string", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)
