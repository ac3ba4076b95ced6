"""Trains the hunch and the network of triage on the project's sets and lessons, as plain data.

    python benchmarks/train_triage.py path/to/triage.jsonl [another.jsonl ...] [--only-report]

Every message is judged by what was learned from others: each fifth by the other four, and the
messages of each hand (the letter of their ids) by those of the other hands, whence the limits are.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from agentic_rag.safety.hunch import SILENT, WEIGHTS, traits_of, views_of
from agentic_rag.safety.network import NETWORK
from agentic_rag.safety.redflags import RedFlags, read_rules
from triage_network import Example, fit_network, score, words_of, write_network

LESSONS = Path(__file__).with_name("triage_lessons.txt")
KINDS = {"!": "emergency", "*": "crisis", "-": "none"}
FALSE_ALARMS = {"crisis": 0.01, "emergency": 0.04}
SHARE = 0.3  # what the sums over letters, words and concepts count for beside the network
STRENGTH = 1.0
FORGOTTEN = 0.8  # the share of concepts left out of a second look, that letters be learned too
SMALL = 0.03
FOLDS = 5
LIMITS = (0.02, 0.03, 0.04, 0.06, 0.08)  # shares of false alarms to compare
Fold = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Scores of unseen messages, whether each is wanted, and whether a rule raises the alarm."""


@dataclass(frozen=True)
class Case:
    """A message as the hunch sees it, and whether a rule raises the alarm anyway."""

    hand: str
    traits: dict[str, float]
    example: Example
    expected: str
    by_rule: bool


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("suites", type=Path, nargs="+")
    arguments.add_argument("--only-report", action="store_true")
    asked = arguments.parse_args()
    torch.set_num_threads(1)  # and the same weights come out again
    flags = read_rules(examples=False)
    cases = [case for path in asked.suites for case in read_set(flags, path)]
    lessons = read_lessons(flags)
    concepts = len(flags.lexicon.bits)
    limits = {name: compare(cases, lessons, name, concepts) for name in FALSE_ALARMS}
    if not asked.only_report:
        write([*cases, *lessons], limits, concepts)


def write(cases: list[Case], limits: dict[str, float], concepts: int) -> None:
    """Learn from everything and write it: a score above the limit becomes one above nought."""
    table = {}
    for name, limit in limits.items():
        model, words = fit(cases, name)
        share = SHARE if name == "emergency" else 1.0
        weights = (share * model.coef_[0]).round(3).tolist()
        named = dict(zip(words.feature_names_, weights, strict=True))
        kept = {trait: weight for trait, weight in named.items() if abs(weight) > SMALL * share}
        bias = share * float(model.intercept_[0]) - limit
        table[name] = {"bias": round(bias, 3), "weights": kept}
    told = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    WEIGHTS.write_text(told + "\n", "utf-8")
    write_network(fit_network([case.example for case in cases], concepts), NETWORK)


def read_set(flags: RedFlags, path: Path) -> list[Case]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        case_of(flags, turns_of(row), row["expected"],
                row["category"] or f"not: {row['kind']}", row["id"].split("-")[0])
        for row in rows
    ]  # fmt: skip


def turns_of(row: dict) -> list[str]:
    return [*(t["text"] for t in row["history"] or () if t["role"] == "user"), row["text"]]


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


def case_of(
    flags: RedFlags, turns: list[str], expected: str, kind: str = "", hand: str = ""
) -> Case:
    reading = flags.read(turns)
    views = [view for view in views_of(reading) if view.words]
    traits = traits_of(views[0], list(flags.lexicon.bits)) if views else {}
    example = Example(words_of(reading), expected != "none", kind)
    return Case(hand, traits, example, expected, flags.by_rule(reading) is not None)


def compare(cases: list[Case], lessons: list[Case], name: str, concepts: int) -> float:
    """Report what is found of messages that were not learned from, and return the limit."""
    mixed = random.Random(0).sample(cases, len(cases))  # not for secrets
    fifths = [mixed[at::FOLDS] for at in range(FOLDS)]
    hands = sorted({case.hand for case in cases})
    by_hand = [[case for case in cases if case.hand == hand] for hand in hands]
    unseen = list(judge(by_hand, lessons, name, concepts))
    calm = np.concatenate([scores[~wanted] for scores, wanted, _ in unseen])
    for share in (*LIMITS, FALSE_ALARMS[name]):
        limit = float(np.quantile(calm, 1 - share))
        print(f"{name}: {share:.3f} of other hands' harmless messages above {limit:.2f}")
        report(f"{name}, all hands unseen", unseen, limit)
        for hand, fold in zip(hands, unseen, strict=True):
            report(f"{name}, hand {hand} unseen", [fold], limit)
    report(f"{name}, each fifth unseen", list(judge(fifths, lessons, name, concepts)), limit)
    return limit


def judge(parts: list[list[Case]], lessons: list[Case], name: str, concepts: int) -> Iterator[Fold]:
    """Score each part by what was learned from the others and the lessons."""
    for at, unseen in enumerate(parts):
        seen = [*(case for n, each in enumerate(parts) if n != at for case in each), *lessons]
        model, words = fit(seen, name)
        matrix = narrow(words.transform([case.traits for case in unseen]))
        scores = model.decision_function(matrix)
        if name == "emergency":
            silent = np.array([not case.traits for case in unseen])
            network = fit_network([case.example for case in seen], concepts)
            heard = score(network, [case.example for case in unseen])
            scores = heard + SHARE * np.where(silent, SILENT, scores)
        wanted = np.array([is_wanted(case, name) for case in unseen])
        yield scores, wanted, np.array([case.by_rule for case in unseen])


def report(what: str, folds: Sequence[Fold], threshold: float) -> None:
    score, wanted, by_rule = (np.concatenate(column) for column in zip(*folds, strict=True))
    alarm = score > threshold
    if what.startswith("emergency"):
        alarm |= by_rule
    found, false = alarm[wanted].mean(), alarm[~wanted].mean()
    print(f"{what}, {len(wanted)} messages: found {found:.3f}, false {false:.3f}", flush=True)


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
