"""Replicas by DNS: a headless service's name stands for the addresses of all that are ready."""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from agentic_rag.inference.affinity.replicas import Replica

logger = logging.getLogger(__name__)

FRESH_S = 5.0  # that an answer is good for, and a failure is not tried again
WAIT_S = 0.5  # that requests wait for a new answer; then they go by the last one

_NOBODY = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class DnsReplicas:
    """Asks anew when somebody wants to know and the last answer is old; there is no timer."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nobody yet.

        Args:
            host: the headless service's name.
            port: where the replicas themselves listen.
            resolve: gives the addresses of a name, or raises OSError; the system's own.
            clock: one that never goes back.
        """
        self._host, self._port = host, port
        self._resolve = resolve or addresses
        self._clock = clock
        self._known: tuple[Replica, ...] = ()
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0

    async def ready(self) -> Sequence[Replica]:
        """Return who has an address."""
        if self._asking is None or (self._asking.done() and self._left_s(FRESH_S) <= 0):
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._ask())
        if not self._asking.done() and (left_s := self._left_s(WAIT_S)) > 0:
            await asyncio.wait({self._asking}, timeout=left_s)
        return self._known

    async def close(self) -> None:
        """Leave off asking."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def _left_s(self, of_s: float) -> float:
        return self._asked_at + of_s - self._clock()

    async def _ask(self) -> None:
        """Learn the addresses; where DNS is dead, those that were known are as good as ever."""
        try:
            found = await self._resolve(self._host, self._port)
        except socket.gaierror as error:
            if error.errno not in _NOBODY:
                logger.warning("DNS does not tell the replicas: %s", error.strerror)
                return
            found = ()
        except (OSError, UnicodeError) as error:
            logger.warning("DNS does not tell the replicas: %s", type(error).__name__)
            return
        self._known = tuple(Replica(each, self._port) for each in sorted(set(found)))


async def addresses(host: str, port: int) -> Sequence[str]:
    """Return what the system's resolver knows: all A and AAAA records."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
