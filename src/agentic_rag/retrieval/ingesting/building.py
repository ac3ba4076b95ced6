"""Building: makes an index version beside the live one, doing only what is needed."""

import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from agentic_rag.domain import SectionQuestions
from agentic_rag.errors import BadPack, FilesSkipped, IndexUnproven
from agentic_rag.injection import count_injections
from agentic_rag.retrieval.embedding.embedder import Vectors
from agentic_rag.retrieval.index import (
    FORMAT,
    Entry,
    Expected,
    IndexVersion,
    Manifest,
    vector_name,
    version_of,
)
from agentic_rag.retrieval.ingesting import filling
from agentic_rag.retrieval.ingesting.engine import Block, Job, Progress
from agentic_rag.retrieval.ingesting.filler import filling_aside
from agentic_rag.retrieval.ingesting.filling import Rows, Sink
from agentic_rag.retrieval.ingesting.journal import Journal
from agentic_rag.retrieval.ingesting.past import Past
from agentic_rag.retrieval.ingesting.questions import still_holding
from agentic_rag.retrieval.ingesting.survey import Survey
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.lexical import LexicalIndex
from agentic_rag.retrieval.passages.chunking import section_texts

_PORTION = 1000  # rows that are handed on together
_ASIDE = 4000  # passages to embed, from which a process of its own for Chroma pays
_MAX_CHURN = 0.25  # of the rows: beyond it Chroma's graph is made anew
_SAMPLE = 8  # rows that are searched for before the switch

Prove = Callable[[IndexVersion], None]
"""Looks whether a version that is built may go live; raises `IndexUnproven` where it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted beyond an index of the folder.

    Attributes:
        strict: switch to nothing where something of the folder cannot be read, or talks to models.
        prove: asked before a new version goes live.
        questions: what was written for the folder's sections.
    """

    strict: bool = False
    prove: Prove | None = None
    questions: tuple[SectionQuestions, ...] = ()


@dataclass(slots=True)
class Clock:
    """Seconds by stage; stages overlap."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add what happens inside to a stage."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - begun


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How the rows come into Chroma: through `sink` those in `rows`, by name of their vectors."""

    sink: AbstractContextManager[Sink]
    rows: Mapping[str, Sequence[tuple[str, str]]]
    churn: int


class Build:
    """One version on its way."""

    def __init__(self, shop: Workshop, past: Past, progress: Progress, clock: Clock) -> None:
        self.embedded = 0
        self._shop = shop
        self._past = past
        self._past_rows = past.rows()
        self._progress = progress
        self._clock = clock
        self._entries: list[Entry] = []
        self._new: dict[str, Vectors] = {}

    def run(self, folder: Path, found: Survey, order: Order) -> str:
        """Read, embed, write, prove and switch; return the new version's name.

        Raises:
            BadPack: no document can be read.
            FilesSkipped: something is left out, and the order is strict.
            IndexUnproven: the new version does not pass its checks.
            RetrievalUnavailable: the embedder or Chroma fails.
        """
        fingerprint = self._shop.embedder.fingerprint
        with (
            closing(Journal(self._shop.shelf.journal, fingerprint)) as journal,
            closing(self._work(folder, found, journal, order)) as work,
        ):
            with self._clock("reading"):
                self._read(work, found)
            self._check(folder, found, order)
            name = version_of(
                {e.doc_id: e.digest for e in self._entries},
                fingerprint,
                self._shop.store,
                order.questions,
            )
            with self._aside(name) as version:
                self._write(version, work, order)
                checked = self._progress.start("checking", 1)
                with self._clock("checking"):
                    self._prove(version, order)
                checked(1)
                self._shop.shelf.put(version)
            journal.remove()  # what it held is in the version, live or not
        self._shop.shelf.switch(name)
        return name

    def _work(
        self, folder: Path, found: Survey, journal: Journal, order: Order
    ) -> Generator[Entry | Block, None, None]:
        """Have the engine work; what it embeds is kept, here and in the journal."""
        shop = self._shop
        coming = version_of(found.digests, shop.embedder.fingerprint, shop.store, order.questions)

        def recall(names: Sequence[str]) -> Mapping[str, Vectors]:
            vectors = journal.find(names)
            if shop.server:
                left = [name for name in names if name not in vectors]
                collection = shop.collection_of(coming)
                vectors |= filling.find_vectors(shop.server, collection, left)
            return vectors

        job = Job(
            folder=folder,
            paths=found.paths,
            digests=found.digests,
            before=self._past.entries,
            known=self._past_rows,
            recall=recall,
            embedder=shop.embedder,
        )
        for made in shop.engine.run(job, self._progress):
            if isinstance(made, Block):
                self._new.update(zip(made.names, made.vectors, strict=True))
                self.embedded += made.computed
                if made.computed:
                    journal.append(made.names, made.vectors)
            yield made

    def _read(self, work: Iterator[Entry | Block], found: Survey) -> None:
        """Wait until every file is read."""
        while len(self._entries) < len(found.paths):
            made = next(work)
            if isinstance(made, Entry):
                self._entries.append(made)

    def _check(self, folder: Path, found: Survey, order: Order) -> None:
        refuse_in_part(order, {**self._skipped(), **found.unread}, self._injected())
        if not any(entry.passages for entry in self._entries):
            raise BadPack(f"{folder}: no readable document below it")

    @contextmanager
    def _aside(self, name: str) -> Iterator[IndexVersion]:
        versions = self._shop.shelf.place(name).folder.parent
        versions.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=versions) as aside:
            version = IndexVersion(Path(aside) / name)
            version.folder.mkdir()
            yield version

    def _write(self, version: IndexVersion, work: Iterator[Entry | Block], order: Order) -> None:
        """Write all parts of a version; the words, which are many, beside the rest."""
        with ThreadPoolExecutor(1, "words") as pool:
            version.write(self._entries)
            words = pool.submit(self._write_words, version)
            churn = self._fill(version, work)
            words.result()
        expected, stale = still_holding(order.questions, self._entries)
        with self._clock("questions"):
            questions = self._embedded(expected)
        with self._clock("writing"):
            ids = [row_id for entry in self._entries for row_id in entry.ids]
            vectors = (self._vector(vector_name(row_id)) for row_id in ids)
            dimension = len(self._vector(vector_name(ids[0])))
            version.write_vectors(vectors, (len(ids), dimension))
            version.write_questions(questions, dimension)
            version.seal(self._manifest(version.folder.name, churn, stale))

    def _embedded(self, expected: Sequence[Expected]) -> dict[Expected, Vectors]:
        """Return the vector of each question; those of the version before need no work."""
        vectors = dict(self._past.questions)
        texts = {each.question for each in expected} - vectors.keys()
        new = sorted(texts, key=lambda text: (len(text), text))
        if new:
            advance = self._progress.start("questions", len(new))
            left = iter(new)
            for block in self._shop.embedder.encode_in_blocks(new):
                vectors.update(zip(islice(left, len(block)), block, strict=True))
                advance(len(block))
        return {each: vectors[each.question] for each in expected}

    def _write_words(self, version: IndexVersion) -> None:
        with self._clock("words"):
            texts = section_texts([p for entry in self._entries for p in entry.passages])
            known = self._past.sections()
            rows = [known.get(mark.digest, -1) for each in self._entries for mark in each.marks]
            LexicalIndex.build(texts, self._past.lexical, rows).save(version.lexical)

    def _fill(self, version: IndexVersion, work: Iterator[Entry | Block]) -> int:
        """Put the rows into Chroma as their vectors come; return the churn."""
        plan = self._plan(version)
        known = [name for name in plan.rows if name in self._past_rows or name in self._new]
        with self._clock("indexing"), plan.sink as sink:
            for at in range(0, len(known), _PORTION):
                self._hand(known[at : at + _PORTION], plan, sink)
            while made := self._next(work):
                if isinstance(made, Block):
                    self._hand(made.names, plan, sink)
        return plan.churn

    def _next(self, work: Iterator[Entry | Block]) -> Entry | Block | None:
        with self._clock("embedding"):
            return next(work, None)

    def _hand(self, names: Sequence[str], plan: _Plan, sink: Sink) -> None:
        rows = [(row, self._vector(name)) for name in names for row in plan.rows.get(name, ())]
        if rows:
            sink.add(
                Rows(
                    ids=[row_id for (row_id, _), _ in rows],
                    doc_ids=[doc_id for (_, doc_id), _ in rows],
                    vectors=np.stack([vector for _, vector in rows]),
                )
            )

    def _vector(self, name: str) -> Vectors:
        new = self._new.get(name)
        return self._past.vectors[self._past_rows[name]] if new is None else new

    def _plan(self, version: IndexVersion) -> _Plan:
        """Decide between changing a copy of what the version before has, and a new one."""
        rows = {row_id: entry.doc_id for entry in self._entries for row_id in entry.ids}
        before = frozenset(self._past.ids)
        gone = [row_id for row_id in self._past.ids if row_id not in rows]
        added = {row_id: rows[row_id] for row_id in rows if row_id not in before}
        churn = self._past.churn + len(gone) + len(added)
        can_edit = self._past.chroma is not None and churn <= _MAX_CHURN * len(rows)
        if self._shop.server is None and self._past.chroma and can_edit:
            advance = self._progress.start("indexing", len(added))
            sink = filling.editing_folder(version.chroma, self._past.chroma, gone, advance)
            return _Plan(sink=sink, rows=_by_name(added), churn=churn)
        return _Plan(sink=self._new_sink(version, len(rows)), rows=_by_name(rows), churn=0)

    def _new_sink(self, version: IndexVersion, total: int) -> AbstractContextManager[Sink]:
        advance = self._progress.start("indexing", total)
        if self._shop.server:
            name = self._shop.collection_of(version.folder.name)
            return filling.filling_collection(self._shop.server, name, total, advance)
        if total - len(self._past_rows) - len(self._new) >= _ASIDE:
            return filling_aside(version.chroma, total, advance)
        return filling.filling_folder(version.chroma, total, advance)

    def _manifest(self, name: str, churn: int, stale: Sequence[str]) -> Manifest:
        return Manifest(
            format=FORMAT,
            version=name,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            embedder=self._shop.embedder.fingerprint,
            store=self._shop.store,
            documents={each.doc_id: each.digest for each in self._entries if each.passages},
            refused={each.doc_id: each.digest for each in self._entries if not each.passages},
            skipped=self._skipped(),
            injected=self._injected(),
            stale=stale,
            passages=sum(len(each.passages) for each in self._entries),
            churn=churn,
            parts={},
        )

    def _skipped(self) -> dict[str, str]:
        return {name: why for each in self._entries for name, why in each.skipped.items()}

    def _injected(self) -> dict[str, int]:
        return count_injections([p for each in self._entries for p in each.passages])

    def _prove(self, version: IndexVersion, order: Order) -> None:
        """Look whether the parts fit together before anybody is to answer from them."""
        total, ids, vectors = version.manifest().passages, version.ids(), version.vectors()
        sections = sum(len(entry.marks) for entry in self._entries)
        words = LexicalIndex.load(version.lexical).size
        questions, asked = version.questions()
        if (
            not total == len(ids) == len(vectors)
            or words != sections
            or len(questions) != len(asked)
        ):
            raise IndexUnproven("the parts of the new index version are not of one length")
        rows = np.linspace(0, total - 1, min(_SAMPLE, total)).astype(int)
        rows = rows[vectors[rows].any(axis=1)]  # what has no words may have no direction
        sample = Rows(ids=[ids[row] for row in rows], doc_ids=(), vectors=vectors[rows])
        if self._shop.server:
            name = self._shop.collection_of(version.folder.name)
            filling.prove_collection(self._shop.server, name, total, sample)
        else:
            filling.prove_folder(version.chroma, total, sample)
        if order.prove:
            order.prove(version)


def refuse_in_part(order: Order, skipped: Mapping[str, str], injected: Mapping[str, int]) -> None:
    """Refuse, where the order is strict, an index that something of the folder is missing from.

    Raises:
        FilesSkipped: names what cannot be read, and what would never be quoted.
    """
    if order.strict and (skipped or injected):
        raise FilesSkipped({**dict.fromkeys(injected, "talks to models"), **skipped})


def _by_name(rows: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return (row id, document) of each row, by name of its vector."""
    named: dict[str, list[tuple[str, str]]] = {}
    for row_id, doc_id in rows.items():
        named.setdefault(vector_name(row_id), []).append((row_id, doc_id))
    return named
