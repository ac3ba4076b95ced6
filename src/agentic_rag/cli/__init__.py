"""The command line: a module for each command, or each family of them, and a line for it here."""

import typer

from agentic_rag.cli import (
    adapters,
    ask,
    deploy,
    doctor,
    evaluate,
    export,
    feedback,
    fit,
    index,
    ingest,
    keys,
    questions,
    search,
    serve,
    smoke,
    ui,
    verify,
)
from agentic_rag.cli.terminal import fail
from agentic_rag.errors import Misconfigured

app = typer.Typer(
    name="agentic-rag",
    help="A clinic's documents, answered with proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    serve,
    ui,
    ask,
    search,
    ingest,
    questions,
    export,
    verify,
    doctor,
    deploy,
    smoke,
    evaluate,
    fit,
    index,
    keys,
    feedback,
    adapters,
):
    app.add_typer(command.app)


def main() -> None:
    """Run the command line; what the operator has to mend is one line, not a traceback."""
    try:
        app()
    except Misconfigured as error:
        fail(error)
