"""LLM_REPLICAS, as people write it."""

import pytest

from agentic_rag.errors import BadSettings
from agentic_rag.inference.affinity.dns import DnsReplicas
from agentic_rag.inference.affinity.named import read_replicas
from agentic_rag.inference.affinity.replicas import FixedReplicas, Replica
from agentic_rag.inference.affinity.slices import SliceReplicas


@pytest.mark.parametrize(
    ("told", "hosts", "kind"),
    [
        ("10.0.0.7:8080", ("10.0.0.7",), FixedReplicas),
        ("a:1, b.c:65535,[::1]:8080", ("a", "b.c", "::1"), FixedReplicas),
        ("dns://llm-headless.default.svc:8080", ("llm-headless.default.svc",), DnsReplicas),
        ("kubernetes://default/llm-server-predictor", (), SliceReplicas),
        ("kubernetes://default/llm-server-predictor:http1", (), SliceReplicas),
        ("kubernetes://default/llm-server-predictor:8080", (), SliceReplicas),
    ],
)
async def test_a_list_a_name_or_a_service_is_understood(told, hosts, kind):
    named = read_replicas(told)
    source = named.open()

    assert named.hosts == hosts
    assert isinstance(source, kind)
    await source.close()


async def test_a_list_is_all_there_is():
    source = read_replicas("10.0.0.8:80, [fd00::7]:8080").open()

    assert await source.ready() == (Replica("10.0.0.8", 80), Replica("fd00::7", 8080))


def test_nothing_names_nobody():
    assert read_replicas("") is None
    assert read_replicas("  ") is None


@pytest.mark.parametrize(
    "told",
    [
        "10.0.0.7", ",", "a:1,", "a:0", "a:65536", "a:x", "http://a:1", "::1:8080", "[::1]",
        "dns://a", "dns://", "dns://a:1,b:2", "kubernetes://a", "kubernetes:///b",
        "kubernetes://a/b/c", "kubernetes://a/b:", "kubernetes://A/b", "a b:1", "user:key@a:1",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_was_expected_and_not_what_was_said(told):
    with pytest.raises(BadSettings, match="LLM_REPLICAS: expected host:port") as caught:
        read_replicas(told)

    assert "key" not in str(caught.value)
