"""Settings to Deps: the only place that picks concrete parts.

What only an ingest needs is imported where it is picked: a server starts a quarter of a second
sooner without it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from agentic_rag.agent.deps import Deps, Emergency, Limits
from agentic_rag.agent.llm import Rung, get_llm, rungs
from agentic_rag.agent.planning.model import ModelPlanner
from agentic_rag.clinic.profile import Clinic, read_clinic
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.domain import Passage
from agentic_rag.errors import BadPack, RetrievalUnavailable
from agentic_rag.inference.cross_encoder import CrossEncoderChecker
from agentic_rag.inference.extractive import ExtractiveWriter
from agentic_rag.inference.ladder import Ladder, ModelRung, in_clear
from agentic_rag.inference.outside import veiled
from agentic_rag.injection import talks_to_models
from agentic_rag.language import statement_spans, words
from agentic_rag.personal import region_of
from agentic_rag.retrieval.embedding.backends import Recipe, pick_backend
from agentic_rag.retrieval.embedding.embedder import Embedder
from agentic_rag.retrieval.hybrid import Taste
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.library import Library
from agentic_rag.retrieval.passages.documents import Document, label_of
from agentic_rag.retrieval.passages.loaders import load
from agentic_rag.retrieval.premises import Premises
from agentic_rag.retrieval.relevance import ENOUGH, RelevanceJudge
from agentic_rag.retrieval.spelling import load_english
from agentic_rag.safety.redflags import pack_rule, read_rules
from agentic_rag.settings import EngineName, Settings

if TYPE_CHECKING:
    from agentic_rag.retrieval.chroma_server import ServerAddress
    from agentic_rag.retrieval.embedding.exporting import ExportReport, Say
    from agentic_rag.retrieval.ingesting.building import Prove
    from agentic_rag.retrieval.ingesting.engine import Progress
    from agentic_rag.retrieval.ingesting.freshness import Drift
    from agentic_rag.retrieval.ingesting.ingest import IngestReport
    from agentic_rag.retrieval.ingesting.ray_engine import RayEngine
    from agentic_rag.retrieval.ingesting.workshop import Workshop

logger = logging.getLogger(__name__)


_PLAN_TIMEOUT_S = 1.5  # that a model may take to plan: without one it takes a millisecond
_STEPS_PER_ATTEMPT = 3  # plan, retrieve, grade
_OTHER_STEPS = 6  # triage, compose, generate, cite, and one to spare at each end


class Warmth:
    """Readies an index that has just been opened, and warms it while questions are answered."""

    def __init__(self, judge: RelevanceJudge) -> None:
        self._judge = judge
        self._warming: asyncio.Task[None] | None = None

    async def settle(self, passages: Sequence[Passage]) -> None:
        """Take all that stands out of the collector's sight, and begin to warm.

        A full collection over a loaded index stops the event loop for half a second. An index that
        is left later is freed all the same, by its count of references: nothing in it is a cycle.
        """
        await self.close()
        gc.collect()
        gc.freeze()
        self._warming = asyncio.create_task(self._warm(passages))

    async def close(self) -> None:
        """Leave off warming."""
        if self._warming:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def _warm(self, passages: Sequence[Passage]) -> None:
        with suppress(RetrievalUnavailable):  # whoever asks will be told
            await self._judge.warm(passages)
        await asyncio.to_thread(load_english)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that was picked: the agent's parts, and the ones that want opening and closing."""

    settings: Settings
    clinic: Clinic
    shelf: IndexShelf
    deps: Deps
    library: Library
    models: tuple[ModelRung, ...]
    warmth: Warmth

    def drift(self) -> Drift | None:
        """Tell how far the live index is from the pack's documents; None where it cannot be told.

        An index that is found is served as it is, whatever became of the pack since.
        """
        from agentic_rag.retrieval.ingesting.freshness import drift

        try:
            live = self.shelf.current()
            return drift(self.clinic.documents, live) if live else None
        except (OSError, ValueError):
            return None

    async def tell_drift(self) -> None:
        """Log one line where the live index does not hold the pack's documents as they are now."""
        if found := await asyncio.to_thread(self.drift):
            logger.warning(
                "the index does not hold the documents of %s as they are now: %s;"
                " `agentic-rag ingest` makes it",
                self.clinic.folder,
                found,
            )

    async def close(self) -> None:
        """Close what is open."""
        await self.warmth.close()
        await self.library.close()
        for model in self.models:
            await model.close()


def build_house(settings: Settings) -> House:
    """Pick the parts; opens no index, loads no weights and asks no network.

    Raises:
        BadPack: the clinic pack or the red-flag rules cannot be used.
    """
    clinic = read_clinic(settings.clinic_pack)
    premises = build_premises(settings)
    told = clinic.profile
    judge = RelevanceJudge(premises.embedder, told.synonyms, told.elsewhere)
    warmth = Warmth(judge)
    library = Library(
        premises,
        taste=_taste(clinic),
        rephrase=lambda text: in_their_words(text, clinic.profile.synonyms),
        make=lambda: _make_index(clinic, _workshop(premises, settings)),
        on_open=warmth.settle,
    )
    quoter = ExtractiveWriter(premises.embedder.embed)
    models = tuple(_model_rung(settings, rung, told.phones.front_desk) for rung in rungs(settings))
    ladder = Ladder(models, floor=quoter)
    extra = [pack_rule(flag.model_dump()) for flag in clinic.profile.triage]
    deps = Deps(
        profile=clinic.profile,
        red_flags=read_rules(extra),
        emergency=read_emergency(clinic),
        retriever=library,
        judge=judge,
        ladder=ladder,
        quoter=quoter,
        limits=build_limits(settings),
        checker=CrossEncoderChecker(settings.support_model) if settings.support_model else None,
        planner=ModelPlanner(ladder, timeout_s=_PLAN_TIMEOUT_S) if models else None,
    )
    return House(
        settings=settings,
        clinic=clinic,
        shelf=premises.shelf,
        deps=deps,
        library=library,
        models=models,
        warmth=warmth,
    )


def _model_rung(settings: Settings, rung: Rung, phone: str) -> ModelRung:
    """Pick a rung with a model; one outside is not told whom it is about, unless allowed."""
    hidden = rung.outside and settings.llm_external_policy == "redact"
    return ModelRung(
        rung.name,
        rung.model,
        get_llm(settings, rung),
        timeout_s=settings.llm_timeout_s,
        hide=partial(veiled, region=region_of(phone)) if hidden else in_clear,
    )


def build_premises(settings: Settings) -> Premises:
    """Pick where the index stands, and what questions are embedded with.

    Raises:
        BadSettings: CHROMA_CA_FILE cannot be used.
    """
    return Premises(
        shelf=IndexShelf(settings.data_dir / "index"),
        embedder=build_embedder(settings),
        server=_server_address(settings) if settings.chroma_host else None,
        collection=settings.chroma_collection,
    )


def build_workshop(settings: Settings) -> Workshop:
    """Pick what ingest works with.

    Raises:
        BadSettings: CHROMA_CA_FILE cannot be used.
    """
    return _workshop(build_premises(settings), settings)


def _workshop(premises: Premises, settings: Settings) -> Workshop:
    from agentic_rag.retrieval.ingesting.workshop import Workshop

    return Workshop(
        shelf=premises.shelf,
        embedder=premises.embedder,
        server=premises.server,
        collection=premises.collection,
        keep=settings.index_keep,
    )


def _server_address(settings: Settings) -> ServerAddress:
    from agentic_rag.retrieval.chroma_server import ServerAddress, trust

    token = settings.chroma_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for name, value in settings.chroma_headers.items():
        headers[name] = value.get_secret_value()
    return ServerAddress(
        settings.chroma_host,
        settings.chroma_port,
        settings.chroma_timeout_s,
        headers=headers,
        tls=trust(settings.chroma_ca_file) if settings.chroma_ssl else None,
    )


def build_embedder(settings: Settings) -> Embedder:
    """Pick the embedder; what it computes with is picked at first use."""
    return Embedder(partial(pick_backend, _recipe(settings)))


def _recipe(settings: Settings) -> Recipe:
    return Recipe(
        model=settings.embedding_model,
        folder=_export_folder(settings),
        backend=settings.embedding_backend,
        precision=settings.embedding_precision,
        threads=settings.embedding_threads,
    )


def _ray_engine(settings: Settings) -> RayEngine:
    """Pick the Ray engine; of the settings, its workers get what the embedder is made of."""
    from agentic_rag.retrieval.ingesting.ray_engine import RayEngine

    here, model = _recipe(settings), Path(settings.embedding_model)
    recipe = replace(
        here,
        model=str(model.absolute()) if model.is_dir() else here.model,
        folder=here.folder.absolute(),
        threads=1,  # a worker has one CPU, and there is one for each
    )
    return RayEngine(partial(Embedder, partial(pick_backend, recipe)))


def export_embedder(settings: Settings, say: Say) -> tuple[ExportReport, bool]:
    """Export the embedder; tells, too, whether the live index has to be made anew for it.

    Raises:
        BadExport: it cannot be exported.
        RetrievalUnavailable: the weights cannot be loaded, or the folder cannot be written.
    """
    from agentic_rag.retrieval.embedding.exporting import export_embedder as export_model

    report = export_model(settings.embedding_model, _export_folder(settings), say)
    shelf, wanted = IndexShelf(settings.data_dir / "index"), build_embedder(settings).fingerprint
    stale = any(each.live and each.embedder != wanted for each in shelf.inventory())
    return report, stale


def _export_folder(settings: Settings) -> Path:
    return settings.embedding_dir or settings.data_dir / "embedder"


def build_limits(settings: Settings) -> Limits:
    """Take the limits out of the settings."""
    return Limits(
        top_k=settings.top_k,
        max_ctx_snippets=settings.max_ctx_snippets,
        max_ctx_chars=settings.max_ctx_chars,
        max_attempts=settings.max_attempts,
        enough=ENOUGH,
        max_steps=_OTHER_STEPS + _STEPS_PER_ATTEMPT * settings.max_attempts,
    )


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
    from agentic_rag.retrieval.ingesting.building import Order
    from agentic_rag.retrieval.ingesting.ingest import ingest

    clinic, shop = read_clinic(settings.clinic_pack), build_workshop(settings)
    if engine is EngineName.RAY:
        shop = replace(shop, engine=_ray_engine(settings))
    is_packs_own = folder is None or folder.resolve() == clinic.documents.resolve()
    prove = _prove_with(clinic, shop) if is_packs_own else None
    return ingest(folder or clinic.documents, shop, progress, Order(strict=strict, prove=prove))


def _make_index(clinic: Clinic, shop: Workshop) -> None:
    """Index a pack's own documents."""
    from agentic_rag.retrieval.ingesting.building import Order
    from agentic_rag.retrieval.ingesting.ingest import ingest

    ingest(clinic.documents, shop, order=Order(prove=_prove_with(clinic, shop)))


def _prove_with(clinic: Clinic, shop: Workshop) -> Prove:
    """Have the known questions of a pack asked before an index of its documents goes live."""
    from agentic_rag.retrieval.ingesting.proof import Known, ask_known

    synonyms = clinic.profile.synonyms
    known = [
        Known(
            queries=list(dict.fromkeys((each.question, in_their_words(each.question, synonyms)))),
            label=each.label,
        )
        for each in clinic.known_questions
    ]
    return lambda version: ask_known(version, shop, _taste(clinic), known)


def _taste(clinic: Clinic) -> Taste:
    profile = clinic.profile
    spoken = [words(form) for term, forms in profile.synonyms.items() for form in (term, *forms)]
    return Taste(
        noisy_sources=profile.noisy_sources,
        precedence=profile.precedence,
        spoken=tuple(chain.from_iterable(spoken)),
    )


def read_emergency(clinic: Clinic) -> Emergency:
    """Read the section that the pack names as `emergency_source`, so that it is at hand for good.

    Raises:
        BadPack: there is no such section.
    """
    label = clinic.profile.emergency_source
    doc_id, _, slug = label.partition("#")
    document = load(clinic.documents / doc_id, clinic.documents)
    section = None
    if isinstance(document, Document):
        section = next((s for s in document.sections if s.slug == slug), None)
    if section is None or not isinstance(document, Document):
        raise BadPack(
            f"{clinic.folder / 'clinic.yaml'}: emergency_source: no section {label} in documents/"
        )
    whole = document.text[section.start : section.end]
    text, start = whole.strip(), section.start + len(whole) - len(whole.lstrip())
    if not _advice(text):
        raise BadPack(f"{clinic.folder / 'clinic.yaml'}: emergency_source: {label} says nothing")
    passage = Passage(
        label=label_of(doc_id, slug),
        doc_id=doc_id,
        section=slug,
        heading=section.heading,
        text=text,
        start=start,
        end=start + len(text),
        score=1.0,
        digest=document.digest,
    )
    return Emergency(passage=passage, advice=tuple(_advice(text)))


def _advice(text: str) -> Sequence[str]:
    """Return every statement of the emergency section but the ones that only introduce a list."""
    said = (text[start:end] for start, end in statement_spans(text))
    return [line for line in said if not line.endswith(":") and not talks_to_models(line)]
