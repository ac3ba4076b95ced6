"""`agentic-rag questions`: a model that is awake once helps while it sleeps."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes import ScriptedLlm
from tests.integration.servers import environment

from agentic_rag.clinic.profile import SHIPPED_PACK

PLASTIC = "do you take plastic money or only notes"
BILL = "# Billing\n\n## Ways to pay\n\nThe clinic accepts UPI, cards and net banking.\n"
LIFT = "# Access\n\n## Lift\n\nThe clinic has a lift.\n"


def written(body: dict) -> str:
    section = json.loads(body["messages"][-1]["content"])
    if "UPI" in section["text"]:
        return json.dumps(
            {
                "answered": ["Is plastic money taken?", "I have no notes, how do I pay?"],
                "unanswered": ["Do you take cheques?", "Is there a fee on cards?"],
            }
        )
    return json.dumps({"answered": ["Must I climb stairs?"], "unanswered": ["Who made it?"]})


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    made = tmp_path / "pack"
    (made / "documents").mkdir(parents=True)
    shutil.copy(SHIPPED_PACK / "clinic.yaml", made)
    shutil.copytree(
        SHIPPED_PACK / "documents" / "policies", made / "documents" / "policies",
        ignore=lambda _, names: [name for name in names if name != "emergency.md"],
    )  # fmt: skip
    (made / "documents" / "billing.md").write_text(BILL, "utf-8")
    (made / "documents" / "lift.md").write_text(LIFT, "utf-8")
    return made


@pytest.fixture
def run(tmp_path: Path, pack: Path, exported: Path):
    data = tmp_path / "data"
    shutil.copytree(exported, data / "embedder", copy_function=os.link)

    def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agentic_rag", *arguments],
            cwd=tmp_path,
            env=environment(DATA_DIR=str(data), CLINIC_PACK=str(pack), **settings),
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    return command


def test_what_shares_no_word_with_the_documents_is_answered_once_it_was_expected(run, pack):
    run("ingest")
    before = json.loads(run("ask", PLASTIC, "--json").stdout)
    with ScriptedLlm(reply=written) as llm:
        made = run("questions", "--json", LLM_BASE_URL=llm.base_url)
        again = run("questions", LLM_BASE_URL=llm.base_url)
        asked = len(llm.asked)
    taken = json.loads(run("ingest", "--json").stdout)
    after = json.loads(run("ask", PLASTIC, "--json").stdout)

    told = json.loads(made.stdout)
    assert made.returncode == 0, made.stderr
    assert told["sections"] == asked > 2
    assert f"Wrote 0 questions for 0 sections, {asked} had theirs" in again.stdout
    assert (pack / "questions.jsonl").exists()
    assert (taken["changed"], taken["embedded"], taken["stale"]) == (True, 0, [])
    assert (before["outcome"], after["outcome"]) == ("declined", "answered")
    assert "UPI, cards" in after["answer"]

    (pack / "documents" / "lift.md").write_text(LIFT.replace("has a", "has no"), "utf-8")
    changed = run("ingest")

    assert "stale lift.md#lift" in " ".join(changed.stdout.split())
    assert "billing.md" not in changed.stdout


def test_without_a_model_nothing_is_written(run, pack):
    run("ingest")

    ran = run("questions")

    assert ran.returncode == 2
    assert "LLM_BASE_URL" in ran.stderr
    assert not (pack / "questions.jsonl").exists()
