"""Talk: reads a conversation's messages and wishes, for every door that takes such. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints, field_validator

from agentic_rag.domain import MOST_TURNS, Answer, Question, Sampling
from agentic_rag.errors import BadQuestion, plain
from agentic_rag.inference.sampling import unheeded
from agentic_rag.serving.fields import Strict
from agentic_rag.serving.wire import kind_of, parse, read_as, read_question
from agentic_rag.settings import Settings

_TOLD = ("system", "developer")
_SPOKEN = ("user", "assistant")
_PARTS = ("text", "refusal")  # each stands in a field of its kind's name
_ABOUT = frozenset(("name", "annotations"))  # of a message, and no part of what it says
_NOTHING: tuple[object, ...] = (None, [], {}, "")

Number = Annotated[float, Field(allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Body = TypeVar("Body", bound="TalkBody")
Wishes = Mapping[str, tuple[str, Any]]
"""What `wire` reads, by its field there: the caller's own name for it, and the value."""


class TalkBody(Strict):
    """What the doors have in common; `null` leaves it to the settings, or to the model.

    What has the type Any is read by `wire`, as at every other door.
    """

    model: str | None = None
    stream: bool | None = None
    stop: Annotated[tuple[Stop, ...], Field(max_length=16, strict=False)] = ()
    max_tokens: Any = None
    temperature: Any = None
    top_p: Annotated[Share, Field(gt=0)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    min_p: Share | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[Number, Field(gt=0, le=2)] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if value is None:
            return ()
        return [value] if isinstance(value, str) else value

    @property
    def sampling(self) -> Sampling:
        """What a model is told of how to choose its words."""
        return Sampling(
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            seed=self.seed,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question out of a conversation, and how its answer is to be told.

    Attributes:
        unread: the messages that are no part of what is answered, as the caller would name them.
    """

    question: Question
    stops: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    unread: tuple[str, ...] = ()

    def unheeded(self, answer: Answer) -> list[str]:
        """Name what of the request had no part in an answer."""
        return [*self.unread, *unheeded(answer.generator, self.question)]


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says, and the field that it stands in."""

    role: str
    text: str
    field: str


def read_talk(payload: bytes, kind: type[Body], neutral: Mapping[str, Sequence[object]]) -> Body:
    """Read a request; a field that we do not have is refused by name, unless it asks for nothing.

    Args:
        payload: JSON.
        kind: of body.
        neutral: for fields that we do not have, values that ask for nothing.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    body = parse(payload)
    if not isinstance(body, Mapping):
        raise BadQuestion("body", f"expected an object, found {kind_of(body)}")
    kept = {name: value for name, value in body.items() if name in kind.model_fields}
    for name in body.keys() - kept.keys():
        if not _asks_nothing(body[name], neutral.get(name, ())):
            raise BadQuestion(name[:64], "is not supported here, or not with this value")
    return read_as(kind, kept)


def _asks_nothing(value: object, neutral: Sequence[object]) -> bool:
    return any(type(value) is type(each) and value == each for each in (*_NOTHING, *neutral))


def read_asked(body: TalkBody, messages: object, wishes: Wishes, settings: Settings) -> Asked:
    """Make a question of a conversation: of what its user said last.

    What a system or a developer says is taken and not followed: the rules are the clinic's.

    Args:
        body: the request.
        messages: the conversation in it.
        wishes: what else is asked for.
        settings: the limits.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    said = read_messages(messages)
    spoken = [each for each in said if each.role in _SPOKEN and each.text]
    if not spoken or spoken[-1].role != "user":
        raise BadQuestion("messages", "expected a question at the end: a message of the role user")
    *turns, asked = spoken
    kept = turns[-MOST_TURNS:]
    history = [{"role": turn.role, "content": turn.text} for turn in kept]
    places = {f"history[{at}].content": turn.field for at, turn in enumerate(kept)}
    wished = {**wishes, "question": (asked.field, asked.text), "history": ("messages", history)}
    left_out = [*(each for each in said if each.role in _TOLD), *turns[:-MOST_TURNS]]
    return Asked(
        question=read_wished(body, wished, settings, places),
        stops=body.stop,
        stream=bool(body.stream),
        unread=tuple(each.field.partition(".")[0] for each in left_out),
    )


def read_wished(
    body: TalkBody, wishes: Wishes, settings: Settings, places: Mapping[str, str] | None = None
) -> Question:
    """Read a question as every door does; what is wrong is named as the caller does.

    Raises:
        BadQuestion: names the field and what was expected.
    """
    named = {name: field for name, (field, _) in wishes.items()} | dict(places or {})
    values = {name: value for name, (_, value) in wishes.items()}
    try:
        question = read_question(values, where="", settings=settings)
    except BadQuestion as error:
        raise BadQuestion(named.get(error.field, error.field), error.expected) from None
    return replace(question, sampling=body.sampling)


def read_messages(messages: object) -> list[Said]:
    """Return what each message says.

    Raises:
        BadQuestion: names the message, its part and what was expected.
    """
    if not isinstance(messages, list):
        raise BadQuestion("messages", f"expected a list of messages, found {kind_of(messages)}")
    return [_message(message, f"messages[{at}]") for at, message in enumerate(messages)]


def _message(message: object, where: str) -> Said:
    if not isinstance(message, Mapping):
        raise BadQuestion(where, f"expected an object, found {kind_of(message)}")
    role = message.get("role")
    if role not in (*_TOLD, *_SPOKEN):
        raise BadQuestion(f"{where}.role", f"expected one of {', '.join((*_TOLD, *_SPOKEN))}")
    known = {"role", "content", *_ABOUT}
    unknown = [name for name in message if name not in known and message[name] not in _NOTHING]
    if unknown:
        raise BadQuestion(f"{where}.{str(unknown[0])[:64]}", "is not supported")
    content = message.get("content")
    if content is None and role == "assistant":
        content = ""
    return Said(role, _content(content, f"{where}.content"), f"{where}.content")


def _content(content: object, where: str) -> str:
    if isinstance(content, str):
        return content.strip()
    if not isinstance(content, list):
        raise BadQuestion(where, f"expected a string or a list of parts, found {kind_of(content)}")
    return "\n".join(_part(part, f"{where}[{at}]") for at, part in enumerate(content)).strip()


def _part(part: object, where: str) -> str:
    if not isinstance(part, Mapping):
        raise BadQuestion(where, f"expected an object, found {kind_of(part)}")
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        told = f"{plain(kind, kind_of(kind))} is not supported; expected text"
        raise BadQuestion(f"{where}.type", told)
    for name in part.keys() - {"type", kind, "cache_control"}:
        raise BadQuestion(f"{where}.{name[:64]}", "is not supported")
    if not isinstance(part.get(kind), str):
        raise BadQuestion(f"{where}.{kind}", f"expected a string, found {kind_of(part.get(kind))}")
    return str(part[kind])
