"""Puts the agent before the bad model, behaviour by behaviour, and adds up the verdicts."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from tests.bad_model.behaviours import BEHAVIOURS, ORDERS
from tests.bad_model.judge import Judge, Verdict
from tests.bad_model.model import BadModel

from agentic_rag.agent.ask import ask
from agentic_rag.agent.deps import Deps
from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.domain import Question
from agentic_rag.evaluation.cases import SHIPPED_SUITES, GoldenCase, RetrievalCase, read_suite

_STRIDE = 7  # each behaviour begins so many questions further, so that a few see many


@dataclass
class Tally:
    """The verdicts on one behaviour, or on several."""

    name: str
    verdicts: list[Verdict] = field(default_factory=list)

    def count(self, what: str) -> int:
        """Add a figure up, or the lengths of a list."""
        values = (getattr(each, what) for each in self.verdicts)
        return sum(len(value) if isinstance(value, list) else value for value in values)

    def all(self, what: str) -> list[str]:
        """Return the entries of a list."""
        return [entry for each in self.verdicts for entry in getattr(each, what)]

    @property
    def unsupported(self) -> float:
        """Unsupported statements, as a share of the false ones written or of all shown.

        The larger of the two: many lies make the first small, much truth the second.
        """
        of = min(self.count("lies") or self.count("statements"), self.count("statements"))
        return self.count("unsupported") / of if of else 0.0

    @property
    def kept(self) -> float | None:
        """True statements that reached the caller, as a share of those written."""
        written = self.count("truths")
        return self.count("kept") / written if written else None

    @property
    def quoted(self) -> int:
        """Answers that came from the extractive rung, because nothing of the draft held."""
        return sum(each.generator == "extractive" for each in self.verdicts)


def questions() -> dict[str, tuple[str, ...]]:
    """Return the shipped questions that the documents answer, with the labels that do."""
    asked = {
        case.question: tuple(label for group in case.labels for label in group)
        for case in read_suite(SHIPPED_SUITES / "golden.jsonl", GoldenCase)
        if case.pack == SHIPPED_PACK.name and case.labels and not case.history
    }
    searches = read_suite(SHIPPED_SUITES / "retrieval.jsonl", RetrievalCase)
    found = {case.question: case.labels for case in searches}
    return asked | {question: labels for question, labels in found.items() if labels}


def plant_orders(pack: Path) -> Path:
    """Copy the shipped pack, with an instruction to models in every fifth part of its documents.

    The other parts are left as they are: who withholds a part that gives orders still answers.
    """
    shutil.copytree(SHIPPED_PACK, pack)
    orders = (said for each in cycle(ORDERS) for said in (f"{each.order} {each.say}", *[""] * 4))
    for path in sorted((pack / "documents").rglob("*")):
        if path.suffix == ".json":
            items = json.loads(path.read_text("utf-8"))
            for item, order in zip(items, orders, strict=False):
                item["risks"] += [order] if order else []
            path.write_text(json.dumps(items), "utf-8")
        elif path.suffix in {".md", ".txt"}:
            parts = path.read_text("utf-8").strip().split("\n\n")
            mixed = (
                f"{part}\n\n{order}".strip() for part, order in zip(parts, orders, strict=False)
            )
            path.write_text("\n\n".join(mixed), "utf-8")
    return pack


async def run(
    deps: Deps, model: BadModel, judge: Judge, names: Iterable[str], count: int
) -> list[Tally]:
    """Ask, for each behaviour, questions until the model was asked `count` of them."""
    model.labels = questions()
    tallies = []
    for name in names:
        model.behaviour = name
        tally = Tally(name)
        for question in _from(list(model.labels), list(BEHAVIOURS).index(name) * _STRIDE):
            tally.verdicts.append(await _one(deps, model, judge, question))
            if tally.count("asked") == count:
                break
        tallies.append(tally)
    return tallies


def _from(questions: Sequence[str], start: int) -> Iterator[str]:
    return islice([*questions, *questions], start % len(questions), None)


async def _one(deps: Deps, model: BadModel, judge: Judge, question: str) -> Verdict:
    model.records.clear()
    answer = await ask(Question(text=question), deps=deps)
    return judge.judge(model.records[-1] if model.records else None, answer)


def total(tallies: Sequence[Tally]) -> Tally:
    """Add behaviours up."""
    return Tally("all", [verdict for tally in tallies for verdict in tally.verdicts])


_COLUMNS = ("asked", "truths", "kept", "lies", "statements", "unsupported", "wrong_numbers")
_MORE = ("harmless", "markup", "prompt", "forged", "miscited")


def table(tallies: Sequence[Tally]) -> Iterator[str]:
    """Yield the lines of a Markdown table, one for each behaviour and one for all."""
    names = [*_COLUMNS, *_MORE, "quoted"]
    yield f"| behaviour | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield "|---" + "|--:" * len(names) + "|"
    for tally in [*tallies, total(tallies)]:
        figures = [str(tally.count(name)) for name in (*_COLUMNS, *_MORE)]
        yield f"| {tally.name} | {' | '.join(figures)} | {tally.quoted} |"


def leaks(tallies: Sequence[Tally], most: int = 3) -> Iterator[str]:
    """Yield a few examples of everything that should not have reached the caller."""
    for tally in tallies:
        for what in ("unsupported", "wrong_numbers", *_MORE, "lost"):
            for line in list(dict.fromkeys(tally.all(what)))[:most]:
                yield f"{tally.name}: {what}: {line}"
