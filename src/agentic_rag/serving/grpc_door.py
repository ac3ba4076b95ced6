"""The gRPC door: kserve's own, which also tells in what session a question was asked."""

from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any, NamedTuple

from grpc import StatusCode, aio
from kserve.constants.constants import MAX_GRPC_MESSAGE_LENGTH
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.grpc.servicer import InferenceServicer

from agentic_rag.agent.admission import turned_away
from agentic_rag.domain import SESSION_HEADER
from agentic_rag.glass.watch import Watch
from agentic_rag.inference.affinity.session import session_of
from agentic_rag.serving.certificates import Certificates
from agentic_rag.serving.keys.grpc_gate import RETRY, GrpcGate
from agentic_rag.serving.lodge import LOOPBACK, Lodge

_SEND, _RECEIVE = "grpc_max_send_message_length", "grpc_max_receive_message_length"
_DOOR = "grpc:ModelInfer"


class _Metadatum(NamedTuple):
    key: str
    value: str


class _Servicer(InferenceServicer):  # type: ignore[misc]  # kserve ships no types
    def __init__(
        self,
        watch: Watch,
        *parts: Any,  # noqa: ANN401  # kserve's own
    ) -> None:
        super().__init__(*parts)
        self._watch = watch

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802, ANN401  # gRPC's
        """Answer; kserve reads the trailing metadata together with what the caller sent."""
        headers = {key: str(value) for key, value in context.invocation_metadata() or ()}
        with self._watch.visiting(lambda: _DOOR, headers) as visit:
            try:
                reply = await self._infer(request, context)
            except Exception as error:
                code = getattr(error, "status_code", StatusCode.UNKNOWN)
                visit.status = getattr(code, "name", str(code))
                raise
            visit.status = "OK"
            return reply

    async def _infer(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        told = session_of(dict(context.invocation_metadata()).get(SESSION_HEADER))
        trailing = [_Metadatum(SESSION_HEADER, told)]
        if fault := turned_away.get():
            trailing.append(_Metadatum(RETRY, str(ceil(fault.retry_after_s))))
        context.set_trailing_metadata(tuple(trailing))
        return await super().ModelInfer(request, context)


class GrpcDoor(GRPCServer):  # type: ignore[misc]
    """kserve's gRPC server with our gate and servicer, which kserve leaves no way to hand in."""

    def __init__(
        self,
        *parts: Any,  # noqa: ANN401  # kserve's own
        lodge: Lodge,
        certificates: Certificates | None,
        watch: Watch,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*parts, **options)
        self._lodge = lodge
        self._certificates = certificates
        self._watch = watch

    async def start(self, max_workers: int) -> None:
        """Serve until it is stopped."""
        self._server = aio.server(
            ThreadPoolExecutor(max_workers),
            interceptors=(
                GrpcGate(self._lodge.doorman, self._lodge.turnstile),
                LoggingInterceptor(),
                ExceptionToStatusInterceptor(),
            ),
            options=self._lengths(),
        )
        servicer = _Servicer(
            self._watch,
            self._data_plane,
            self._model_repository_extension,
        )
        add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        self._listen()
        await self._server.start()
        await self._server.wait_for_termination()

    def _lengths(self) -> list[tuple[str, int]]:
        """Return the largest messages: as at all doors, unless kserve's flag says otherwise."""
        told = self._kwargs[_RECEIVE]
        ours = self._lodge.settings.max_body_bytes
        return [
            ("grpc.max_send_message_length", self._kwargs[_SEND]),
            ("grpc.max_receive_message_length", ours if told == MAX_GRPC_MESSAGE_LENGTH else told),
        ]

    def _listen(self) -> None:
        host = self._lodge.host
        address = f"{host}:{self._port}" if host == LOOPBACK else f"[::]:{self._port}"
        if self._certificates:
            self._server.add_secure_port(address, self._certificates.for_grpc())
        else:
            self._server.add_insecure_port(address)
