"""How well triage finds emergencies in a set of messages, and how fast; beside plain keywords.

    python benchmarks/triage.py path/to/triage.jsonl [--misses]

Each line: {"text", "history": [{"role", "text"}], "language", "expected", "category", "kind"}.
"""

import argparse
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from agentic_rag.safety.redflags import read_rules

KEYWORDS = (
    "bleed", "swell", "swollen", "breath", "swallow", "fever", "pus", "knocked", "faint", "chest",
    "chok", "allerg", "overdose", "seizure", "suicide", "die", "kill myself", "unconscious",
    "खून", "सूज", "सांस", "बुखार", "बेहोश", "रक्त", "श्वास", "ताप", "khoon",
    "sooj", "suj", "saans", "bukhar",
)  # fmt: skip
Find = Callable[[Sequence[str]], str | None]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("suite", type=Path)
    arguments.add_argument("--misses", action="store_true")
    asked = arguments.parse_args()
    cases = [json.loads(line) for line in asked.suite.read_text(encoding="utf-8").splitlines()]
    flags = read_rules()

    def by_rules(turns: Sequence[str]) -> str | None:
        alarm = flags.find(turns)
        return alarm and alarm.category

    report("red flags", cases, by_rules)
    report("keywords", cases, by_keywords)
    by_group(cases, by_rules, "language")
    by_group(cases, by_rules, "category")
    by_group(cases, by_rules, "kind")
    print(f"2,000 characters: {timing(cases, by_rules)}")
    if asked.misses:
        print_misses(cases, by_rules)


def by_keywords(turns: Sequence[str]) -> str | None:
    said = " ".join(turns).lower()
    return "keyword" if any(word in said for word in KEYWORDS) else None


def turns_of(case: Mapping[str, object]) -> list[str]:
    history: Iterable[Mapping[str, str]] = case["history"] or ()
    return [*(t["text"] for t in history if t["role"] == "user"), str(case["text"])]


def report(name: str, cases: Sequence[Mapping[str, object]], find: Find) -> None:
    alarms = [case for case in cases if case["expected"] != "none"]
    others = [case for case in cases if case["expected"] == "none"]
    found = sum(find(turns_of(case)) is not None for case in alarms)
    false = sum(find(turns_of(case)) is not None for case in others)
    low = wilson(found, len(alarms))
    print(
        f"{name:10} recall {found / len(alarms):.3f} (lower bound {low:.3f}, {found}/{len(alarms)})"
        f"  false alarms {false / len(others):.3f} ({false}/{len(others)})"
    )


def wilson(found: int, of: int, z: float = 1.96) -> float:
    """Return the lower bound of the 95% interval of a share."""
    share, spread = found / of, z * z / of
    root = (share * (1 - share) / of + spread / (4 * of)) ** 0.5
    return (share + spread / 2 - z * root) / (1 + spread)


def by_group(cases: Sequence[Mapping[str, object]], find: Find, field: str) -> None:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        alarm = find(turns_of(case))
        is_alarm = case["expected"] != "none"
        group = counted[str(case[field])]
        group["alarms" if is_alarm else "others"] += 1
        group["found" if is_alarm else "false"] += alarm is not None
        group["same"] += is_alarm and alarm == case["category"]
    print(f"\n{field:16} found       same category  false alarms")
    for name, n in sorted(counted.items()):
        share = f"{n['found']}/{n['alarms']}"
        print(f"{name:16} {share:11} {n['same']:<14} {n['false']}/{n['others']}")


def timing(cases: Sequence[Mapping[str, object]], find: Find) -> str:
    texts = " ".join(str(case["text"]) for case in cases)
    messages = [texts[at : at + 2000] for at in range(0, len(texts) - 2000, 150)]
    spent, used = [], []
    for message in messages:
        start, used_before = time.perf_counter(), time.thread_time()
        find([message])
        spent.append((time.perf_counter() - start) * 1000)
        used.append((time.thread_time() - used_before) * 1000)
    return f"{quantiles(spent)}; of the processor's time {quantiles(used)} ({len(spent)} messages)"


def quantiles(spent: Sequence[float]) -> str:
    p99 = statistics.quantiles(spent, n=100)[98]
    return f"p50 {statistics.median(spent):.2f} ms, p99 {p99:.2f} ms"


def print_misses(cases: Sequence[Mapping[str, object]], find: Find) -> None:
    for case in cases:
        alarm = find(turns_of(case))
        if (alarm is None) == (case["expected"] != "none"):
            history = [f"{t['role'][0]}: {t['text']}" for t in case["history"] or ()]
            print(f"{'MISSED' if alarm is None else 'FALSE'} {case['language']} {case['kind']} "
                  f"{case['category'] or alarm}: {case['text']} {history or ''}")  # fmt: skip


if __name__ == "__main__":
    main()
