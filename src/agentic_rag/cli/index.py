"""`index`: the index's versions."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, or_exit, out, print_json

if TYPE_CHECKING:
    from agentic_rag.retrieval.index import Standing

app = typer.Typer(
    name="index", help="The index's versions: list, use, prune.", no_args_is_help=True
)


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """Show the index versions, newest first, and which one is live."""
    from agentic_rag.bootstrap.indexing import build_workshop

    standing = or_exit(lambda: build_workshop(settings_or_exit()).shelf.inventory())
    if as_json:
        print_json({"versions": [asdict(each) for each in standing]})
        return
    table = Table("", "version", "created", "documents", "passages", "MB", "embedder", box=None)
    for each in standing:
        table.add_row(*(escape(cell) for cell in _cells(each)))
    out.print(table if standing else "No index yet: `agentic-rag ingest` makes one.")


def _cells(each: "Standing") -> tuple[str, ...]:
    counts = (str(each.documents), str(each.passages), f"{each.size_bytes / 1e6:.1f}")
    mark = "live" if each.live else ""
    return (mark, each.name, each.created[:19], *counts, each.embedder)


@app.command("use")
def use(
    version: Annotated[str, typer.Argument(help="Its name, or as much as tells it apart.")],
    as_json: Json = False,
) -> None:
    """Make a version the live one; running servers move over to it."""
    from agentic_rag.bootstrap.indexing import build_workshop
    from agentic_rag.retrieval.ingesting.rollback import use as use_version

    name = or_exit(lambda: use_version(version, build_workshop(settings_or_exit())))
    if as_json:
        print_json({"version": name})
    else:
        out.print(f"Version {name} is live; running servers follow within seconds.")


@app.command("prune")
def prune(
    keep: Annotated[
        int | None, typer.Option(min=0, help="Old versions to keep. Default: INDEX_KEEP.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove old versions, but none that is live or open."""
    from agentic_rag.bootstrap.indexing import build_workshop
    from agentic_rag.retrieval.ingesting.ingest import prune as prune_shelf

    shop = build_workshop(settings_or_exit())
    removed = or_exit(lambda: prune_shelf(shop, shop.keep if keep is None else keep))
    if as_json:
        print_json({"removed": removed})
    else:
        out.print(f"Removed: {', '.join(removed) or 'none'}.")
