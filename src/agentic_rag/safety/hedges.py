"""Holds the modals and hedges of a sentence against those of a statement. Pure."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from agentic_rag.safety.grammar import OPPOSITE_PARTICLES
from agentic_rag.safety.likeness import Pair
from agentic_rag.safety.reading import Reading

_LOOSE = frozenset({"may", "can", "sometimes", "some", "rarely"})
_STRICT = frozenset({"must", "need", "should"})
_DUTY = _STRICT | {"advise"}


class _Added(NamedTuple):
    """A flag that a sentence may have only where the statement has one of these."""

    flag: str
    backing: frozenset[str]


class _Lost(NamedTuple):
    """A flag that a statement may have only where the sentence has one of these."""

    flag: str
    keeping: frozenset[str]


_ADDED = (
    _Added("may", _LOOSE),
    _Added("sometimes", _LOOSE),
    _Added("always", frozenset({"always", "all"})),
    _Added("all", frozenset({"always", "all", "each"})),
    _Added("usually", frozenset({"usually", "most"})),
    _Added("most", frozenset({"usually", "most"})),
    _Added("both", frozenset({"both"})),
    _Added("rarely", frozenset({"rarely"})),
    _Added("need not", frozenset({"need not"})),
    _Added("not only", frozenset({"not only"})),
    _Added("any", frozenset({"any", "all", "always", "each"})),
)
_LOST = (
    _Lost("may", _LOOSE | {"usually", "advise"}),
    _Lost("sometimes", _LOOSE | {"usually", "advise"}),
    _Lost("usually", frozenset({"usually", "most", "may", "can", "sometimes"})),
    _Lost("most", frozenset({"usually", "most", "may", "can", "sometimes"})),
    _Lost("rarely", frozenset({"rarely"})),
    _Lost("some", _LOOSE),
    _Lost("other", frozenset({"other"})),
    _Lost("next", frozenset({"next"})),
    _Lost("need not", frozenset({"need not"})),
    _Lost("not only", frozenset({"not only"})),
    _Lost("almost", frozenset({"almost", "most", "usually"})),
    _Lost("unsure", frozenset({"unsure", "may"})),
    _Lost("formerly", frozenset({"formerly"})),
)


def hedge_refusal(said: Reading, there: Reading, pairs: Sequence[Pair]) -> str:
    """Return which modal or hedge was added, lost or turned, or nothing.

    What the sentence adds may stand anywhere in the statement; what it loses, in a clause of the
    statement that it uses.
    """
    used = frozenset(like.clause for _, like in pairs)
    theirs, every = there.flags_in(used or None), there.flags_in()
    wrong = chain(
        _by_what_else_is_said(said, there, theirs),
        _turned(said, there, _of_their_parts(there, pairs)),
        _refusals(said, theirs, every),
    )
    return next(wrong, "")


def _by_what_else_is_said(said: Reading, there: Reading, theirs: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong only beside something else, say a price."""
    ours, every = said.flags_in(), there.flags_in()
    if "paid" in ours:
        yield from (f"lost: {flag}" for flag in ("free", "off") if flag in theirs - ours)
    if {"together", "@and"} <= ours and "together" not in every:
        yield "added: together"
    if "only" in ours and not _is_only(there):
        yield "added: only"
    if "@or" in ours and ours & _STRICT and "@or" not in every and "@and" in every:
        yield "turned: or"
    if said.is_order and "can" in theirs - ours:
        yield "turned: can"
    if {"need", "@you"} <= ours and not _DUTY & every and not _bound_up(said):
        yield "added: need"


def _of_their_parts(there: Reading, pairs: Sequence[Pair]) -> frozenset[str]:
    """Return the flags of what is used: "may get this, or that" is one "may" for both."""
    parts = {like.part for _, like in pairs}
    return there.flags_in(frozenset(w.clause for w in there.words if w.part in parts and not w.tag))


def _turned(said: Reading, there: Reading, theirs: frozenset[str]) -> Iterator[str]:
    """Yield the modal that is stronger or weaker than theirs."""
    ours, every = said.flags_in(), there.flags_in()
    if any(word.tag for word in there.words):
        theirs -= {"can"}  # "you can, if you weigh 45 kg"
    if "must" in ours and not _STRICT & every and (_LOOSE | {"advise"}) & theirs:
        yield "turned: must"
    if "need" in ours - {"need not"} and not _STRICT & every and (_LOOSE | {"advise"}) & theirs:
        yield "turned: need"
    if "should" in ours and not _DUTY & every and _LOOSE & theirs:
        yield "turned: should"
    if {"may", "can"} & ours and _STRICT & theirs and not _LOOSE & every:
        yield "turned: may"


def _refusals(said: Reading, theirs: frozenset[str], every: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong: `theirs` are the flags of the clauses that are used, `every` of all."""
    ours = said.flags_in()
    adds = ours - {"may"} if "you may" in ours else ours  # which is no guess
    if any(word.is_negated for word in said.words):
        adds -= {"any"}
    elif "stop" in theirs and not {"stop", "~up"} & ours:  # "quit" is "give up"
        yield "lost: stop"
    yield from (f"added: {f}" for f, backing in _ADDED if f in adds and not backing & every)
    yield from (f"lost: {f}" for f, keeping in _LOST if f in theirs and not keeping & ours)
    for pair in OPPOSITE_PARTICLES:
        for one, other in (pair, pair[::-1]):
            if one in ours and other in theirs and one not in every:
                yield f"opposite: {one}"


def _bound_up(said: Reading) -> bool:
    """Tell whether a sentence has a number or a condition: "you need this" alone has none."""
    return bool(said.figures) or any(word.tag for word in said.words)


def _is_only(there: Reading) -> bool:
    """Tell whether a statement holds for nothing else: it says "only", or "unless" ..."""
    tags = {word.tag for word in there.words}
    return "only" in there.flags_in() or bool(tags & {"unless", "until", "except", "only if"})
