"""`keys`: keys for callers."""

from typing import Annotated

import typer

from agentic_rag.callers import Scope
from agentic_rag.cli.terminal import Json, or_exit, out, print_json

app = typer.Typer(name="keys", help="Keys for callers: new.", no_args_is_help=True)


@app.command("new")
def new_key(
    name: Annotated[str, typer.Argument(help="Whose it is; several may have one name.")],
    scope: Annotated[Scope, typer.Option(help="What it opens; admin opens all.")] = Scope.ASK,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once; API_KEYS takes only its hash."""
    from agentic_rag.serving.keys.ring import new_key as make

    key, entry = or_exit(lambda: make(name, scope))
    if as_json:
        print_json({"key": key, "entry": entry})
        return
    out.print(f"The key, which is kept nowhere:\n  {key}", highlight=False, soft_wrap=True)
    told = f"Its entry in API_KEYS, comma separated from others:\n  {entry}"
    out.print(told, highlight=False, soft_wrap=True)
