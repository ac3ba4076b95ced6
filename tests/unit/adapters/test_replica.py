"""A replica of vLLM, and the fleet: an error for each status, and all of them treated alike."""

import asyncio
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.adapting.making import make_adapter
from tests.adapting.replica import AdapterLlm
from tests.unit.inference.affinity.api_server import SERVICE, ApiServer, endpoint

from agentic_rag.adapters.fleet import Fleet
from agentic_rag.adapters.replica import Replica
from agentic_rag.errors import (
    AlreadyLoaded,
    EngineFailed,
    LoadingOff,
    NameTaken,
    NoSuchAdapter,
    ReplicaRefused,
    ReplicaUnavailable,
)
from agentic_rag.inference.affinity.dns import DnsReplicas
from agentic_rag.inference.affinity.named import read_replicas
from agentic_rag.inference.affinity.slices import SliceReplicas


@pytest.fixture
def llm():
    with AdapterLlm() as server:
        yield server


@pytest.fixture
async def replica(llm):
    async with httpx.AsyncClient(timeout=5) as client:
        yield Replica(llm.base_url.removesuffix("/v1"), client)


@pytest.fixture
def adapter(tmp_path) -> Path:
    return make_adapter(tmp_path / "adapter", 1)


async def test_an_adapter_is_listed_with_where_it_came_from_and_what_it_is_of(replica, adapter):
    await replica.load("clinic-v1", adapter)

    base, served = await replica.models()

    assert (base.base, served.base) == (None, base.name)
    assert (served.name, served.root) == ("clinic-v1", str(adapter))


async def test_an_adapter_speaks_in_completions_and_in_chats(replica, adapter):
    await replica.load("clinic-v1", adapter)

    said = await replica.complete("clinic-v1", "Open on Sundays?", max_tokens=9)
    chat = await replica.chat("clinic-v1", [{"role": "user", "content": "Hi"}], max_tokens=9)
    base = await replica.complete((await replica.base()).name, "Open on Sundays?", max_tokens=9)

    assert said.text
    assert chat.text
    assert base.text not in {said.text, chat.text}


async def test_an_adapter_takes_the_place_of_another_where_that_is_wanted(replica, adapter, llm):
    await replica.load("clinic", adapter)
    before = dict(llm.weights)
    other = make_adapter(adapter.with_name("other"), 2)

    await replica.load("clinic", other, in_place=True)

    assert llm.adapters == {"clinic": str(other)}
    assert llm.weights != before


async def test_an_adapter_that_was_unloaded_is_unknown(replica, adapter):
    await replica.load("clinic-v1", adapter)

    await replica.unload("clinic-v1")

    with pytest.raises(NoSuchAdapter):
        await replica.complete("clinic-v1", "Hi", max_tokens=1)
    with pytest.raises(NoSuchAdapter):
        await replica.unload("clinic-v1")


async def test_each_refusal_to_load_has_its_name(replica, adapter, llm):
    await replica.load("clinic-v1", adapter)

    with pytest.raises(AlreadyLoaded):
        await replica.load("clinic-v1", adapter)
    with pytest.raises(NameTaken):
        await replica.load(llm.model, adapter)
    with pytest.raises(NoSuchAdapter):
        await replica.load("clinic-v2", adapter / "nowhere")
    with pytest.raises(ReplicaRefused, match="must be provided"):
        await replica.load("", adapter)
    with pytest.raises(EngineFailed):
        await replica.load("clinic-v2", make_adapter(adapter.with_name("high"), 2, rank=64))
    llm.loads = False
    with pytest.raises(LoadingOff, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        await replica.load("clinic-v2", adapter)


async def test_one_that_loads_is_not_well(replica, llm):
    llm.loading = True

    with pytest.raises(ReplicaUnavailable, match="503"):
        await replica.health()


async def test_one_that_is_gone_is_named(replica, llm):
    llm.stop()

    with pytest.raises(ReplicaUnavailable, match=llm.address):
        await replica.models()


async def test_one_that_starts_is_waited_for(replica, adapter, llm):
    llm.loading = True
    waiting = asyncio.create_task(replica.wait_until("clinic-v1", limit_s=20))
    await asyncio.sleep(0)

    llm.loading = False
    await replica.load("clinic-v1", adapter)

    await waiting


async def test_one_that_never_serves_it_is_not_waited_for_longer(replica):
    with pytest.raises(ReplicaUnavailable, match="does not serve it"):
        await replica.wait_until("clinic-v1", limit_s=0.3)


async def test_something_else_that_answers_is_no_replica(replica, llm):
    llm.model = ""
    llm.loading = True

    with pytest.raises(ReplicaUnavailable, match="lists no model"):
        await replica.base()


async def test_replicas_behind_a_name_are_all_found(llm):
    port = int(llm.address.rpartition(":")[2])

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    fleet = Fleet(DnsReplicas("llm-headless", port, resolve=resolve), llm.base_url, "EMPTY")

    done = await fleet.each(Replica.health)

    assert list(done) == [llm.address]
    await fleet.close()


async def test_replicas_of_a_kubernetes_service_are_all_found_as_they_come(llm, tmp_path):
    port = int(llm.address.rpartition(":")[2])
    ports = [{"name": "http1", "port": port, "protocol": "TCP"}]
    async with ApiServer(tmp_path) as api:
        source = SliceReplicas("clinic", SERVICE, api=api.url, account=api.folder)
        fleet = Fleet(source, llm.base_url, "EMPTY")
        finding = asyncio.create_task(fleet.each(Replica.health))
        await asyncio.sleep(0.1)

        api.put("a", endpoint("127.0.0.1"), ports=ports)

        assert list(await finding) == [llm.address]
        await fleet.close()


async def test_one_that_fails_fails_all_when_all_have_ended(llm, adapter):
    with AdapterLlm(fails_to_load=True) as sick:
        named = read_replicas(f"{sick.address},{llm.address}")
        assert named is not None
        fleet = Fleet(named.open(), llm.base_url, "EMPTY")

        with pytest.raises(EngineFailed, match=sick.address):
            await fleet.each(partial(Replica.load, name="clinic-v1", path=adapter))

    assert list(llm.adapters) == ["clinic-v1"]
    await fleet.close()
