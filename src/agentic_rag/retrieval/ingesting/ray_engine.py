"""The Ray engine: reads and embeds in many processes, on one machine or on many."""

import logging
import pickle
import socket
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agentic_rag.errors import EngineMissing, RetrievalUnavailable
from agentic_rag.retrieval.embedding.embedder import Embedder, Vectors
from agentic_rag.retrieval.index import Entry
from agentic_rag.retrieval.ingesting.engine import Block, Job, Progress, recall
from agentic_rag.retrieval.ingesting.reading import read_file
from agentic_rag.retrieval.ingesting.survey import digest_of
from agentic_rag.settings import ray_address

_TASKS_PER_CPU = 4  # portions of files: a big one keeps one process busy, the others share the rest
_BATCH = 512  # texts; a multiple of what the embedder takes at a time, as if all were computed here
_KNOCK_S = 5.0

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
        files = [_File.of(doc_id, job) for doc_id in job.paths if not _is_known(doc_id, job)]
        if not files:
            yield from (job.before[doc_id] for doc_id in job.paths)
            return
        with _at_work(self._ray, progress) as cpus:
            fresh: dict[str, str] = {}
            advance = progress.start("reading", len(job.paths))
            for entry, texts in self._read(files, job, cpus, progress):
                fresh.update((name, texts[name]) for name in texts if name not in job.known)
                yield entry
                advance(1)
            yield from self._embed(fresh, job, cpus, progress.start("embedding", len(fresh)))

    def _read(
        self, files: Sequence["_File"], job: Job, cpus: int, progress: Progress
    ) -> Iterator[Reading]:
        """Read those files; yield them among the unchanged ones, all in order."""
        left = deque(files)
        with closing(self._work_off(files, job, cpus, cpus * _TASKS_PER_CPU)) as made:
            is_told = False
            for doc_id in job.paths:
                if _is_known(doc_id, job):
                    yield job.before[doc_id], {}
                    continue
                file, reading = left.popleft(), next(made)
                if reading is None and not is_told:
                    progress.note("a node of Ray does not see the same files; they are read here")
                    is_told = True
                yield reading or file.do(job.embedder)

    def _embed(
        self, texts: Mapping[str, str], job: Job, cpus: int, advance: Callable[[int], None]
    ) -> Iterator[Block]:
        wanted = yield from recall(texts, job, advance)
        batches = [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]
        tasks = [_Texts(tuple(texts[name] for name in names)) for names in batches]
        with closing(self._work_off(tasks, job, cpus, len(tasks))) as made:
            for names, vectors in zip(batches, made, strict=True):
                yield Block(names=names, vectors=vectors, computed=len(names))
                advance(len(names))

    def _work_off(
        self, tasks: Sequence["_Task"], job: Job, cpus: int, blocks: int
    ) -> Generator[Any, None, None]:
        """Have the tasks done in a pool of processes; yield what comes of each, in order."""
        if not tasks:
            return
        data = self._ray.data
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        done = data.from_items(rows, override_num_blocks=min(len(tasks), blocks)).map_batches(
            _Worker,
            fn_constructor_args=(self._make_embedder, job.embedder.fingerprint),
            batch_size=1,
            batch_format="numpy",
            compute=data.ActorPoolStrategy(min_size=1, max_size=min(len(tasks), cpus)),
            num_cpus=1,
        )
        for row in done.iter_rows():
            made = pickle.loads(row["made"])
            if isinstance(made, RetrievalUnavailable):
                raise made
            yield made


class _Task(Protocol):
    """What can be sent to another process and done there."""

    def do(self, embedder: Embedder) -> object:
        """Do it."""
        ...

    def can_be_done(self) -> bool:
        """Tell whether this machine has what it takes."""
        ...


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

    def do(self, embedder: Embedder) -> Reading:
        return read_file(self.path, self.folder, self.digest, self.before, embedder)

    def can_be_done(self) -> bool:
        return digest_of(self.path) == self.digest


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts that are to be embedded together."""

    texts: Sequence[str]

    def do(self, embedder: Embedder) -> Vectors:
        return embedder.encode(self.texts)

    def can_be_done(self) -> bool:
        return True


class _Worker:
    """Does tasks in a process of its own, with an embedder of its own."""

    def __init__(self, make_embedder: Callable[[], Embedder], fingerprint: str) -> None:
        self._embedder = make_embedder()
        self._fingerprint = fingerprint

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Return what comes of each task: None where it cannot be done here."""
        return {"made": [pickle.dumps(self._do(pickle.loads(row))) for row in rows["task"]]}

    def _do(self, task: _Task) -> object:
        try:
            if self._embedder.fingerprint != self._fingerprint:
                return RetrievalUnavailable(
                    f"a node of Ray has another embedder: {self._embedder.fingerprint},"
                    f" not {self._fingerprint}; give every node the same weights"
                )
            return task.do(self._embedder) if task.can_be_done() else None
        except RetrievalUnavailable as error:
            return error


def _is_known(doc_id: str, job: Job) -> bool:
    before = job.before.get(doc_id)
    return before is not None and before.digest == job.digests[doc_id]


def _import_ray() -> Any:  # noqa: ANN401  # Ray is not always here
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EngineMissing(
            "--engine ray needs Ray, which is not installed: pip install 'agentic-rag[ray]'"
        ) from error
    return ray


@contextmanager
def _at_work(ray: Any, progress: Progress) -> Iterator[int]:  # noqa: ANN401  # see `_import_ray`
    """Have Ray run, quietly; yield how many CPUs it has. What we have started ends with us."""
    is_ours = not ray.is_initialized()
    try:
        # Ray prints what befalls its processes, whatever it is told of logs; stdout is for reports
        with redirect_stdout(sys.stderr):
            if is_ours:
                _start(ray)
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


def _timeout_of(ray: Any) -> type[Exception]:  # noqa: ANN401  # see `_import_ray`
    """Return what Ray raises where nothing moves for half an hour; older ones wait for ever."""
    raised: type[Exception] = getattr(ray.data.exceptions, "ExecutionTimeoutError", TimeoutError)
    return raised


def _start(ray: Any) -> None:  # noqa: ANN401  # see `_import_ray`
    _knock(ray_address())
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise RetrievalUnavailable(f"Ray cannot be used: {error}") from error


def _knock(address: str) -> None:
    """Look whether anybody listens there: Ray itself would try for a quarter of an hour."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():  # "auto", say
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise RetrievalUnavailable(f"RAY_ADDRESS {address}: no Ray answers there") from error


def _hush(ray: Any) -> None:  # noqa: ANN401  # see `_import_ray`
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
