"""The lodge: what stands before every door, over HTTP and gRPC, in its order."""

import logging
from dataclasses import dataclass

from fastapi import FastAPI
from kserve.protocol.rest.server import metrics_handler
from starlette.middleware.cors import CORSMiddleware

from agentic_rag.agent.admission import Admission
from agentic_rag.callers import Scope
from agentic_rag.domain import SESSION_HEADER
from agentic_rag.glass.watch import Watch
from agentic_rag.serving.bodies import Bodies
from agentic_rag.serving.keys.doorman import Doorman
from agentic_rag.serving.keys.gate import OPEN, Gate
from agentic_rag.serving.keys.limited import Limited
from agentic_rag.serving.keys.needs import needs
from agentic_rag.serving.keys.turnstile import Turnstile
from agentic_rag.serving.middleware import Threshold
from agentic_rag.serving.seen import Seen
from agentic_rag.settings import Settings
from agentic_rag.telemetry import REQUEST_HEADER

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_METRICS = "/metrics"
_METHODS = ("GET", "POST", "DELETE")
_READ = ("retry-after", REQUEST_HEADER, SESSION_HEADER)


@dataclass(frozen=True, slots=True)
class Lodge:
    """Who is let in, and how much they may ask: one for all doors."""

    settings: Settings
    doorman: Doorman
    turnstile: Turnstile

    @property
    def host(self) -> str:
        """The address to listen at: without keys only this machine's own, unless told otherwise."""
        if self.doorman.asks or self.settings.allow_no_keys:
            return "0.0.0.0"  # where kserve listens
        return LOOPBACK

    def tell(self) -> None:
        """Log that nobody is asked for a key, where that is so."""
        if self.doorman.asks:
            return
        if self.settings.allow_no_keys:
            logger.warning("no keys are set: whoever reaches this server may ask, and administer")
        else:
            logger.warning(
                "no keys are set: serving this machine only."
                " API_KEYS or ALLOW_NO_KEYS=true opens it to others"
            )


def build_lodge(settings: Settings) -> Lodge:
    """Read the keys.

    Raises:
        BadSettings: an entry of API_KEYS cannot be used.
    """
    return Lodge(settings, Doorman(settings), Turnstile(settings))


def stand_before(
    app: FastAPI, lodge: Lodge, admission: Admission, watch: Watch, model: str
) -> None:
    """Put the layers around an app that has not started; the last is the outermost."""
    settings = lodge.settings
    # before kserve's own, which is everyone's
    only = [needs(Scope.ADMIN)]
    app.add_api_route(_METRICS, metrics_handler, dependencies=only, include_in_schema=False)
    probes = frozenset((*OPEN, f"/v2/models/{model}/ready"))
    open_to_all = probes | {_METRICS} if settings.metrics_open else probes
    app.add_middleware(Bodies, most_bytes=settings.max_body_bytes)
    app.add_middleware(Limited, turnstile=lodge.turnstile, uncounted=probes | {_METRICS})
    app.add_middleware(Gate, doorman=lodge.doorman, open_to_all=open_to_all)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=["*"],  # OpenAI's client sends some of its own; no cookie is used
            expose_headers=_READ,
        )
    app.add_middleware(Seen, watch=watch)
    app.add_middleware(Threshold, admission=admission)
