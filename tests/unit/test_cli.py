import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from agentic_rag.callers import Scope
from agentic_rag.cli import app
from agentic_rag.serving.keys.ring import KeyRing


def run(*arguments: str):
    return CliRunner().invoke(app, ["keys", "new", *arguments])


def test_a_new_key_is_shown_with_the_entry_that_lets_it_in():
    made = json.loads(run("website", "--json").output)

    caller = KeyRing([made["entry"]]).find(made["key"])

    assert (caller.name, caller.scopes) == ("website", {Scope.ASK})


def test_people_are_shown_the_key_once_and_whole():
    lines = run("boss", "--scope", "admin").output.splitlines()

    caller = KeyRing([lines[3].strip()]).find(lines[1].strip())

    assert caller.scopes == {Scope.ASK, Scope.ADMIN}


@pytest.mark.parametrize("arguments", [("a b",), ("a:b",), ("a", "--scope", "root"), ()])
def test_a_key_that_cannot_be_made_is_refused(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("library", ["scipy", "ir_measures"])
def test_where_nothing_can_be_measured_the_remedy_is_told_in_one_line(library):
    without = f"import sys; sys.modules[{library!r}] = None"  # as where it is not installed
    asked = f"{without}; from agentic_rag.cli import app; app(['evaluate'])"

    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=120, check=False
    )

    assert told.returncode == 2
    assert "pip install agentic-rag" in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr
