"""Replicas by Kubernetes, from a server that lists, watches, forgets and breaks as the real one."""

import asyncio
import time
from collections.abc import Callable

import pytest
from tests.unit.inference.affinity.api_server import SERVICE, ApiServer, endpoint

from agentic_rag.inference.affinity.replicas import Replica
from agentic_rag.inference.affinity.slices import WAIT_S, SliceReplicas, endpoints

PORTS = [{"name": "metrics", "port": 9090}, {"name": "http1", "port": 8080}]


@pytest.fixture
async def api(tmp_path):
    async with ApiServer(tmp_path) as server:
        yield server


@pytest.fixture
async def source(api):
    made = SliceReplicas("clinic", SERVICE, api=api.url, account=api.folder)
    yield made
    await made.close()


async def hosts(source: SliceReplicas) -> list[str]:
    return [each.host for each in await source.ready()]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  # the server tells no event
            await asyncio.sleep(0.01)


async def until_hosts(source: SliceReplicas, *wanted: str) -> None:
    async with asyncio.timeout(10):
        while await hosts(source) != list(wanted):  # noqa: ASYNC110  # nor does what follows it
            await asyncio.sleep(0.01)


async def test_the_first_to_ask_gets_the_list(api, source):
    api.put("a", endpoint("10.0.0.1"), endpoint("10.0.0.2"))
    api.put("b", endpoint("10.0.0.3"))

    known = await asyncio.gather(*(source.ready() for _ in range(20)))

    assert set(known) == {tuple(Replica(f"10.0.0.{at}", 8080) for at in (1, 2, 3))}
    assert api.listed == 1


async def test_changes_are_heard_of_without_another_list(api, source):
    await source.ready()
    await until(lambda: api.watching == 1)

    api.put("a", endpoint("10.0.0.1"), endpoint("10.0.0.2"))
    await until_hosts(source, "10.0.0.1", "10.0.0.2")
    api.put("a", endpoint("10.0.0.1", ready=False), endpoint("10.0.0.2"))
    await until_hosts(source, "10.0.0.2")
    api.put("b", endpoint("10.0.0.4"))
    await until_hosts(source, "10.0.0.2", "10.0.0.4")
    api.take_away("a")
    await until_hosts(source, "10.0.0.4")
    api.put("b")
    await until_hosts(source)

    assert api.listed == 1


async def test_another_services_slices_are_nobodys(api, source):
    labels = {"name": "other", "labels": {"kubernetes.io/service-name": "chroma"}}
    api.put("other", endpoint("10.9.9.9"), metadata=labels)
    await source.ready()
    await until(lambda: api.watching == 1)

    api.put("other", endpoint("10.9.9.8"), metadata=labels)
    api.put("a", endpoint("10.0.0.1"))

    await until_hosts(source, "10.0.0.1")


async def test_a_watch_whose_time_is_up_goes_on_from_where_it_was(api, source):
    api.ends = True
    api.put("a", endpoint("10.0.0.1"))
    await source.ready()
    await until(lambda: len(api.watched) >= 2)

    api.put("a", endpoint("10.0.0.2"))
    await until_hosts(source, "10.0.0.2")
    before = len(api.watched)
    await asyncio.sleep(0.5)

    assert api.listed == 1
    assert api.watched[-1] == "102"
    assert len(api.watched) - before < 25  # no storm of watches


async def test_a_bookmark_moves_the_version_on_and_nothing_else(api, source):
    api.put("a", endpoint("10.0.0.1"))
    await source.ready()
    await until(lambda: api.watching == 1)
    api.bookmark()
    await asyncio.sleep(0.1)
    api.compact()  # all before the bookmark
    await api.stop()
    await api.start(api.port)

    await until(lambda: len(api.watched) >= 2)

    assert api.watched[-1] == "102"
    assert api.listed == 1
    assert await hosts(source) == ["10.0.0.1"]


@pytest.mark.parametrize("when", ["in a watch", "before one"])
async def test_what_was_forgotten_is_listed_anew(api, source, when):
    api.put("a", endpoint("10.0.0.1"))
    await source.ready()
    await until(lambda: api.watching == 1)

    if when == "in a watch":
        api.put("a", endpoint("10.0.0.2"))
        api.expire()
    else:
        await api.stop()
        api.put("a", endpoint("10.0.0.2"))
        api.compact()
        await api.start(api.port)

    await until_hosts(source, "10.0.0.2")
    await until(lambda: api.listed == 2)
    api.put("a", endpoint("10.0.0.3"))
    await until_hosts(source, "10.0.0.3")


async def test_a_server_that_is_gone_leaves_the_last_known_ones_and_is_found_again(api, source):
    api.put("a", endpoint("10.0.0.1"))
    await source.ready()
    await until(lambda: api.watching == 1)

    await api.stop()
    await asyncio.sleep(0.3)
    assert await hosts(source) == ["10.0.0.1"]
    api.put("a", endpoint("10.0.0.2"))
    await api.start(api.port)

    await until_hosts(source, "10.0.0.2")
    assert api.listed == 1  # what it missed was told by the watch


async def test_a_server_that_was_never_there_is_waited_for_once_and_shortly(tmp_path):
    (tmp_path / "token").write_text("t")
    source = SliceReplicas("clinic", SERVICE, api="http://127.0.0.1:9", account=tmp_path)
    start = time.monotonic()

    assert await hosts(source) == []
    first_s = time.monotonic() - start
    assert await hosts(source) == []

    assert WAIT_S * 0.9 < first_s < WAIT_S * 10
    assert time.monotonic() - start - first_s < WAIT_S * 0.9
    await source.close()


async def test_a_pod_without_an_account_knows_nobody(tmp_path):
    source = SliceReplicas("clinic", SERVICE, account=tmp_path / "none")

    assert await hosts(source) == []
    await source.close()


async def test_a_token_that_was_renewed_is_read_anew(api, source):
    api.ends = True
    await source.ready()
    api.rotate("second-token")
    api.put("a", endpoint("10.0.0.1"))

    await until_hosts(source, "10.0.0.1")


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_refusal_is_told_and_tried_again(api, source, status, caplog):
    api.put("a", endpoint("10.0.0.1"))
    api.status = status

    assert await hosts(source) == []
    api.status = 200

    await until_hosts(source, "10.0.0.1")
    assert f"Kubernetes does not tell the replicas: HTTPStatusError {status}" in caplog.text
    assert "token" not in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "<html>", "[]", "3", '"x"', "{}", '{"type": "ADDED"}', '{"type": "ADDED", "object": []}',
        '{"type": "ADDED", "object": {"metadata": null}}', '{"type": "ERROR", "object": {}}',
        '{"type": "ADDED", "object": {"metadata": {"resourceVersion": "999"}, "endpoints": [3]}}',
    ],
)  # fmt: skip
async def test_a_watch_that_talks_nonsense_is_left_and_all_is_listed_anew(api, source, line):
    api.put("a", endpoint("10.0.0.1"))
    await source.ready()
    await until(lambda: api.watching == 1)

    api.say(line)
    await until(lambda: api.listed == 2)
    api.put("a", endpoint("10.0.0.2"))

    await until_hosts(source, "10.0.0.2")


def slice_of(*told, **fields) -> dict:
    return {"addressType": "IPv4", "ports": PORTS[1:], "endpoints": list(told)} | fields


def test_a_pod_with_an_address_of_each_family_is_one_replica():
    six = slice_of(endpoint("fd00::1", uid="pod-1"), addressType="IPv6")
    four = slice_of(endpoint("10.0.0.1", uid="pod-1"), endpoint("10.0.0.2", uid="pod-2"))

    assert [each.host for each in endpoints([six, four])] == ["10.0.0.1", "10.0.0.2"]
    assert [str(each) for each in endpoints([six])] == ["[fd00::1]:8080"]


def test_an_endpoint_of_which_nothing_is_said_is_ready():
    told = [{"addresses": ["10.0.0.1"]}, endpoint("10.0.0.2", ready=None)]

    assert len(endpoints([slice_of(*told)])) == 2


@pytest.mark.parametrize(
    ("port", "number"),
    [("", 9090), ("http1", 8080), ("8080", 8080), ("9090", 9090), ("grpc", None), ("80", None)],
)
def test_the_port_is_the_one_that_was_named_else_the_first(port, number):
    known = endpoints([slice_of(endpoint("10.0.0.1"), ports=PORTS)], port)

    assert [each.port for each in known] == ([number] if number else [])


@pytest.mark.parametrize("ports", [None, [], [{"name": "http1", "port": None}]])
def test_a_slice_without_a_port_holds_nobody(ports):
    assert endpoints([slice_of(endpoint("10.0.0.1"), ports=ports)]) == ()
