"""Holds the conditions of a statement against those that a sentence names. Pure."""

from collections.abc import Mapping, Sequence

from agentic_rag.safety.likeness import Likeness
from agentic_rag.safety.reading import Reading

_NAMED = frozenset(
    {
        "who",
        "with",
        "only if",
        "if",
        "unless",
        "except",
        "until",
        "than",
        "instead",
        "before",
        "after",
    }
)
_EXCUSING = frozenset({"if", "only if", "unless", "except"})
_WHOLE = _NAMED - {"with", "before", "after", "than", "instead"}


def condition_refusal(there: Reading, likeness: Likeness, lent: frozenset[str]) -> str:
    """Name a condition of what is used that was left out, or was made wider."""
    met = {like.at for _, like in likeness.pairs}
    used = {like.part for _, like in likeness.pairs} | _trailing(there)
    as_such = {(like.tag, like.group) for word, like in likeness.pairs if word.tag in _NAMED}
    groups: dict[tuple[str, int], dict[int, list[bool]]] = {}
    for word in there.words:
        if word.part in used and word.tag in _NAMED and not word.is_light:
            is_met = word.at in met or not word.meanings.isdisjoint(lent)
            clauses = groups.setdefault((word.tag, word.group), {})
            clauses.setdefault(word.clause, []).append(is_met)
    flags = there.flags_in()
    for (tag, at), clauses in groups.items():
        is_named = any(map(any, clauses.values()))
        if tag in _WHOLE and not all(map(all, clauses.values())):
            is_named &= (tag, at) in as_such and not _is_widened(clauses, there)
        if not is_named and f"@or {at}" not in flags:
            return f"dropped: {tag}"
    return ""


def _trailing(there: Reading) -> set[int]:
    """Return the part that is only a condition of all before: "do not start, if he agrees"."""
    last = max((word.part for word in there.words), default=0)
    tags = {word.tag for word in there.words if word.part == last}
    return {last} if last and tags <= _EXCUSING else set()


def _is_widened(clauses: Mapping[int, Sequence[bool]], there: Reading) -> bool:
    """Tell whether a condition holds for more than it did.

    Either one of two was left out, "until after pregnancy and breastfeeding", or the end of one:
    "if pain goes below the knee". All of another may stand for it: "if you smoke, or drink a lot".
    """
    both = {clause for flag, clause in there.flags if flag == "@and"}
    if any(met == [False] for at, met in clauses.items() if at in both):
        return True
    named = [met for met in clauses.values() if any(met)]
    return not any(map(all, named)) and any(not met[-1] for met in named)
