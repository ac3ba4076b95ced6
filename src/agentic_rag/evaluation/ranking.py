"""Ranks the questions of a judged set by search, with any weight of its two halves."""

import asyncio
import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agentic_rag.agent.deps import Deps
from agentic_rag.evaluation.cases import RetrievalCase
from agentic_rag.retrieval.fusion import DENSE_WEIGHT
from agentic_rag.retrieval.library import Library
from agentic_rag.retrieval.passages.documents import label_of

CORPUS = "corpus.jsonl"
"""The document that holds the passages of a BEIR set."""

TOP = 10
"""How many passages a ranking has."""

Ranking = dict[str, dict[str, float]]
"""For each question's id the labels that were found, the higher the number the earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSet:
    """Questions, and what answers them.

    Attributes:
        questions: by id.
        relevant: the grades of the labels that answer a question, by its id.
    """

    questions: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, cases: Iterable[RetrievalCase]) -> "JudgedSet":
        """Take the cases that have an answer; each question is its own id."""
        answerable = [case for case in cases if case.labels]
        return cls(
            questions={case.question: case.question for case in answerable},
            relevant={case.question: dict.fromkeys(case.labels, 1) for case in answerable},
        )


def read_beir(folder: Path) -> JudgedSet:
    """Read the test questions of a BEIR set, whose documents are indexed as one `corpus.jsonl`.

    Raises:
        FileNotFoundError: there are no queries.jsonl, packed or not, and qrels/test.tsv.
    """
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        question, document, grade = line.split("\t")
        relevant.setdefault(question, {})[label_of(CORPUS, document)] = int(grade)
    asked = {row["_id"]: row["text"] for row in read_rows(folder / "queries.jsonl")}
    return JudgedSet(questions={each: asked[each] for each in relevant}, relevant=relevant)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines, from `path` or, where that is not there, from its gzip beside it."""
    packed = path.with_name(f"{path.name}.gz")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return [orjson.loads(line) for line in content.splitlines() if line.strip()]


async def rank(
    library: Library, judged: JudgedSet, *, dense_weight: float = DENSE_WEIGHT
) -> Ranking:
    """Search for every question as the doors do, except for the weight.

    A weight of 1 is the dense half alone, one of 0 the lexical half.
    """
    async with library.pinned(dense_weight=dense_weight) as reading:
        searches = (reading.search([text], k=TOP) for text in judged.questions.values())
        found = await asyncio.gather(*searches)
    labels = ([passage.label for passage in passages] for passages in found)
    return dict(zip(judged.questions, map(in_order, labels), strict=True))


def in_order(labels: Iterable[str]) -> dict[str, float]:
    """Give numbers to labels that are in order; one that comes again stays where it was first.

    The order says more than the scores: a passage that repeats a better one stands behind.

    >>> in_order(["faq.md#parking", "fees.md", "faq.md#parking"])
    {'faq.md#parking': 1.0, 'fees.md': 0.5}
    """
    return {label: 1.0 / place for place, label in enumerate(dict.fromkeys(labels), start=1)}


async def best_relevances(deps: Deps, cases: Sequence[RetrievalCase]) -> list[float]:
    """Return for each case the relevance of the passage that fits best, of those that search finds.

    It is what grade compares with `deps.limits.enough`, at the first attempt and for a question
    that is searched for as it stands.
    """
    best = []
    for case in cases:
        found = await deps.retriever.search([case.question], k=deps.limits.top_k)
        [expected] = await deps.retriever.expects([case.question], found)
        judged = await deps.judge.judge(case.question, found, expected)
        best.append(max((each.score for each in judged), default=0.0))
    return best
