"""The doctor: what is set, what answers, and what to do."""

import pytest
from tests.fakes import ScriptedLlm

from agentic_rag.doctor import Finding, examine, fit


def about(findings: list[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.what.startswith(what))


async def test_with_nothing_set_all_is_well(settings, pack):
    findings = await examine(settings(clinic_pack=pack.folder))

    assert fit(findings)
    assert {finding.state for finding in findings} == {"ok"}
    assert "quoted from the documents" in about(findings, "LLM").found


async def test_a_pack_that_is_wrong_is_a_fault_with_a_remedy(settings, pack):
    pack.edit(currency="euro")

    findings = await examine(settings(clinic_pack=pack.folder))

    assert not fit(findings)
    assert "currency" in findings[0].found
    assert findings[0].remedy


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ({}, "ok", "answers"),
        ({"model": "qwen"}, "warning", "serves qwen"),
        ({"api_key": "another"}, "warning", "401"),
        ({"api_key": "sk-mine"}, "ok", "answers"),
    ],
)
async def test_a_model_server_is_asked_what_it_serves(settings, pack, script, state, found):
    with ScriptedLlm(**script) as llm:
        findings = await examine(
            settings(clinic_pack=pack.folder, llm_base_url=llm.base_url, llm_api_key="sk-mine")
        )

    finding = about(findings, "LLM vllm")
    assert finding.state == state
    assert found in finding.found
    assert fit(findings)
    assert llm.asked == []


async def test_a_model_server_that_is_away_is_no_fault(settings, pack):
    with ScriptedLlm() as llm:
        address = llm.base_url

    findings = await examine(settings(clinic_pack=pack.folder, llm_base_url=address))

    assert about(findings, "LLM vllm").state == "warning"
    assert fit(findings)
