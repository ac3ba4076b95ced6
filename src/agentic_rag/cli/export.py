"""`export-embedder`: the embedder as ONNX graphs."""

import typer
from rich.markup import escape

from agentic_rag.cli.house import settings_or_exit
from agentic_rag.cli.terminal import Json, err, or_exit, out, print_json

app = typer.Typer()


@app.command("export-embedder")
def export(as_json: Json = False) -> None:
    """Write the embedder as ONNX graphs, so that the server starts without torch."""
    from agentic_rag.bootstrap.indexing import export_embedder

    settings = settings_or_exit()
    with err.status("reading the weights") as status:
        report, stale = or_exit(lambda: export_embedder(settings, status.update))
    made = report.export.manifest
    if as_json:
        shown = made.model_dump(include={"model", "weights", "cosines"})
        where = {"folder": str(report.export.folder), "changed": report.changed}
        print_json({**where, **shown, "index_is_stale": stale})
        return
    if report.changed:
        cosines = ", ".join(f"{name} {cosine:.4f}" for name, cosine in made.cosines.items())
        out.print(f"Exported {made.model} to {escape(str(report.export.folder))}.", soft_wrap=True)
        out.print(f"Least cosine to sentence-transformers: {cosines}.")
    else:
        out.print(f"Nothing to do: {escape(str(report.export.folder))} holds {made.model}.")
    if stale:
        out.print(
            "The index was built by another embedder: make it anew with `agentic-rag ingest`."
        )
