"""`serve`: the server."""

import typer

from agentic_rag.cli.house import settings_or_exit, without_collector

app = typer.Typer()


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    help="Serve KServe v1, v2 and gRPC. Takes KServe's flags: --http_port, --grpc_port, ...",
)
def serve(context: typer.Context) -> None:
    """Serve until SIGTERM."""
    with without_collector():
        from agentic_rag.serving.kserve_runtime import serve as serve_kserve

    serve_kserve(settings_or_exit(), context.args)
