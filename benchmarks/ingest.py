"""How long `agentic-rag ingest` takes, beside embedding alone and a plain loop in the same run.

Each ingest is a process of its own, timed from its start to its end, as a person would wait for
it. The same documents lie once as the lines of a corpus.jsonl and once as a file each.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import bm25s
import chromadb
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from agentic_rag.bootstrap.premises import build_embedder
from agentic_rag.language import terms
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.ingesting.engine import Silent
from agentic_rag.retrieval.ingesting.survey import survey
from agentic_rag.retrieval.passages.chunking import chunk, embedding_texts, section_texts
from agentic_rag.retrieval.passages.documents import Document
from agentic_rag.retrieval.passages.loaders import load
from agentic_rag.settings import child_environment, read_settings

CORPUS = Path(__file__).parents[2] / "shared/data/medquad_oral/beir_fullcorpus/corpus.jsonl.gz"
_BATCH = 5000  # rows that the plain loop adds at a time: what Chroma's own examples do


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a step took; `times` is its wall time as a multiple of embedding alone."""

    step: str
    wall_s: float
    cpu_s: float
    times: float | None = None
    embedded: int | None = None


def main(
    documents: Annotated[int, typer.Option(help="How many, of the corpus.")] = 2000,
    corpus: Annotated[Path, typer.Option(help="A BEIR corpus.jsonl, or .jsonl.gz.")] = CORPUS,
    data_dir: Annotated[Path | None, typer.Option(help="Keep the export here.")] = None,
    plain: Annotated[bool, typer.Option(help="Run the plain loop, too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure whole, repeated and small ingests."""
    with tempfile.TemporaryDirectory(prefix="agentic-rag-bench-") as name:
        home, folder = (data_dir or Path(name) / "home").absolute(), Path(name)
        _command(home, "export-embedder")
        lines, files = folder / "lines", folder / "files"
        write(corpus, documents, lines, files)
        report = {
            "lines": measure_lines(home, lines, folder, plain=plain),
            "files": measure_files(home, files, folder),
        }
    if as_json:
        print(json.dumps({shape: [asdict(s) for s in steps] for shape, steps in report.items()}))
    else:
        _show(report, documents)


def write(corpus: Path, documents: int, lines: Path, files: Path) -> None:
    """Lay the same documents out as lines of one file, and as files."""
    lines.mkdir()
    files.mkdir()
    with (gzip.open if corpus.suffix == ".gz" else open)(corpus, "rb") as source:
        read = [json.loads(line) for line in islice(source, documents)]
    kept = [{"id": d["_id"], "title": d.get("title", ""), "text": d["text"]} for d in read]
    (lines / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in kept), "utf-8")
    for number, document in enumerate(kept):
        below = files / f"{number // 500:03}"
        below.mkdir(exist_ok=True)
        text = f"# {document['title']}\n\n{document['text']}\n"
        (below / f"{number:05}.md").write_text(text, "utf-8")


def measure_lines(home: Path, lines: Path, folder: Path, *, plain: bool) -> list[Spent]:
    """Measure a corpus.jsonl, and what there is to compare with."""
    embedder = build_embedder(read_settings(_env_file=None, data_dir=home))
    alone = _alone(embedder, lines)
    steps = [alone, _ingest("whole ingest", home, lines, folder / "lines-index", alone)]
    if plain:
        with _timed("plain loop", alone) as spent:
            _plain_loop(embedder, lines, folder / "plain")
        steps.append(spent[0])
    steps.append(_ingest("nothing changed", home, lines, folder / "lines-index"))
    path = lines / "corpus.jsonl"
    kept = path.read_text("utf-8").splitlines(keepends=True)
    changed = json.loads(kept[len(kept) // 2])
    changed["text"] = f"Changed. {changed['text']}"
    kept[len(kept) // 2] = json.dumps(changed) + "\n"
    path.write_text("".join(kept), "utf-8")
    steps.append(_ingest("one line changed", home, lines, folder / "lines-index"))
    return steps


def measure_files(home: Path, files: Path, folder: Path) -> list[Spent]:
    """Measure a folder of many files."""
    alone = _alone(build_embedder(read_settings(_env_file=None, data_dir=home)), files)
    steps = [alone, _ingest("whole ingest", home, files, folder / "files-index", alone)]
    steps.append(_ingest("nothing changed", home, files, folder / "files-index"))
    path = sorted(files.rglob("*.md"))[0]
    path.write_text(f"{path.read_text('utf-8')}\nOne more sentence.\n", "utf-8")
    steps.append(_ingest("one file changed", home, files, folder / "files-index"))
    return steps


def _alone(embedder: Embedder, folder: Path) -> Spent:
    """Embed the texts that an ingest of the folder embeds, and do nothing else."""
    texts = sorted((text for _, text in set(_texts(embedder, folder))), key=len)
    embedder.load()
    with _timed("embedding alone") as spent:
        count = sum(len(block) for block in embedder.encode_in_blocks(texts))
    return replace(spent[0], embedded=count)


def _texts(embedder: Embedder, folder: Path) -> Iterator[tuple[str, str]]:
    for path in survey(folder, Silent().start).paths.values():
        document = load(path, folder)
        if isinstance(document, Document):
            yield from ((document.doc_id, t) for t in embedding_texts(chunk(document, embedder)))


def _ingest(
    step: str, home: Path, folder: Path, data_dir: Path, alone: Spent | None = None
) -> Spent:
    with _timed(step, alone) as spent:
        export = str(home / "embedder")
        said = _command(data_dir, "ingest", str(folder), "--json", EMBEDDING_DIR=export)
    return replace(spent[0], embedded=json.loads(said)["embedded"])


def _plain_loop(embedder: Embedder, folder: Path, into: Path) -> None:
    """Do what a first version does: read, embed and add, one after the other."""
    passages = []
    for path in survey(folder, Silent().start).paths.values():
        document = load(path, folder)
        if isinstance(document, Document):
            passages += chunk(document, embedder)
    texts = embedding_texts(passages)
    index = bm25s.BM25()
    index.index([list(terms(t)) or [""] for t in section_texts(passages)], show_progress=False)
    index.save(into / "bm25", show_progress=False)
    client: Any = chromadb.PersistentClient(path=str(into / "chroma"))
    collection = client.create_collection("rows", configuration={"hnsw": {"space": "cosine"}})
    for at in range(0, len(texts), _BATCH):
        vectors = np.asarray(embedder.encode(texts[at : at + _BATCH]))
        ids = [str(row) for row in range(at, at + len(vectors))]
        collection.add(ids=ids, embeddings=vectors)
    client.close()


@contextmanager
def _timed(step: str, alone: Spent | None = None) -> Iterator[list[Spent]]:
    """Yield a list; when the block has ended, what it took is in it."""
    spent: list[Spent] = []
    begun, cpu = time.monotonic(), _cpu_s()
    yield spent
    wall = time.monotonic() - begun
    times = round(wall / alone.wall_s, 2) if alone else None
    spent.append(
        Spent(step=step, wall_s=round(wall, 2), cpu_s=round(_cpu_s() - cpu, 1), times=times)
    )


def _cpu_s() -> float:
    """Return the processor time of this process, its threads and the children that have ended."""
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _command(data_dir: Path, *arguments: str, **variables: str) -> str:
    data_dir.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "agentic_rag", *arguments],
        cwd=data_dir,  # where no .env of a developer's lies
        env=child_environment(DATA_DIR=str(data_dir), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return done.stdout


def _show(report: Mapping[str, list[Spent]], documents: int) -> None:
    load = os.getloadavg()[0]
    console = Console()
    for shape, steps in report.items():
        title = f"{documents:,} documents as {shape}, {steps[0].embedded:,} texts"
        table = Table("step", title=title, caption=f"load average {load:.1f}")
        for column in ("wall s", "cpu s", "x alone", "embedded"):
            table.add_column(column, justify="right")
        for each in steps:
            cells: list[object] = [each.wall_s, each.cpu_s, each.times, each.embedded]
            table.add_row(each.step, *("" if cell is None else f"{cell:,}" for cell in cells))
        console.print(table)


if __name__ == "__main__":
    typer.run(main)
