"""The Ray engine: reads and embeds in many processes, on one machine or on many."""

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agentic_rag.errors import EngineMissing, RetrievalUnavailable
from agentic_rag.retrieval.counting import TokenCounter
from agentic_rag.retrieval.embedder import Embedder, Vectors
from agentic_rag.retrieval.engine import Block, Job, Progress, cut_blocks
from agentic_rag.retrieval.index import Entry
from agentic_rag.retrieval.reading import read_file
from agentic_rag.retrieval.survey import digest_of

_TASKS_PER_CPU = 4  # a big file keeps one process busy; the others share the rest

Reading = tuple[Entry, Mapping[str, str]]


class RayEngine:
    """Works where RAY_ADDRESS, Ray's own variable, says; without it on this machine's cores.

    Every node needs this package and the embedder's weights. A file that a node does not see, at
    the same path and as it is here, is read here.
    """

    def __init__(self, make_embedder: Callable[[], Embedder]) -> None:
        """Start nothing yet; `make_embedder` goes to other processes and makes one like the job's.

        Raises:
            EngineMissing: Ray is not installed.
        """
        self._ray = _import_ray()
        self._make_embedder = make_embedder

    def run(self, job: Job, progress: Progress) -> Iterator[Entry | Block]:
        """See `Engine`.

        Raises:
            RetrievalUnavailable: Ray fails, or the embedder does where Ray works.
        """
        changed = [_File.of(doc_id, job) for doc_id in job.paths if not _is_known(doc_id, job)]
        if not changed:
            yield from (job.before[doc_id] for doc_id in job.paths)
            return
        with _at_work(self._ray, progress) as cpus:
            fresh: dict[str, str] = {}
            advance = progress.start("reading", len(job.paths))
            readings = self._read(changed, job, cpus, progress)
            for doc_id in job.paths:
                entry, texts = (
                    (job.before[doc_id], {}) if _is_known(doc_id, job) else next(readings)
                )
                fresh.update((name, texts[name]) for name in texts if name not in job.known)
                yield entry
                advance(1)
            yield from self._embed(fresh, job, cpus, progress)

    def _read(
        self, files: Sequence["_File"], job: Job, cpus: int, progress: Progress
    ) -> Iterator[Reading]:
        rows = _rows(self._ray, files, min(len(files), _TASKS_PER_CPU * cpus)).map(
            _Reader,
            fn_constructor_args=(self._make_embedder,),
            compute=self._pool(min(len(files), cpus)),
            num_cpus=1,
        )
        is_told = False
        for file, reading in zip(files, _made(rows), strict=True):
            if reading is None and not is_told:
                progress.note("a node of Ray does not see the same files; they are read here")
                is_told = True
            yield reading or file.read(job.embedder)

    def _embed(
        self, texts: Mapping[str, str], job: Job, cpus: int, progress: Progress
    ) -> Iterator[Block]:
        advance = progress.start("embedding", len(texts))
        blocks = [(names, job.recall(names)) for names in cut_blocks(texts)]
        wanted = [[name for name in names if name not in known] for names, known in blocks]
        batches = [[texts[name] for name in names] for names in wanted if names]
        computed = self._compute(batches, job.embedder.fingerprint, cpus)
        for (names, known), missing in zip(blocks, wanted, strict=True):
            vectors = dict(known)
            if missing:
                vectors.update(zip(missing, next(computed), strict=True))
            advance(len(names))
            yield Block(
                names=names,
                vectors=np.stack([vectors[name] for name in names]),
                computed=len(missing),
            )

    def _compute(
        self, batches: Sequence[Sequence[str]], fingerprint: str, cpus: int
    ) -> Iterator[Vectors]:
        if not batches:
            return
        rows = _rows(self._ray, batches, len(batches)).map_batches(
            _Worker,
            fn_constructor_args=(self._make_embedder, fingerprint),
            batch_size=1,
            batch_format="numpy",
            compute=self._pool(min(len(batches), cpus)),
            num_cpus=1,
        )
        for made in _made(rows):
            if isinstance(made, RetrievalUnavailable):
                raise made
            yield made

    def _pool(self, most: int) -> Any:  # noqa: ANN401  # Ray is not always here
        return self._ray.data.ActorPoolStrategy(min_size=1, max_size=most)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is to be read, here or elsewhere."""

    path: Path
    folder: Path
    digest: str
    before: Entry

    @classmethod
    def of(cls, doc_id: str, job: Job) -> "_File":
        before = job.before.get(doc_id) or Entry.nothing(doc_id)
        return cls(job.paths[doc_id].absolute(), job.folder.absolute(), job.digests[doc_id], before)

    def read(self, tokens: TokenCounter) -> Reading:
        return read_file(self.path, self.folder, self.digest, self.before, tokens)


class _Reader:
    """Reads in a process of its own."""

    def __init__(self, make_embedder: Callable[[], Embedder]) -> None:
        self._embedder = make_embedder()

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """Read a file on a node; None where what lies there is not what was looked at."""
        file: _File = pickle.loads(row["wanted"])
        same = digest_of(file.path) == file.digest
        return {"made": pickle.dumps(file.read(self._embedder) if same else None)}


class _Worker:
    """Embeds in a process of its own."""

    def __init__(self, make_embedder: Callable[[], Embedder], fingerprint: str) -> None:
        self._embedder = make_embedder()
        self._fingerprint = fingerprint

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Return the vectors of each batch, or why there are none."""
        return {"made": [pickle.dumps(self._embed(pickle.loads(row))) for row in rows["wanted"]]}

    def _embed(self, texts: Sequence[str]) -> Vectors | RetrievalUnavailable:
        try:
            if self._embedder.fingerprint != self._fingerprint:
                return RetrievalUnavailable(
                    f"a node of Ray has another embedder: {self._embedder.fingerprint},"
                    f" not {self._fingerprint}; give every node the same weights"
                )
            return self._embedder.encode(texts)
        except RetrievalUnavailable as error:
            return error


def _is_known(doc_id: str, job: Job) -> bool:
    before = job.before.get(doc_id)
    return before is not None and before.digest == job.digests[doc_id]


def _rows(ray: Any, wanted: Sequence[object], blocks: int) -> Any:  # noqa: ANN401  # Ray is not always here
    """Make a dataset; each row is opaque to it."""
    rows = [{"wanted": pickle.dumps(each)} for each in wanted]
    return ray.data.from_items(rows, override_num_blocks=blocks)


def _made(rows: Any) -> Iterator[Any]:  # noqa: ANN401  # see `_rows`
    """Yield what the workers have made, in order, as it comes."""
    return (pickle.loads(row["made"]) for row in rows.iter_rows())


def _import_ray() -> Any:  # noqa: ANN401  # see `_rows`
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EngineMissing(
            "--engine ray needs Ray, which is not installed: pip install 'agentic-rag[ray]'"
        ) from error
    return ray


@contextmanager
def _at_work(ray: Any, progress: Progress) -> Iterator[int]:  # noqa: ANN401  # see `_rows`
    """Have Ray run, quietly; yield how many CPUs it has. What we have started ends with us."""
    is_ours = not ray.is_initialized()
    if is_ours:
        _start(ray)
    try:
        _hush(ray)
        cpus = int(ray.cluster_resources().get("CPU", 1)) or 1
        progress.note(f"Ray works on {cpus} CPUs of {len(ray.nodes())} nodes")
        yield cpus
    except ray.exceptions.UserCodeException:
        raise  # a fault of ours
    except (ray.exceptions.RayError, _timeout_of(ray)) as error:
        raise RetrievalUnavailable(f"Ray failed: {type(error).__name__}") from error
    finally:
        if is_ours:
            ray.shutdown()


def _timeout_of(ray: Any) -> type[Exception]:  # noqa: ANN401  # see `_rows`
    """Return what Ray raises where nothing moves for half an hour; older ones wait for ever."""
    raised: type[Exception] = getattr(ray.data.exceptions, "ExecutionTimeoutError", TimeoutError)
    return raised


def _start(ray: Any) -> None:  # noqa: ANN401  # see `_rows`
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise RetrievalUnavailable(
            "Ray does not answer at RAY_ADDRESS, or does not start here where that is not set:"
            f" {error}"
        ) from error


def _hush(ray: Any) -> None:  # noqa: ANN401  # see `_rows`
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
