"""The notebooks run from top to bottom, define nothing and are kept without outputs."""

import ast
import re
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient
from nbformat import NotebookNode
from tests.vllm.conftest import STAMP, give_up

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_S = 120

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[NotebookNode]]:
    """Execute a notebook with this interpreter, far from the developer's own Jupyter and `.env`."""
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    write_kernel_spec(str(tmp_path / "kernels" / "python3"))
    empty = tmp_path / "empty"
    empty.mkdir()

    async def execute(path: Path, cell_s: int = CELL_S) -> NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        place = {"metadata": {"path": str(empty)}}
        client = NotebookClient(notebook, timeout=cell_s, kernel_name="python3", resources=place)
        await client.async_execute()
        return notebook

    return execute


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: NotebookNode) -> str:
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return "".join(output.get("text", "") for output in outputs)


def drawings(notebook: NotebookNode) -> int:
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return sum("image/png" in output.get("data", {}) for output in outputs)


async def test_the_tour_answers_with_proof_declines_and_sees_an_emergency(run):
    said = printed(await run(FOLDER / "01-ask-the-agent.ipynb"))

    assert "INR 6,000 to 9,500 [1]\n" in said
    assert "»Duration: 40 minutes«" in said
    assert "declined by rules, sources: []" in said
    assert "Call +91-99-9999-9999 now" in said
    assert "degraded: retrieval_unavailable" in said


@pytest.mark.soak
async def test_finding_is_drawn_and_both_halves_together_find_best(run):
    notebook = await run(FOLDER / "02-retrieval.ipynb")

    said = printed(notebook)
    figures = re.findall(r"^the clinic, (\w+): nDCG@10 ([\d.]+)", said, re.MULTILINE)
    by_way = {way: float(figure) for way, figure in figures}
    assert by_way["hybrid"] > max(by_way["dense"], by_way["lexical"]) > 0.5
    assert re.search(r"^absent, let through: \d", said, re.MULTILINE)
    assert drawings(notebook) == 4


@pytest.mark.soak
async def test_trust_is_measured_and_broken_agents_are_caught(run):
    said = printed(await run(FOLDER / "03-trust.ipynb"))

    assert "triage.emergency_recall" in said
    assert "language: mr-latn" in said
    everything, _, never = said.partition("answers everything: ")[2].partition("never answers: ")
    assert everything.startswith("fails the gate")
    assert "golden.abstention_recall: 0.000" in everything
    assert never.startswith("fails the gate")
    assert "golden.answered_right: 0.000" in never


async def test_a_cold_start_is_drawn_and_the_better_answer_comes(run):
    notebook = await run(FOLDER / "04-the-sleeping-llm.ipynb")

    said = printed(notebook)
    assert said.count("s by vllm/llm-server") == 6
    assert "The price of Root Canal Therapy is INR 6,000 to 9,500. [1]\n" in said
    assert "told at first: 1" in said
    assert drawings(notebook) == 2


@pytest.mark.vllm
@pytest.mark.soak
@pytest.mark.timeout(1500)
async def test_an_adapter_is_trained_comes_live_through_its_gates_and_goes_back(run):
    if not STAMP.exists() or not find_spec("peft"):
        give_up("there is no .venv-vllm, or the extra train is not installed")

    notebook = await run(FOLDER / "05-train-an-adapter.ipynb", cell_s=600)

    said = printed(notebook)
    assert float(re.search(r"^600 steps in (\d+) s", said, re.MULTILINE)[1]) < 120
    assert "refused: transition" in said
    assert said.count("passed: True") == 5  # load, smoke, stage and two gates
    assert "extractive, adapter None:\n" in said
    assert "vllm/clinic-v1, adapter clinic-v1:\n" in said
    assert "all is as it is said: True\n" in said
    assert float(re.search(r"^rolled back in ([\d.]+) s", said, re.MULTILINE)[1]) < 10
    assert "live: nobody\nextractive, adapter None: " in said
    assert drawings(notebook) == 1


async def test_the_client_asks_a_server_of_its_own(run):
    said = printed(await run(FOLDER / "06-the-client.ipynb"))

    assert "INR 6,000 to 9,500 [1]\n" in said
    assert "the same conversation: True" in said
    assert "step: triage\n" in said
    assert "k: expected an integer from 1 to 100" in said
    assert "Unreachable\n" in said
    assert "emergency: Call +91-99-9999-9999 now" in said


@each_notebook
def test_a_notebook_only_uses_what_the_package_defines(path):
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    cells = code_cells(nbformat.read(path, as_version=4))

    trees = [compile(cell.source, path.name, "exec", flags) for cell in cells]

    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for tree in trees for node in ast.walk(tree) if isinstance(node, definitions)]
    assert any("agentic_rag" in cell.source for cell in cells)


@each_notebook
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)

    left = [cell.id for cell in code_cells(notebook) if cell.outputs or cell.execution_count]
    assert not left


@each_notebook
def test_a_notebook_asks_for_the_kernel_that_everybody_has(path):
    notebook = nbformat.read(path, as_version=4)

    assert notebook.metadata.kernelspec.name == "python3"


def test_there_is_a_notebook():
    assert NOTEBOOKS
