"""Faults to plant in manifests: read from faults.yaml, which says how one is written."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.infra import rules, strict
from tests.infra.manifests import Manifest, title

RULES = {rule.__name__: rule for rule in (*rules.RULES, *rules.PLAIN, *strict.RULES)}


@dataclass(frozen=True)
class Fault:
    """What is broken, where, and the rules of which each must tell of it."""

    sentence: str
    rules: tuple[str, ...]
    overlay: str = ""
    target: str = ""
    change: dict[str, Any] = field(default_factory=dict)
    add: Manifest | None = None

    def plant(self, manifests: list[Manifest]) -> None:
        if self.add:
            manifests.append(self.add)
            return
        (target,) = [each for each in manifests if title(each) == self.target]
        if not self.change:
            manifests.remove(target)
        for path, value in self.change.items():
            set_at(target, path, value)

    def complaints(self, manifests: list[Manifest]) -> list[list[str]]:
        return [RULES[rule](manifests) for rule in self.rules]


def read_faults() -> list[Fault]:
    written = yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text("utf-8"))
    return [_fault(each) for each in written]


def _fault(written: dict[str, Any]) -> Fault:
    by = written["rule"]
    return Fault(
        sentence=written["fault"],
        rules=tuple(by) if isinstance(by, list) else (by,),
        overlay=written.get("in", ""),
        target=written.get("object", ""),
        change=written.get("change", {}),
        add=written.get("add"),
    )


def set_at(target: Any, path: str, value: Any) -> None:
    """Set what stands at a path, or, by None, take it out.

    >>> container = {"env": [{"name": "A", "value": "1"}], "args": ["--x=1", "--y"]}
    >>> set_at(container, "env[name=A].value", "2")
    >>> set_at(container, "args[--x]", None)
    >>> container
    {'env': [{'name': 'A', 'value': '2'}], 'args': ['--y']}
    """
    *way, last = re.findall(r"\[([^\]]*)\]|([^.\[\]]+)", path)
    for step in way:
        target = target[_place(target, *step)]
    place = _place(target, *last)
    if place == "+":
        target.append(value)
    elif value is None:
        del target[place]
    else:
        target[place] = value


def _place(target: Any, bracketed: str, plain: str) -> Any:
    step = bracketed or plain
    if isinstance(target, dict) or step == "+":
        return step
    if step.isdigit():
        return int(step)
    name, _, value = step.partition("=")
    return next(
        place
        for place, each in enumerate(target)
        if (each.get(name) == value if isinstance(each, dict) else each.partition("=")[0] == step)
    )
