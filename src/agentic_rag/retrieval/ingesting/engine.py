"""The engine: reads files, cuts them into passages and embeds those."""

from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from agentic_rag.retrieval.embedding.embedder import Embedder, Vectors
from agentic_rag.retrieval.index import Entry
from agentic_rag.retrieval.ingesting.reading import read_file

_PORTION = 1000  # passages that are looked for together


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


def recall(
    texts: Mapping[str, str], job: Job, advance: Callable[[int], None]
) -> Generator[Block, None, list[str]]:
    """Yield those vectors that are at hand; return the names of the others, short texts first.

    A vector may depend on what is computed with it: every engine keeps to that order.
    """
    names = sorted(texts, key=lambda name: len(texts[name]))
    wanted: list[str] = []
    for at in range(0, len(names), _PORTION):
        portion = names[at : at + _PORTION]
        vectors = job.recall(portion)
        wanted += [name for name in portion if name not in vectors]
        if vectors:
            yield Block(names=list(vectors), vectors=np.stack(list(vectors.values())), computed=0)
            advance(len(vectors))
    return wanted


def _embed(texts: Mapping[str, str], job: Job, advance: Callable[[int], None]) -> Iterator[Block]:
    wanted = yield from recall(texts, job, advance)
    at = 0
    # the next ones are computed while these are put away
    for block in job.embedder.encode_in_blocks([texts[name] for name in wanted]):
        yield Block(names=wanted[at : at + len(block)], vectors=block, computed=len(block))
        at += len(block)
        advance(len(block))
