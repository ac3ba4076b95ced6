"""The OpenAPI document is true: a stranger who believes it is not surprised."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.integration.servers import Agent
from tests.integration.strangers import complaints

DOORS = (
    "/api/chat",
    "/chat",
    "/chat/stream",
    "/dryrun",
    "/query",
    "/search",
    "/healthz",
    "/ready",
    "/health",
)
PROTOCOL = (
    Path(__file__).resolve().parents[3]
    / "shared/data/protocol_specs/open_inference_protocol/open_inference_rest.yaml"
)


@pytest.fixture(scope="module")
def document(server: Agent) -> dict[str, Any]:
    """What the server says of itself."""
    return dict(httpx.get(f"{server.base}/openapi.json", timeout=30).json())


def test_every_door_is_in_the_document_with_every_way_that_it_can_fail(document: dict[str, Any]):
    paths = document["paths"]

    assert set(DOORS) <= set(paths)
    for path in ("/chat", "/chat/stream", "/dryrun", "/query", "/search"):
        ((method, told),) = paths[path].items()
        refused = {"400", "401", "403", "429", "500", "503"} | (
            {"413"} if method == "post" else set()
        )
        assert set(told["responses"]) == {"200"} | refused
        for status in refused:
            schema = told["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorReply"}


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]):
    schemas = document["components"]["schemas"]

    asked = set(references(document))

    assert asked
    assert {
        each for each in asked if each.removeprefix("#/components/schemas/") not in schemas
    } == set()


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [each for value in node.values() for each in references(value)]
    if isinstance(node, list):
        return [each for value in node for each in references(value)]
    return []


def test_what_is_not_there_is_not_in_the_document(document: dict[str, Any]):
    paths = document["paths"]

    assert not [path for path in paths if "explain" in path or "versions" in path]
    closed = paths["/v2/repository/models/{model_name}/load"]["post"]["responses"]
    assert set(closed) == {"401", "403", "413", "429"}


def test_a_stranger_who_tries_everything_is_not_surprised(server: Agent, tmp_path: Path):
    told = complaints(f"{server.base}/openapi.json", server.base, tmp_path, seconds=20)

    assert told == ""


def test_a_stranger_who_knows_the_open_inference_protocol_is_not_surprised(
    server: Agent, tmp_path: Path
):
    if not PROTOCOL.exists():
        pytest.skip(f"{PROTOCOL} is not here")
    document = tmp_path / "open_inference.yaml"
    document.write_text(yaml.safe_dump(as_we_serve(PROTOCOL)), "utf-8")

    told = complaints(str(document), server.base, tmp_path, seconds=8)

    assert told == ""


def as_we_serve(protocol: Path) -> dict[str, Any]:
    """Read the protocol's document: with paths that a tool can fill in, and without versions.

    A version is optional, and we have none. Unknown models are not found, which it does not say.
    """
    text = protocol.read_text("utf-8").replace("/versions/${MODEL_VERSION}", "")
    read: dict[str, Any] = yaml.safe_load(text.replace("${MODEL_NAME}", "{model_name}"))
    for path in read["paths"].values():
        named = [each for each in path.get("parameters", ()) if each["name"] == "MODEL_NAME"]
        path["parameters"] = [each | {"name": "model_name"} for each in named]
        for method in set(path) & {"get", "post"}:
            path[method]["responses"]["404"] = {"description": "no such model"}
    return read
