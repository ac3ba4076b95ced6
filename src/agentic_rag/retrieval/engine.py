"""The engine: reads files, cuts them into passages and embeds those."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from agentic_rag.retrieval.embedder import Embedder, Vectors
from agentic_rag.retrieval.index import Entry
from agentic_rag.retrieval.reading import read_file

_BLOCK = 512  # passages; a run that is cut off loses one block


class Progress(Protocol):
    """Shows a person how far it is."""

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """Begin a stage of `total` units; call what is returned with each advance."""
        ...

    def note(self, text: str) -> None:
        """Say what a person who waits should know."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int) -> Callable[[int], None]:
        """See `Progress`."""
        return lambda _advance: None

    def note(self, text: str) -> None:
        """See `Progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an engine is to do.

    Attributes:
        folder: below which the files lie.
        paths: the files by doc_id, in order.
        digests: SHA-256 of each, by doc_id.
        before: what the version before holds of each file: what has not changed is taken from it.
        known: names of vectors that are at hand.
        recall: returns those vectors that an earlier run has computed, by name.
    """

    folder: Path
    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    before: Mapping[str, Entry]
    known: Container[str]
    recall: Callable[[Sequence[str]], Mapping[str, Vectors]]
    embedder: Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Vectors [rows, dimension] by their names; `computed` tells how many of them just now."""

    names: Sequence[str]
    vectors: Vectors
    computed: int


class Engine(Protocol):
    """Does a job: yields an entry for each file, in order, and every vector that is not known.

    Blocks may come between entries or behind them. The same job has the same result with any
    engine.
    """

    def run(self, job: Job, progress: Progress) -> Iterator[Entry | Block]:
        """Begin."""
        ...


class LocalEngine:
    """Works in this process: reads everything, then embeds, texts of one length together."""

    def run(self, job: Job, progress: Progress) -> Iterator[Entry | Block]:
        """See `Engine`."""
        fresh: dict[str, str] = {}
        advance = progress.start("reading", len(job.paths))
        for doc_id, path in job.paths.items():
            before = job.before.get(doc_id) or Entry.nothing(doc_id)
            digest = job.digests[doc_id]
            if before.digest == digest:
                yield before
            else:
                entry, texts = read_file(path, job.folder, digest, before, job.embedder)
                fresh.update((name, texts[name]) for name in texts if name not in job.known)
                yield entry
            advance(1)
        yield from _embed(fresh, job, progress.start("embedding", len(fresh)))


def cut_blocks(texts: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """Yield the names of texts that are embedded together, the short ones first.

    A vector may depend on what is computed with it: blocks are the same with any engine, and
    whether or not an earlier run was cut off within them.
    """
    order = sorted(texts, key=lambda name: len(texts[name]))
    for at in range(0, len(order), _BLOCK):
        yield order[at : at + _BLOCK]


def _embed(texts: Mapping[str, str], job: Job, advance: Callable[[int], None]) -> Iterator[Block]:
    for names in cut_blocks(texts):
        vectors = dict(job.recall(names))
        wanted = [name for name in names if name not in vectors]
        advance(len(vectors))
        if wanted:
            computed = job.embedder.encode([texts[name] for name in wanted], progress=advance)
            vectors.update(zip(wanted, computed, strict=True))
        stacked = np.stack([vectors[name] for name in names])
        yield Block(names=names, vectors=stacked, computed=len(wanted))
