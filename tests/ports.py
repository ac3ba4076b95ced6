"""Ports for servers that a test starts in a process of its own."""

import functools
import itertools
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress

HOST = "127.0.0.1"

_PORTS = range(10_000, 32_768)
"""Above what a machine's services have, below what Linux gives to outgoing connections."""


def free_port() -> int:
    """Return a port on which nobody listens and that no other test is given.

    What a bind to port 0 is given comes from the range of outgoing connections: until the server
    itself binds it, seconds later, somebody's call may have taken it.

    Raises:
        OSError: none of this worker's ports is free.
    """
    ports = _ports_of_this_worker()
    for _ in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            port = next(ports)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind((HOST, port))
            return port
    raise OSError("no port is free")


@functools.cache
def _ports_of_this_worker() -> Iterator[int]:
    """Go round the worker's share, from anywhere in it: another run may be on this machine."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = _PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    start = random.randrange(len(share))  # no secret
    return itertools.cycle([*share[start:], *share[:start]])
