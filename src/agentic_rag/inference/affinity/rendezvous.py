"""Rendezvous: which replica is a session's own, and which comes next. Pure."""

from collections.abc import Iterable
from hashlib import blake2b

from agentic_rag.inference.affinity.replicas import Replica


def ranked(session: str, replicas: Iterable[Replica]) -> list[Replica]:
    """Return the replicas in a session's own order, whatever order they come in.

    One that goes leaves the order of the others as it is: its sessions fall to their next, and no
    others move. One that comes takes its share from all.
    """
    name = session.encode("utf-8", "surrogatepass")
    return sorted(set(replicas), key=lambda each: (_weight(name, each), each), reverse=True)


def _weight(session: bytes, replica: Replica) -> bytes:
    return blake2b(b"%s %s" % (str(replica).encode(), session), digest_size=8).digest()
