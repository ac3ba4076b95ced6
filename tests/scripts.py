"""infra/scripts, run as they are, with this project's command line on the PATH."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "infra" / "scripts"

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def scripts_in(folder: Path, within_s: float = 300, **variables: str) -> Run:
    """Return what runs a script by its name; programs in `folder` go before the system's."""
    write_program(
        folder / "agentic-rag", f'#!/bin/sh\nexec "{sys.executable}" -m agentic_rag "$@"\n'
    )
    own = {"PATH": f"{folder}:{os.environ['PATH']}", **variables}

    def run(name: str, *arguments: str, **more: str) -> Done:
        return subprocess.run(
            [SCRIPTS / name, *arguments],
            env=os.environ | own | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    return run


def write_program(path: Path, text: str) -> None:
    """Write a program of the test's own."""
    path.write_text(text, "utf-8")
    path.chmod(0o755)
