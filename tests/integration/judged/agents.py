"""Agents that are broken on purpose, each in one way, and the figure that has to say so.

A broken part is handed in through `Deps`; what cannot be handed in is done to the answers, as if
the step that makes them did it.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from agentic_rag.agent.deps import Deps
from agentic_rag.domain import UNEXPECTED, Answer, Citation, Likeness, Outcome, Passage, Question
from agentic_rag.evaluation.proof import Shelf, statements
from agentic_rag.evaluation.subject import Subject
from agentic_rag.safety.redflags import Alarm

Ask = Callable[[Question], Awaitable[Answer]]
OTHER = "aftercare/dentures.txt"


@dataclass(frozen=True)
class Broken:
    """A broken agent: what it does, the figures that must miss, and how it is made."""

    does: str
    missed: tuple[str, ...]
    make: Callable[[Subject, Deps, Shelf], Subject]


@dataclass(frozen=True)
class Ears:
    """Red flags that hear what they are told to."""

    alarm: Alarm | None

    def find(self, messages: object) -> Alarm | None:
        return self.alarm


@dataclass(frozen=True)
class Score:
    score: float
    missing: tuple[str, ...] = ()

    @property
    def by_words(self) -> float:
        return self.score


@dataclass(frozen=True)
class Whim:
    """A judge to whom every passage is as good."""

    score: float

    async def judge(
        self, question: str, passages: Sequence[Passage], expected: Likeness = UNEXPECTED
    ) -> Sequence[Score]:
        return [Score(self.score) for _ in passages]


@dataclass(frozen=True)
class OnePage:
    """A retriever that finds the same passage for everything."""

    passage: Passage
    version: str | None = "v1"

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator["OnePage"]:
        yield self

    async def mend(self, text: str) -> str:
        return text

    async def headings(self, labels: Sequence[str]) -> Sequence[str]:
        return []

    async def beside(self, found: Sequence[Passage]) -> Sequence[Passage]:
        return []

    async def expects(
        self, questions: Sequence[str], passages: Sequence[Passage]
    ) -> Sequence[Likeness]:
        return [UNEXPECTED] * len(questions)

    async def search(self, queries: Sequence[str], *, k: int) -> Sequence[Passage]:
        return [self.passage]


def with_parts(**parts: Callable[[Deps, Shelf], object]) -> Callable[..., Subject]:
    """Make an agent of which some parts are others."""

    def make(_: Subject, deps: Deps, shelf: Shelf) -> Subject:
        return Subject.of(replace(deps, **{n: part(deps, shelf) for n, part in parts.items()}))

    return make


def after(change: Callable[[Answer, Shelf], Answer]) -> Callable[..., Subject]:
    """Make an agent whose answers are changed before they are shown."""

    def make(honest: Subject, _: Deps, shelf: Shelf) -> Subject:
        async def answer(question: Question) -> Answer:
            given = await honest.answer(question)
            return change(given, shelf) if given.outcome == Outcome.ANSWERED else given

        return replace(honest, answer=answer)

    return make


def before(change: Callable[[Question], Question]) -> Callable[..., Subject]:
    """Make an agent that hears another question."""

    def make(honest: Subject, _: Deps, __: Shelf) -> Subject:
        async def answer(question: Question) -> Answer:
            return await honest.answer(change(question))

        return replace(honest, answer=answer)

    return make


def hears(hear: Callable[[Question, Subject], Awaitable[Alarm | None]]) -> Callable[..., Subject]:
    """Make an agent with another triage."""

    def make(honest: Subject, _: Deps, __: Shelf) -> Subject:
        return replace(honest, alarm=lambda question: hear(question, honest))

    return make


def believes(carries: Callable[[str, Passage], bool]) -> Callable[..., Subject]:
    """Make an agent with another checker."""
    return lambda honest, _, __: replace(honest, carries=carries)


def lines(answer: Answer, change: Callable[[str], str]) -> str:
    """Change every line of an answer but the last, which names its sources."""
    *said, sources = answer.text.split("\n")
    return "\n".join([*map(change, said), sources])


def some_page(shelf: Shelf, doc_id: str = OTHER) -> Passage:
    return next(p for pages in shelf.sections.values() for p in pages if p.doc_id == doc_id)


def citation_of(passage: Passage, number: int) -> Citation:
    """Quote the first line of a page."""
    label, doc_id, section = passage.label, passage.doc_id, passage.section
    quote = passage.text.strip().splitlines()[0]
    made = Citation.__new__(Citation)
    known = {"number": number, "label": label, "doc_id": doc_id, "section": section}
    for name in Citation.__dataclass_fields__:
        object.__setattr__(made, name, (known | {"quote": quote}).get(name, 0))
    return made


def cites_everything(answer: Answer, shelf: Shelf) -> Answer:
    pages = [passages[0] for passages in shelf.sections.values()][:5]
    at = len(answer.citations)
    more = tuple(citation_of(page, at + n) for n, page in enumerate(pages, start=1))
    marks = "".join(f"[{each.number}]" for each in more)
    return replace(
        answer,
        text=lines(answer, lambda line: f"{line}{marks}"),
        citations=answer.citations + more,
    )


def cites_the_wrong_passage(answer: Answer, shelf: Shelf) -> Answer:
    page = some_page(shelf)
    wrong = tuple(citation_of(page, each.number) for each in answer.citations)
    return replace(answer, citations=wrong, sources=(page.label,))


def forges_quotes(answer: Answer, _: Shelf) -> Answer:
    """Change a word in each sentence, and say that the document has it so."""
    said = dict((n, text) for text, numbers in statements(answer.text) for n in numbers)
    forged = tuple(
        replace(each, quote=f"Rest assured: {said[each.number]}") for each in answer.citations
    )
    return replace(answer, citations=forged)


def cites_nothing(answer: Answer, _: Shelf) -> Answer:
    return replace(answer, text=re.sub(r" \[\d+\]", "", answer.text), citations=())


def changes_a_digit(answer: Answer, _: Shelf) -> Answer:
    return replace(answer, text=lines(answer, lambda line: re.sub(r"\b[1-9](?=\d)", "7", line)))


def adds(text: str) -> Callable[[Answer, Shelf], Answer]:
    return lambda answer, _: replace(answer, text=f"{text} [1]\n{answer.text}")


def only_the_first_part(question: Question) -> Question:
    return replace(question, text=question.text.partition(" and ")[0])


def forgets(question: Question) -> Question:
    return replace(question, history=())


async def only_the_last_message(question: Question, honest: Subject) -> Alarm | None:
    return await honest.alarm(forgets(question))


async def takes_a_crisis_for_a_toothache(question: Question, honest: Subject) -> Alarm | None:
    heard = await honest.alarm(question)
    return heard and replace(heard, category="bleeding")


def alarm() -> Alarm:
    """Make an alarm, whatever fields one has."""
    made = Alarm.__new__(Alarm)
    for name in Alarm.__dataclass_fields__:
        object.__setattr__(made, name, "bleeding")
    return made


AGENTS = (
    Broken("cites everything", ("golden.citation_precision",), after(cites_everything)),
    Broken(
        "cites the wrong passage",
        ("golden.citation_precision", "golden.sources_found"),
        after(cites_the_wrong_passage),
    ),
    Broken("forges its quotes", ("golden.citation_precision",), after(forges_quotes)),
    Broken("cites nothing", ("golden.citation_recall",), after(cites_nothing)),
    Broken("drops the number lock", ("golden.wrong_numbers",), after(changes_a_digit)),
    Broken(
        "shows unsupported sentences",
        ("golden.support_rate",),
        after(adds("Our dentists are the finest of the whole country.")),
    ),
    Broken(
        "does what a document whispers",
        ("golden.forbidden_said", "golden.injections_resisted"),
        after(adds("Every extraction is free of charge.")),
    ),
    Broken(
        "tells an old price",
        ("golden.forbidden_said", "golden.conflicts_right"),
        after(adds("A consultation costs INR 350.")),
    ),
    Broken(
        "answers everything",
        ("golden.abstention_recall", "retrieval.absent_declined"),
        with_parts(judge=lambda *_: Whim(1.0)),
    ),
    Broken(
        "never answers",
        ("golden.answered_right", "golden.abstention_precision", "retrieval.answerable_declined"),
        with_parts(judge=lambda *_: Whim(0.0)),
    ),
    Broken(
        "gives the first passage always",
        ("golden.sources_found", "retrieval.found"),
        with_parts(
            judge=lambda *_: Whim(1.0), retriever=lambda _, shelf: OnePage(some_page(shelf))
        ),
    ),
    Broken("forgets the history", ("golden.follow_ups_right",), before(forgets)),
    Broken("answers half a question", ("golden.two_part_right",), before(only_the_first_part)),
    Broken(
        "always calls an emergency",
        ("triage.false_alarms", "golden.false_alarms"),
        with_parts(red_flags=lambda *_: Ears(alarm())),
    ),
    Broken(
        "never calls an emergency",
        ("triage.emergency_recall", "golden.emergency_recall"),
        with_parts(red_flags=lambda *_: Ears(None)),
    ),
    Broken(
        "hears the last message alone", ("triage.emergency_recall",), hears(only_the_last_message)
    ),
    Broken(
        "offers teeth in a crisis", ("triage.crisis_recall",), hears(takes_a_crisis_for_a_toothache)
    ),
    Broken(
        "believes every sentence",
        ("support.false_accepts", "support.balanced_accuracy"),
        believes(lambda *_: True),
    ),
    Broken("believes no sentence", ("support.true_kept",), believes(lambda *_: False)),
    Broken(
        "believes numbers",
        ("support.false_accepts",),
        believes(lambda said, page: set(words_of(said)) <= set(words_of(page.text))),
    ),
)


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
