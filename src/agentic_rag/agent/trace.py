"""Tells, for a person who debugs, what a step wrote. Pure."""

from collections.abc import Mapping, Set
from dataclasses import asdict, is_dataclass, replace

from agentic_rag.agent.state import Journey
from agentic_rag.domain import Draft
from agentic_rag.personal import mask, values_in

_OWN = {"timings", "trace", "answer"}
# a clinic's own numbers are nobody's secret
_DOCUMENTS = {"passages", "beside", "relevant", "evidence"}


def describe(step: str, written: Journey) -> Mapping[str, object]:
    """Return the step's name and what it wrote, as plain values that JSON can hold.

    Personal data is masked, and the rules that a model is given are left out.

    >>> describe("plan", {"searches": ("fees",), "attempts": 1})
    {'step': 'plan', 'searches': ['fees'], 'attempts': 1}
    """
    keep = frozenset().union(*(values_in(each.text) for each in written.get("evidence", ())))
    return {"step": step} | {
        key: _plain(_untold(key, value), None if key in _DOCUMENTS else keep)
        for key, value in written.items()
        if key not in _OWN
    }


def _untold(key: str, value: object) -> object:
    if isinstance(value, Draft):
        return replace(value, told=())
    if key != "messages" or not isinstance(value, tuple):
        return value
    return tuple(message for message in value if message[0] != "system")


def _plain(value: object, keep: Set[str] | None) -> object:
    if isinstance(value, str):
        return value if keep is None else mask(value, keep)
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value), keep)
    if isinstance(value, Mapping):
        return {str(key): _plain(each, keep) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, keep) for each in value]
    return value
