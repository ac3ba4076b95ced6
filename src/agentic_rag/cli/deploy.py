"""`deploy` and `undeploy`: an overlay put on a cluster by kubectl, and taken away again."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agentic_rag.cli.report import report
from agentic_rag.cli.terminal import Json, err, or_exit
from agentic_rag.errors import BadOverlay

if TYPE_CHECKING:
    from agentic_rag.deploying.cluster import Kubectl
    from agentic_rag.deploying.overlay import Overlay
    from agentic_rag.lines import Line

app = typer.Typer()
Built = Annotated[
    str, typer.Argument(help="What `kubectl kustomize` printed; `-` is the standard input.")
]


@app.command()
def deploy(
    built: Built = "-",
    check_only: Annotated[bool, typer.Option("--check-only", help="Change nothing.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait until it stands.")] = 2400,
    as_json: Json = False,
) -> None:
    """See that a cluster can take an overlay, apply it, and wait; fails, and says what is wrong."""
    from agentic_rag.deploying.checks import look
    from agentic_rag.deploying.doing import put
    from agentic_rag.deploying.progress import settle

    overlay, cluster = _both(built)

    def lines() -> Iterator["Line"]:
        for step in (look, put):
            well = True
            for line in step(overlay, cluster):
                well = well and line.state != "FAIL"
                yield line
            if not well or check_only:
                return
        yield from settle(overlay, cluster, limit_s=timeout, tell=_tell)

    report(lines(), as_json=as_json)


@app.command()
def undeploy(
    built: Built = "-",
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Delete the claims, too, and what is on them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take an overlay away; the namespace, its Secrets and its claims stay."""
    from agentic_rag.deploying.doing import take_away

    overlay, cluster = _both(built)
    report(take_away(overlay, cluster, with_data=with_data), as_json=as_json)


def _both(built: str) -> tuple["Overlay", "Kubectl"]:
    from agentic_rag.deploying.cluster import Kubectl
    from agentic_rag.deploying.overlay import read_overlay

    return or_exit(lambda: (read_overlay(_read(built)), Kubectl()))


def _read(built: str) -> str:
    if built == "-":
        return sys.stdin.read()
    try:
        return Path(built).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadOverlay(f"{built}: cannot be read") from None


def _tell(text: str) -> None:
    err.print(escape(text), highlight=False, soft_wrap=True)
