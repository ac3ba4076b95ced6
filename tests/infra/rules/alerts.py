"""Alerts and panels: they select what there is, and an alert says whom to call and what to do."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import grpc
from tests.infra.manifests import REPO, Manifest, of_kind, title
from tests.infra.rules.queries import queries, rules_of, selectors

from agentic_rag.domain import Degraded

Faults = list[str]

ADDED = {"instance", "job", "le", "namespace", "pod"}  # by Prometheus, and by what it scrapes with
FREE = {*ADDED, "door", "llm"}  # of more values than can be listed
RUNBOOK = REPO / "docs" / "runbook.md"
SEVERITIES = {"critical", "warning"}


def alerts_say_what_to_do(manifests: list[Manifest]) -> Faults:
    """To whom, in a line, and, in a section of the runbook, at length."""
    sections = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE))
    faults = []
    for each in of_kind(manifests, "PrometheusRule"):
        for rule in (rule for rule in rules_of(each) if "alert" in rule):
            where, notes = f"{title(each)}: {rule['alert']}", rule.get("annotations", {})
            if rule.get("labels", {}).get("severity") not in SEVERITIES:
                faults.append(f"{where}: labels.severity: say one of {sorted(SEVERITIES)}")
            if not notes.get("summary"):
                faults.append(f"{where}: annotations.summary: is missing")
            if notes.get("runbook") != f"docs/runbook.md#{rule['alert'].lower()}":
                faults.append(f"{where}: annotations.runbook: does not lead to its section")
            if rule["alert"] not in sections:
                faults.append(f"{where}: docs/runbook.md has no section of that name")
    return faults


def labels_are_those_of_the_metric(manifests: list[Manifest]) -> Faults:
    """Of the agent's own: by another name or value a query finds nothing, and says so to nobody."""
    return [
        f"{where}: {slip}"
        for where, query in queries(manifests)
        for each in selectors(query)
        for slip in _slips(each)
    ]


def _slips(selector: Any) -> Iterator[str]:
    name = re.sub(r"_(bucket|count|sum)$", "", selector.name or "")
    if name not in agents_labels():
        return
    for one in selector.matchers.matchers:
        if one.name not in agents_labels()[name] | ADDED:
            yield f"{name} has no label {one.name}"
        elif one.name not in FREE:
            words = (word for word in one.value.split("|") if re.fullmatch(r"[A-Za-z_]+", word))
            yield from (
                f"{name}: {one.name} is never {word!r}"
                for word in words
                if word not in label_values()
            )


@cache
def agents_labels() -> dict[str, set[str]]:
    """The labels of each of the agent's metrics, as docs/metrics.md has them."""
    page = (REPO / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(agentic_rag_\w+)` \| \w+ \| ([^|]*)\|", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


@cache
def label_values() -> frozenset[str]:
    """The words that labels may have: the page's, the domain's reasons, steps, gRPC's names."""
    page = (REPO / "docs" / "metrics.md").read_text("utf-8")
    steps = {file.stem for file in (REPO / "src/agentic_rag/agent/steps").glob("*.py")}
    codes = {code.name for code in grpc.StatusCode}
    return frozenset({*re.findall(r"`(\w+)`", page), *map(str, Degraded)} | steps | codes)


def every_job_is_scraped(manifests: list[Manifest]) -> Faults:
    """A job that no monitor calls so is always down to `absent`, and never to `== 0`."""
    jobs = {
        each["spec"]["selector"].get("matchLabels", {}).get(each["spec"].get("jobLabel"))
        for each in of_kind(manifests, "PodMonitor")
    }
    return [
        f"{where}: job {job!r}: no monitor's jobLabel makes it"
        for where, query in queries(manifests)
        for job in _jobs_in(query)
        if job not in jobs
    ]


def _jobs_in(query: str) -> Iterator[str]:
    for each in selectors(query):
        yield from (one.value for one in each.matchers.matchers if one.name == "job")
