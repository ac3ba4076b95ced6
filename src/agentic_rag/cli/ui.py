"""`ui`: the page for people."""

from typing import Annotated

import typer

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import fail, out
from agentic_rag.errors import BadSettings

app = typer.Typer()


@app.command()
def ui(
    server: Annotated[
        str | None, typer.Option(help="The server's address. Default: UI_SERVER.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Show the page for people, at /ui, before a server that runs."""
    settings = settings_or_exit()
    try:
        from agentic_rag.page.app import serve as serve_page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        fail(BadSettings('the page is an extra: pip install "agentic-rag[ui]"'))
    key = settings.ui_api_key.get_secret_value()
    out.print(f"The page is at http://{host}:{port}/ui/ and ends with Ctrl+C.", highlight=False)
    serve_page(server or settings.ui_server, key, host=host, port=port)
