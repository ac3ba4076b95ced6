"""The doors for Kubernetes and for a first look: alive, ready and health."""

from typing import Any

from fastapi import APIRouter, Response

from agentic_rag import __version__
from agentic_rag.agent.deps import Sleeper
from agentic_rag.bootstrap.house import House
from agentic_rag.clinic.profile import Profile
from agentic_rag.retrieval.library import Refusal
from agentic_rag.serving.openapi import describe
from agentic_rag.serving.shapes import AliveReply, HealthReply, ReadyReply


def _write_refusal(refusal: Refusal) -> dict[str, str]:
    """Say what only the operator can mend; what may pass can name a host, and stays in the log."""
    reason = refusal.reason if refusal.for_good else "it cannot be opened now; see the log"
    return {"version": refusal.version, "reason": reason}


def _write_sleeper(sleeper: Sleeper) -> dict[str, Any]:
    status = sleeper.status
    return {"state": str(status.state), "eta_seconds": status.eta_s}


def _write_clinic(profile: Profile) -> dict[str, Any]:
    """Say whose documents these are, and how the clinic is reached: what a page shows anybody."""
    phones = profile.phones.model_dump() | {"crisis": profile.crisis.phone}
    known = {whose: number for whose, number in phones.items() if number}
    return {"name": profile.name, "phones": known, "disclaimer": profile.disclaimer or ""}


def router(house: House) -> APIRouter:
    """Return the routes of one house."""
    routes = APIRouter()

    @routes.get("/healthz", **describe(AliveReply, errors=()))
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @routes.get("/ready", **describe(ReadyReply, errors=(), also=503))
    async def ready(response: Response) -> dict[str, Any]:
        is_ready = await house.ready()
        response.status_code = 200 if is_ready else 503
        admission = house.deps.admission
        return {
            "ready": is_ready,
            "in_flight": admission.under_way,
            "queued": admission.queued,
        }

    @routes.get("/health", **describe(HealthReply, errors=()))
    async def health() -> dict[str, Any]:
        library, is_ready = house.library, await house.ready()
        sleeper = house.deps.sleeper
        refusal = library.refusal
        return {
            "status": "ok" if is_ready and not refusal else "degraded",
            "index": is_ready,
            "index_version": library.version,
            "refused": refusal and _write_refusal(refusal),
            "llm": sleeper and _write_sleeper(sleeper),
            "version": __version__,
            "clinic": _write_clinic(house.clinic.profile),
        }

    return routes
