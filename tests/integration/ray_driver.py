"""A process that ingests with Ray as it is told: a line of JSON each, answered by another.

`python -m tests.integration.ray_driver` says where its Ray listens, once that is up.
"""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes import WordEmbedder

from agentic_rag.errors import AgenticRagError, RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.ingest import ingest
from agentic_rag.retrieval.ingesting.ray_engine import RayEngine
from agentic_rag.retrieval.ingesting.workshop import Workshop

DOCUMENT_OF_THE_HOUR = "# Hours\n\nWe open at ten now.\n"


class Cut(Exception):  # noqa: N818  # named for what happened
    """Takes the place of whatever may end a run."""


class FrailEmbedder(WordEmbedder):
    """Ends its whole process at the first text, once."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = Path(mark)

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        if not self._mark.exists():
            self._mark.touch()
            os._exit(1)
        return super().encode(texts, progress=progress)


class AwayEmbedder(WordEmbedder):
    """Has no weights."""

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        raise RetrievalUnavailable("EMBEDDING_MODEL gone: the weights cannot be loaded")


class SlowEmbedder(WordEmbedder):
    """Takes a second for a block."""

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None
    ) -> Vectors:
        time.sleep(1)
        return super().encode(texts, progress=progress)


EMBEDDERS: Mapping[str, Callable[..., WordEmbedder]] = {
    "words": WordEmbedder,
    "another": partial(WordEmbedder, "another"),
    "away": AwayEmbedder,
    "slow": SlowEmbedder,
    "frail": FrailEmbedder,
}


class Hooks:
    """Does at a stage what the order says: ends the run, or changes a document under it."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._order = order
        self.notes: list[str] = []

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """See `Progress`."""
        if stage == "reading" and "changes" in self._order:
            Path(self._order["changes"]).write_text(DOCUMENT_OF_THE_HOUR, "utf-8")

        def advance(_count: int) -> None:
            say({"at": stage})
            if stage == self._order.get("cut_at"):
                raise Cut

        return advance

    def note(self, text: str) -> None:
        """See `Progress`."""
        self.notes.append(text)


def carry_out(order: Mapping[str, Any]) -> dict[str, Any]:
    """Ingest, and tell how that went."""
    hooks = Hooks(order)
    make = EMBEDDERS[order.get("embedder", "words")]
    shop = Workshop(
        shelf=IndexShelf(Path(order["data_dir"]) / "index"),
        embedder=WordEmbedder(),
        server=None,
        collection="clinic",
        engine=RayEngine(partial(make, order["mark"]) if "mark" in order else make),
    )
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            report = ingest(Path(order["folder"]), shop, hooks)
    except (AgenticRagError, Cut) as error:
        return {"error": type(error).__name__, "said": str(error), "notes": hooks.notes}
    return asdict(report) | {"notes": hooks.notes, "printed": printed.getvalue()}


def say(value: object) -> None:
    """Write a line, to where the test reads."""
    assert sys.__stdout__
    sys.__stdout__.write(json.dumps(value) + "\n")
    sys.__stdout__.flush()


def main() -> None:
    """Have one Ray for all that is ordered."""
    import ray

    sys.stdout = sys.stderr  # between the orders, Ray may print what it likes
    context = ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    say({"address": context.address_info["gcs_address"]})
    for line in sys.stdin:
        say({"done": carry_out(json.loads(line))})
    ray.shutdown()


if __name__ == "__main__":
    main()
