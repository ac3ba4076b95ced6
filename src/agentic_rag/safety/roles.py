"""Holds the order and the roles of a sentence's words against those of a statement. Pure."""

from collections.abc import Collection, Sequence

from agentic_rag.safety.grammar import ACTORS, PLACES, WITHIN
from agentic_rag.safety.likeness import Pair
from agentic_rag.safety.quantity import Quantity, is_carried
from agentic_rag.safety.reading import Reading

_FEWEST_TO_SWAP = 3


def role_refusal(said: Reading, there: Reading, pairs: Sequence[Pair]) -> str:
    """Return what has changed its place or its role, or nothing."""
    if _swapped(said, there, pairs) or _done_by_another(said, there, pairs):
        return "changed places"
    if _misplaced(pairs):
        return "another place"
    if _exchanged(said, there, pairs):
        return "exchanged"
    is_short = "@it" in said.flags_in()  # it may stand for all that was left out
    return "crossed" if not is_short and _is_crossed(said, there, pairs) else ""


def _swapped(said: Reading, there: Reading, pairs: Sequence[Pair]) -> bool:
    """Tell whether two have changed places: teachers treat students, students treat teachers."""
    counted = [word for word in said.words if not word.is_light or word.root in ACTORS]
    places = {word.at: at for at, word in enumerate(counted)}
    order: dict[int, int] = {}
    for word, like in sorted(pairs, key=lambda pair: pair[0].root != pair[1].root):
        if word.at in places:
            order.setdefault(places[word.at], like.at)
    ats = [order[at] for at in sorted(order)]
    if len(ats) > 1 and "@then" in said.flags_in() & there.flags_in() and ats[0] > ats[-1]:
        return True
    if not _FEWEST_TO_SWAP <= len(ats) == len(places) or said.is_active != there.is_active:
        return False
    return _turned_in(ats)


def _turned_in(ats: Sequence[int]) -> bool:
    """Tell whether the first and the last have changed places, and none between them."""
    outside_in = ats[0] == max(ats) and ats[-1] == min(ats)
    return outside_in and ats[1:-1] == sorted(ats[1:-1])


def _exchanged(said: Reading, there: Reading, pairs: Sequence[Pair]) -> bool:
    """Tell whether two of one thing have taken one another's role: "the payer pays us"."""
    if said.is_active != there.is_active:
        return False
    likes: dict[int, list[Pair]] = {}
    for word, like in pairs:
        if not word.is_light or word.root in ACTORS:
            likes.setdefault(word.at, []).append((word, like))
    sure = [found[0] for found in likes.values() if len(found) == 1]
    return any(
        a.item == b.item
        and like.item == other.item
        and a.tag == b.tag
        and b.at > a.at + 1  # "a filled tooth" is a tooth that was filled
        and like.at > other.at + 1
        and (a.role, b.role) == (other.role, like.role)
        and (a.role != b.role or not a.role)
        for at, (a, like) in enumerate(sure)
        for b, other in sure[at + 1 :]
    )


def _misplaced(pairs: Sequence[Pair]) -> bool:
    """Tell whether something is under what it was over: "into the wound" for "around the wound"."""
    roles: dict[int, list[tuple[str, str]]] = {}
    for word, like in pairs:
        if not word.is_light and word.role and like.role:
            roles.setdefault(word.at, []).append((word.role, like.role))
    return any(all(_is_elsewhere(*each) for each in found) for found in roles.values())


def _is_elsewhere(role: str, other: str) -> bool:
    places = {PLACES.get(each, "") for each in (role, other)}
    if "" not in places:
        return len(places) > 1
    return not places <= {"", "beside"} and bool(WITHIN & {role, other})


def _done_by_another(said: Reading, there: Reading, pairs: Sequence[Pair]) -> bool:
    """Tell whether we do what the statement has you do, or you what we do."""
    ours, theirs = _doers(said), _doers(there)
    clauses = {(a.clause, b.clause) for a, b in pairs if not a.is_light}
    return any(
        ours.get(clause) and theirs.get(other) and not ours[clause] & theirs[other]
        for clause, other in clauses
    )


def _doers(reading: Reading) -> dict[int, set[str]]:
    """Return who does something, by clause: we, you or both."""
    found: dict[int, set[str]] = {}
    for flag, clause in reading.flags:
        if flag in ("@we", "@you"):
            found.setdefault(clause, set()).add(flag)
    return found


def _is_crossed(said: Reading, there: Reading, pairs: Sequence[Pair]) -> bool:
    """Tell whether one thing is said in words of two that are told beside one another.

    "Insulin goes in the fridge, eye drops go in the cupboard": of both a word is left over, unless
    both were exchanged.
    """
    if len({like.item for _, like in pairs} | {figure.item for figure in there.figures}) == 1:
        return False
    torn, met = 0, {like.at for _, like in pairs}
    for item in {word.item for word in said.words}:
        own = [(word, like) for word, like in pairs if word.item == item]
        figures = {figure.quantity for figure in said.figures if figure.item == item}
        if _is_torn(own, figures, there, {like.at for _, like in own}):
            if _is_torn(own, figures, there, met):
                return True
            torn += 1
    return torn > 1


def _is_torn(
    pairs: Sequence[Pair], figures: Collection[Quantity], there: Reading, met: set[int]
) -> bool:
    """Tell whether no item of a statement has all of these words, and two have others besides."""
    places: dict[int, set[int]] = {}
    for word, like in pairs:
        if not (word.is_light or like.is_light):
            places.setdefault(word.at, set()).add(like.item)
    carried = [[f for f in there.figures if is_carried(each, f.quantity)] for each in figures]
    homes = [*places.values(), *({f.item for f in found} for found in carried if found)]
    if not homes or set.intersection(*homes):
        return False
    kept = {id(figure) for found in carried for figure in found}
    left = [(w.item, w.at) for w in there.words if w.at not in met and not w.is_light]
    left += [(f.item, f.at) for f in there.figures if id(f) not in kept]
    needed = {item for home in homes if len(home) == 1 for item in home}
    torn = needed & {item for item, _ in left}
    return len(torn) > 1 and not _is_listed(needed, torn, pairs, left)


def _is_listed(
    needed: set[int], torn: set[int], pairs: Sequence[Pair], left: Sequence[tuple[int, int]]
) -> bool:
    """Tell whether one of a list is told, with what stands before the list and behind it."""
    first, last = min(torn), max(torn)
    begins = [like.at for _, like in pairs if like.item == first and not like.is_light]
    ends = [like.at for _, like in pairs if like.item == last and not like.is_light]
    return (
        bool(needed & set(range(first + 1, last)) - torn)
        and max(begins, default=-1) < min(at for item, at in left if item == first)
        and min(ends, default=-1) > max(at for item, at in left if item == last)
    )
