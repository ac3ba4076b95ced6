"""LLM_REPLICAS: how a setting names replicas, or who knows them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agentic_rag.errors import BadSettings
from agentic_rag.inference.affinity.dns import DnsReplicas
from agentic_rag.inference.affinity.replicas import FixedReplicas, Replica, Source
from agentic_rag.inference.affinity.slices import SliceReplicas

_NAME = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SERVICE = re.compile(rf"kubernetes://({_NAME})/({_NAME})(?::({_NAME}))?")
_DNS = "dns://"
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})")
_HIGHEST = 65_535


@dataclass(frozen=True, slots=True)
class Named:
    """What a setting names: the hosts in it, and how their source is made."""

    hosts: tuple[str, ...]
    open: Callable[[], Source]


def read_replicas(told: str) -> Named | None:
    """Read LLM_REPLICAS; None where it is empty.

    Raises:
        BadSettings: says what was expected.

    >>> read_replicas("10.0.0.7:8080, [fd00::7]:8080").hosts
    ('10.0.0.7', 'fd00::7')
    """
    told = told.strip()
    if not told:
        return None
    if found := _SERVICE.fullmatch(told):
        namespace, service, port = found.groups()
        return Named((), lambda: SliceReplicas(namespace, service, port or ""))
    if told.startswith(_DNS):
        name = _replica(told.removeprefix(_DNS))
        return Named((name.host,), lambda: DnsReplicas(name.host, name.port))
    replicas = [_replica(each.strip()) for each in told.split(",")]
    return Named(tuple(each.host for each in replicas), lambda: FixedReplicas(replicas))


def _replica(told: str) -> Replica:
    found = _ADDRESS.fullmatch(told)
    if not found or not 0 < int(found[3]) <= _HIGHEST:
        raise BadSettings(
            "LLM_REPLICAS: expected host:port,host:port or dns://host:port or"
            " kubernetes://namespace/service[:port]"
        )
    return Replica(found[1] or found[2], int(found[3]))
