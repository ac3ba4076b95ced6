"""Each model that a manifest serves fits on the smallest card that we name: an L4, or several."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.infra.manifests import INFRA

from agentic_rag.fit.figures import find_model
from agentic_rag.fit.memory import Wish
from agentic_rag.fit.verdict import judge

MODEL = re.compile(r"^\s*storageUri: hf://([\w./-]+)", re.MULTILINE)


def served() -> Iterator[tuple[Path, str]]:
    for path in sorted(INFRA.rglob("*.yaml")):
        for repository in MODEL.findall(path.read_text("utf-8")):
            yield path, repository


def flag(name: str, path: Path, default: str) -> str:
    found = re.search(rf"--{name}=([\d.]+)", path.read_text("utf-8"))
    return found[1] if found else default


@pytest.mark.parametrize(
    ("path", "repository"), list(served()), ids=lambda each: str(each).rpartition("infra/")[2]
)
def test_a_model_fits_with_the_flags_it_is_served_with(path: Path, repository: str):
    wish = Wish(
        gpu="L4",
        gpus=int(flag("tensor-parallel-size", path, "1")),
        utilization=float(flag("gpu-memory-utilization", path, "0.9")),
        context=int(flag("max-model-len", path, "8192")),
    )

    verdict = judge(find_model(repository), wish)

    assert verdict.fits, f"{verdict.reason}; fits with {', '.join(verdict.remedies)}"
