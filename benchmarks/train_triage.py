"""Trains the hunch and the network of triage on the project's sets and lessons, as plain data.

    python benchmarks/train_triage.py path/to/triage.jsonl [another.jsonl ...] --only-report
    python benchmarks/train_triage.py path/to/triage.jsonl [another.jsonl ...] --limits -0.3 -0.25

Every message is judged by what was learned from others: the hands that wrote them (the letters of
their ids) are dealt into groups, and each group is judged by what the other groups taught. The
limits that this finds (for a crisis, for an emergency) can be given to a second run, which only
learns.
"""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

import agentic_rag.clinic
import agentic_rag.evaluation
from agentic_rag.safety.hunch import SILENT, WEIGHTS, traits_of, views_of
from agentic_rag.safety.network import NETWORK
from agentic_rag.safety.redflags import HINTED, RedFlags, read_rules
from triage_network import Example, fit_network, score, words_of, write_network

SUITES = Path(agentic_rag.evaluation.__file__).with_name("suites")
QUESTIONS = ("golden.jsonl", "retrieval.jsonl")
EXPECTED = (
    Path(agentic_rag.clinic.__file__).with_name("atharva") / "questions.jsonl",
    SUITES / "packs" / "lakeside" / "questions.jsonl",
)
# sections whose questions may be of emergencies
ABOUT_DANGER = re.compile(r"emergenc|red-flags|accident|\bburn|\bnight-and-sundays")
LESSONS = Path(__file__).with_name("triage_lessons.txt")
ASIDES = Path(__file__).with_name("triage_asides.txt")
KINDS = {"!": "emergency", "*": "crisis", "-": "none"}
CRISES_INVENTED = 0.01  # the share of harmless messages that may sound like a crisis
FOUND = 0.98  # the share of emergencies that have to be found, whatever it costs
SHARE = 0.5  # what the sums over letters, words and concepts count for beside the network
STRENGTH = 1.0
FORGOTTEN = 0.8  # the share of concepts left out of a second look, that letters be learned too
SMALL = 0.06
GROUPS = 3
AGAIN = 4  # times that an example of a rule is said beside something else


@dataclass(frozen=True)
class Case:
    """A message as the hunch sees it, and whether a rule raises or hints at the alarm anyway."""

    hand: str
    turns: list[str]
    traits: dict[str, float]
    example: Example
    expected: str
    by_sign: bool
    by_hint: bool


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("suites", type=Path, nargs="+")
    arguments.add_argument("--only-report", action="store_true")
    arguments.add_argument("--limits", type=float, nargs=2)
    asked = arguments.parse_args()
    torch.set_num_threads(1)  # and the same weights come out again
    flags = read_rules(examples=False)
    cases = [case for path in asked.suites for case in read_set(flags, path)]
    lessons = read_lessons(flags)
    lessons += read_questions(flags, lessons)
    known = asked.limits and dict(zip(("crisis", "emergency"), asked.limits, strict=True))
    limits = known or compare(flags, cases, lessons)
    if not asked.only_report:
        write(flags, [*cases, *lessons, *beside_twice(flags, cases)], limits)


def write(flags: RedFlags, cases: list[Case], limits: dict[str, float]) -> None:
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
    network = fit_network([case.example for case in cases], len(flags.lexicon.bits))
    write_network(network, list(flags.lexicon.bits), NETWORK)


def read_set(flags: RedFlags, path: Path) -> list[Case]:
    return [
        case_of(flags, turns_of(row), row["expected"],
                row["category"] or f"not: {row['kind']}", row["id"].split("-")[0])
        for row in read_rows(path)
    ]  # fmt: skip


def turns_of(row: dict) -> list[str]:
    earlier = [turn["text"] for turn in row.get("history", ()) if turn["role"] == "user"]
    return [*earlier, row["text"] if "text" in row else row["question"]]


def read_questions(flags: RedFlags, lessons: Sequence[Case]) -> list[Case]:
    """What is asked of a clinic's documents is no emergency, but for what is marked.

    Of the questions that the packs expect nobody marked any: those are left out that are asked of
    what to do in danger, that a rule hears a hint in, or that a lesson calls an alarm.
    """
    rows = [row for suite in QUESTIONS for row in read_rows(SUITES / suite)]
    marked = [turns_of(row) for row in rows if row.get("outcome") != "emergency"]
    calm = [case_of(flags, turns, "none", "not: ordinary") for turns in marked]
    urgent = {tuple(case.turns) for case in lessons if case.expected != "none"}
    sections = [row for path in EXPECTED for row in read_rows(path)]
    expected = [
        case_of(flags, [question], "none", "not: ordinary")
        for row in sections
        if not ABOUT_DANGER.search(row["section"])
        for question in (*row["answered"], *row["unanswered"])
        if (question,) not in urgent
    ]
    return [*calm, *(case for case in expected if not case.by_hint)]


def read_rows(path: Path) -> list[dict]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_lessons(flags: RedFlags) -> list[Case]:
    """The lessons, and the examples that the rules have to pass."""
    lines = LESSONS.read_text(encoding="utf-8").splitlines()
    cases = [
        case_of(flags, line[2:].split(" >> "), KINDS[line[0]]) for line in lines if line[0] in KINDS
    ]
    examples = []
    for rule in flags.rules:
        kind = "crisis" if rule.category == "self_harm" else "emergency"
        examples += [case_of(flags, [each], kind) for each in rule.examples]
        examples += [case_of(flags, [each], "none") for each in rule.counter_examples]
    return [
        *cases,
        *examples,
        *(case for seed in range(AGAIN) for case in beside(flags, examples, seed)),
    ]


def beside(flags: RedFlags, cases: Sequence[Case], seed: int = 0) -> Iterator[Case]:
    """Say each message once more, beside what changes nothing about it."""
    lines = ASIDES.read_text(encoding="utf-8").splitlines()
    before = [line[2:] for line in lines if line[0] == "<"]
    behind = [line[2:] for line in lines if line[0] == ">"]
    ordinary = [case.turns for case in cases if case.example.kind == "not: ordinary"]
    calm = [turns[0] for turns in ordinary if len(turns) == 1] or behind
    chance = random.Random(seed)  # not for secrets
    for case in cases:
        *earlier, last = case.turns
        link = chance.choice([", ", " ", " ", ". ", "! ", "\n"])
        ended = last + chance.choice([".", "", "", ",", " -", "\n"]) * (last[-1:] not in ".!?।")
        turns = chance.choices(
            [
                [*earlier, f"{chance.choice(before)}{link}{last}"],
                [*earlier, f"{ended} {chance.choice(behind)}"],
                [*earlier, f"{chance.choice(before)}{link}{ended} {chance.choice(behind)}"],
                [*earlier, f"{chance.choice(calm)} {last}"],
                [*earlier, f"{ended} {chance.choice(calm)}"],
                [*case.turns, chance.choice([*behind, *calm])],
            ],
            (4, 4, 2, 1, 1, 2),
        )[0]
        yield case_of(flags, turns, case.expected, case.example.kind, case.hand)


def beside_twice(flags: RedFlags, cases: Sequence[Case]) -> Iterator[Case]:
    """Say each beside something, and each emergency beside something else."""
    yield from beside(flags, cases)
    yield from beside(flags, [case for case in cases if case.example.is_alarm], seed=1)


def case_of(
    flags: RedFlags, turns: list[str], expected: str, kind: str = "", hand: str = ""
) -> Case:
    reading = flags.read(turns)
    views = [view for view in views_of(reading) if view.words]
    traits = traits_of(views[0], list(flags.lexicon.bits)) if views else {}
    example = Example(words_of(reading), expected != "none", kind)
    signs, hints = flags.by_sign(reading) is not None, flags.by_hint(reading) is not None
    return Case(hand, turns, traits, example, expected, signs, hints)


def compare(flags: RedFlags, cases: list[Case], lessons: list[Case]) -> dict[str, float]:
    """Report what is found of messages by hands that nothing was learned from; return limits."""
    hands = sorted({case.hand for case in cases})
    groups = [[c for c in cases if c.hand in hands[at::GROUPS]] for at in range(GROUPS)]
    unseen = [case for group in groups for case in group]
    judged = [judge(flags, cases, group, lessons) for group in groups]
    limits = {}
    for name in ("crisis", "emergency"):
        scores = np.concatenate([each[name] for each in judged])
        wanted = np.array([is_wanted(case, name) for case in unseen])
        limits[name] = float(np.quantile(scores[~wanted], 1 - CRISES_INVENTED))
        if name == "emergency":
            scores[[case.by_sign for case in unseen]] = np.inf
            for found in (0.96, 0.97, FOUND):
                limits[name] = float(np.quantile(scores[wanted], 1 - found))
                report(f"{name} above {limits[name]:.2f}", scores > limits[name], wanted)
        alarms = scores > limits[name]
        report(f"{name} above {limits[name]:.2f}, all hands", alarms, wanted)
        for hand in hands:
            these = np.array([case.hand == hand for case in unseen])
            report(f"{name}, hand {hand}", alarms[these], wanted[these])
    return limits


def judge(
    flags: RedFlags, cases: Sequence[Case], unseen: Sequence[Case], lessons: Sequence[Case]
) -> dict[str, np.ndarray]:
    """Score messages by what the other hands and the lessons taught."""
    hands = {case.hand for case in unseen}
    seen = [case for case in cases if case.hand not in hands]
    seen += [*lessons, *beside_twice(flags, seen)]
    sums = {}
    for name in ("crisis", "emergency"):
        model, words = fit(seen, name)
        matrix = narrow(words.transform([case.traits for case in unseen]))
        silent = np.array([not case.traits for case in unseen])
        sums[name] = np.where(silent, SILENT, model.decision_function(matrix))
    network = fit_network([case.example for case in seen], len(flags.lexicon.bits))
    heard = score(network, [case.example for case in unseen])
    hinted = HINTED * np.array([case.by_hint for case in unseen])
    return sums | {"emergency": heard + SHARE * sums["emergency"] + hinted}


def report(what: str, alarms: np.ndarray, wanted: np.ndarray) -> None:
    found = alarms[wanted].mean() if wanted.any() else np.nan
    false = alarms[~wanted].mean()
    print(f"{what}, {len(wanted)} messages: found {found:.3f}, false {false:.3f}", flush=True)


def is_wanted(case: Case, name: str) -> bool:
    return case.expected == "crisis" if name == "crisis" else case.expected != "none"


def fit(cases: Sequence[Case], name: str):  # noqa: ANN201  # scikit-learn ships no types
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
