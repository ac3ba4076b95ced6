"""Receipts and feedback as commands, each a process as a user starts it, with its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.servers import environment
from tests.postgres import Postgres

QUESTION = "What is the price range for Root Canal Therapy?"


def command(data_dir: Path, *arguments: str | Path, **settings: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "agentic_rag", *map(str, arguments)],
        env=environment(
            DATA_DIR=str(data_dir), PYTHONPATH=os.environ.get("PYTHONPATH", ""), **settings
        ),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def receipt(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ask --receipt` wrote."""
    path = tmp_path_factory.mktemp("receipt") / "receipt.json"
    done = command(indexed, "ask", QUESTION, "--receipt", path)
    assert done.returncode == 0, done.stderr
    assert "INR 6,000" in done.stdout
    return path


def test_a_receipt_is_proven_for_people_and_for_programs(receipt: Path, tmp_path: Path):
    for_people = command(tmp_path, "verify", receipt)
    for_programs = command(tmp_path, "verify", receipt, "--json")

    verdict = json.loads(for_programs.stdout)
    assert (for_people.returncode, for_programs.returncode) == (0, 0)
    assert f"{verdict['proven']} proven, 0 not." in for_people.stdout
    assert verdict["proven"] > 0
    assert (verdict["receipts"], verdict["faults"]) == (1, [])


def test_a_receipt_that_lies_fails_and_says_where(receipt: Path, tmp_path: Path):
    lies = tmp_path / "lies.json"
    lies.write_text(receipt.read_text("utf-8").replace("6,000", "60"), "utf-8")

    done = command(tmp_path, "verify", lies, "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"][0]["why"] == "the quote does not stand there"


def test_what_is_no_receipt_is_refused_by_its_name(receipt: Path, tmp_path: Path):
    told = json.loads(receipt.read_text("utf-8"))
    (tmp_path / "later.json").write_text(json.dumps(told | {"receipt": 2}), "utf-8")
    (tmp_path / "huge.json").write_bytes(b"[" * 10_000_001)

    done = [command(tmp_path, "verify", tmp_path / f"{n}.json") for n in ("later", "huge", "none")]

    assert [each.returncode for each in done] == [2, 2, 2]
    for each in done:
        assert ".json: " in each.stderr.replace("\n", "")
        assert "Traceback" not in each.stderr
        assert len(each.stderr) < 2000


def test_documents_that_are_not_there_are_said_to_be_missing(receipt: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()

    done = command(tmp_path, "verify", receipt, "--documents", tmp_path / "empty")

    assert done.returncode == 1
    assert "not proven" in done.stdout
    assert "the document is not here" in done.stdout


def test_a_receipt_that_cannot_be_written_is_an_error(indexed: Path, tmp_path: Path):
    done = command(indexed, "ask", QUESTION, "--receipt", tmp_path / "no" / "folder" / "r.json")

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_feedback_in_the_shared_database_is_exported(
    start: Any, indexed: Path, postgres: Postgres, tmp_path: Path
):
    shared = {"DATABASE_URL": postgres.url}
    agent = start(DATA_DIR=str(indexed), **shared).wait_until_ready()
    reply = httpx.post(f"{agent.base}/chat", json={"question": QUESTION}, timeout=60)
    name = reply.headers["x-request-id"]
    rating = {"request_id": name, "rating": "down", "comment": "too dear"}
    assert httpx.post(f"{agent.base}/feedback", json=rating, timeout=60).status_code == 204

    done = command(tmp_path, "feedback", "export", **shared)
    none = command(tmp_path, "feedback", "export", ANSWERS_TTL="0")
    away = command(tmp_path, "feedback", "export", DATABASE_URL="postgresql://127.0.0.1:9/x")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [line["question"] for line in lines if line["id"].endswith(name)] == [QUESTION]
    assert (none.returncode, away.returncode) == (2, 1)
    assert "ANSWERS_TTL" in none.stderr
    for each in (none, away):
        assert "Traceback" not in each.stderr
        assert each.stdout == ""
