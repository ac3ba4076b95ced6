"""What is examined: an agent, by the five doors that the suites knock at."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from langgraph.runtime import Runtime

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.agent.steps.cite import prove_all
from agentic_rag.agent.steps.triage import triage
from agentic_rag.domain import Answer, Outcome, Passage, Question, WhenCold
from agentic_rag.language import words
from agentic_rag.safety.redflags import Alarm

_CRISES = frozenset({"crisis", "self_harm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An agent's doors; a test puts a broken one behind any of them.

    Attributes:
        answer: asks a question.
        ends: asks how it would end with the documents' own words, whatever LLM is set.
        alarm: looks for a red flag in a conversation.
        carries: tells whether a sentence would be shown, with this passage as its proof.
        search: finds the best passages.
    """

    answer: Callable[[Question], Awaitable[Answer]]
    ends: Callable[[Question], Awaitable[Outcome]]
    alarm: Callable[[Question], Awaitable[Alarm | None]]
    carries: Callable[[str, Passage], bool]
    search: Callable[[str, int], Awaitable[Sequence[Passage]]]

    @classmethod
    def of(cls, deps: Deps) -> "Subject":
        """Take the agent that these parts make."""
        quoting = replace(deps, ladder=deps.quoter)

        async def answer(question: Question) -> Answer:
            # the model is what is examined: one that sleeps is waited for
            return await ask(replace(question, when_cold=WhenCold.WAIT), deps=deps)

        async def ends(question: Question) -> Outcome:
            return (await ask(question, deps=quoting)).outcome

        async def alarm(question: Question) -> Alarm | None:
            return (await triage({"question": question}, Runtime(context=deps)))["alarm"]

        async def search(query: str, k: int) -> Sequence[Passage]:
            return await deps.retriever.search([query], k=k)

        return cls(answer=answer, ends=ends, alarm=alarm, carries=carries, search=search)


def says_crisis(alarm: Alarm) -> bool:
    """Tell whether an alarm is one for somebody who may harm themselves."""
    return alarm.category in _CRISES


def carries(sentence: str, passage: Passage) -> bool:
    """Tell whether a patient would be shown the whole sentence, proven by this passage."""
    shown = " ".join(each.sentence for each in prove_all(sentence, [passage]))
    return bool(shown) and words(shown) == words(sentence)
