"""The doctor: what is set, what answers, and what to do."""

import json

import pytest
from tests.fakes import ScriptedLlm
from tests.sleeping.activator import Activator
from tests.sleeping.server import command

from agentic_rag.bootstrap.indexing import ingest_folder
from agentic_rag.doctor import Finding, examine, fit
from agentic_rag.settings import Settings


def live(settings: Settings) -> str:
    return (settings.data_dir / "index" / "current").read_text("utf-8")


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


async def test_an_index_of_the_pack_as_it_is_is_well(settings, pack):
    ingest_folder(settings(clinic_pack=pack.folder), None, None)

    findings = await examine(settings(clinic_pack=pack.folder))

    assert about(findings, "documents").state == "ok"
    assert "version" in about(findings, "index").found


async def test_documents_that_are_not_in_the_index_as_they_are_now_are_told(settings, pack):
    chosen = settings(clinic_pack=pack.folder)
    ingest_folder(chosen, None, None)
    pack.write("faq.md", "# Questions\n\n## Is there parking?\n\nNot any more.\n")
    pack.write("new.txt", "Something new.\n")
    (pack.documents / "prices.jsonl").unlink()

    findings = await examine(chosen)

    finding = about(findings, "documents")
    assert finding.state == "warning"
    assert "1 changed, 1 new, 1 gone" in finding.found
    assert "agentic-rag ingest" in finding.remedy
    assert fit(findings)


async def test_the_index_of_another_pack_is_told(settings, pack):
    ingest_folder(settings(clinic_pack=pack.folder), None, None)

    findings = await examine(settings())

    assert about(findings, "documents").state == "warning"


async def test_an_index_that_another_embedder_made_is_a_fault_with_a_remedy(settings, pack):
    chosen = settings(clinic_pack=pack.folder)
    ingest_folder(chosen, None, None)
    manifest = chosen.data_dir / "index" / "versions" / live(chosen) / "manifest.json"
    told = json.loads(manifest.read_text("utf-8")) | {"embedder": "another"}
    manifest.write_text(json.dumps(told), "utf-8")

    findings = await examine(chosen)

    assert about(findings, "index").state == "fault"
    assert "agentic-rag ingest" in about(findings, "index").remedy


@pytest.mark.parametrize("secret", [{"chroma_token": "t"}, {"chroma_headers": {"X-Key": "t"}}])
@pytest.mark.parametrize("tls", [True, False])
async def test_a_token_that_is_sent_in_the_clear_is_told(settings, pack, secret, tls):
    chosen = settings(
        clinic_pack=pack.folder, chroma_host="127.0.0.1", chroma_port=1, chroma_ssl=tls, **secret
    )

    findings = await examine(chosen)

    assert [finding.state for finding in findings if finding.what == "Chroma token"] == (
        [] if tls else ["warning"]
    )


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ({}, "ok", "answers"),
        ({"model": "qwen"}, "warning", "serves qwen"),
        ({"api_key": "another"}, "warning", "401"),
        ({"api_key": "sk-mine"}, "ok", "answers"),
        ({"api_key": "another"}, "warning", "refuses the key"),
        ({"loading": True}, "warning", "no model loaded"),
        ({"max_model_len": 8192}, "ok", "answers"),
        ({"max_model_len": 512}, "warning", "512 tokens"),
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


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        ({"model": "qwen"}, "LLM_MODEL_NAME"),
        ({"api_key": "another"}, "LLM_API_KEY"),
        ({"max_model_len": 512}, "MAX_CTX_CHARS"),
    ],
)
async def test_what_is_wrong_with_a_model_is_told_apart_from_sleep(settings, pack, script, remedy):
    with ScriptedLlm(**script) as llm:
        findings = await examine(settings(clinic_pack=pack.folder, llm_base_url=llm.base_url))

    assert remedy in about(findings, "LLM vllm").remedy
    assert "asleep" not in about(findings, "LLM vllm").remedy


async def test_an_address_that_is_no_models_is_told(settings, pack):
    with ScriptedLlm() as llm:
        wrong = llm.base_url.replace("/v1", "/v2")
        findings = await examine(settings(clinic_pack=pack.folder, llm_base_url=wrong))

    assert "LLM_BASE_URL" in about(findings, "LLM vllm").remedy


@pytest.mark.parametrize("cold", ["refuse", "503", "404"])
async def test_a_model_that_sleeps_is_said_to_sleep(settings, pack, cold):
    with Activator(command(), cold=cold) as service:
        findings = await examine(settings(clinic_pack=pack.folder, llm_base_url=service.base_url))

    assert about(findings, "LLM vllm").state == "warning"
    assert "asleep" in about(findings, "LLM vllm").remedy


async def test_a_model_server_that_is_away_is_no_fault(settings, pack):
    with ScriptedLlm() as llm:
        address = llm.base_url

    findings = await examine(settings(clinic_pack=pack.folder, llm_base_url=address))

    assert about(findings, "LLM vllm").state == "warning"
    assert fit(findings)


@pytest.mark.parametrize(
    ("policy", "told"), [("never", "left out"), ("redact", "taken out"), ("allow", "as they are")]
)
async def test_what_leaves_the_cluster_is_told(settings, pack, policy, told):
    fields = {"openai_api_key": "sk-1", "llm_external_policy": policy}

    findings = await examine(settings(clinic_pack=pack.folder, **fields))

    assert any(told in each.found for each in findings if each.what.startswith("LLM openai/"))
    assert fit(findings)
