"""Ingest: makes the index hold exactly the documents of a folder, doing only what is needed."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from agentic_rag.errors import BadPack, RetrievalUnavailable
from agentic_rag.retrieval import chroma
from agentic_rag.retrieval.index import IndexVersion, version_of
from agentic_rag.retrieval.ingesting import filling
from agentic_rag.retrieval.ingesting.building import Build, Clock, Order, refuse_in_part
from agentic_rag.retrieval.ingesting.engine import Progress, Silent
from agentic_rag.retrieval.ingesting.past import look_back
from agentic_rag.retrieval.ingesting.survey import Survey, survey
from agentic_rag.retrieval.ingesting.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What a run did.

    Attributes:
        changed: whether another version is live now; False when there was nothing to do.
        embedded: passages that had to be embedded; the others were known.
        skipped: the reason by name of what is not in the index: files, and parts of files.
        injected: how often, by label, a document talks to models; that is never evidence.
        stale: the sections, by label, that have changed since questions were written for them;
            those questions are left out.
        seconds: by stage; stages overlap.
    """

    version: str
    changed: bool
    documents: int
    passages: int
    embedded: int
    skipped: Mapping[str, str]
    injected: Mapping[str, int]
    stale: Sequence[str]
    seconds: Mapping[str, float]


def ingest(
    folder: Path,
    shop: Workshop,
    progress: Progress | None = None,
    order: Order | None = None,
) -> IngestReport:
    """Make the live index hold exactly the documents below `folder`.

    The new version is built beside the live one and switched to at the end; the same documents
    are no work at all, and only changed passages are embedded. While another run is at work, this
    one waits.

    Raises:
        BadPack: the folder does not exist or holds no readable document.
        FilesSkipped: something cannot be read, or talks to models, and the order is strict.
        IndexUnproven: the new version did not pass its checks; the live one stays.
        RetrievalUnavailable: the embedder or the Chroma server is away, or DATA_DIR cannot be
            written.
    """
    if not folder.is_dir():
        raise BadPack(f"{folder}: there is no such folder")
    progress = progress or Silent()
    try:
        shop.shelf.folder.mkdir(parents=True, exist_ok=True)
        with _alone(shop, progress):
            shop.shelf.sweep()
            return _ingest(folder, shop, progress, order or Order())
    except OSError as error:
        raise _cannot_write(shop, error) from error


def _ingest(folder: Path, shop: Workshop, progress: Progress, order: Order) -> IngestReport:
    clock = Clock()
    with clock("looking"):
        found = survey(folder, progress.start)
        name = version_of(found.digests, shop.embedder.fingerprint, shop.store, order.questions)
        live, embedded = shop.shelf.current(), 0
        is_there = shop.shelf.holds(name) and _is_sound(shop.shelf.place(name), shop)
    if is_there:
        _refuse_skipped(shop.shelf.place(name), found, order)
        if live is None or live.folder.name != name:
            shutil.rmtree(shop.shelf.journal, ignore_errors=True)
            shop.shelf.switch(name)
    else:
        build = Build(shop, look_back(shop), progress, clock)
        name, embedded = build.run(folder, found, order), build.embedded
        _clear(shop, shop.keep)
    manifest = shop.shelf.place(name).manifest()
    return IngestReport(
        version=name,
        changed=not is_there or live is None or live.folder.name != name,
        documents=len(manifest.documents),
        passages=manifest.passages,
        embedded=embedded,
        skipped={**manifest.skipped, **found.unread},
        injected=manifest.injected,
        stale=manifest.stale,
        seconds={stage: round(spent, 3) for stage, spent in clock.seconds.items()},
    )


def _refuse_skipped(version: IndexVersion, found: Survey, order: Order) -> None:
    manifest = version.manifest()
    refuse_in_part(order, {**manifest.skipped, **found.unread}, manifest.injected)


def _is_sound(version: IndexVersion, shop: Workshop) -> bool:
    """Tell whether a version is whole, here and on the Chroma server, where there is one."""
    if not version.is_whole():
        return False
    if shop.server is None:
        return True
    name = shop.collection_of(version.folder.name)
    return filling.count_rows(shop.server, name) == version.manifest().passages


@contextmanager
def _alone(shop: Workshop, progress: Progress) -> Iterator[None]:
    """Be the only run on the shelf; wait for another one to end."""
    lock = FileLock(shop.shelf.folder / "ingest.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note("another ingest is at work; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def prune(shop: Workshop, keep: int) -> list[str]:
    """Remove old versions but the `keep` newest and the live one; return their names.

    A version that a process has open stays, too, and so does a collection on a Chroma server
    that a replica anywhere reads.

    Raises:
        RetrievalUnavailable: an ingest is at work, or the Chroma server is away.
    """
    if not shop.shelf.folder.is_dir():
        return []
    try:
        with FileLock(shop.shelf.folder / "ingest.lock", timeout=0):
            shop.shelf.sweep()
            return _clear(shop, keep)
    except Timeout:
        raise RetrievalUnavailable("an ingest is at work; prune when it has ended") from None
    except OSError as error:
        raise _cannot_write(shop, error) from error


def _clear(shop: Workshop, keep: int) -> list[str]:
    others = [each.name for each in shop.shelf.inventory() if not each.live]
    old = [each for each in others[keep:] if not chroma.in_use(shop.shelf.place(each).chroma)]
    for each in old:
        shop.shelf.remove(each)
    if shop.server and old:
        filling.drop_collections(shop.server, [shop.collection_of(name) for name in old])
    return old


def _cannot_write(shop: Workshop, error: OSError) -> RetrievalUnavailable:
    return RetrievalUnavailable(f"DATA_DIR {shop.shelf.folder.parent}: {error.strerror or error}")
