"""Which of the questions that were written for sections still hold. Pure."""

from collections.abc import Sequence

from agentic_rag.domain import SectionQuestions
from agentic_rag.retrieval.index import Entry, Expected


def still_holding(
    written: Sequence[SectionQuestions], entries: Sequence[Entry]
) -> tuple[list[Expected], list[str]]:
    """Return the questions of sections that are as they were, and the labels of the others.

    A document that talks to models has none; what a section answers is answered.
    """
    passages = [each for entry in entries for each in entry.passages]
    marks = (mark.digest for entry in entries for mark in entry.marks)
    labels = (each.label for each in passages if each.part == 0)
    digests = dict(zip(labels, marks, strict=True))
    injected = {each.label for each in passages if each.injected}
    fresh = [
        each
        for each in written
        if each.section in digests and each.digest in {"", digests[each.section]}
    ]
    used = {each.section for each in fresh}
    answered = {Expected(e.section, True, q) for e in fresh for q in e.answered}
    known = {each.question.casefold() for each in answered}
    unanswered = {Expected(e.section, False, q) for e in fresh for q in e.unanswered}
    expected = answered | {e for e in unanswered if e.question.casefold() not in known}
    stale = dict.fromkeys(each.section for each in written if each.section not in used)
    return sorted(each for each in expected if each.section not in injected), [*stale]
