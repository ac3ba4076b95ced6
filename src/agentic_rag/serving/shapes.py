"""The shapes of what the doors give, for our OpenAPI document; `writing` fills them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from agentic_rag.domain import Degraded, Outcome
from agentic_rag.serving.fields import QuestionBody, QuestionText, WishesBody


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorReply(_Shape):
    """What went wrong and, where the caller can mend it, in which field."""

    error: str
    field: str = ""


class UsageShape(_Shape):
    """Tokens that an LLM counted; all zero where none was asked."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CitationShape(_Shape):
    """The words of a document that a sentence rests on."""

    number: int
    label: str
    doc_id: str
    section: str
    quote: str
    start: int
    end: int
    digest: str
    support: float


class _Answered(_Shape):
    answer: str
    outcome: Outcome
    generator: str
    degraded: Degraded | None
    usage: UsageShape
    latency_seconds: float
    request_id: str
    adapter: str = ""
    eta_seconds: float = 0.0


class AnswerShape(_Answered):
    """A whole answer, as KServe's doors and the stream give it."""

    citations: list[CitationShape]
    sources: list[str]
    timings: dict[str, float]
    trace: list[dict[str, Any]] = []


class MessageShape(_Shape):
    """A message for a model."""

    role: Literal["system", "user", "assistant"]
    content: str


class DebugShape(_Shape):
    """What a model saw, and what every step wrote; `seen_by` is null where no model answered."""

    messages: list[MessageShape]
    seen_by: str | None
    trace: list[dict[str, Any]]


class ChatReply(_Answered):
    """An answer of the clinic chat API; citations are labels."""

    citations: list[str]
    session_id: str | None
    debug: DebugShape | None = None


class DryrunReply(_Shape):
    """What a model would get; where the rules alone answer there is nothing, and the outcome."""

    messages: list[MessageShape]
    labels: list[str]
    outcome: Outcome | None
    degraded: Degraded | None


class QueryReply(_Shape):
    """An answer with the labels that it rests on."""

    answer: str
    sources: list[str]


class SeenPassageShape(_Shape):
    """A passage that was found, by its place in a version of its document."""

    label: str
    score: float
    digest: str
    start: int
    end: int
    relevant: bool


class SentenceShape(_Shape):
    """A sentence of an answer, and the numbers of its citations."""

    text: str
    cites: list[int]


class DroppedShape(_Shape):
    """A sentence that could not be proven, and why."""

    sentence: str
    why: str


class TurnShape(_Shape):
    """What was said before, masked."""

    role: Literal["user", "assistant"]
    text: str


class FeedbackShape(_Shape):
    """What the caller thought of it."""

    rating: Literal["up", "down"]
    comment: str | None
    at: float


class RecordShape(_Shape):
    """An answer explained. What the patient wrote is masked, caller and session are hashes."""

    request_id: str
    at: float
    caller: str
    session: str | None
    door: str
    question: str
    history: list[TurnShape]
    outcome: Outcome
    generator: str
    adapter: str | None = None
    degraded: Degraded | None
    usage: dict[str, int]
    timings: dict[str, float]
    index: str | None
    emergency: str | None
    reason: str | None
    searches: list[str]
    passages: list[SeenPassageShape]
    dropped: list[DroppedShape]
    sentences: list[SentenceShape]
    citations: list[CitationShape]
    feedback: FeedbackShape | None


class AnswersReply(_Shape):
    """All answers that were given under a request id, oldest first."""

    answers: list[RecordShape]


class CitedShape(_Shape):
    """The words of a version of a document."""

    number: int
    label: str
    doc_id: str
    digest: str
    start: int
    end: int
    quote: str


class ProvenShape(_Shape):
    """A sentence with what it rests on."""

    text: str
    citations: list[CitedShape]


class ReceiptShape(_Shape):
    """What an answer is proven by, again."""

    receipt: Literal[1]
    request_id: str
    at: float
    index: str | None
    outcome: Outcome
    generator: str
    adapter: str = ""
    sentences: list[ProvenShape]


class ReceiptsReply(_Shape):
    """The receipts of all answers that were given under a request id, oldest first."""

    receipts: list[ReceiptShape]


class PlaceShape(_Shape):
    """Where a passage stands."""

    doc_id: str
    section: str
    label: str


class HitShape(_Shape):
    """A passage that was found."""

    score: float
    meta: PlaceShape
    text: str


class SearchReply(_Shape):
    """Passages, best first."""

    hits: list[HitShape]


class AliveReply(_Shape):
    """Somebody is there."""

    status: Literal["alive"]


class ReadyReply(_Shape):
    """Whether questions would be answered from the documents, and how many are under way."""

    ready: bool
    in_flight: int
    queued: int


class RefusedShape(_Shape):
    """An index version that cannot be used."""

    version: str
    reason: str


class SleeperShape(_Shape):
    """What the model that may sleep is doing."""

    state: str
    eta_seconds: float | None


class ClinicShape(_Shape):
    """Whose documents these are, and how the clinic is reached."""

    name: str
    phones: dict[str, str]
    disclaimer: str


class HealthReply(_Shape):
    """How all is, in words."""

    status: Literal["ok", "degraded"]
    index: bool
    index_version: str | None
    refused: RefusedShape | None
    llm: SleeperShape | None
    version: str
    clinic: ClinicShape


class StreamRequest(RootModel[QuestionText | QuestionBody]):
    """A question, with its wishes or alone."""


class V1Request(_Shape):
    """Questions; `parameters` hold for each that does not say otherwise."""

    instances: list[QuestionText | QuestionBody] = Field(min_length=1)
    parameters: WishesBody | None = None


class V1Reply(_Shape):
    """Answers, in order."""

    predictions: list[AnswerShape]


class GatewayReply(AnswerShape):
    """An answer as the message of a chat; `unheeded` names what had no part in it."""

    model: str
    message: MessageShape
    done: Literal[True]
    finish_reason: Literal["stop", "length"]
    unheeded: list[str]


class ModelShape(_Shape):
    """The model, as OpenAI's clients know models."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelReply(ModelShape):
    """The model, as KServe's clients know models, too."""

    name: str
    ready: bool


class ModelsReply(_Shape):
    """The one model, for both kinds of client."""

    models: list[str]
    object: Literal["list"]
    data: list[ModelShape]
