"""The terminal: what commands print there and write for it, and how they fail."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from agentic_rag.errors import AgenticRagError, Misconfigured

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

out = Console()
err = Console(stderr=True)


def print_json(value: object) -> None:
    """Print for programs."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def write_file(option: str, path: Path, text: str) -> None:
    """Write the file that an option names."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(Misconfigured(f"{option} {path}: cannot be written: {error.strerror}"))


def or_exit(work: Callable[[], T]) -> T:
    """Do some work; what we have a name for ends the command in one line."""
    try:
        return work()
    except AgenticRagError as error:
        fail(error)


def fail(error: AgenticRagError) -> NoReturn:
    """End the command: 2 is the operator's to mend, 1 is not."""
    err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    sys.exit(2 if isinstance(error, Misconfigured) else 1)
