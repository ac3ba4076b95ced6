"""Judges sentence/passage pairs: the checker of `safety.support` beside two simple ones.

Usage: python benchmarks/support.py PAIRS.jsonl [--ids even|odd] [--json]

A pair is a line {"id", "passage", "heading", "sentence", "supported", "kind"}.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
from rapidfuzz import fuzz

from agentic_rag.language import terms
from agentic_rag.safety.support import NOTHING, find_support

Pair = dict[str, object]
Judge = Callable[[str, str, str], bool]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--ids", choices=("all", "even", "odd"), default="all")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    pairs = read_pairs(asked.pairs, asked.ids)
    reports = {name: measure(judge, pairs) for name, judge in JUDGES.items()}
    if asked.json:
        print(json.dumps(reports, indent=2))
        return
    print(f"{len(pairs)} pairs, {sum(bool(p['supported']) for p in pairs)} of them supported")
    for name, report in reports.items():
        print(
            f"{name:32} balanced accuracy {report['balanced_accuracy']:.3f}"
            f"  false accepts {report['false_accept_rate']:.3f}"
            f"  true kept {report['true_kept']:.3f}  {report['ms_per_pair']:.2f} ms"
        )
    for kind, share in reports["ours"]["by_kind"].items():
        print(f"  {kind:32} {share}")


def read_pairs(path: Path, ids: str) -> list[Pair]:
    rows: list[Pair] = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
    wanted = {"even": (0,), "odd": (1,)}.get(ids, (0, 1))
    return [row for row in rows if int(str(row["id"]).rpartition("-")[2]) % 2 in wanted]


def ours(sentence: str, passage: str, heading: str) -> bool:
    return find_support(sentence, passage, heading) is not NOTHING


def overlap(sentence: str, passage: str, heading: str) -> bool:
    said = set(terms(sentence))
    return len(said & set(terms(f"{heading} {passage}"))) >= 0.8 * len(said)


def likeness(sentence: str, passage: str, heading: str) -> bool:
    return fuzz.partial_ratio(sentence.lower(), passage.lower()) >= 70


JUDGES: dict[str, Judge] = {
    "ours": ours,
    "0.8 of the words": overlap,
    "rapidfuzz partial_ratio >= 70": likeness,
}


def measure(judge: Judge, pairs: Sequence[Pair]) -> dict[str, object]:
    right: dict[str, list[bool]] = defaultdict(list)
    start = time.process_time()
    for pair in pairs:
        said = judge(str(pair["sentence"]), str(pair["passage"]), str(pair["heading"]))
        name = f"{'true' if pair['supported'] else 'false'}: {pair['kind']}"
        right[name].append(said == pair["supported"])
    spent = time.process_time() - start
    kept = share([ok for name, each in right.items() if name.startswith("true") for ok in each])
    refused = share([ok for name, each in right.items() if name.startswith("false") for ok in each])
    return {
        "balanced_accuracy": (kept + refused) / 2,
        "false_accept_rate": 1 - refused,
        "true_kept": kept,
        "ms_per_pair": 1000 * spent / max(len(pairs), 1),
        "by_kind": {name: f"{sum(each)}/{len(each)}" for name, each in sorted(right.items())},
    }


def share(right: Sequence[bool]) -> float:
    return sum(right) / len(right) if right else 0.0


if __name__ == "__main__":
    main()
