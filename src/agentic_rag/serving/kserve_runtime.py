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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import FastAPI
from kserve import InferRequest, InferResponse, Model, model_server
from kserve.errors import InferenceError, InvalidInput, ModelNotFound
from kserve.model_server import app, parser
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from prometheus_client import Gauge

from agentic_rag.agent.ask import ask_all
from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.callers import Scope, demand
from agentic_rag.domain import Answer, Question
from agentic_rag.errors import BadQuestion, BadSettings, Misconfigured, NotAllowed, Overloaded
from agentic_rag.glass import meters
from agentic_rag.serving import (
    answers,
    clinic,
    errors,
    gateway,
    openapi,
    probes,
    search,
    sessions,
    stream,
    v2,
    versions,
)
from agentic_rag.serving.certificates import Certificates
from agentic_rag.serving.grpc_door import GrpcDoor
from agentic_rag.serving.leaving import PatientServer
from agentic_rag.serving.lodge import Lodge, build_lodge, stand_before
from agentic_rag.serving.openai import router as openai
from agentic_rag.serving.wire import headed, read_v1
from agentic_rag.serving.writing import retry_after, write_answer
from agentic_rag.settings import Settings, get_settings
from agentic_rag.telemetry import (
    REQUEST_HEADER,
    clean_request_id,
    new_request_id,
    request_id,
    set_up_logging,
)
from agentic_rag.tracing import end_tracing, set_up_tracing

logger = logging.getLogger(__name__)

_tasks = Gauge("agentic_rag_tasks", "Tasks of the event loop; flat where nothing leaks.")
_eta = Gauge("agentic_rag_llm_eta_seconds", "Until an LLM that sleeps may be awake; 0: it is.")

_UNREADABLE = (
    ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, struct.error,
    InferenceError,
)  # fmt: skip
"""What kserve's reading of a malformed request ends in."""


class RagPredictor(Model):  # type: ignore[misc]  # kserve ships no types
    """Translates between KServe and the agent, and does nothing else."""

    def __init__(self, name: str, house: House) -> None:
        super().__init__(name, return_response_headers=True)
        self._house = house
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.ready = True  # registered at once: an emergency is answered while the index opens

    async def healthy(self) -> bool:
        """Tell whether questions would be answered from the documents."""
        return bool(self.ready) and await self._house.ready()

    async def drained(self) -> None:
        """Wait until nothing is being answered, as long as the grace period lasts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._house.settings.shutdown_grace_s):
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
        self,
        payload: object,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Answer every question of one request, together and in order."""
        if request_id.get() == "-":  # gRPC: no middleware has named the request
            named = clean_request_id((headers or {}).get(REQUEST_HEADER, ""))
            request_id.set(named or new_request_id())
        try:
            written, answers = await self._answered(payload, headers or {})
        except BadQuestion as error:
            raise errors.Refused(error) from None
        except NotAllowed as error:
            raise errors.Forbidden(error) from None
        except Overloaded as error:
            raise errors.Busy(error) from None
        except Exception:
            logger.exception("prediction failed")
            raise errors.Failed from None
        if response_headers is not None:  # gRPC's go nowhere: its metadata output has the time
            response_headers.update(retry_after(answers))
        return written

    async def _answered(
        self, payload: object, headers: Mapping[str, str]
    ) -> tuple[dict[str, Any] | InferResponse, list[Answer]]:
        """Return the response, and the answers that are in it."""
        if isinstance(payload, InferRequest):
            questions = v2.read_v2(payload, settings=self._house.settings)
            answers = await self._ask_all(headed(questions, headers))
            return v2.write_v2(payload, self.name, answers), answers
        questions = read_v1(payload, settings=self._house.settings)
        answers = await self._ask_all(headed(questions, headers))
        return {"predictions": [write_answer(answer) for answer in answers]}, answers

    async def _ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        self._in_flight += 1
        self._idle.clear()
        deps = self._house.deps
        try:
            async with deps.retriever.pinned() as pinned:  # one request, one version of the index
                reading = replace(deps, retriever=pinned)
                return await ask_all(questions, deps=reading)
        finally:
            self._in_flight -= 1
            if self._in_flight == 0:
                self._idle.set()


class TruthfulDataPlane(DataPlane):  # type: ignore[misc]
    """kserve's data plane, but for five things that it gets wrong for us."""

    def get_model_from_registry(self, name: str) -> Any:  # noqa: ANN401  # kserve's
        """Find a model, or say that there is none; no more of its name is told than is plain."""
        try:
            return super().get_model_from_registry(name)
        except ModelNotFound:
            raise errors.NoSuchModel(name) from None

    async def get_model(self, name: str) -> Any:  # noqa: ANN401
        """Find a model as above."""
        self.get_model_from_registry(name)
        return await super().get_model(name)

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        """Tell probes the truth, and let predictions through: an emergency must get its answer."""
        self.get_model_from_registry(model_name)
        if disable_predictor_health_check:  # kserve's predict routes, and only they, say so
            return True
        return bool(await super().model_ready(model_name))

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Describe a model, and say that it has no versions: kserve says null, against v2."""
        return {**await super().model_metadata(model_name), "versions": []}

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
        """Refuse: a new index is noticed without being told."""
        self._refuse()

    async def unload(self, model_name: str) -> None:
        """Refuse: without the model nobody would be told whom to call."""
        self._refuse()

    def _refuse(self) -> None:
        try:
            demand(Scope.ADMIN)
        except NotAllowed as error:
            raise errors.Forbidden(error) from None
        raise errors.Closed


def build_server(
    flags: argparse.Namespace, predictor: RagPredictor, house: House, lodge: Lodge
) -> PatientServer:
    """Furnish kserve's app and return its server, not yet started.

    Raises:
        BadSettings: the certificates cannot be used.
    """
    certificates = read_certificates(flags)
    server = PatientServer(
        house.deps.admission,
        notice_s=house.settings.shutdown_notice_s,
        host=lodge.host,
        certificates=certificates,
        http_port=flags.http_port,
        grpc_port=flags.grpc_port,
        workers=1,  # kserve pickles models into workers, and metrics would split: scale by replicas
        max_threads=flags.max_threads,
        max_asyncio_workers=flags.max_asyncio_workers,
        enable_grpc=flags.enable_grpc,
        enable_latency_logging=False,
        event_loop=flags.event_loop,
        timeout_keep_alive=flags.timeout_keep_alive,
        grace_period=house.settings.shutdown_grace_s,
        ssl_certfile=flags.ssl_certfile,
        ssl_keyfile=flags.ssl_keyfile,
    )
    server.dataplane = TruthfulDataPlane(model_registry=server.registered_models)
    server.model_repository_extension = ClosedRepository(server.registered_models)
    # which the server makes when it starts, and asks nobody
    model_server.GRPCServer = partial(
        GrpcDoor, lodge=lodge, certificates=certificates, watch=house.watch
    )
    furnish(app, predictor, house, lodge)
    return server


def furnish(app: FastAPI, predictor: RagPredictor, house: House, lodge: Lodge) -> None:
    """Add to kserve's app what is ours: the errors, what stands before it, doors, the opening."""

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        show_gauges(house)
        await house.library.start()
        tending = asyncio.create_task(house.tend())
        yield
        tending.cancel()
        await predictor.drained()  # uvicorn has waited for its own requests; gRPC's come to the end
        await house.close()
        await asyncio.to_thread(end_tracing)

    app.router.lifespan_context = opened
    stand_before(app, lodge, house.deps.admission, house.watch, predictor.name)
    app.include_router(probes.router(house))
    app.include_router(stream.router(house))
    app.include_router(sessions.router(house))
    app.include_router(answers.router(house))
    app.include_router(clinic.router(house))
    app.include_router(search.router(house))
    app.include_router(versions.router())
    app.include_router(openai.router(house, predictor))
    app.include_router(gateway.router(house, predictor.name))
    errors.install(app)
    openapi.install(app)


def show_gauges(house: House) -> None:
    """Let the gauges be read that tell of a running house."""
    loop = asyncio.get_running_loop()
    _tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
    meters.index.version = lambda: house.library.version
    if sleeper := house.deps.sleeper:
        _eta.set_function(lambda: sleeper.status.eta_s or 0.0)


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read kserve's own flags; the model's name is rag-agent unless told otherwise."""
    own = argparse.ArgumentParser(prog="agentic-rag serve", parents=[parser], allow_abbrev=False)
    own.set_defaults(model_name="rag-agent")
    return own.parse_args(argv)


def read_certificates(flags: argparse.Namespace) -> Certificates | None:
    """Return what the flags for TLS name, if anything.

    Raises:
        BadSettings: one of the two is missing, or a file cannot be used.
    """
    if not (flags.ssl_certfile or flags.ssl_keyfile):
        return None
    if not (flags.ssl_certfile and flags.ssl_keyfile):
        raise BadSettings("--ssl_certfile and --ssl_keyfile: one is of no use without the other")
    return Certificates(flags.ssl_certfile, flags.ssl_keyfile)


def check_ports(flags: argparse.Namespace, host: str) -> None:
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
                probe.bind((host, port))
                probe.listen()
            except OSError as error:
                raise BadSettings(f"--{flag} {port}: {error.strerror}") from error


def serve(settings: Settings, argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM; what is in flight then is finished, as `leaving` says.

    Raises:
        Misconfigured: the settings or the clinic pack cannot be used.
    """
    flags = read_flags(argv)
    # kserve's app answers with ORJSONResponse, which FastAPI would rather see gone
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")
    set_up_logging(settings.log_format, settings.log_level)
    set_up_tracing(settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg)
    house, lodge = build_house(settings), build_lodge(settings)
    predictor = RagPredictor(flags.model_name, house)
    server = build_server(flags, predictor, house, lodge)
    flags.http_port = server.http_port  # kserve takes another with TLS
    check_ports(flags, lodge.host)
    set_up_logging(settings.log_format, settings.log_level)  # kserve has set up its own
    logger.info(
        "serving model=%s http=%d grpc=%d", flags.model_name, flags.http_port, flags.grpc_port
    )
    lodge.tell()
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
