"""A server that gets SIGTERM while callers ask over REST, streams and gRPC; and what they got."""

import asyncio
import math
import signal
import time
from dataclasses import dataclass

import aiohttp
import grpc
from kserve.protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from tests.fakes import ScriptedLlm
from tests.integration.conftest import StartAgent
from tests.integration.crowd import PATIENCE
from tests.integration.facts import ROOT_CANAL
from tests.integration.servers import MODEL, Agent

_CALLERS = 6  # of each kind
_LOADED = 20  # answers, before it is told to end
_NOTICE_S = 5
_UNHEARD_S = 3  # that callers may begin anew after it said not ready: a balancer takes a moment
_REPLY = "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]"


@dataclass
class Left:
    """What came of it.

    Attributes:
        lost: what went wrong, for each request that was not answered whole.
        answered_after_503: requests that were begun after it had said not ready.
    """

    lost: list[str]
    answered: int = 0
    answered_after_503: int = 0
    code: int = -1
    log: str = ""


class _Callers:
    """Ask until the balancer has heard that the server is leaving."""

    def __init__(self, agent: Agent, http: aiohttp.ClientSession) -> None:
        self.left = Left([])
        self._agent = agent
        self._http = http
        self._said_not_ready = math.inf
        self.loaded = asyncio.Event()

    async def v1(self) -> None:
        body = {"instances": [ROOT_CANAL]}
        async with self._http.post(self._agent.v1, json=body) as reply:
            text = await reply.text()
            assert (reply.status, '"answered"' in text) == (200, True), text

    async def stream(self) -> None:
        body = {"question": ROOT_CANAL}
        async with self._http.post(f"{self._agent.base}/chat/stream", json=body) as reply:
            text = await reply.text()
            assert (reply.status, "event: answer" in text) == (200, True), text

    async def grpc(self) -> None:
        request = ModelInferRequest(model_name=MODEL)
        asked = request.inputs.add(name="question", datatype="BYTES", shape=[1])
        asked.contents.bytes_contents.append(ROOT_CANAL.encode())
        async with grpc.aio.insecure_channel(self._agent.grpc) as channel:
            await GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)

    async def ask_on(self, way: str) -> None:
        """Ask and ask again; once more when it is not ready, if that is not long ago."""
        since_s = -math.inf
        while since_s < 0:
            since_s = time.monotonic() - self._said_not_ready
            if since_s > _UNHEARD_S:
                return
            try:
                await getattr(self, way)()
            except (AssertionError, aiohttp.ClientError, grpc.RpcError, TimeoutError) as error:
                self.left.lost.append(f"{way}: {error!r}")
            else:
                self.left.answered += 1
                self.left.answered_after_503 += since_s > 0
                if self.left.answered == _LOADED:
                    self.loaded.set()

    async def balance(self) -> None:
        """Ask whether it is ready, until it is not."""
        while True:
            async with self._http.get(f"{self._agent.base}/ready") as reply:
                if reply.status == 503:
                    break
            await asyncio.sleep(0.05)
        self._said_not_ready = time.monotonic()


async def leave(start: StartAgent, **settings: str) -> Left:
    """Send SIGTERM to a server that is asked from all sides, and wait until it has ended."""
    with ScriptedLlm(reply=_REPLY, delay_s=0.3) as llm:
        agent = start(LLM_BASE_URL=llm.base_url, SHUTDOWN_NOTICE_S=str(_NOTICE_S), **settings)
        await asyncio.to_thread(agent.wait_until_ready)
        async with aiohttp.ClientSession(timeout=PATIENCE) as http:
            callers = _Callers(agent, http)
            ways = [way for way in ("v1", "stream", "grpc") for _ in range(_CALLERS)]
            asking = [asyncio.create_task(callers.ask_on(way)) for way in ways]
            async with asyncio.timeout(60):
                await callers.loaded.wait()
            agent.process.send_signal(signal.SIGTERM)
            await callers.balance()
            await asyncio.gather(*asking)
        callers.left.code = await asyncio.to_thread(agent.process.wait, 60)
        callers.left.log = agent.log()
        return callers.left
