"""`doctor`: what is configured, and what answers."""

import asyncio

import typer
from rich.markup import escape
from rich.table import Table

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, out, print_json

app = typer.Typer()


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is configured, what answers, and what to do about what does not."""
    from agentic_rag import doctor as checks

    findings = asyncio.run(checks.examine(settings_or_exit()))
    if as_json:
        print_json({"ok": checks.fit(findings), "checks": [f.as_json() for f in findings]})
    else:
        table = Table("", "what", "found", "to do", box=None)
        marks = {
            "ok": "[green]ok[/green]",
            "warning": "[yellow]![/yellow]",
            "fault": "[red]x[/red]",
        }
        for finding in findings:
            cells = (finding.what, finding.found, finding.remedy)
            table.add_row(marks[finding.state], *(escape(cell) for cell in cells))
        out.print(table)
    if not checks.fit(findings):
        raise typer.Exit(1)
