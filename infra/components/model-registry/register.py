"""Tells the model registry of a model, its version and where that lies; makes what is missing."""

import argparse
import json
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = "/api/model_registry/v1alpha3"

Entry = dict[str, Any]


class Registry:
    """The few calls of its API that are needed."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/") + ROOT

    def find(self, kind: str, **by: str) -> Entry | None:
        """Return the entry of that kind, or None where there is none."""
        try:
            return self._ask("GET", f"/{kind}?{urlencode(by)}")
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return None

    def make(self, path: str, entry: Entry) -> Entry:
        """Make an entry below a path."""
        return self._ask("POST", path, entry)

    def mend(self, path: str, change: Entry) -> Entry:
        """Change an entry."""
        return self._ask("PATCH", path, change)

    def _ask(self, method: str, path: str, body: Entry | None = None) -> Entry:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(self._address + path, data, headers, method=method)
        with urlopen(request, timeout=30) as reply:
            answer: Entry = json.load(reply)
            return answer


def register(registry: Registry, name: str, version: str, uri: str) -> None:
    """Leave a model, its version and its artefact, whatever of them was there."""
    model = registry.find("registered_model", name=name) or registry.make(
        "/registered_models", {"name": name}
    )
    made = registry.find(
        "model_version", name=version, parentResourceId=model["id"]
    ) or registry.make("/model_versions", {"name": version, "registeredModelId": model["id"]})
    artefact = registry.find("model_artifact", name=version, parentResourceId=made["id"])
    if artefact is None:
        registry.make(
            f"/model_versions/{made['id']}/artifacts",
            {"artifactType": "model-artifact", "name": version, "uri": uri},
        )
    elif artefact.get("uri") != uri:
        registry.mend(
            f"/model_artifacts/{artefact['id']}", {"artifactType": "model-artifact", "uri": uri}
        )


def main() -> None:
    """Read the arguments, and do it."""
    parser = argparse.ArgumentParser()
    for flag in ("--registry", "--name", "--version", "--uri"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()
    register(Registry(args.registry), args.name, args.version, args.uri)
    print(f"{args.name} {args.version} is registered at {args.uri}")


if __name__ == "__main__":
    main()
