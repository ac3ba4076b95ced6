"""Rollback: makes a version that stands on the shelf the live one, where it can be served."""

from agentic_rag.errors import IndexRefused, RetrievalUnavailable
from agentic_rag.retrieval import chroma
from agentic_rag.retrieval.index import IndexVersion
from agentic_rag.retrieval.ingest import Workshop, collection_name
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
        _fill_if_lost(version, shop)
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


def _fill_if_lost(version: IndexVersion, shop: Workshop) -> None:
    name = collection_name(shop.collection, version.folder.name)
    if shop.server and chroma.count_rows(shop.server, name) != version.manifest().passages:
        doc_ids = [passage.doc_id for passage in version.passages()]
        rows = chroma.Rows(ids=version.ids(), doc_ids=doc_ids, vectors=version.vectors())
        chroma.build_collection(shop.server, name, rows, lambda _rows: None)
