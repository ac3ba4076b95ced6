"""A conversation as the page sees it: what was asked, and what has been told of it so far."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import uuid4

from agentic_rag.domain import (
    Answer,
    Citation,
    Event,
    LlmStatus,
    Outcome,
    Provisional,
    Sentence,
    StepBegun,
    Turn,
)

_AWAY = frozenset(("asleep", "waking", "failing"))
_REMEMBERED = 10  # turns that are sent along


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question and all that has been told of it.

    Attributes:
        step: what the agent is doing now.
        wakes_at: when the model may be awake, as the caller's clock has it; None where unknown.
        waits: whether a model is waited for.
        written: sentences of the model's answer, as they come.
        first: the documents' own answer, until there is a better one.
        trouble: why there is no answer.
        rating: "up" or "down", once it was taken.
        thanks: what became of the rating.
    """

    question: str
    is_open: bool = True
    step: str = ""
    waits: bool = False
    wakes_at: float | None = None
    written: tuple[Sentence, ...] = ()
    first: Answer | None = None
    answer: Answer | None = None
    trouble: str = ""
    rating: str = ""
    thanks: str = ""

    @property
    def is_new(self) -> bool:
        """Tell whether nobody has begun to ask it."""
        return self.is_open and not self.step

    @property
    def shown(self) -> Answer | None:
        """The best answer so far: whole, in writing, or the documents' own."""
        if self.answer or not self.written:
            return self.answer or self.first
        cited: dict[int, Citation] = {}
        for sentence in self.written:
            cited |= {citation.number: citation for citation in sentence.citations}
        text = "\n".join(sentence.text for sentence in self.written)
        return Answer(text=text, outcome=Outcome.ANSWERED, citations=tuple(cited.values()))

    @property
    def is_provisional(self) -> bool:
        """Tell whether what is shown is the documents' own answer, and a better one may come."""
        return self.is_open and self.shown is not None and self.shown is self.first

    @property
    def earlier(self) -> Answer | None:
        """The documents' own answer, where another one has taken its place."""
        shown = self.shown
        return self.first if self.first and shown and shown.text != self.first.text else None

    def heard(self, event: Event, now: float) -> "Exchange":
        """Return the exchange with what was told; who has stopped listening hears nothing."""
        if not self.is_open:
            return self
        match event:
            case StepBegun():
                return replace(self, step=event.step, waits=False)
            case LlmStatus():
                wakes_at = None if event.eta_s is None else now + event.eta_s
                return replace(self, waits=event.state in _AWAY, wakes_at=wakes_at)
            case Provisional():
                return replace(self, first=event.answer)
            case Sentence():
                kept = self.written[: event.index]
                return replace(self, written=(*kept, event), waits=False)
        return replace(self, answer=event, is_open=False, waits=False)

    def ended(self, trouble: str = "") -> "Exchange":
        """Return the exchange as nobody is waiting for more; what was shown stands."""
        if not self.is_open:
            return self
        return replace(self, is_open=False, waits=False, answer=self.shown, trouble=trouble)


@dataclass(slots=True)
class Chat:
    """One visitor's conversation; lives as long as the page is open.

    Attributes:
        listening: hears the server out, which takes nothing else in the session meanwhile.
    """

    session: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    listening: asyncio.Task[None] | None = None

    def take(self, question: str) -> None:
        """Begin an exchange; whoever asks again waits no longer for what was asked before."""
        self.session = self.session or uuid4().hex  # not at first: all visitors' begin as copies
        self._end()
        self.exchanges.append(Exchange(question=question))

    def renew(self) -> str:
        """Begin anew, and return the session that is over."""
        self._end()
        session, self.session, self.exchanges = self.session, "", []
        return session

    def _end(self) -> None:
        """End what is open where it stands, and stop listening for it."""
        if self.listening:
            self.listening.cancel()
        self.exchanges[:] = map(Exchange.ended, self.exchanges)

    def history(self) -> list[Turn]:
        """Return what was said before the last question."""
        turns = []
        for each in self.exchanges[:-1][-_REMEMBERED:]:
            if each.answer:
                turns += [Turn(role="user", text=each.question)]
                turns += [Turn(role="assistant", text=each.answer.text)]
        return turns
