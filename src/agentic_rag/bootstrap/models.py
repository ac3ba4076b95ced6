"""The models of the ladder, each behind its guard, and the wake engine of the one that sleeps."""

from dataclasses import dataclass
from functools import partial

from agentic_rag.agent.admission import put_aside
from agentic_rag.agent.llm import Rung, get_llm, rungs
from agentic_rag.clinic.profile import Profile
from agentic_rag.domain import Draft
from agentic_rag.errors import BadSettings
from agentic_rag.inference.doorbell import Doorbell
from agentic_rag.inference.guard import GuardedRung
from agentic_rag.inference.ladder import Brief, in_clear
from agentic_rag.inference.model_rung import ModelRung
from agentic_rag.inference.outside import veiled
from agentic_rag.inference.slot import SLOT, Follower, Speaks, nobody
from agentic_rag.inference.wake import Pace, Wake
from agentic_rag.inference.wakes import Wakes
from agentic_rag.inference.warm_hours import OpenHours, Warmer
from agentic_rag.personal import region_of
from agentic_rag.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that the settings name, best first.

    Attributes:
        wake: of the one that sleeps, if any.
        warmer: what keeps that one awake, where it is to be.
    """

    models: tuple[ModelRung, ...]
    guarded: tuple["Awaited", ...]
    wake: Wake | None
    warmer: Warmer | None

    async def connect(self) -> None:
        """Make their clients, so that the first who asks need not wait for that.

        Raises:
            LlmUnavailable: one cannot be made.
        """
        for model in self.models:
            await model.connect()

    async def close(self) -> None:
        """Close what is open."""
        if self.wake:
            await self.wake.close()
        for model in self.models:
            await model.close()


class Awaited:
    """A model that writes elsewhere: whoever waits for it leaves the place at work to others."""

    def __init__(self, model: GuardedRung) -> None:
        self._model = model

    async def write(self, brief: Brief) -> Draft:
        """Do what the model does."""
        async with put_aside():
            return await self._model.write(brief)


def build_models(settings: Settings, profile: Profile) -> Models:
    """Pick the models of a clinic.

    Raises:
        BadSettings: one is to be kept awake, and it is not told when.
    """
    asked = rungs(settings)
    # the clinic's own number tells how numbers are written where it is
    models = tuple(_model_rung(settings, rung, profile.phones.front_desk) for rung in asked)
    wakes = [_wake(settings, rung) if rung.name == "vllm" else None for rung in asked]
    return Models(
        models=models,
        guarded=tuple(
            Awaited(GuardedRung(model, wake=wake))
            for model, wake in zip(models, wakes, strict=True)
        ),
        wake=next(filter(None, wakes), None),
        warmer=next((_warmer(settings, wake, profile) for wake in wakes if wake), None),
    )


def _model_rung(settings: Settings, rung: Rung, phone: str) -> ModelRung:
    """Pick a rung with a model; one outside is not told whom it is about, unless allowed."""
    hidden = rung.outside and settings.llm_external_policy == "redact"
    return ModelRung(
        rung.name,
        rung.model,
        partial(get_llm, settings, rung),
        timeout_s=rung.timeout_s,
        speaker=_speaker(settings, rung),
        hide=partial(veiled, region=region_of(phone)) if hidden else in_clear,
    )


def _speaker(settings: Settings, rung: Rung) -> Speaks:
    """Pick who tells which adapter speaks: only vLLM has some."""
    if not settings.adapters_follow or rung.name != "vllm":
        return nobody
    return Follower(settings.adapters_dir / settings.adapters_name / SLOT).speaker


def _warmer(settings: Settings, wake: Wake, profile: Profile) -> Warmer | None:
    if settings.llm_warm_every_s is None:
        return None
    if not profile.open_hours:
        raise BadSettings("LLM_WARM_EVERY_S: clinic.yaml has no open_hours")
    hours = OpenHours(profile.timezone, {str(k): v for k, v in profile.open_hours.items()})
    return Warmer(wake, hours, every_s=settings.llm_warm_every_s)


def _wake(settings: Settings, rung: Rung) -> Wake:
    """Pick the wake engine of the vLLM rung, the one that sleeps."""
    address = rung.base_url or ""
    return Wake(
        f"{rung.name}/{rung.model}",
        Doorbell(
            address, rung.model, rung.api_key, connect_timeout_s=settings.llm_connect_timeout_s
        ),
        Wakes(settings.data_dir / "wakes.jsonl", address=address, model=rung.model),
        Pace(
            limit_s=settings.llm_wake_limit_s,
            seats=settings.llm_most_waiting,
            idle_s=settings.llm_idle_s,
        ),
    )
