"""Trains the hunch of triage on the project's sets and lessons, and writes it as plain data.

    python benchmarks/train_triage.py path/to/triage.jsonl [another.jsonl ...] [--only-report]

Every message is judged by what was learned from others; the thresholds come from that.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from agentic_rag.safety.hunch import WEIGHTS, traits_of, views_of
from agentic_rag.safety.redflags import RedFlags, read_rules

LESSONS = Path(__file__).with_name("triage_lessons.txt")
KINDS = {"!": "emergency", "*": "crisis", "-": "none"}
FALSE_ALARMS = {"crisis": 0.008, "emergency": 0.017}
STRENGTH = 1.0
FORGOTTEN = 0.8  # the share of concepts left out of a second look, that letters be learned too
SMALL = 0.012
FOLDS = 5
Fold = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Scores of unseen messages, whether each is wanted, and whether a rule raises the alarm."""


@dataclass(frozen=True)
class Case:
    """A message as the hunch sees it, and whether a rule raises the alarm anyway."""

    traits: dict[str, float]
    expected: str
    by_rule: bool


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("suites", type=Path, nargs="+")
    arguments.add_argument("--only-report", action="store_true")
    asked = arguments.parse_args()
    flags = read_rules(examples=False)
    sets = [read_set(flags, path) for path in asked.suites]
    lessons = read_lessons(flags)
    table = {}
    for name in ("crisis", "emergency"):
        table[name] = train(sets, lessons, name)
    if not asked.only_report:
        WEIGHTS.write_text(
            json.dumps(table, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
        )


def read_set(flags: RedFlags, path: Path) -> list[Case]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        case_of(flags, [*(t["text"] for t in row["history"] or () if t["role"] == "user"),
                        row["text"]], row["expected"])
        for row in rows
    ]  # fmt: skip


def read_lessons(flags: RedFlags) -> list[Case]:
    """The lessons, and the examples that the rules have to pass."""
    lines = LESSONS.read_text(encoding="utf-8").splitlines()
    cases = [
        case_of(flags, line[2:].split(" >> "), KINDS[line[0]]) for line in lines if line[0] in KINDS
    ]
    for rule in flags.rules:
        kind = "crisis" if rule.category == "self_harm" else "emergency"
        cases += [case_of(flags, [each], kind) for each in rule.examples for _ in range(2)]
        cases += [case_of(flags, [each], "none") for each in rule.counter_examples for _ in "12"]
    return cases


def case_of(flags: RedFlags, turns: list[str], expected: str) -> Case:
    reading = flags.read(turns)
    views = list(views_of(reading))
    traits = traits_of(views[0], list(flags.lexicon.bits)) if views else {}
    return Case(traits, expected, flags.by_rule(reading) is not None)


def train(sets: list[list[Case]], lessons: list[Case], name: str) -> dict[str, object]:
    everything = [case for each in sets for case in each]
    random.Random(0).shuffle(everything)  # not for secrets
    parts = [everything[at::FOLDS] for at in range(FOLDS)]
    folds = list(judge(parts, lessons, name))
    calm = [score for score, yes, _ in folds for score in score[~yes]]
    threshold = float(np.quantile(calm, 1 - FALSE_ALARMS[name]))
    report(f"{name}, each fifth unseen", folds, threshold)
    for at, fold in enumerate(judge(sets, lessons, name) if len(sets) > 1 else ()):
        report(f"{name}, set {at + 1} unseen", [fold], threshold)
    model, words = fit([*everything, *lessons], name)
    weights = dict(zip(words.feature_names_, model.coef_[0].round(3).tolist(), strict=True))
    kept = {trait: weight for trait, weight in weights.items() if abs(weight) > SMALL}
    return {"bias": round(float(model.intercept_[0]) - threshold, 3), "weights": kept}


def judge(parts: list[list[Case]], lessons: list[Case], name: str) -> Iterator[Fold]:
    """Score each part by what was learned from the others and the lessons."""
    for at, unseen in enumerate(parts):
        seen = [case for n, each in enumerate(parts) if n != at for case in each]
        model, words = fit([*seen, *lessons], name)
        matrix = narrow(words.transform([case.traits for case in unseen]))
        wanted = np.array([is_wanted(case, name) for case in unseen])
        yield model.decision_function(matrix), wanted, np.array([case.by_rule for case in unseen])


def report(what: str, folds: Sequence[Fold], threshold: float) -> None:
    score, wanted, by_rule = (np.concatenate(column) for column in zip(*folds, strict=True))
    alarm = score > threshold
    if what.startswith("emergency"):
        alarm |= by_rule
    found, false = alarm[wanted].mean(), alarm[~wanted].mean()
    print(f"{what}, {len(wanted)} messages: found {found:.3f}, false {false:.3f}")


def is_wanted(case: Case, name: str) -> bool:
    return case.expected == "crisis" if name == "crisis" else case.expected != "none"


def fit(cases: list[Case], name: str):  # noqa: ANN201  # scikit-learn ships no types
    wanted = np.array([is_wanted(case, name) for case in cases] * 2)
    often = Counter(trait for case in cases for trait in case.traits)
    chance = random.Random(0)  # not for secrets
    features = [{t: n for t, n in case.traits.items() if often[t] > 1} for case in cases]
    features += [
        {t: n for t, n in each.items() if t[0] != "#" or chance.random() > FORGOTTEN}
        for each in features
    ]
    words = DictVectorizer()
    matrix = narrow(words.fit_transform(features))
    model = LogisticRegression(
        C=STRENGTH, max_iter=500, class_weight="balanced", solver="liblinear"
    )
    return model.fit(matrix, wanted), words


def narrow(matrix):  # noqa: ANN001, ANN201  # scikit-learn ships no types
    """Liblinear takes indices of 32 bits only."""
    matrix.indices, matrix.indptr = matrix.indices.astype("int32"), matrix.indptr.astype("int32")
    return matrix


if __name__ == "__main__":
    main()
