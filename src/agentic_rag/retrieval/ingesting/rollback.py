"""Rollback: makes a version that stands on the shelf the live one, where it can be served."""

from agentic_rag.errors import IndexRefused, RetrievalUnavailable
from agentic_rag.retrieval.chroma_server import ServerAddress
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.ingesting.filling import Rows, filling_collection
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.opening import check


def use(prefix: str, shop: Workshop) -> str:
    """Make the version whose name begins so the live one; return its name.

    Running servers follow. A collection that the Chroma server has lost is filled again from the
    version's own vectors.

    Raises:
        IndexRefused: there is no such version, or several, or it was made for other parts.
        RetrievalUnavailable: the Chroma server is away, or DATA_DIR cannot be written.
    """
    version = shop.shelf.place(_find(prefix, shop))
    check(version, shop)
    if shop.server:
        _fill_if_lost(version, shop.server, shop.collection_of(version.folder.name))
    try:
        shop.shelf.switch(version.folder.name)
    except OSError as error:
        raise RetrievalUnavailable(
            f"DATA_DIR {shop.shelf.folder.parent}: {error.strerror or error}"
        ) from error
    return version.folder.name


def _find(prefix: str, shop: Workshop) -> str:
    names = shop.shelf.names()
    found = [name for name in names if name == prefix] or [
        name for name in names if prefix and name.startswith(prefix)
    ]
    if len(found) == 1:
        return found[0]
    what = "more than one index version begins" if found else "no index version begins"
    stands = ", ".join(found or names) or "none; run `agentic-rag ingest`"
    raise IndexRefused(f"{what} with {prefix!r}; there is {stands}")


def _fill_if_lost(version: IndexVersion, server: ServerAddress, name: str) -> None:
    passages, vectors = version.passages(), version.vectors()
    rows = Rows(
        ids=version.ids(), doc_ids=[passage.doc_id for passage in passages], vectors=vectors
    )
    with filling_collection(server, name, len(passages), lambda _rows: None) as sink:
        sink.add(rows)
