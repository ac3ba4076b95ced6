"""`search`: the passages that a search finds."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from agentic_rag.cli.house import in_house, settings_or_exit
from agentic_rag.cli.terminal import Json, out, print_json

if TYPE_CHECKING:
    from agentic_rag.bootstrap.house import House

app = typer.Typer()


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Passages to show.")] = 4,
    as_json: Json = False,
) -> None:
    """Show the passages that a search finds."""

    async def run(house: "House") -> None:
        from agentic_rag.serving.writing import write_hit

        passages = await house.library.search([query], k=k)
        if as_json:
            print_json({"hits": [write_hit(passage) for passage in passages]})
            return
        for passage in passages:
            out.print(f"[bold]{passage.score:.3f}[/bold] [cyan]{escape(passage.label)}[/cyan]")
            out.print(escape(passage.text), highlight=False)

    in_house(settings_or_exit(), run)
