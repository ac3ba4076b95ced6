"""`agentic-rag fit`, from the outside."""

import json

import pytest
from typer.testing import CliRunner

from agentic_rag.cli import app
from agentic_rag.errors import BadFigures
from agentic_rag.fit.figures import choose_model

OWN = {
    "--params": "8e9",
    "--layers": "32",
    "--heads": "32",
    "--kv-heads": "8",
    "--head-size": "128",
    "--hidden": "4096",
    "--vocabulary": "128256",
}


def run(*arguments: str):
    return CliRunner().invoke(app, ["fit", *arguments])


def own(**changes: str) -> list[str]:
    return [word for pair in (OWN | changes).items() for word in pair if pair[1]]


def test_a_model_that_fits_is_told_with_its_flags():
    done = run("--model", "Qwen3-8B", "--gpu", "l4")

    assert done.exit_code == 0
    assert done.output.startswith("yes: the KV cache holds ")
    assert "--max-model-len=8192 --max-num-seqs=1" in done.output


def test_a_model_that_does_not_fit_fails_with_what_would():
    done = run("--model", "Qwen2.5-14B-Instruct")

    assert done.exit_code == 1
    assert done.output.startswith("no: the weights alone take 27.5 GiB")
    assert "fits with --model Qwen2.5-14B-Instruct-AWQ" in done.output


def test_programs_get_json_either_way():
    fits, not_so = (
        json.loads(run("--model", m, "--json").output) for m in ("Qwen3-8B", "Qwen2.5-14B-Instruct")
    )

    assert (fits["fits"], not_so["fits"]) == (True, False)
    assert fits["flags"]
    assert not_so["remedies"]
    assert fits["room"].keys() == not_so["room"].keys()


def test_a_model_of_ones_own_is_given_by_its_figures():
    free, known = (
        json.loads(run(*words, "--json").output)
        for words in (own(**{"--params": "8030261248"}), ["--model", "Llama-3.1-8B-Instruct"])
    )

    assert free["room"] == known["room"]


@pytest.mark.parametrize(
    ("own_figures", "named"),
    [
        ({}, "--model: is missing"),
        ({"params": 8e9}, "--head-size, --heads"),
        ({option.strip("-").replace("-", "_"): 0.5 for option in OWN}, "--params"),
    ],
)
def test_a_figure_that_is_missing_or_wrong_is_named(own_figures, named):
    figures = {option.strip("-").replace("-", "_"): None for option in OWN} | own_figures

    with pytest.raises(BadFigures, match=named):
        choose_model(None, figures, bits=16)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "nope"],
        ["--model", "Qwen3-8B", "--gpu", "GTX"],
        ["--model", "Qwen3-8B", "--layers", "3"],
        ["--model", "Qwen3-8B", "--gpus", "0"],
        ["--model", "Qwen3-8B", "--context", "-5"],
        ["--model", "Qwen3-8B", "--gpu-memory-utilization", "nan"],
        own(**{"--params": "nan"}),
        own(**{"--params": "-1"}),
        own(**{"--params": "1e300"}),
        own(**{"--layers": "0"}),
        own(**{"--vocabulary": ""}),
        [*own(), "--bits", "3"],
        [*own(), "--gpu", "L4", "--kv-bits", "1"],
        [],
    ],
)
def test_what_cannot_be_is_a_line_and_no_traceback(arguments):
    done = run(*arguments)

    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
