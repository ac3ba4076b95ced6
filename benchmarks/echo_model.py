"""The baseline: a KServe model that gives back what it got, and nothing else of ours."""

import argparse
import logging

from kserve import Model, ModelServer
from kserve.model_server import parser


class Echo(Model):  # type: ignore[misc]  # kserve ships no types
    """Gives the instances back."""

    def __init__(self) -> None:
        super().__init__("rag-agent")
        self.ready = True

    async def predict(
        self, payload: dict[str, object], headers: dict[str, str] | None = None
    ) -> dict[str, object]:
        """Answer."""
        return {"predictions": payload["instances"]}


def main() -> None:
    """Serve it, as silent as ours is: neither an access log nor latency lines."""
    flags = argparse.ArgumentParser(parents=[parser]).parse_args()
    server = ModelServer(
        http_port=flags.http_port, grpc_port=flags.grpc_port, enable_latency_logging=False
    )
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    server.start([Echo()])


if __name__ == "__main__":
    main()
