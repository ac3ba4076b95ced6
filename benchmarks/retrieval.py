"""How well and how fast /search finds, beside BM25, exact cosine and equal-weight rank fusion.

Each set is indexed by `agentic-rag ingest` from a folder that holds a corpus.jsonl, then served
and asked over HTTP, as an outside script would do it. The halves and the alternatives are worked
out from the same passages and vectors, in the same run.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import bm25s
import ir_measures
import numpy as np
import typer
from ir_measures import R, ScoredDoc, nDCG
from rich.console import Console
from rich.table import Table

from agentic_rag.bootstrap.indexing import build_workshop
from agentic_rag.evaluation.ranking import (
    CORPUS,
    JudgedSet,
    Ranking,
    in_order,
    read_beir,
    read_rows,
)
from agentic_rag.language import terms
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.passages.chunking import section_texts
from agentic_rag.settings import child_environment, read_settings
from servers import AGENT, Server, running

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = {
    "medquad 163": (DATA / "medquad_oral/beir", True),
    "medquad 163, no title": (DATA / "medquad_oral/beir", False),
    "xquad_en": (DATA / "xquad_en/beir", True),
    "medquad 16,407": (DATA / "medquad_oral/beir_fullcorpus", True),
    "medquad 16,407, no title": (DATA / "medquad_oral/beir_fullcorpus", False),
}
_TOP = 10
_DEEP = 100  # what rank fusion fuses
_RRF = 60
_WARM = 200  # searches before the clock starts


@dataclass(frozen=True, slots=True)
class Task:
    """A set to search: the folder of its documents, and its questions."""

    folder: Path
    judged: JudgedSet


def main(
    sets: Annotated[str, typer.Option(help="Names, separated by ';'; none: the small ones.")] = "",
    load: Annotated[int, typer.Option(help="Unique searches to time, by 8 callers.")] = 2000,
    data_dir: Annotated[Path | None, typer.Option(help="Keep indexes and the export here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure nDCG@10, Recall@10, and the latency of POST /search."""
    wanted = [name.strip() for name in sets.split(";")] if sets else list(SETS)[:3]
    with tempfile.TemporaryDirectory(prefix="agentic-rag-bench-") as folder:
        home = (data_dir or Path(folder)).absolute()
        _command("export-embedder", home)
        reports = {name: measure(name, home, load) for name in wanted}
    if as_json:
        print(json.dumps(reports))
    else:
        _show(reports)


def measure(name: str, home: Path, load: int) -> dict[str, Any]:
    """Index a set, serve it, search it."""
    source, with_title = SETS[name]
    task = read_task(source, home / "documents" / name, with_title=with_title)
    ingested = json.loads(_command("ingest", home, str(task.folder), "--json"))
    with running(AGENT, **_environment(home)) as server:
        found = _ask(server, list(dict.fromkeys(task.judged.questions.values())), callers=2)
        timed = _timed(server, task, load)
        memory = server.rss_mb()
    questions = task.judged.questions
    served = {query: in_order(found["hits"][text]) for query, text in questions.items()}
    rankings = {**_alternatives(task, home), "POST /search": served}
    return {
        "passages": ingested["passages"],
        "ingest": ingested["seconds"],
        "quality": {how: quality(task, ranking) for how, ranking in rankings.items()},
        **timed,
        "rss_mb": memory,
    }


def _environment(home: Path) -> dict[str, str]:
    return {"DATA_DIR": str(home / "data"), "CHROMA_HOST": "", "INDEX_KEEP": "10"}


def _command(name: str, home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "agentic_rag", name, *arguments],
        env=child_environment(**_environment(home)),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def read_task(source: Path, folder: Path, *, with_title: bool) -> Task:
    """Write a set's corpus.jsonl as outside scripts do; return its questions."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in read_rows(source / CORPUS):
        title = {"title": row["title"]} if with_title and row.get("title") else {}
        lines.append(json.dumps({"id": row["_id"], **title, "text": row["text"]}))
    (folder / CORPUS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Task(folder, read_beir(source))


def quality(task: Task, ranking: Ranking) -> dict[str, float]:
    """Return the mean nDCG@10 and Recall@10."""
    qrels = [
        ir_measures.Qrel(query, document, grade)
        for query, grades in task.judged.relevant.items()
        for document, grade in grades.items()
    ]
    run = [
        ScoredDoc(query, document, score)
        for query, scores in ranking.items()
        for document, score in scores.items()
    ]
    measured = ir_measures.calc_aggregate([nDCG @ _TOP, R @ _TOP], qrels, run)
    return {"ndcg": measured[nDCG @ _TOP], "recall": measured[R @ _TOP]}


def _alternatives(task: Task, home: Path) -> dict[str, Ranking]:
    """Rank by each half alone, by a BM25 library, and by equal-weight reciprocal rank fusion."""
    shop = build_workshop(read_settings(data_dir=home / "data"))
    version = shop.shelf.current()
    if version is None:
        raise RuntimeError(f"no index below {home}")
    passages, vectors = version.passages(), np.asarray(version.vectors())
    firsts = np.flatnonzero([passage.part == 0 for passage in passages])
    names = [passages[row].label for row in firsts]
    lexical = LexicalIndex.load(version.lexical)
    library = bm25s.BM25()
    library.index(
        [list(terms(text)) or [""] for text in section_texts(passages)], show_progress=False
    )
    halves: dict[str, Callable[[str], Any]] = {
        "bm25s library": lambda text: library.get_scores([*terms(text)] or [""]),
        "our lexical half": lexical.scores,
        "dense, exact": lambda text: np.maximum.reduceat(
            vectors @ shop.embedder.encode([text])[0], firsts
        ),
    }
    rankings: dict[str, Ranking] = {how: {} for how in halves}
    for query, text in task.judged.questions.items():
        for how, score in halves.items():
            scores = score(text)
            best = np.argsort(-scores, kind="stable")[:_DEEP]
            rankings[how][query] = {names[at]: float(scores[at]) for at in best}
    fused = {
        query: _fused([rankings["bm25s library"][query], rankings["dense, exact"][query]])
        for query in task.judged.questions
    }
    return {**rankings, "equal-weight RRF": fused}


def _fused(halves: Sequence[Mapping[str, float]]) -> dict[str, float]:
    fused: dict[str, float] = {}
    for half in halves:
        for rank, name in enumerate(half, start=1):
            fused[name] = fused.get(name, 0.0) + 1 / (_RRF + rank)
    return fused


def _timed(server: Server, task: Task, load: int) -> dict[str, float]:
    """Time searches that are all different: beginnings of the documents themselves."""
    rows = read_rows(task.folder / CORPUS)
    queries = [
        " ".join(rows[at % len(rows)]["text"].split()[at // len(rows) : 12 + at // len(rows)])
        or f"empty {at}"
        for at in range(load + _WARM)
    ]
    _ask(server, queries[:_WARM], callers=8)
    outcome = _ask(server, queries[_WARM:], callers=8)
    latencies = np.array(outcome["latencies"]) * 1000
    return {
        "searches": len(latencies),
        "errors": outcome["errors"],
        "p50_ms": float(np.percentile(latencies, 50)),
        "p95_ms": float(np.percentile(latencies, 95)),
    }


def _ask(server: Server, queries: Sequence[str], *, callers: int) -> dict[str, Any]:
    script = str(Path(__file__).with_name("searching.py"))
    done = subprocess.run(
        [sys.executable, script, f"--port={server.port}", f"--callers={callers}", f"--k={_TOP}"],
        input=json.dumps(queries),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _show(reports: Mapping[str, Mapping[str, Any]]) -> None:
    console = Console()
    ways = next(iter(reports.values()))["quality"]
    table = Table("nDCG@10 / Recall@10", *reports, title="Finding")
    for way in ways:
        cells = (report["quality"][way] for report in reports.values())
        table.add_row(way, *(f"{cell['ndcg']:.3f} / {cell['recall']:.3f}" for cell in cells))
    console.print(table)
    times = Table("", *reports, title=f"8 callers, load average {os.getloadavg()[0]:.1f}")
    rows = (
        ("passages", "passages", "{:,}"),
        ("searches", "searches", "{:,}"),
        ("errors", "errors", "{:,}"),
        ("p50, ms", "p50_ms", "{:.1f}"),
        ("p95, ms", "p95_ms", "{:.1f}"),
        ("server RSS, MB", "rss_mb", "{:,.0f}"),
    )
    for title, key, form in rows:
        times.add_row(title, *(form.format(report[key]) for report in reports.values()))
    console.print(times)


if __name__ == "__main__":
    typer.run(main)
