"""The wire: reads questions out of requests and writes answers into responses. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from agentic_rag.domain import Answer, Citation, Passage, Question, Turn
from agentic_rag.errors import BadQuestion
from agentic_rag.settings import Settings

_MAX_TURNS = 50
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _clean(text: str) -> str:
    if _SURROGATE.search(text):
        raise ValueError("expected Unicode text, found half a surrogate pair")
    return _CONTROL.sub(" ", text)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TurnBody(_Strict):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(max_length=20_000)]

    _clean_content = field_validator("content")(_clean)


class WishesBody(_Strict):
    """What a caller may ask for beside the question; `null` takes the setting."""

    k: Annotated[int, Field(ge=1, le=100)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=8192)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    session_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    history: Annotated[tuple[TurnBody, ...], Field(max_length=_MAX_TURNS, strict=False)] = ()
    debug: bool = False


class QuestionBody(WishesBody):
    """A question with its wishes."""

    question: str = Field(validation_alias=AliasChoices("question", "query"))

    @field_validator("question")
    @classmethod
    def _said(cls, value: str) -> str:
        text = _clean(value).strip()
        if not text:
            raise ValueError("expected a question, found nothing")
        return text


def read_question(body: object, *, where: str, settings: Settings) -> Question:
    """Read a question: a string, or an object as `QuestionBody`; `where` names it in errors.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    if isinstance(body, str):
        body = {"question": body}
    if not isinstance(body, Mapping):
        raise BadQuestion(where, f"expected a string or an object, found {_kind(body)}")
    try:
        read = QuestionBody.model_validate(body)
    except ValidationError as error:
        raise _bad_question(error, where) from None
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
    )


def read_v1(payload: object, *, settings: Settings) -> list[Question]:
    """Return the questions of a KServe v1 payload; `parameters` hold for every instance.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    if isinstance(payload, bytes | str):
        payload = _parse(payload)
    if not isinstance(payload, Mapping):
        raise BadQuestion("body", f'expected an object with "instances", found {_kind(payload)}')
    unknown = sorted(str(key) for key in payload.keys() - {"instances", "parameters"})
    if unknown:
        raise BadQuestion(unknown[0][:64], "unknown field; expected instances and parameters")
    instances, parameters = payload.get("instances"), payload.get("parameters")
    if not isinstance(instances, list):
        raise BadQuestion("instances", f"expected a list of questions, found {_kind(instances)}")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise BadQuestion("parameters", f"expected an object, found {_kind(parameters)}")
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
    try:
        WishesBody.model_validate(wishes)
    except ValidationError as error:
        raise _bad_question(error, where) from None


def _with_wishes(instance: object, wishes: Mapping[str, object]) -> object:
    if isinstance(instance, str):
        return {**wishes, "question": instance}
    return {**wishes, **instance} if isinstance(instance, Mapping) else instance


def _parse(payload: bytes | str) -> object:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadQuestion("body", f"expected JSON: {error}") from None


def _bad_question(error: ValidationError, where: str) -> BadQuestion:
    fault = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{str(p)[:64]}" for p in fault["loc"])
    field = f"{where}{path}".lstrip(".")
    if fault["type"] == "extra_forbidden":
        known = ", ".join(QuestionBody.model_fields)
        return BadQuestion(field, f"unknown field; expected one of {known}")
    return BadQuestion(field, str(fault["msg"]).removeprefix("Value error, "))


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def write_answer(answer: Answer) -> dict[str, Any]:
    """Return the answer as JSON values: design's nouns, with "answer" for its text."""
    body: dict[str, Any] = {
        "answer": answer.text,
        "outcome": answer.outcome.value,
        "citations": [write_citation(citation) for citation in answer.citations],
        "sources": list(answer.sources),
        "generator": answer.generator,
        "degraded": answer.degraded.value if answer.degraded else None,
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "total_tokens": answer.usage.total_tokens,
        },
        "timings": {step: round(seconds, 6) for step, seconds in answer.timings.items()},
        "latency_seconds": round(answer.timings.get("total", 0.0), 6),
        "request_id": answer.request_id,
    }
    if answer.trace is not None:
        body["trace"] = [dict(each) for each in answer.trace]
    return body


def write_citation(citation: Citation) -> dict[str, Any]:
    """Return a citation as JSON values."""
    return {
        "number": citation.number,
        "label": citation.label,
        "doc_id": citation.doc_id,
        "section": citation.section,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
        "digest": citation.digest,
        "support": citation.support,
    }


def write_hit(passage: Passage) -> dict[str, Any]:
    """Return a found passage as JSON values."""
    meta = {"doc_id": passage.doc_id, "section": passage.section, "label": passage.label}
    return {"score": round(passage.score, 6), "meta": meta, "text": passage.text}


def columns(answers: Sequence[Answer]) -> dict[str, list[str]]:
    """Return the v2 outputs: for each name one string per answer."""
    return {
        "answer": [answer.text for answer in answers],
        "outcome": [answer.outcome.value for answer in answers],
        "sources": [orjson.dumps(list(answer.sources)).decode() for answer in answers],
        "metadata": [orjson.dumps(write_answer(answer)).decode() for answer in answers],
    }
