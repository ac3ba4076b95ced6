"""Reports: a line for each thing that was looked at, and a sum; fails where one of them does."""

from collections.abc import Iterator

import typer
from rich.markup import escape

from agentic_rag.cli.terminal import out, print_json
from agentic_rag.lines import Line
from agentic_rag.lines import as_json as lines_as_json

_MOST_CHARS = 400
_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def report(lines: Iterator[Line], *, as_json: bool) -> None:
    """Print lines as they come."""
    told = []
    for line in lines:
        told.append(line)
        if not as_json:
            _print(line)
    counts = {state: sum(line.state == state for line in told) for state in _STYLES}
    if as_json:
        print_json(lines_as_json(told))
    else:
        out.print(", ".join(f"{count} {state}" for state, count in counts.items()), highlight=False)
    if counts["FAIL"]:
        raise typer.Exit(1)


def _print(line: Line) -> None:
    state = f"[{_STYLES[line.state]}]{line.state}[/]"
    told = f"{line.what}: {line.found}"[:_MOST_CHARS]
    shown = "".join(char if char.isprintable() else " " for char in told)  # a stranger's words
    out.print(f"{state} {escape(shown)}", highlight=False, soft_wrap=True)
    if line.remedy:
        out.print(f"     {escape(line.remedy)}", style="dim", highlight=False, soft_wrap=True)
