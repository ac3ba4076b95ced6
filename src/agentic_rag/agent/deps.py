"""What the agent leans on, as the narrowest protocols; `bootstrap` hands in the concrete parts."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Draft, Passage, Turn
from agentic_rag.safety.redflags import RedFlags

Message = tuple[str, str]
"""A chat message: (role, text)."""


class Retriever(Protocol):
    """Finds passages."""

    @property
    def version(self) -> str | None:
        """Name the index version that is searched; None while there is none."""
        ...

    def pinned(self) -> AbstractAsyncContextManager["Retriever"]:
        """Lend a retriever that searches one index version, whatever goes live meanwhile."""
        ...

    async def mend(self, text: str) -> str:
        """Return the text with its slips mended by the documents' words, where it can."""
        ...

    async def search(self, queries: Sequence[str], *, k: int) -> Sequence[Passage]:
        """Return the k best passages over all queries, best first.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        ...

    async def beside(self, found: Sequence[Passage]) -> Sequence[Passage]:
        """Return what stands right before and behind passages that were found, in their sections.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        ...


class Relevant(Protocol):
    """How a passage fits a question: `score` 0 to 1, and the words it does not speak of."""

    @property
    def score(self) -> float: ...  # noqa: D102

    @property
    def missing(self) -> tuple[str, ...]: ...  # noqa: D102


class Judge(Protocol):
    """Says how well passages fit a question."""

    async def judge(self, question: str, passages: Sequence[Passage]) -> Sequence[Relevant]:
        """Return the relevance of each passage, in order."""
        ...


class Planner(Protocol):
    """Puts a question in full with a model, if one is awake."""

    async def plan(self, question: str, history: Sequence[Turn]) -> Sequence[str] | None:
        """Return the question's parts, each in full; None, soon, where no model says any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """All that a rung of the ladder gets: the prompt for a model, the passages for the quoter."""

    messages: tuple[Message, ...]
    wants: tuple[str, ...]
    passages: tuple[Passage, ...]
    max_tokens: int | None
    temperature: float | None


class Writer(Protocol):
    """Writes a draft."""

    async def write(self, brief: Brief) -> Draft:
        """Return a draft whose `[n]` name brief.passages[n - 1]."""
        ...


class Checker(Protocol):
    """Gives a second opinion on sentences that were proven by their words: it can only refuse."""

    async def carries(self, pairs: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Tell for each (quote, sentence) whether the quote says what the sentence does.

        Raises:
            CheckerUnavailable: it cannot be used now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """The clinic's own words for an emergency, read from its documents when the server starts."""

    passage: Passage
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of everything.

    Attributes:
        enough: relevance from which a passage is evidence, 0 to 1.
        max_steps: steps of one journey, whatever happens.
    """

    top_k: int
    max_ctx_snippets: int
    max_ctx_chars: int
    max_attempts: int
    enough: float
    max_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The parts of one agent.

    Attributes:
        checker: a stronger check of sentences; None where the words alone decide.
        planner: helps to plan where a model is awake; None: the rules plan alone.
    """

    profile: Profile
    red_flags: RedFlags
    emergency: Emergency
    retriever: Retriever
    judge: Judge
    ladder: Writer
    quoter: Writer
    limits: Limits
    checker: Checker | None = None
    planner: Planner | None = None
