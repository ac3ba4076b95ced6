"""`smoke`: asks a running server what it must answer, over every door."""

import sys
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentic_rag.cli.report import report
from agentic_rag.cli.terminal import Json, or_exit

if TYPE_CHECKING:
    from agentic_rag.lines import Line

app = typer.Typer()


class DoorName(StrEnum):
    """The doors, in the order in which they are tried."""

    V1 = "v1"
    V2 = "v2"
    GRPC = "grpc"
    STREAM = "stream"
    OPENAI = "openai"
    CHAT = "chat"


@app.command()
def smoke(  # noqa: PLR0913, PLR0917  # each is an option of the command line
    url: Annotated[str, typer.Option(help="Of the server.")] = "http://localhost:8080",
    api_key: Annotated[
        str, typer.Option(help="A key that may ask; `-` reads it from the standard input.")
    ] = "",
    grpc: Annotated[str, typer.Option(help="Host and port. Default: the URL's host, 8081.")] = "",
    model: Annotated[str, typer.Option(help="As the server calls its agent.")] = "rag-agent",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one answer.")] = 60.0,
    door: Annotated[
        list[DoorName] | None, typer.Option(help="Ask only there; may be repeated.")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(help="Questions of another clinic, as smoke/lab.yaml has them.")
    ] = None,
    only_look: Annotated[bool, typer.Option("--only-look", help="Ask no question.")] = False,
    wake: Annotated[
        bool, typer.Option("--wake", help="Instead, wait until the model sleeps, and wake it.")
    ] = False,
    idle: Annotated[float, typer.Option(help="Seconds that --wake waits for it to sleep.")] = 1800,
    as_json: Json = False,
) -> None:
    """Ask a running server what it must answer, over every door; fails, and says what is broken."""
    from agentic_rag.smoke.cases import LAB, read_cases, telling
    from agentic_rag.smoke.checks import ask_all, look, look_behind
    from agentic_rag.smoke.server import Server
    from agentic_rag.smoke.waking import wake as wake_model

    key = sys.stdin.readline().strip() if api_key == "-" else api_key
    asked = or_exit(lambda: read_cases(cases or LAB))
    server = or_exit(lambda: Server(url, key, model=model, grpc=grpc, timeout_s=timeout))

    def lines() -> Iterator["Line"]:
        found = True
        for line in look(server):
            found = found and line.state != "FAIL"
            yield line
        if not found:
            return
        behind = list(look_behind(server))
        yield from behind
        if wake and not behind:
            yield from wake_model(server, telling(asked), idle_s=idle)
        elif not (wake or only_look):
            yield from ask_all(server, asked, [each.value for each in door or DoorName])

    with closing(server):
        report(lines(), as_json=as_json)
