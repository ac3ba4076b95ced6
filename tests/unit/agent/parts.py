"""Simple parts of an agent, each of which keeps what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace

from agentic_rag.agent.deps import Brief
from agentic_rag.domain import UNEXPECTED, Draft, Likeness, Passage, Turn, Usage


@dataclass
class Shelf:
    """A retriever with passages at hand, or an error; it keeps what it was asked."""

    passages: Sequence[Passage] = ()
    error: Exception | None = None
    version: str | None = "v1"
    asked: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    likeness: Likeness = UNEXPECTED
    headed: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def pinned(self) -> AsyncIterator["Shelf"]:
        yield self

    async def mend(self, text: str) -> str:
        return text

    async def headings(self, labels: Sequence[str]) -> Sequence[str]:
        return [self.headed[label] for label in labels if label in self.headed]

    async def beside(self, found: Sequence[Passage]) -> Sequence[Passage]:
        return []

    async def expects(
        self, questions: Sequence[str], passages: Sequence[Passage]
    ) -> Sequence[Likeness]:
        return [self.likeness] * len(questions)

    async def search(self, queries: Sequence[str], *, k: int) -> Sequence[Passage]:
        self.asked.append((tuple(queries), k))
        if self.error:
            raise self.error
        return list(self.passages)[:k]


@dataclass(frozen=True)
class Score:
    score: float
    missing: tuple[str, ...] = ()

    @property
    def by_words(self) -> float:
        return self.score


@dataclass
class Scores:
    """A judge that gives each label its score, or raises an error."""

    by_label: dict[str, float] = field(default_factory=dict)
    otherwise: float = 1.0
    missing: tuple[str, ...] = ()
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    expected: list[Likeness] = field(default_factory=list)

    async def judge(
        self, question: str, passages: Sequence[Passage], expected: Likeness = UNEXPECTED
    ) -> Sequence[Score]:
        self.asked.append(question)
        self.expected.append(expected)
        if self.error:
            raise self.error
        scores = [self.by_label.get(passage.label, self.otherwise) for passage in passages]
        return [Score(score, self.missing) for score in scores]


@dataclass
class Pen:
    """A writer with a text ready; without one it quotes the first line of each passage."""

    text: str | None = None
    generator: str = "vllm/test"
    usage: Usage = field(default_factory=Usage)
    error: Exception | None = None
    briefs: list[Brief] = field(default_factory=list)

    async def write(self, brief: Brief) -> Draft:
        self.briefs.append(brief)
        if self.error:
            raise self.error
        quoted = "\n".join(p.text.splitlines()[0] for p in brief.passages)
        text = quoted if self.text is None else self.text
        return Draft(text=text, generator=self.generator, usage=self.usage)


@dataclass
class Notebook:
    """A store of conversations, in memory: one that hangs for a while, or an error."""

    kept: dict[str, tuple[Turn, ...]] = field(default_factory=dict)
    hangs_s: float = 0.0
    error: Exception | None = None
    is_shared: bool = False

    def alone(self, thread: str, until: float) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def read(self, thread: str) -> tuple[Turn, ...]:
        await self._act()
        return self.kept.get(thread, ())

    async def append(self, thread: str, said: Sequence[Turn]) -> None:
        await self._act()
        self.kept[thread] = (*self.kept.get(thread, ()), *said)

    async def delete(self, thread: str) -> None:
        await self._act()
        self.kept.pop(thread, None)

    async def sweep(self) -> int:
        return 0

    async def close(self) -> None:
        pass

    async def _act(self) -> None:
        await asyncio.sleep(self.hangs_s)
        if self.error:
            raise self.error


def make_passage(text: str, *, label: str = "faq.md#scaling", **fields: object) -> Passage:
    """Make a passage that stands at the beginning of its document."""
    doc_id, _, section = label.partition("#")
    made = Passage(
        label=label, doc_id=doc_id, section=section, heading="", text=text, start=0, end=len(text)
    )
    return replace(made, **fields)
