"""The KServe door: v1, v2 and gRPC on one predictor, which translates and does nothing else."""

import gc

if __name__ == "__main__":  # imports take a quarter longer with the collector, which finds nothing
    gc.disable()

import argparse
import asyncio
import logging
import socket
import struct
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from kserve import InferRequest, InferResponse, Model, ModelServer
from kserve.errors import InferenceError, InvalidInput
from kserve.model_server import app, parser
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from agentic_rag.agent.ask import ask
from agentic_rag.bootstrap import House, build_house
from agentic_rag.domain import Answer, Question
from agentic_rag.errors import BadQuestion, BadSettings, Misconfigured
from agentic_rag.serving import errors, probes, v2
from agentic_rag.serving.middleware import Threshold
from agentic_rag.serving.wire import read_v1, write_answer
from agentic_rag.settings import Settings, get_settings
from agentic_rag.telemetry import clean_request_id, new_request_id, request_id, set_up_logging

logger = logging.getLogger(__name__)

GRACE_S = 30

_UNREADABLE = (
    ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, struct.error,
    InferenceError,
)  # fmt: skip
"""What kserve's reading of a malformed request ends in."""


class RagPredictor(Model):  # type: ignore[misc]  # kserve ships no types
    """Translates between KServe and the agent, and does nothing else."""

    def __init__(self, name: str, house: House) -> None:
        super().__init__(name)
        self._house = house
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.ready = True  # registered at once: an emergency is answered while the index opens

    async def healthy(self) -> bool:
        """Tell whether questions would be answered from the documents."""
        return bool(self.ready) and await self._house.library.ready()

    async def drained(self) -> None:
        """Wait until nothing is being answered, as long as the grace period lasts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._idle.wait()

    def load(self) -> bool:
        """Do nothing: kserve calls this on every request to a model that is not healthy."""
        return bool(self.ready)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Declare the v2 inputs."""
        return v2.INPUTS

    def get_output_types(self) -> list[dict[str, Any]]:
        """Declare the v2 outputs."""
        return v2.OUTPUTS

    def validate(self, payload: object) -> object:
        """Leave validation to `predict`, which names the field."""
        return payload

    async def predict(
        self, payload: object, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        """Answer every question of one request, together and in order."""
        if request_id.get() == "-":  # gRPC: no middleware has named the request
            named = clean_request_id((headers or {}).get("x-request-id", ""))
            request_id.set(named or new_request_id())
        try:
            if isinstance(payload, InferRequest):
                questions = v2.read_v2(payload, settings=self._house.settings)
                return v2.write_v2(payload, self.name, await self._ask_all(questions))
            questions = read_v1(payload, settings=self._house.settings)
            return {"predictions": [write_answer(a) for a in await self._ask_all(questions)]}
        except BadQuestion as error:
            raise errors.Refused(error) from None
        except Exception:
            logger.exception("prediction failed")
            raise errors.Failed from None

    async def _ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        self._in_flight += 1
        self._idle.clear()
        deps = self._house.deps
        try:
            async with deps.retriever.pinned() as pinned:  # one request, one version of the index
                reading = replace(deps, retriever=pinned)
                return await asyncio.gather(*(ask(q, deps=reading) for q in questions))
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()


class TruthfulDataPlane(DataPlane):  # type: ignore[misc]
    """kserve's data plane, but for three things that it gets wrong for us."""

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        """Tell probes the truth, and let predictions through: an emergency must get its answer."""
        if disable_predictor_health_check:  # kserve's predict routes, and only they, say so
            self.get_model_from_registry(model_name)
            return True
        return bool(await super().model_ready(model_name))

    def decode(self, body: object, headers: object, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """Refuse a malformed body as the caller's fault; kserve lets some through as its own."""
        try:
            return super().decode(body, headers, *args, **kwargs)
        except InvalidInput as error:
            raise errors.Refused(BadQuestion("body", str(error))) from None
        except _UNREADABLE:
            raise errors.Refused(BadQuestion("body", "cannot be read as a v2 request")) from None


class ClosedRepository(ModelRepositoryExtension):  # type: ignore[misc]
    """Loading and unloading, which kserve would let anyone do, over REST and gRPC."""

    async def load(self, model_name: str) -> None:
        """Refuse."""
        raise errors.Closed

    async def unload(self, model_name: str) -> None:
        """Refuse."""
        raise errors.Closed


def build_server(flags: argparse.Namespace, predictor: RagPredictor, house: House) -> ModelServer:
    """Furnish kserve's app and return its server, not yet started."""
    server = ModelServer(
        http_port=flags.http_port,
        grpc_port=flags.grpc_port,
        workers=1,  # kserve pickles models into workers, and metrics would split: scale by replicas
        max_threads=flags.max_threads,
        max_asyncio_workers=flags.max_asyncio_workers,
        enable_grpc=flags.enable_grpc,
        enable_latency_logging=False,
        event_loop=flags.event_loop,
        timeout_keep_alive=flags.timeout_keep_alive,
        grace_period=GRACE_S,
        ssl_certfile=flags.ssl_certfile,
        ssl_keyfile=flags.ssl_keyfile,
    )
    server.dataplane = TruthfulDataPlane(model_registry=server.registered_models)
    server.model_repository_extension = ClosedRepository(server.registered_models)
    furnish(app, predictor, house)
    return server


def furnish(app: FastAPI, predictor: RagPredictor, house: House) -> None:
    """Add to kserve's app what is ours: the errors, the request's id, the probes, the opening."""

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        await house.library.start()
        telling = asyncio.create_task(house.tell_drift())
        yield
        telling.cancel()
        await predictor.drained()  # uvicorn has waited for its own requests; gRPC's come to the end
        await house.close()

    app.router.lifespan_context = opened
    app.add_middleware(Threshold)
    app.include_router(probes.router(house))
    errors.install(app)


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read kserve's own flags; the model's name is rag-agent unless told otherwise."""
    own = argparse.ArgumentParser(prog="agentic-rag serve", parents=[parser], allow_abbrev=False)
    own.set_defaults(model_name="rag-agent")
    return own.parse_args(argv)


def check_ports(flags: argparse.Namespace) -> None:
    """Refuse a taken port; gRPC would share it in silence.

    Raises:
        BadSettings: names the flag and the port.
    """
    wanted = {"http_port": flags.http_port}
    if flags.enable_grpc:
        wanted["grpc_port"] = flags.grpc_port
    for flag, port in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # where kserve will listen
                probe.listen()
            except OSError as error:
                raise BadSettings(f"--{flag} {port}: {error.strerror}") from error


def serve(settings: Settings, argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM; what is in flight then is finished, within 30 s.

    Raises:
        Misconfigured: the settings or the clinic pack cannot be used.
    """
    flags = read_flags(argv)
    # kserve's app answers with ORJSONResponse, which FastAPI would rather see gone
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")
    set_up_logging(settings.log_format, settings.log_level)
    house = build_house(settings)
    check_ports(flags)
    predictor = RagPredictor(flags.model_name, house)
    server = build_server(flags, predictor, house)
    set_up_logging(settings.log_format, settings.log_level)  # kserve has set up its own
    logger.info(
        "serving model=%s http=%d grpc=%d", flags.model_name, flags.http_port, flags.grpc_port
    )
    server.start([predictor])


def main() -> None:
    """Run the server from the command line."""
    gc.freeze()
    gc.enable()
    try:
        serve(get_settings())
    except Misconfigured as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
