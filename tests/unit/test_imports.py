"""Importing does nothing: no socket, no setting read, no library that costs seconds."""

import json
import subprocess
import sys

import pytest

from agentic_rag.settings import Settings, child_environment

IMPORT_ALL = """
import importlib, pkgutil, sys

connected = []
sys.addaudithook(
    lambda event, args: connected.append(event)
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"} else None
)
import agentic_rag

names = [m.name for m in pkgutil.walk_packages(agentic_rag.__path__, "agentic_rag.")]
for name in names:
    importlib.import_module(name)
assert len(names) > 40, names
assert not connected, connected
"""


def run_python(code: str, **environment: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command,
        env=child_environment(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_every_module_connects_to_nothing_and_reads_no_setting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unusable = {name.upper(): "unusable" for name in Settings.model_fields}

    run_python(IMPORT_ALL, **unusable)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("agentic_rag", {"httpx", "pydantic", "agentic_rag.client", "asyncio"}),
        ("agentic_rag.client", {"pydantic", "numpy", "langgraph", "agentic_rag.settings"}),
        ("agentic_rag.domain", {"pydantic", "numpy", "langgraph", "chromadb", "torch", "kserve"}),
        ("agentic_rag.settings", {"langgraph", "langchain_core", "chromadb", "torch", "kserve"}),
        ("agentic_rag.agent.graph", {"torch", "sentence_transformers", "chromadb", "kserve"}),
        ("agentic_rag.bootstrap.house", {"torch", "sentence_transformers", "kserve", "fastapi"}),
        (
            "agentic_rag.bootstrap.house",
            {"transformers", "onnxruntime", "langchain_openai", "openai"},
        ),
        (
            "agentic_rag.bootstrap.house",
            {"agentic_rag.retrieval.ingesting", "chromadb.api.async_fastapi"},
        ),
        ("agentic_rag.cli", {"langgraph", "chromadb", "numpy", "kserve", "httpx", "openai"}),
        ("agentic_rag.serving.kserve_runtime", {"torch", "transformers", "openai", "docx", "ray"}),
    ],
)
def test_a_room_imports_no_more_than_it_needs(module, banned):
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"

    imported = set(json.loads(run_python(code)))

    assert not banned & imported
