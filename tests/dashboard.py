"""The dashboard's panels, as Grafana would ask for them."""

import json
from collections.abc import Iterator
from pathlib import Path

_FILE = Path(__file__).parents[1] / "infra" / "components" / "dashboard" / "agentic-rag.json"
_SPANS = {"$__rate_interval": "1m", "$__range": "1h"}  # of a server that has only just begun


def panels(prefix: str) -> dict[str, str]:
    """Return the query of each panel's line that asks for metrics of that prefix."""
    found = {name: query for name, query in _queries() if prefix in query}
    assert found, f"no panel asks for {prefix}"
    return found


def _queries() -> Iterator[tuple[str, str]]:
    for panel in json.loads(_FILE.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, span in _SPANS.items():
                query = query.replace(variable, span)
            yield f"{panel['title']}: {target['legendFormat']}", query
