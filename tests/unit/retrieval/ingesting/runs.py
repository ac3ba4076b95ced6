"""Ingest in a process of its own, for a test to stop or to kill."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[4]

# Given a stage, it says "there" within it and goes no further; given seconds, it takes as long for
# a text to embed.
INGEST = """
import sys, time
from pathlib import Path
from tests.fakes import WordEmbedder
from agentic_rag.errors import AgenticRagError
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.workshop import Workshop

folder, data_dir, stop_at, seconds = sys.argv[1:]

class Stops:
    def start(self, stage, total):
        if stage == "looking":
            print("begun", flush=True)
        def advance(count):
            if stage == stop_at:
                print("there", flush=True)
                time.sleep(60)
        return advance

    def note(self, text):
        print(text, flush=True)

class Slow(WordEmbedder):
    def encode(self, texts, *, progress=None):
        time.sleep(float(seconds) * len(texts))
        return super().encode(texts, progress=progress)

shelf = IndexShelf(Path(data_dir) / "index")
shop = Workshop(shelf=shelf, embedder=Slow(), server=None, collection="clinic")
try:
    print(ingest(Path(folder), shop, Stops()).changed, flush=True)
except AgenticRagError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@contextmanager
def ingesting(
    folder: Path, data_dir: Path, stop_at: str = "never", seconds: float = 0
) -> Iterator[subprocess.Popen[str]]:
    """Ingest in another process, which is gone in the end."""
    arguments = [str(folder), str(data_dir), stop_at, str(seconds)]
    command = [sys.executable, "-W", "ignore", "-c", INGEST, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPO, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str], line: str) -> bool:
    """Wait until it says a line; False where it ends without having said it."""
    assert process.stdout
    return any(said.strip() == line for said in process.stdout)
