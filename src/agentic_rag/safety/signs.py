"""Signs: the parts of a rule that have to stand near each other in what somebody said. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import accumulate
from operator import or_

from agentic_rag.safety.conversation import CANNOT, THERE, Reading
from agentic_rag.safety.lexicon import Lexicon
from agentic_rag.safety.spelling import STOP

_APART = 4  # what the end of a sentence counts for, in words


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a sign: any of some concepts, and how it is meant."""

    concepts: int
    meant: int


class Page:
    """The concepts of a reading that are not muted, ready to be looked up."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        pairs = zip(reading.concepts, reading.muted, strict=True)
        self._told = [at for at, (concepts, muted) in enumerate(pairs) if concepts and not muted]
        self._all = reduce(or_, map(reading.concepts.__getitem__, self._told), 0)
        self._found: dict[Term, list[int]] = {}

    @cached_property
    def _at(self) -> list[int]:
        """Return where each word stands, a new sentence being farther than a word."""
        gaps = self._reading.gaps
        apart = accumulate(_APART if gap >= STOP and at else 0 for at, gap in enumerate(gaps))
        return [at + shift for at, shift in enumerate(apart)]

    def holds(self, sign: Sequence[Term], unless: int, near: int) -> bool:
        """Tell whether all parts of a sign stand near each other."""
        if any(not self._all & term.concepts for term in sign):
            return False
        first, *others = sign
        for at in self._where(first):
            spots = [self._nearest(term, at, near) for term in others]
            if None in spots:
                continue
            if not unless or not self._stands_by(unless, at, near):
                return True
        return False

    def _where(self, term: Term) -> list[int]:
        if term not in self._found:
            reading = self._reading
            self._found[term] = [
                at
                for at in self._told
                if reading.concepts[at] & term.concepts
                and (term.meant < 0 or reading.meant[at] == term.meant)
            ]
        return self._found[term]

    def _nearest(self, term: Term, at: int, near: int) -> int | None:
        found = self._where(term)
        low, high = bisect_left(found, at - near), bisect_right(found, at + near)
        here = self._at[at]
        for each in found[low:high]:
            if each != at and abs(self._at[each] - here) <= near:
                return each
        return None

    def _stands_by(self, unless: int, at: int, near: int) -> bool:
        low, high = max(0, at - near), at + near + 1
        return any(
            self._reading.concepts[each] & unless
            and (each == at or self._reading.meant[each] != CANNOT)  # "it is not going down"
            and abs(self._at[each] - self._at[at]) <= near
            for each in range(low, min(high, len(self._at)))
        )


def read_sign(sign: str, lexicon: Lexicon) -> tuple[Term, ...]:
    """Return the parts of a sign as a rule writes it.

    Raises:
        KeyError: there is no such concept.
    """
    terms = []
    for part in sign.split("+"):
        name = part.strip()
        concepts = name.lstrip("-").split("|")
        meant = CANNOT if name.startswith("-") else THERE
        mask = lexicon.mask(*concepts)
        if not mask & ~lexicon.group("either_way"):
            meant = -1
        terms.append(Term(mask, meant))
    return tuple(terms)
