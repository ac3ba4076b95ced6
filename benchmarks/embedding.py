"""How fast texts become vectors, and how good these are: the exports beside sentence-transformers.

Each contestant has a process of its own and they take turns, a few texts at a time, so that what
else the machine does falls on all alike. One waits while another computes.
"""

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Protocol

import ir_measures
import numpy as np
import typer
from ir_measures import ScoredDoc, nDCG
from rich.console import Console
from rich.table import Table

from agentic_rag.clinic.profile import SHIPPED_PACK
from agentic_rag.retrieval.embedding.backends import Recipe, pick_backend
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.embedding.exporting import export_embedder
from agentic_rag.retrieval.embedding.weights import find_weights

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
MEDQUAD = Path(__file__).parents[2] / "shared/data/medquad_oral/beir"
NAMED = "sentence-transformers"
CONTESTANTS = (NAMED, "onnx fp32", "onnx int8")
_PASSAGE_CHARS = 900
_BULK = 64  # passages in one turn
_QUERIES = 20  # in one turn
_TOP = 10


class Embeds(Protocol):
    """What a contestant does."""

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What is embedded, and which document answers which query; empty where the set is not here."""

    passages: list[str]
    queries: list[str]
    documents: dict[str, str] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    relevant: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Contestant:
    """A process that embeds when it is told to, and what was measured of it."""

    name: str
    line: Connection
    load_s: float = 0.0
    query_s: list[float] = field(default_factory=list)
    bulk_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0

    def told(self, texts: Sequence[str], *, one_by_one: bool = False) -> tuple[list[float], Any]:
        """Have texts embedded; returns the seconds that each call took, and the vectors."""
        self.line.send((list(texts), one_by_one))
        seconds, vectors, self.rss_mb = self.line.recv()
        return seconds, vectors


def main(
    rounds: Annotated[int, typer.Option(help="Turns of each contestant.")] = 10,
    export: Annotated[Path | None, typer.Option(help="Keep the export here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Let them take turns."""
    texts = read_texts()
    with tempfile.TemporaryDirectory(prefix="agentic-rag-bench-") as aside:
        folder = export or Path(aside)
        export_embedder(MODEL, folder, lambda _step: None)
        with racing(folder) as contestants:
            for _ in range(rounds):
                for each in contestants:
                    each.query_s += each.told(texts.queries[:_QUERIES], one_by_one=True)[0]
                    each.bulk_s += each.told(texts.passages[:_BULK])[0]
            report = judge(contestants, texts)
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)


def judge(contestants: Sequence[Contestant], texts: Texts) -> dict[str, dict[str, float]]:
    """Return the figures of each contestant."""
    expected = contestants[0].told([*texts.passages, *texts.queries])[1]
    report: dict[str, dict[str, float]] = {}
    for each in contestants:
        made = each.told([*texts.passages, *texts.queries])[1]
        report[each.name] = {
            "load, s": each.load_s,
            "query p50, ms": 1000 * float(np.percentile(each.query_s, 50)),
            "query p95, ms": 1000 * float(np.percentile(each.query_s, 95)),
            "bulk, passages/s": _BULK / float(np.median(each.bulk_s)),
            "memory, MB": each.rss_mb,
            "cosine, least": float(np.min(np.sum(made * expected, axis=1))),
            "cosine, mean": float(np.mean(np.sum(made * expected, axis=1))),
        }
        if texts.relevant:
            report[each.name]["nDCG@10, 163"] = ndcg(each, texts)
    for figures in report.values():
        named = report[NAMED]
        figures["query, times faster"] = named["query p50, ms"] / figures["query p50, ms"]
        figures["bulk, times faster"] = figures["bulk, passages/s"] / named["bulk, passages/s"]
    return report


def ndcg(contestant: Contestant, texts: Texts) -> float:
    """Search the documents exactly, each as one vector."""
    documents = contestant.told(list(texts.documents.values()))[1]
    questions = contestant.told(list(texts.questions.values()))[1]
    names = list(texts.documents)
    run = [
        ScoredDoc(query, names[row], float(scores[row]))
        for query, scores in zip(texts.questions, questions @ documents.T, strict=True)
        for row in np.argsort(-scores)[:_TOP]
    ]
    measure = nDCG @ _TOP
    return float(ir_measures.calc_aggregate([measure], texts.relevant, run)[measure])


@contextmanager
def racing(folder: Path) -> Iterator[list[Contestant]]:
    """Start the contestants, one after the other, until the block ends."""
    fresh = multiprocessing.get_context("spawn")
    contestants = []
    for name in CONTESTANTS:
        ours, theirs = fresh.Pipe()
        fresh.Process(target=_race, args=(name, folder, theirs), daemon=True).start()
        contestants.append(Contestant(name, ours))
        contestants[-1].load_s = ours.recv()
    try:
        yield contestants
    finally:
        for each in contestants:
            each.line.send(None)


def _race(name: str, folder: Path, line: Connection) -> None:
    start = time.perf_counter()
    embeds = _open(name, folder)
    embeds(["ready"])
    line.send(time.perf_counter() - start)
    while order := line.recv():
        texts, one_by_one = order
        seconds, made = [], []
        for few in [[text] for text in texts] if one_by_one else [texts]:
            begin = time.perf_counter()
            made.append(embeds(few))
            seconds.append(time.perf_counter() - begin)
        most_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        line.send((seconds, np.concatenate(made), most_kb / 1000))


def _open(name: str, folder: Path) -> Embeds:
    if name == NAMED:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(find_weights(MODEL), device="cpu")
        return lambda texts: model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    precision: Any = name.rpartition(" ")[2]
    recipe = Recipe(model=MODEL, folder=folder, backend="onnx", precision=precision)
    return pick_backend(recipe).vectors


def read_texts() -> Texts:
    """Read the medquad set where it is here, else the shipped clinic's documents."""
    if not MEDQUAD.is_dir():
        files = sorted((SHIPPED_PACK / "documents").rglob("*.md"))
        documents = [path.read_text("utf-8") for path in files]
        lines = [line for text in documents for line in text.splitlines() if len(line) > 30]
        return Texts(passages=_pieces(documents), queries=lines[: 2 * _QUERIES])
    documents_by_id = {
        each["_id"]: f"{each['title']}\n{each['text']}" for each in _lines(MEDQUAD / "corpus.jsonl")
    }
    questions = {each["_id"]: each["text"] for each in _lines(MEDQUAD / "queries.jsonl")}
    relevant: dict[str, dict[str, int]] = {}
    for line in (MEDQUAD / "qrels/test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        relevant.setdefault(query, {})[document] = int(grade)
    return Texts(
        passages=_pieces(list(documents_by_id.values()))[: 4 * _BULK],
        queries=list(questions.values()),
        documents=documents_by_id,
        questions=questions,
        relevant=relevant,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _pieces(documents: Sequence[str]) -> list[str]:
    starts = ((text, at) for text in documents for at in range(0, len(text), _PASSAGE_CHARS))
    return [text[at : at + _PASSAGE_CHARS] for text, at in starts]


def _show(report: dict[str, dict[str, float]]) -> None:
    cores = len(os.sched_getaffinity(0))
    table = Table("", *report, title=f"{MODEL}, {cores} cores, load {os.getloadavg()[0]:.1f}")
    for row in report[NAMED]:
        digits = 4 if "cosine" in row or "nDCG" in row else 0 if "MB" in row else 2
        table.add_row(row, *(f"{figures[row]:,.{digits}f}" for figures in report.values()))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
