"""Replicas by DNS: asked anew when old, and outliving a DNS that is dead."""

import asyncio
import socket
import time

import pytest

from agentic_rag.inference.affinity.dns import FRESH_S, WAIT_S, DnsReplicas, addresses
from agentic_rag.inference.affinity.replicas import Replica

DEAD = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NOBODY = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Resolver:
    """A DNS that says what the test sets, and counts who asks."""

    def __init__(self, *said: str) -> None:
        self.said: tuple[str, ...] | Exception = said
        self.takes_s = 0.0
        self.asked = 0
        self.now = 0.0

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def clock(self) -> float:
        return self.now


def replicas_of(resolver: Resolver) -> DnsReplicas:
    return DnsReplicas("llm", 8080, resolve=resolver, clock=resolver.clock)


async def hosts(source: DnsReplicas) -> list[str]:
    return [each.host for each in await source.ready()]


async def test_every_address_of_both_families_is_a_replica_once():
    source = replicas_of(Resolver("10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2"))

    assert await source.ready() == (
        Replica("10.0.0.1", 8080),
        Replica("10.0.0.2", 8080),
        Replica("fd00::1", 8080),
    )


async def test_an_answer_is_good_for_a_while_and_then_asked_for_anew():
    source = replicas_of(resolver := Resolver("10.0.0.1"))
    await asyncio.gather(*(source.ready() for _ in range(50)))
    resolver.said = ("10.0.0.1", "10.0.0.2")

    assert await hosts(source) == ["10.0.0.1"]
    assert resolver.asked == 1
    resolver.now = FRESH_S
    assert await hosts(source) == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize("fault", [DEAD, OSError("boom"), UnicodeError("label too long")], ids=str)
async def test_a_dead_dns_leaves_the_last_known_ones(fault):
    source = replicas_of(resolver := Resolver("10.0.0.1"))
    await source.ready()
    resolver.said, resolver.now = fault, FRESH_S

    assert await hosts(source) == ["10.0.0.1"]
    assert await hosts(source) == ["10.0.0.1"]
    assert resolver.asked == 2
    resolver.said, resolver.now = ("10.0.0.2",), 2 * FRESH_S
    assert await hosts(source) == ["10.0.0.2"]


async def test_a_name_without_addresses_is_a_service_that_sleeps():
    source = replicas_of(resolver := Resolver("10.0.0.1"))
    await source.ready()
    resolver.said, resolver.now = NOBODY, FRESH_S

    assert await hosts(source) == []


async def test_a_dns_that_hangs_is_waited_for_once_and_shortly():
    resolver = Resolver("10.0.0.1")
    source = DnsReplicas("llm", 8080, resolve=resolver)
    resolver.takes_s = 60
    start = time.monotonic()

    assert await hosts(source) == []
    first_s = time.monotonic() - start
    assert await hosts(source) == []

    assert WAIT_S * 0.9 < first_s < WAIT_S * 10
    assert time.monotonic() - start - first_s < WAIT_S * 0.9
    assert resolver.asked == 1
    await source.close()


async def test_a_caller_who_goes_away_takes_the_answer_from_nobody():
    source = replicas_of(resolver := Resolver("10.0.0.1"))
    resolver.takes_s = 0.1
    first = asyncio.create_task(source.ready())
    await asyncio.sleep(0.02)
    first.cancel()

    assert await hosts(source) == ["10.0.0.1"]
    assert resolver.asked == 1


async def test_the_systems_resolver_knows_this_machine():
    assert "127.0.0.1" in await addresses("localhost", 80)
