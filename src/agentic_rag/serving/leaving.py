"""Leaving: a server that is told to end says so first, finishes what it has begun, and goes.

kserve's own server stops listening at once and forgets its models while questions are on their way
to them; gRPC it stops only when REST has ended.
"""

import asyncio
import logging
import signal
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from kserve import ModelServer

from agentic_rag.agent.admission import Admission
from agentic_rag.serving.certificates import Certificates

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


class PatientServer(ModelServer):  # type: ignore[misc]  # kserve ships no types
    """kserve's server with another end.

    A SIGTERM makes it say that it is not ready; for a while it takes questions still, from those
    who have not heard. Then it stops listening, over REST and gRPC, and what is under way is
    finished within the grace. A second signal ends it now.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        notice_s: float,
        host: str,
        certificates: Certificates | None,
        **options: Any,  # noqa: ANN401  # kserve's own
    ) -> None:
        super().__init__(**options)
        self._admission = admission
        self._notice_s = notice_s
        self._host = host
        self._certificates = certificates
        self._leaving: asyncio.Task[None] | None = None

    def setup_event_loop(self) -> None:
        """Have all of it run by uvloop; kserve would set up a loop that nobody runs."""
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

    def register_signal_handler(self) -> None:
        """Leave that to `_serve`: uvicorn would put its own in their place."""

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._prepare_rest()
        self._rest_server._server.handle_exit = self._told  # uvicorn takes it for its signals
        for each in _SIGNALS:
            signal.signal(each, self._told)
        await super()._serve()

    def _prepare_rest(self) -> None:
        """Say where to listen, and under which certificates: kserve's own watch misses changes."""
        # kserve times each request for a log that is off here, and looks up its route once more
        self._rest_server._add_middlewares = lambda app: None
        config = self._rest_server.config
        config.host = self._host
        if self._certificates:
            self._rest_server._server = uvicorn.Server(config)
            config.load()
            self._certificates.guard(config.ssl)

    def _told(self, sig: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._leave, sig)

    def _leave(self, sig: int) -> None:
        if self._leaving:
            logger.warning("ending now: told again")
            self._leaving.cancel()
            self._rest_server._server.force_exit = True
            self._leaving = asyncio.create_task(self._stop(0))
            return
        self._admission.closing = True
        # who presses Ctrl-C wants no notice, and no balancer has to hear of it
        notice_s = self._notice_s if sig == signal.SIGTERM else 0.0
        logger.info("leaving: not ready, and closing in %g s", notice_s)
        self._leaving = asyncio.create_task(self._leave_after(notice_s))

    async def _leave_after(self, notice_s: float) -> None:
        await asyncio.sleep(notice_s)
        await self._stop(self.grace_period)

    async def _stop(self, grace_s: float) -> None:
        self._rest_server._server.should_exit = True  # which waits for its own as long as that
        if self._grpc_server and self._grpc_server._server:
            await self._grpc_server._server.stop(grace=grace_s)
