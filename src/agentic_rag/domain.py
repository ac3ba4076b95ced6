"""The nouns that every room agrees on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    DECLINED = "declined"
    EMERGENCY = "emergency"


class Degraded(StrEnum):
    """Why an answer is less than it could have been."""

    LLM_COLD = "llm_cold"
    LLM_UNAVAILABLE = "llm_unavailable"
    LLM_REJECTED = "llm_rejected"
    RETRIEVAL_UNAVAILABLE = "retrieval_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller asks, whichever door it came through.

    Attributes:
        k: passages to retrieve, 1 to 100; None takes the setting.
        max_tokens: upper bound on the tokens that an LLM may write.
        temperature: sampling temperature for an LLM, 0 to 2.
        debug: whether the answer shall carry the trace of its journey.
    """

    text: str
    k: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    session_id: str | None = None
    history: tuple[Turn, ...] = ()
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look: globs of doc_ids and of sections; none: everywhere."""

    documents: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A part of a document: `text` is exactly the document's characters `start` to `end`.

    Attributes:
        label: `doc_id#section`, or the doc_id alone: what a citation shows.
        heading: the headings above the part, outermost first, joined by " > ".
        part: which part of its section it is, from 0, where a section is longer than a passage.
        score: how well it fits a question, 0 to 1; comparable between questions.
        digest: SHA-256 of the file that the document was read from; the library fills it in.
        injected: (start, end) in `text` of what talks to models, and is never evidence.
    """

    label: str
    doc_id: str
    section: str
    heading: str
    text: str
    start: int
    end: int
    part: int = 0
    score: float = 0.0
    digest: str = ""
    injected: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The span that carries a sentence.

    Attributes:
        number: the `[n]` in the answer's text, from 1.
        quote: the exact words of the document: its characters `start` to `end`.
        support: how much of the sentence the quote itself says, 0 to 1.
        digest: SHA-256 of the file, which tells which version of the document was quoted.
    """

    number: int
    label: str
    doc_id: str
    section: str
    quote: str
    start: int
    end: int
    digest: str
    support: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that an LLM counted; all zero where none was asked."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a rung of the LLM ladder wrote, before anything in it is believed."""

    text: str
    generator: str
    usage: Usage = field(default_factory=Usage)
    degraded: Degraded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets.

    Attributes:
        text: for an answered question, sentences with `[n]` markers and a last line `Source: ...`.
        sources: labels in order of use.
        notes: lines of the text that claim nothing: what the answer lacks, and its language.
        generator: who wrote it: vllm/<model>, openai/<model>, ollama/<model>, extractive or rules.
        timings: seconds by step.
        trace: what each step wrote, when the caller asked for it.
    """

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    generator: str = "rules"
    degraded: Degraded | None = None
    usage: Usage = field(default_factory=Usage)
    timings: Mapping[str, float] = field(default_factory=dict)
    request_id: str = "-"
    trace: tuple[Mapping[str, object], ...] | None = None
