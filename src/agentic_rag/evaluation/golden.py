"""Asks a clinic's golden questions, and measures what a patient was told against what is true."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agentic_rag.domain import Answer, Outcome
from agentic_rag.evaluation.cases import Alternatives, GoldenCase, SuiteName
from agentic_rag.evaluation.measures import Measure, by, ratio, share, times
from agentic_rag.evaluation.proof import Statement, body
from agentic_rag.evaluation.suite import Fault, Room, Suite

_DASHES = re.compile("[\u2010-\u2015\u2212]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a question; `statements` are an answer's sentences, checked one by one."""

    case: GoldenCase
    answer: Answer
    statements: tuple[Statement, ...]

    @property
    def ends_right(self) -> bool:
        """Tell whether it was answered, declined or sent to the emergency line as it should."""
        return str(self.answer.outcome) == self.case.outcome

    @property
    def facts(self) -> tuple[int, int]:
        """Count the facts that stand in the answer, and the ones that should."""
        return sum(self._says(each) for each in self.case.facts), len(self.case.facts)

    @property
    def sources(self) -> tuple[int, int]:
        """Count the right sources that are cited, and the ones that should be."""
        return sum(self._cites(each) for each in self.case.labels), len(self.case.labels)

    @property
    def trusted(self) -> tuple[int, int]:
        """Count the cited sources that are right ones, and all that are cited."""
        right = tuple(label for group in self.case.labels for label in group)
        return sum(each.startswith(right) for each in self.answer.sources), len(self.answer.sources)

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Return what it says and must not."""
        said = _plain(body(self.answer.text))
        return tuple(each for each in self.case.never if _plain(each) in said)

    @property
    def is_right(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.wrong

    @property
    def wrong(self) -> str:
        """Say what is wrong, or nothing."""
        return "; ".join(self._wrong())

    def _wrong(self) -> Iterator[str]:
        if not self.ends_right:
            yield f"{self.answer.outcome}, expected {self.case.outcome}"
            return
        lacking = [each for each in self.case.facts if not self._says(each)]
        if lacking:
            yield f"lacks {', '.join(' or '.join(each) for each in lacking)}"
        if not all(self._cites(each) for each in self.case.labels):
            yield f"cites {', '.join(self.answer.sources) or 'nothing'}"
        if self.answer.sources and not self.case.labels:
            yield f"cites {', '.join(self.answer.sources)}, where nothing is to be cited"
        if self.forbidden:
            yield f"says {', '.join(self.forbidden)}"

    def _says(self, alternatives: Alternatives) -> bool:
        said = _plain(body(self.answer.text))
        return any(_plain(each) in said for each in alternatives)

    def _cites(self, alternatives: Alternatives) -> bool:
        return any(source.startswith(alternatives) for source in self.answer.sources)


def _plain(text: str) -> str:
    folded = _DASHES.sub("-", unicodedata.normalize("NFKC", text)).casefold()
    return " ".join(folded.replace("\u2019", "'").split())


async def attempt(case: GoldenCase, room: Room) -> Told:
    """Ask, and check what is said."""
    answer = await room.subject.answer(case.asked())
    # what needs no source, a greeting or a number to call, is not proven from the documents
    is_proven = answer.outcome == Outcome.ANSWERED and case.kind != "small_talk"
    checked = room.shelf.examine(answer) if is_proven else ()
    return Told(case=case, answer=answer, statements=checked)


def measure(told: Sequence[Told]) -> list[Measure]:
    """Make figures of it."""
    return [
        *by("golden.right", told, lambda each: each.is_right, {"pack": _pack, "kind": _kind}),
        *_of_answers([each for each in told if each.case.outcome == "answered"]),
        *_of_ends(told),
        *_of_kinds(told),
        *_of_statements(told),
        *_of_steps(told),
    ]


def _pack(told: Told) -> str | None:
    return told.case.pack


def _kind(told: Told) -> str:
    return told.case.kind


def _of_answers(told: Sequence[Told]) -> list[Measure]:
    return [
        *by("golden.answered_right", told, lambda each: each.is_right, {"pack": _pack}),
        *ratio("golden.facts_present", (each.facts for each in told)),
        *ratio("golden.sources_found", (each.sources for each in told)),
        *ratio("golden.sources_right", (each.trusted for each in told if each.case.labels)),
    ]


def _of_ends(told: Sequence[Told]) -> list[Measure]:
    """Measure whether it was right to decline, and right to call an emergency."""

    def ended(outcome: str) -> Callable[[Told], bool]:
        return lambda each: str(each.answer.outcome) == outcome

    def expected(outcome: str) -> Callable[[Told], bool]:
        return lambda each: each.case.outcome == outcome

    urgent = list(filter(expected("emergency"), told))
    calm = [each for each in told if each not in urgent]
    declined = filter(ended("declined"), told)
    absent = list(filter(expected("declined"), told))
    return [
        *by("golden.abstention_recall", absent, ended("declined"), {"pack": _pack}),
        *share("golden.abstention_precision", map(expected("declined"), declined)),
        *share("golden.emergency_recall", map(ended("emergency"), urgent)),
        *share("golden.false_alarms", map(ended("emergency"), calm)),
    ]


def _of_kinds(told: Sequence[Told]) -> list[Measure]:
    named = {
        "follow_ups_right": "follow_up",
        "two_part_right": "two_part",
        "conflicts_right": "conflict",
        "injections_resisted": "injected",
    }
    measured: list[Measure] = []
    for metric, kind in named.items():
        measured += share(f"golden.{metric}", (e.is_right for e in told if e.case.kind == kind))
    forbidden = (bool(each.forbidden) for each in told if each.case.never)
    return measured + share("golden.forbidden_said", forbidden)


def _of_statements(told: Sequence[Told]) -> list[Measure]:
    def counted(count: Callable[[Statement], tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for each in told:
            pairs = [count(statement) for statement in each.statements]
            yield sum(so for so, _ in pairs), sum(whole for _, whole in pairs)

    return [
        *ratio("golden.citation_precision", counted(lambda said: (said.right, said.cited))),
        *ratio("golden.citation_recall", counted(lambda said: (said.right > 0, 1))),
        *ratio("golden.support_rate", counted(lambda said: (said.is_carried, 1))),
        *ratio("golden.wrong_numbers", counted(lambda said: (said.is_misnumbered, 1))),
    ]


def _of_steps(told: Sequence[Told]) -> list[Measure]:
    seconds: dict[str, list[float]] = {}
    for each in told:
        for step, spent in each.answer.timings.items():
            seconds.setdefault(step, []).append(spent)
    return [
        measure
        for step, spent in seconds.items()
        for measure in times("golden.step_ms", spent, f"step: {step}")
    ]


def fault(told: Told) -> Fault | None:
    """Say what is wrong."""
    unproven = [each.text for each in told.statements if not each.right or each.right < each.cited]
    wrong = "; ".join([*filter(None, [told.wrong]), *(f"unproven: {each}" for each in unproven)])
    return Fault(case=told.case.id, asked=told.case.question, wrong=wrong) if wrong else None


GOLDEN = Suite(
    name=SuiteName.GOLDEN,
    case=GoldenCase,
    needs_index=True,
    attempt=attempt,
    measure=measure,
    fault=fault,
    metrics={
        "right": "questions of every kind that ended and were answered as they should",
        "answered_right": "questions with an answer that got it: facts, sources, nothing forbidden",
        "facts_present": "facts that stand in the answer, of those that should",
        "sources_found": "right sources that are cited, of those that should be",
        "sources_right": "cited sources that the question's author named, too",
        "abstention_recall": "absent topics that were declined",
        "abstention_precision": "declined questions that the documents do not answer",
        "emergency_recall": "emergencies that were answered as one",
        "false_alarms": "other questions that were answered as an emergency",
        "follow_ups_right": "follow-up questions right",
        "two_part_right": "questions with two parts right in both",
        "conflicts_right": "questions right where documents disagree",
        "injections_resisted": "questions right beside text that talks to models",
        "forbidden_said": "answers that say what they must not",
        "citation_precision": "citations whose quote stands there and carries the sentence",
        "citation_recall": "sentences with at least one such citation",
        "support_rate": "sentences that anything in the documents carries",
        "wrong_numbers": "sentences with a number that nothing cited for them has",
        "step_ms": "time of each step",
    },
)
