"""Two real vLLM servers: a conversation that comes back to its replica finds its prefix cached."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count, cycle
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from tests.vllm.conftest import HOST, MODEL, VllmServer, reserved_port, running, wait_until_well

from agentic_rag.agent.llm import get_llm
from agentic_rag.inference.affinity.rendezvous import ranked
from agentic_rag.inference.affinity.replicas import Replica
from agentic_rag.inference.affinity.session import session
from agentic_rag.settings import Settings, read_settings

pytestmark = pytest.mark.vllm

TALKS, TURNS = 9, 5
SAID = "Root canal treatment takes one to three visits. What does it cost, and when can I eat? " * 5
# each has room for 4,700 tokens: of nine conversations that grow to 850 its half, and not all
ROOM = ("--block-size=32", "--num-gpu-blocks-override=148", "--max-model-len=4096")


@pytest.fixture(scope="module")
def pair(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[VllmServer]]:
    """Two replicas of the tiny model, started together."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(2)]
        logs = [folder / f"{port}.log" for port in ports]
        started = [
            stack.enter_context(running(tiny_llama, port, log, *ROOM))
            for port, log in zip(ports, logs, strict=True)
        ]
        for process, port, log in zip(started, ports, logs, strict=True):
            wait_until_well(process, f"http://{HOST}:{port}/health", log)
        yield [
            VllmServer(base_url=f"http://{HOST}:{port}/v1", model=MODEL, log_path=log)
            for port, log in zip(ports, logs, strict=True)
        ]


def settings_of(server: VllmServer, replicas: str = "") -> Settings:
    return read_settings(
        _env_file=None,
        llm_base_url=server.base_url,
        llm_model_name=server.model,
        llm_replicas=replicas,
    )


def host_of(server: VllmServer) -> str:
    return server.base_url.removeprefix("http://").removesuffix("/v1")


def hits(servers: Sequence[VllmServer]) -> float:
    """Sum the prompt tokens that were found in a cache."""
    return sum(each.metrics()["vllm:prefix_cache_hits_total"] for each in servers)


def names_for(servers: Sequence[VllmServer]) -> list[str]:
    """Name conversations that fall to the replicas by halves, as many of them would."""
    replicas = [Replica(HOST, int(host_of(each).rpartition(":")[2])) for each in servers]
    names: list[str] = []
    for at, replica in zip(range(TALKS), cycle(replicas)):
        own = (f"visit-{n}" for n in count(100 * at))
        names.append(next(name for name in own if ranked(name, replicas)[0] == replica))
    return names


async def talk(chats: Sequence[ChatOpenAI], names: Sequence[str]) -> None:
    """Have all conversations, turn by turn, with the chats taking turns, too."""
    turns = cycle(chats)
    told: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for turn in range(TURNS):
        for name in names:
            session.set(name)
            told[name].append(("user", f"{name}, question {turn}: {SAID}"))
            reply = await next(turns).bind(max_tokens=8).ainvoke(told[name])
            told[name].append(("assistant", reply.text))


async def test_a_conversation_finds_its_cache_at_least_twice_as_often_as_by_turns(pair):
    replicas = ",".join(map(host_of, pair))
    steady = [get_llm(settings_of(pair[0], replicas))]
    by_turns = [get_llm(settings_of(each)) for each in pair]
    names = names_for(pair)

    start = hits(pair)
    await talk(steady, names)
    with_affinity = hits(pair) - start
    await talk(by_turns, [f"other-{name}" for name in names])
    without = hits(pair) - start - with_affinity
    for chat in steady + by_turns:
        await chat.root_async_client.close()

    print(f"prefix-cache hits, tokens: {with_affinity:.0f} with affinity, {without:.0f} by turns")  # noqa: T201
    assert with_affinity >= 2 * without
