"""Tells, for a person who debugs, what a step wrote. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass

from agentic_rag.agent.state import Journey

_OWN = {"timings", "trace", "answer"}


def describe(step: str, written: Journey) -> Mapping[str, object]:
    """Return the step's name and what it wrote, as plain values that JSON can hold.

    >>> describe("plan", {"searches": ("fees",), "attempts": 1})
    {'step': 'plan', 'searches': ['fees'], 'attempts': 1}
    """
    return {"step": step} | {
        key: _plain(value) for key, value in written.items() if key not in _OWN
    }


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
