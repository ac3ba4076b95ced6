"""Settings to Deps.

What only an ingest needs is imported where it is wanted: a server starts a quarter of a second
sooner without it.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentic_rag.agent.admission import Admission
from agentic_rag.agent.deps import Deps, Limits
from agentic_rag.agent.graph import build_graph
from agentic_rag.agent.planning.model import ModelPlanner
from agentic_rag.bootstrap.conversations import build_conversations
from agentic_rag.bootstrap.emergency import read_emergency
from agentic_rag.bootstrap.keeping import build_keeper
from agentic_rag.bootstrap.models import Models, build_models
from agentic_rag.bootstrap.premises import build_premises, taste_of
from agentic_rag.clinic.profile import Clinic, read_clinic
from agentic_rag.clinic.synonyms import in_their_words
from agentic_rag.conversations.conversations import Conversations
from agentic_rag.domain import Passage
from agentic_rag.errors import LlmUnavailable, RetrievalUnavailable
from agentic_rag.glass import meters
from agentic_rag.glass.watch import Watch
from agentic_rag.inference.cross_encoder import CrossEncoderChecker
from agentic_rag.inference.extractive import ExtractiveWriter
from agentic_rag.inference.ladder import Ladder
from agentic_rag.retrieval.everyday import everyday_words
from agentic_rag.retrieval.index import IndexShelf
from agentic_rag.retrieval.library import Library
from agentic_rag.retrieval.premises import Premises
from agentic_rag.retrieval.relevance import ENOUGH, RelevanceJudge
from agentic_rag.retrieval.spelling import load_english
from agentic_rag.safety.redflags import pack_rule, read_rules
from agentic_rag.safety.wording import dictionary, groups_of, paraphrases
from agentic_rag.settings import Settings

if TYPE_CHECKING:
    from agentic_rag.retrieval.ingesting.freshness import Drift

logger = logging.getLogger(__name__)

_PLAN_TIMEOUT_S = 1.5  # that a model may take to plan: without one it takes a millisecond
_STEPS_PER_ATTEMPT = 3  # plan, retrieve, grade
_OTHER_STEPS = 6  # triage, compose, generate, cite, and one to spare at each end
_DRIFT_EVERY_S = 3600.0  # every file of the pack is read for that


class Warmth:
    """Readies an index that has just been opened, and warms it while questions are answered."""

    def __init__(
        self, judge: RelevanceJudge, synonyms: Mapping[str, Sequence[str]], models: Models
    ) -> None:
        self._judge = judge
        self._synonyms = synonyms
        self._models = models
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
        await asyncio.to_thread(self._rehearse)
        with suppress(LlmUnavailable):  # whoever asks will be told
            await self._models.connect()
        with suppress(RetrievalUnavailable):
            await self._judge.warm(passages)
        gc.freeze()  # what was made: looking through it would stop the loop every few seconds

    def _rehearse(self) -> None:
        """Make now what the first questions would make while all others wait for them."""
        build_graph()
        in_their_words("", self._synonyms)
        dictionary(groups_of(self._synonyms))
        load_english()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that was picked: the agent's parts, and the ones that want opening and closing."""

    settings: Settings
    clinic: Clinic
    shelf: IndexShelf
    deps: Deps
    library: Library
    models: Models
    warmth: Warmth
    watch: Watch
    conversations: Conversations | None = None

    async def ready(self) -> bool:
        """Tell whether questions would be answered from the documents, and are wanted."""
        return await self.library.ready() and not self.deps.admission.closing

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

    async def tend(self) -> None:
        """Do what is done beside the answering, until cancelled; a fault in one ends no other."""
        beside = [self._look_for_drift()]
        if self.models.warmer:
            beside.append(self.models.warmer.run())
        if self.conversations:
            beside.append(self.conversations.tend())
        if self.watch.keeper:
            beside.append(self.watch.keeper.tend())
        await asyncio.gather(*map(_to_its_end, beside))

    async def _look_for_drift(self) -> None:
        while True:
            await self.tell_drift()
            await asyncio.sleep(_DRIFT_EVERY_S)

    async def tell_drift(self) -> None:
        """Tell log and meter where the live index does not hold the pack's documents as they are.

        What cannot be told leaves the meter as it is.
        """
        found = await asyncio.to_thread(self.drift)
        if found is not None:
            meters.stale_files.set(found.changed + found.new + found.gone)
        if found:
            logger.warning(
                "the index does not hold the documents of %s as they are now: %s;"
                " `agentic-rag ingest` makes it",
                self.clinic.folder,
                found,
            )

    async def close(self) -> None:
        """Close what is open."""
        await self.warmth.close()
        if self.conversations:
            await self.conversations.close()
        if self.watch.keeper:
            await self.watch.keeper.close()
        await self.library.close()
        await self.models.close()


async def _to_its_end(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:  # a fault of ours; what else is tended goes on
        logger.exception("something beside the answering has ended")


def build_house(settings: Settings) -> House:
    """Pick the parts; opens no index, loads no weights and asks no network.

    Raises:
        BadPack: the clinic pack or the red-flag rules cannot be used.
    """
    clinic = read_clinic(settings.clinic_pack)
    premises = build_premises(settings)
    models = build_models(settings, clinic.profile)
    readers = _build_readers(settings, clinic, premises, models)
    conversations = build_conversations(settings)
    watch = build_watch(settings)
    deps = _build_deps(settings, clinic, readers, models)
    return House(
        settings=settings,
        clinic=clinic,
        shelf=premises.shelf,
        deps=replace(deps, conversations=conversations, observer=watch),
        library=readers.library,
        models=models,
        warmth=readers.warmth,
        watch=watch,
        conversations=conversations,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Readers:
    """What reads the documents: finds, judges and quotes."""

    library: Library
    judge: RelevanceJudge
    quoter: ExtractiveWriter
    warmth: Warmth


def _build_readers(
    settings: Settings, clinic: Clinic, premises: Premises, models: Models
) -> _Readers:
    told = clinic.profile
    alike = [*groups_of(told.synonyms), *paraphrases(), *everyday_words()]
    judge = RelevanceJudge(premises.embedder, alike, told.elsewhere)
    warmth = Warmth(judge, told.synonyms, models)
    library = Library(
        premises,
        taste=taste_of(clinic),
        rephrase=lambda text: in_their_words(text, told.synonyms),
        make=lambda: _make_index(clinic, premises, settings),
        on_open=warmth.settle,
    )
    quoter = ExtractiveWriter(premises.embedder.embed)
    return _Readers(library=library, judge=judge, quoter=quoter, warmth=warmth)


def _build_deps(settings: Settings, clinic: Clinic, readers: _Readers, models: Models) -> Deps:
    ladder = Ladder(models.guarded, floor=readers.quoter)
    extra = [pack_rule(flag.model_dump()) for flag in clinic.profile.triage]
    return Deps(
        profile=clinic.profile,
        red_flags=read_rules(extra),
        emergency=read_emergency(clinic),
        retriever=readers.library,
        judge=readers.judge,
        ladder=ladder,
        quoter=readers.quoter,
        limits=build_limits(settings),
        checker=CrossEncoderChecker(settings.support_model) if settings.support_model else None,
        planner=ModelPlanner(ladder, timeout_s=_PLAN_TIMEOUT_S) if models.models else None,
        sleeper=models.wake,
        admission=Admission(most=settings.max_concurrency, patience_s=settings.request_timeout_s),
    )


def build_watch(settings: Settings) -> Watch:
    """Pick what looks at answers; opens nothing."""
    return Watch(build_keeper(settings) if settings.answers_ttl else None)


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


def _make_index(clinic: Clinic, premises: Premises, settings: Settings) -> None:
    from agentic_rag.bootstrap.indexing import make_index, workshop_of

    make_index(clinic, workshop_of(premises, settings))
