"""Fields of requests, and the bodies they make: taken as they are, or refused by their field."""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    field_validator,
)

from agentic_rag.domain import MOST_TURN_CHARS, MOST_TURNS

Body = TypeVar("Body", bound=BaseModel)

MOST_S = 3600.0
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(text: str) -> str:
    """Put spaces in the place of what cannot be seen.

    Raises:
        ValueError: half a character is in it.
    """
    if _SURROGATE.search(text):
        raise ValueError("expected Unicode text, found half a surrogate pair")
    return _CONTROL.sub(" ", text)


SEEN = r"[^\s\x00-\x1f\x7f]"
"""What a question has at least one of: something to be seen."""


class Strict(BaseModel):
    """A body that is taken as it is or refused by its field."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _said(text: str) -> str:
    said = clean(text).strip()
    if not said:
        raise ValueError("expected a question, found nothing")
    return said


QuestionText = Annotated[str, AfterValidator(_said), Field(json_schema_extra={"pattern": SEEN})]


def question_text(most: int) -> Any:  # noqa: ANN401  # a type
    """Return the type of what is said in at most so many characters."""

    def short(text: str) -> str:
        if len(text) > most:
            raise ValueError(f"expected at most {most} characters")
        return text

    told = Field(json_schema_extra={"pattern": SEEN, "maxLength": most})
    return Annotated[QuestionText, AfterValidator(short), told]


def bounded(body: type[Body], field: str, most: int, **others: Any) -> type[Body]:  # noqa: ANN401
    """Return a body whose question has at most so many characters, with other fields in its place.

    Its name is the same, for whoever reads of it in our OpenAPI document.
    """
    others[field] = (question_text(most), ...)
    return create_model(body.__name__, __base__=body, __doc__=body.__doc__, **others)


class TurnBody(Strict):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, StringConstraints(max_length=MOST_TURN_CHARS)]

    _clean_content = field_validator("content")(clean)


def to_whole(value: object) -> object:
    """Take 4.0 for 4, as JSON does, which knows no integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


K = Annotated[int, Field(ge=1, le=100), BeforeValidator(to_whole)]


class WishesBody(Strict):
    """What a caller may ask for beside the question; `null` takes the setting."""

    k: K | None = None
    max_tokens: Annotated[int, Field(ge=1, le=8192), BeforeValidator(to_whole)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    session_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    history: Annotated[tuple[TurnBody, ...], Field(max_length=MOST_TURNS, strict=False)] = ()
    debug: bool = False
    when_cold: Literal["extractive", "wait", "fallback"] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=MOST_S, allow_inf_nan=False)] | None = None


class ChatBody(WishesBody):
    """A question with its wishes."""

    question: QuestionText


def _by_either_name(schema: dict[str, Any]) -> None:
    schema["properties"]["query"] = schema["properties"]["question"]
    schema["required"].remove("question")
    schema["oneOf"] = [{"required": ["question"]}, {"required": ["query"]}]


class QuestionBody(ChatBody):
    """A question with its wishes; it may be called a query."""

    model_config = ConfigDict(json_schema_extra=_by_either_name)

    question: QuestionText = Field(validation_alias=AliasChoices("question", "query"))
