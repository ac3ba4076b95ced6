"""What the agent leans on, as the narrowest protocols; `bootstrap` hands in the concrete parts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from agentic_rag.agent.admission import Admission
from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import (
    Answer,
    Draft,
    Likeness,
    Passage,
    Question,
    Sampling,
    Turn,
    WhenCold,
)
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

    async def expects(
        self, questions: Sequence[str], passages: Sequence[Passage]
    ) -> Sequence[Likeness]:
        """Return how like each question is to those that were written for the passages' sections.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        ...

    async def headings(self, labels: Sequence[str]) -> Sequence[str]:
        """Return the innermost heading of each section, as far as there is an index."""
        ...

    async def beside(self, found: Sequence[Passage]) -> Sequence[Passage]:
        """Return what stands right before and behind passages that were found, in their sections.

        Raises:
            RetrievalUnavailable: the index cannot be used now.
        """
        ...


class Relevant(Protocol):
    """How a passage fits a question: `score` 0 to 1, and the words it does not speak of.

    `by_words` is the score by what it says alone, whatever was expected of its section.
    """

    @property
    def score(self) -> float: ...  # noqa: D102

    @property
    def by_words(self) -> float: ...  # noqa: D102

    @property
    def missing(self) -> tuple[str, ...]: ...  # noqa: D102


class Judge(Protocol):
    """Says how well passages fit a question."""

    async def judge(
        self, question: str, passages: Sequence[Passage], expected: Likeness
    ) -> Sequence[Relevant]:
        """Return the relevance of each passage, in order; `expected` is of its section, too."""
        ...


class Planner(Protocol):
    """Puts a question in full with a model, if one is awake."""

    async def plan(self, question: str, history: Sequence[Turn]) -> Sequence[str] | None:
        """Return the question's parts, each in full; None, soon, where no model says any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """All that a rung of the ladder gets: the prompt for a model, the passages for the quoter.

    Attributes:
        when_cold: what becomes of it where a model sleeps.
        deadline: until when a model may write, as `time.monotonic` has it.
        expected: how like each want is to the questions that were written for the sections.
        hear: takes what a model writes while it writes; "" where it begins, be it anew.
    """

    messages: tuple[Message, ...]
    wants: tuple[str, ...]
    passages: tuple[Passage, ...]
    max_tokens: int | None
    temperature: float | None
    sampling: Sampling = field(default_factory=Sampling)
    when_cold: WhenCold = WhenCold.EXTRACTIVE
    deadline: float | None = None
    expected: Mapping[str, Likeness] = field(default_factory=dict)
    hear: Callable[[str], None] | None = None


class Writer(Protocol):
    """Writes a draft."""

    async def write(self, brief: Brief) -> Draft:
        """Return a draft whose `[n]` name brief.passages[n - 1]."""
        ...


class SleeperStatus(Protocol):
    """What a model is doing, and how long until it may be awake."""

    @property
    def state(self) -> str: ...  # noqa: D102

    @property
    def eta_s(self) -> float | None: ...  # noqa: D102


class Sleeper(Protocol):
    """A model that may sleep."""

    @property
    def status(self) -> SleeperStatus:
        """Say what is known now."""
        ...

    async def wait(self, within_s: float) -> bool:
        """Tell whether it is awake, having waited for that so long at most."""
        ...

    def seat(self) -> AbstractContextManager[bool]:
        """Lend one of the seats of those who wait; tells whether there was one."""
        ...


class Talk(Protocol):
    """One turn of a conversation, while nobody else speaks in it."""

    @property
    def history(self) -> tuple[Turn, ...]:
        """What was said before."""
        ...

    @property
    def is_whole(self) -> bool:
        """Tell whether that is all that was said."""
        ...

    async def remember(self, *said: Turn) -> bool:
        """Tell whether what was said is kept."""
        ...


class Conversations(Protocol):
    """What was said before, session by session; each is the caller's own."""

    def turn(
        self, session_id: str, *, is_new: bool, until: float | None
    ) -> AbstractAsyncContextManager[Talk]:
        """Speak in a session when all who came before have done so; in a new one nothing was said.

        Raises:
            Overloaded: too many speak there, or they took until then.
        """
        ...

    async def glance(self, session_id: str, *, until: float | None) -> tuple[Turn, ...]:
        """Return what was said, past those who speak; nothing where nobody can stand in the way."""
        ...

    def note(self, session_id: str, *said: Turn) -> None:
        """Remember soon, for one who cannot wait."""
        ...


class Observer(Protocol):
    """Looks at each final answer, and stands in the way of none."""

    def see(self, question: Question, answer: Answer) -> None:
        """Take note of an answer right before it goes out; returns at once, whatever is broken."""
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
        most_snippets: passages laid before a model, however many parts a question has.
        enough: relevance from which a passage is evidence, 0 to 1.
        max_steps: steps of one journey, whatever happens.
    """

    top_k: int
    max_ctx_snippets: int
    max_ctx_chars: int
    max_attempts: int
    enough: float
    max_steps: int
    most_snippets: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The parts of one agent.

    Attributes:
        checker: a stronger check of sentences; None where the words alone decide.
        planner: helps to plan where a model is awake; None: the rules plan alone.
        sleeper: the model that may sleep; None where there is none.
        live: whether somebody hears of the journey while it lasts.
        admission: who may work now.
        conversations: what was said before; None where nothing is kept.
        observer: sees each final answer.
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
    sleeper: Sleeper | None = None
    live: bool = False
    admission: Admission = field(default_factory=Admission)
    conversations: Conversations | None = None
    observer: Observer | None = None
