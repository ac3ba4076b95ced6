"""A conversation as triage reads it: its words, what they stand for and how they are meant."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import or_

from agentic_rag.safety.spelling import STOP, TURN

THERE, ABSENT, CANNOT = 0, 1, 2
"""A sign is there; is denied as one of several; or has a "not" of its own, maybe the alarm."""


@dataclass(slots=True)
class Reading:
    """The words of a conversation: their concepts, the break in front, and how each is meant."""

    texts: list[str]
    concepts: list[int]
    gaps: list[int]
    meant: list[int]
    muted: list[bool]

    turns: list[tuple[int, int]] = field(init=False)
    _stops: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._stops = [at for at, gap in enumerate(self.gaps) if gap >= STOP]
        begun = [at for at in self._stops if self.gaps[at] == TURN]
        self.turns = list(pairwise([*begun, len(self.gaps)]))

    def sentences(self, start: int, end: int) -> list[tuple[int, int]]:
        """Cut a turn into its sentences."""
        low, high = bisect_right(self._stops, start), bisect_left(self._stops, end)
        return list(pairwise([start, *self._stops[low:high], end]))

    def short_sentences(self, most: int) -> Iterator["Reading"]:
        """Return each sentence of at most so many words once, and as it is meant here."""
        seen: set[tuple[tuple[str, ...], tuple[int, ...], tuple[bool, ...]]] = set()
        for low, high in pairwise([*self._stops, len(self.gaps)]):
            part = slice(low, high)
            told = (tuple(self.texts[part]), tuple(self.meant[part]), tuple(self.muted[part]))
            if high - low > most or told in seen:
                continue
            seen.add(told)
            yield Reading(
                self.texts[part],
                self.concepts[part],
                self.gaps[part],
                self.meant[part],
                self.muted[part],
            )

    def clauses(self, low: int, high: int, cuts: int) -> list[tuple[int, int]]:
        """Cut a sentence at its commas, and in front of the concepts that part clauses."""
        gaps, concepts = self.gaps, self.concepts
        at = [each for each in range(low + 1, high) if gaps[each] or concepts[each] & cuts]
        return list(pairwise([low, *at, high]))

    def all(self, low: int, high: int) -> int:
        """Return every concept of a stretch."""
        return reduce(or_, self.concepts[low:high], 0)

    def where(self, low: int, high: int, concept: int) -> int:
        """Return where a concept stands first."""
        return next(at for at in range(low, high) if self.concepts[at] & concept)

    def mute(self, low: int, high: int) -> None:
        """Take a stretch for only talked about."""
        self.muted[low:high] = [True] * (high - low)

    def mute_concepts(self, low: int, high: int, concepts: int) -> None:
        """Take what has some concepts in a stretch for only talked about."""
        for at in range(low, high):
            if self.concepts[at] & concepts:
                self.muted[at] = True
