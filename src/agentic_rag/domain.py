"""The nouns that every room agrees on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatch
from typing import Literal

SESSION_HEADER = "x-session-id"
"""Names a conversation, in requests and replies."""

MOST_TURNS, MOST_TURN_CHARS = 50, 20_000
"""Of a conversation, and of each turn in it: what is taken, looked at and kept."""


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
    OVERLOADED = "overloaded"
    SESSION_UNAVAILABLE = "session_unavailable"


class WhenCold(StrEnum):
    """What becomes of a question that finds the LLM asleep."""

    EXTRACTIVE = "extractive"
    WAIT = "wait"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How an LLM shall choose its words; None leaves it to the LLM."""

    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller asks, whichever door it came through.

    Attributes:
        k: passages to retrieve, 1 to 100; None takes the setting.
        max_tokens: upper bound on the tokens that an LLM may write.
        temperature: sampling temperature for an LLM, 0 to 2.
        session_id: the conversation that it belongs to, among its caller's.
        session_is_new: whether that was made up for it, so that nothing was said there before.
        history: what was said before; empty: what is remembered of the session.
        sampling: what else an LLM is told of how to choose its words.
        debug: whether the answer shall carry the trace of its journey.
        when_cold: whether the documents answer for an LLM that sleeps, it is waited for, or the
            next one is asked.
        timeout_s: seconds that the answer may take.
    """

    text: str
    k: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    sampling: Sampling = field(default_factory=Sampling)
    session_id: str | None = None
    session_is_new: bool = False
    history: tuple[Turn, ...] = ()
    debug: bool = False
    when_cold: WhenCold = WhenCold.EXTRACTIVE
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
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
class SectionQuestions:
    """Questions that were written for a section of the documents, ahead of any patient.

    Attributes:
        section: its label.
        digest: of the section's words for which they were written; empty: of any.
        answered: what the section answers.
        unanswered: what looks as if it did, and no section does.
    """

    section: str
    digest: str = ""
    answered: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How like a question is to those that were expected, as cosines.

    Attributes:
        answered: the likest that a section answers, by the section's label.
        unanswered: the likest that no section answers; 0 where there are none.
    """

    answered: Mapping[str, float] = field(default_factory=dict)
    unanswered: float = 0.0


UNEXPECTED = Likeness()
"""Of a question where none were written."""


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
class Prompt:
    """The messages, as (role, text), that were laid out for a model.

    Attributes:
        seen_by: the model that got just these and answered; None where none did.
    """

    messages: tuple[tuple[str, str], ...] = ()
    seen_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a rung of the LLM ladder wrote, before anything in it is believed.

    Attributes:
        adapter: the version of a LoRA adapter that wrote it, as its server calls it.
        told: the messages as the model got them, which may be less than it was to get.
        eta_s: where the LLM slept, seconds until it may be awake.
        is_cut: whether the LLM had no tokens left to say more.
    """

    text: str
    generator: str
    usage: Usage = field(default_factory=Usage)
    degraded: Degraded | None = None
    adapter: str | None = None
    eta_s: float | None = None
    told: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A sentence of a draft that is not in the answer, and why not."""

    sentence: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What an answer was made of, for those who look after the agent; callers are not told.

    Attributes:
        searches: what was looked for.
        passages: what was found, best first.
        relevant: labels of the passages that were taken for evidence.
        dropped: what was written and could not be proven.
        index: the version that was searched; None where none was.
        category: of an emergency.
        reason: why it was declined, in one of a few words.
    """

    searches: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    relevant: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    index: str | None = None
    category: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets.

    Attributes:
        text: for an answered question, sentences with `[n]` markers and a last line `Source: ...`.
        sources: labels in order of use.
        notes: lines of the text that claim nothing: what the answer lacks, and its language.
        generator: who wrote it: vllm/<model>, openai/<model>, ollama/<model>, extractive or rules.
        adapter: the version of a LoRA adapter that wrote it; None where none did.
        eta_s: where the LLM slept, seconds until it may be awake and a better answer be had.
        is_cut: whether the LLM that wrote it had no tokens left to say more.
        timings: seconds by step.
        trace: what each step wrote, when the caller asked for it.
        prompt: what a model saw, then, too.
        way: what it was made of; no part of what is said.
    """

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    generator: str = "rules"
    adapter: str | None = None
    degraded: Degraded | None = None
    usage: Usage = field(default_factory=Usage)
    eta_s: float | None = None
    is_cut: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    request_id: str = "-"
    trace: tuple[Mapping[str, object], ...] | None = None
    prompt: Prompt | None = None
    way: Way = field(default_factory=Way, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegun:
    """Told live: the part of the journey that begins."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmStatus:
    """Told live: what a model that is not awake is doing.

    Attributes:
        eta_s: seconds until it may be awake, where that can be told.
    """

    state: str
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Told live: one proven sentence with its `[n]`, and what it rests on.

    Attributes:
        index: its place in the answer, from 0; at 0 another draft begins, and those told before
            are void.
    """

    text: str
    citations: tuple[Citation, ...]
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """Told live: the documents' own answer, while a better one is waited for."""

    answer: Answer


Event = StepBegun | LlmStatus | Sentence | Provisional | Answer
"""What is told live; an Answer is the last."""


def rank_among(globs: Sequence[str], name: str) -> int:
    """Return which of the globs is the first that a name fits, 0 first; their number where none.

    >>> rank_among(("policies/*", "*.md"), "faq.md")
    1
    """
    return next((at for at, glob in enumerate(globs) if fnmatch(name, glob)), len(globs))
