"""A real Chroma, configured as by components/chroma-otel, has what the dashboard asks for."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chromadb
import httpx
import pytest
import yaml
from tests.dashboard import panels
from tests.integration.otlp import Collector
from tests.integration.prometheus import Job, Prometheus
from tests.integration.servers import HOST, START_LIMIT_S, environment
from tests.ports import free_port

COMPONENT = Path(__file__).parents[2] / "infra" / "components" / "chroma-otel"
EVERY_MS = "1000"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chroma_port(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Chroma as the component configures it, but for its addresses and its folder."""
    folder, port = tmp_path_factory.mktemp("chroma"), free_port()
    manifest = yaml.safe_load((COMPONENT / "config.yaml").read_text("utf-8"))
    told = yaml.safe_load(manifest["data"]["config.yaml"])
    told |= {"port": port, "listen_address": HOST, "persist_path": str(folder / "data")}
    told["open_telemetry"]["endpoint"] = f"http://{HOST}:{collector.otlp_port}"
    (folder / "config.yaml").write_text(yaml.safe_dump(told), "utf-8")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("chroma"), "run", folder / "config.yaml"],
            env=environment(OTEL_METRIC_EXPORT_INTERVAL=EVERY_MS),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield port
    process.terminate()
    process.wait(START_LIMIT_S)


def work(port: int) -> None:
    """Add and search."""
    client = chromadb.HttpClient(host=HOST, port=port)
    collection = client.get_or_create_collection("fees", embedding_function=None)
    collection.upsert(ids=["1"], embeddings=[[1.0, 0.0]])
    collection.add(ids=[str(time.monotonic_ns())], embeddings=[[0.0, 1.0]])
    collection.query(query_embeddings=[[1.0, 0.0]], n_results=1)


def is_there(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/api/v2/heartbeat", timeout=10).is_success
    except httpx.HTTPError:
        return False


def test_every_panel_that_asks_for_chromas_metrics_has_data(
    chroma_port: int, collector: Collector, tmp_path: Path
):
    jobs = [Job(name="otel-collector", port=collector.http_port)]
    prometheus = Prometheus(tmp_path, jobs, [COMPONENT / "rules-chroma.yaml"])
    wanted = empty = panels("chroma_")
    end = time.monotonic() + START_LIMIT_S

    while not is_there(chroma_port) and time.monotonic() < end:
        time.sleep(0.1)
    prometheus.wait("up == 1")
    while empty and time.monotonic() < end:
        work(chroma_port)
        prometheus.wait_for_scrapes()
        empty = {name: query for name, query in wanted.items() if not prometheus.numbers(query)}
    sick = prometheus.sick_rules()
    prometheus.stop()

    assert empty == {}
    assert sick == {}
