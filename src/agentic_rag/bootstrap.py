"""Settings to Deps: the only place that picks concrete parts."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentic_rag.agent.deps import Deps, Emergency, Limits
from agentic_rag.agent.llm import get_llm, rungs
from agentic_rag.clinic.profile import Clinic, read_clinic
from agentic_rag.domain import Passage
from agentic_rag.errors import BadPack
from agentic_rag.inference.extractive import ExtractiveWriter
from agentic_rag.inference.ladder import Ladder, ModelRung
from agentic_rag.language import statement_spans
from agentic_rag.retrieval.chroma import ServerAddress
from agentic_rag.retrieval.documents import Document, label_of
from agentic_rag.retrieval.embedder import Embedder
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.ingest import IngestReport, Progress, Workshop, ingest
from agentic_rag.retrieval.library import Library
from agentic_rag.retrieval.loaders import load
from agentic_rag.retrieval.relevance import ENOUGH, RelevanceJudge
from agentic_rag.safety.redflags import read_rules
from agentic_rag.settings import Settings

_STEPS_PER_ATTEMPT = 3  # plan, retrieve, grade
_OTHER_STEPS = 6  # triage, compose, generate, cite, and one to spare at each end


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that was picked: the agent's parts, and the ones that want opening and closing."""

    settings: Settings
    clinic: Clinic
    deps: Deps
    library: Library
    models: tuple[ModelRung, ...]

    async def close(self) -> None:
        """Close what is open."""
        await self.library.close()
        for model in self.models:
            await model.close()


def build_house(settings: Settings) -> House:
    """Pick the parts; opens no index, loads no weights and asks no network.

    Raises:
        BadPack: the clinic pack or the red-flag rules cannot be used.
    """
    clinic = read_clinic(settings.clinic_pack)
    shop = build_workshop(settings)
    told = clinic.profile
    judge = RelevanceJudge(shop.embedder, told.synonyms, told.elsewhere)
    library = Library(
        shop,
        noisy_sources=clinic.profile.noisy_sources,
        make=lambda: ingest(clinic.documents, shop),
        on_open=lambda passages: _settle(judge, passages),
    )
    quoter = ExtractiveWriter(shop.embedder.embed)
    models = tuple(
        ModelRung(r.name, r.model, get_llm(settings, r), timeout_s=settings.llm_timeout_s)
        for r in rungs(settings)
    )
    extra = [(flag.category, flag.reason, flag.patterns) for flag in clinic.profile.triage]
    deps = Deps(
        profile=clinic.profile,
        red_flags=read_rules(extra),
        emergency=read_emergency(clinic),
        retriever=library,
        judge=judge,
        ladder=Ladder(models, floor=quoter),
        quoter=quoter,
        limits=build_limits(settings),
    )
    return House(settings=settings, clinic=clinic, deps=deps, library=library, models=models)


async def _settle(judge: RelevanceJudge, passages: Sequence[Passage]) -> None:
    """Warm what the first questions need, then take all that stands out of the collector's sight.

    A full collection over a loaded index stops the event loop for half a second.
    """
    await judge.warm(passages)
    gc.collect()
    gc.freeze()


def build_workshop(settings: Settings) -> Workshop:
    """Pick what ingest works with."""
    server = None
    if settings.chroma_host:
        server = ServerAddress(
            settings.chroma_host, settings.chroma_port, settings.chroma_timeout_s
        )
    return Workshop(
        shelf=IndexShelf(settings.data_dir / "index"),
        embedder=Embedder(settings.embedding_model),
        server=server,
        collection=settings.chroma_collection,
    )


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
    settings: Settings, folder: Path | None, progress: Progress | None
) -> IngestReport:
    """Index `folder`, or the documents of the pack.

    Raises:
        BadPack: the folder or the pack cannot be used.
        RetrievalUnavailable: the embedder or the Chroma server is away.
    """
    clinic = read_clinic(settings.clinic_pack)
    return ingest(folder or clinic.documents, build_workshop(settings), progress)


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
    text = document.text[section.start : section.end].strip()
    if not _advice(text):
        raise BadPack(f"{clinic.folder / 'clinic.yaml'}: emergency_source: {label} says nothing")
    passage = Passage(
        label=label_of(doc_id, slug),
        doc_id=doc_id,
        section=slug,
        heading=section.heading,
        text=text,
        start=section.start,
        end=section.start + len(text),
        score=1.0,
    )
    return Emergency(passage=passage, advice=tuple(_advice(text)))


def _advice(text: str) -> Sequence[str]:
    """Return every statement of the emergency section but the ones that only introduce a list."""
    said = (text[start:end] for start, end in statement_spans(text))
    return [line for line in said if not line.endswith(":")]
