"""From a folder to an index version: what only an ingest needs is picked here."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from agentic_rag.bootstrap.premises import (
    build_embedder,
    build_premises,
    embedder_recipe,
    export_folder,
    taste_of,
)
from agentic_rag.clinic.profile import Clinic, read_clinic
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.domain import rank_among
from agentic_rag.retrieval.embedding.backends import pick_backend
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.embedding.exporting import ExportReport, Say
from agentic_rag.retrieval.embedding.exporting import export_embedder as export_model
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingesting.building import Order, Prove
from agentic_rag.retrieval.ingesting.engine import Progress
from agentic_rag.retrieval.ingesting.ingest import IngestReport, ingest
from agentic_rag.retrieval.ingesting.proof import Known, ask_known
from agentic_rag.retrieval.ingesting.ray_engine import RayEngine
from agentic_rag.retrieval.ingesting.workshop import Workshop
from agentic_rag.retrieval.premises import Premises
from agentic_rag.settings import EngineName, Settings


def ingest_folder(
    settings: Settings,
    folder: Path | None,
    progress: Progress | None,
    *,
    strict: bool = False,
    engine: EngineName = EngineName.LOCAL,
) -> IngestReport:
    """Index `folder`, or the documents of the pack.

    Raises:
        BadPack: the folder or the pack cannot be used.
        EngineMissing: the engine is not installed.
        FilesSkipped: something cannot be read, and `strict` wants all or nothing.
        RetrievalUnavailable: the embedder or the Chroma server is away.
    """
    clinic, shop = read_clinic(settings.clinic_pack), build_workshop(settings)
    if engine is EngineName.RAY:
        shop = replace(shop, engine=_ray_engine(settings))
    is_packs_own = folder is None or folder.resolve() == clinic.documents.resolve()
    order = _order_of(clinic, shop) if is_packs_own else Order()
    return ingest(folder or clinic.documents, shop, progress, replace(order, strict=strict))


def make_index(clinic: Clinic, shop: Workshop) -> None:
    """Index a pack's own documents."""
    ingest(clinic.documents, shop, order=_order_of(clinic, shop))


def build_workshop(settings: Settings) -> Workshop:
    """Pick what ingest works with.

    Raises:
        BadSettings: CHROMA_CA_FILE cannot be used.
    """
    return workshop_of(build_premises(settings), settings)


def workshop_of(premises: Premises, settings: Settings) -> Workshop:
    """Pick what ingest works with at these premises."""
    return Workshop(
        shelf=premises.shelf,
        embedder=premises.embedder,
        server=premises.server,
        collection=premises.collection,
        keep=settings.index_keep,
    )


def export_embedder(settings: Settings, say: Say) -> tuple[ExportReport, bool]:
    """Export the embedder; tells, too, whether the live index has to be made anew for it.

    Raises:
        BadExport: it cannot be exported.
        RetrievalUnavailable: the weights cannot be loaded, or the folder cannot be written.
    """
    report = export_model(settings.embedding_model, export_folder(settings), say)
    shelf, wanted = IndexShelf(settings.data_dir / "index"), build_embedder(settings).fingerprint
    stale = any(each.live and each.embedder != wanted for each in shelf.inventory())
    return report, stale


def _ray_engine(settings: Settings) -> RayEngine:
    """Pick the Ray engine; of the settings, its workers get what the embedder is made of."""
    here, model = embedder_recipe(settings), Path(settings.embedding_model)
    recipe = replace(
        here,
        model=str(model.absolute()) if model.is_dir() else here.model,
        folder=here.folder.absolute(),
        threads=1,  # a worker has one CPU, and there is one for each
    )
    return RayEngine(partial(Embedder, partial(pick_backend, recipe)))


def _order_of(clinic: Clinic, shop: Workshop) -> Order:
    """Order an index of a pack's own documents, of which the pack knows more than they say."""
    noisy = clinic.profile.noisy_sources
    questions = (
        each
        for each in clinic.questions
        if rank_among(noisy, each.section.partition("#")[0]) == len(noisy)
    )
    return Order(prove=_prove_with(clinic, shop), questions=tuple(questions))


def _prove_with(clinic: Clinic, shop: Workshop) -> Prove:
    """Have the known questions of a pack asked before an index of its documents goes live."""
    synonyms = clinic.profile.synonyms
    known = [
        Known(
            queries=list(dict.fromkeys((each.question, in_their_words(each.question, synonyms)))),
            label=each.label,
        )
        for each in clinic.known_questions
    ]
    return lambda version: ask_known(version, shop, taste_of(clinic), known)
