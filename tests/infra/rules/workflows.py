"""Workflows: their variables lead somewhere, they end, and no two of them are at work at once."""

import re
from collections.abc import Iterator
from typing import Any

from tests.infra.manifests import Manifest, flag, of_kind, pods, texts, title

Faults = list[str]
Template = dict[str, Any]

GATES = {"smoke", "evaluate", "load-test"}  # of which the first result counts
VARIABLE = re.compile(r"\b(inputs|workflow)\.parameters\.([\w-]+)|\bsteps\.([\w-]+)\.([\w.-]+)")
FAILED = re.compile(r"workflow\.failures contains '([^']*)'")


def variables_of_workflows_lead_somewhere(manifests: list[Manifest]) -> Faults:
    """What stands in `{{...}}`: an input, an argument, or what an earlier step put out."""
    return [
        f"{title(flow)}: template {template['name']}: {fault}"
        for flow in of_kind(manifests, "WorkflowTemplate")
        for template in flow["spec"]["templates"]
        for fault in (
            *_unknown_names(flow, template),
            *_unknown_outputs(flow, template, manifests),
            *_unknown_failures(flow, template),
        )
    ]


def _unknown_names(flow: Manifest, template: Template) -> Iterator[str]:
    known = {
        "inputs": _names(template.get("inputs", {})),
        "workflow": _names(flow["spec"].get("arguments", {})),
    }
    for whose, name, *_ in _variables(template):
        if whose and name not in known[whose]:
            yield f"{{{{{whose}.parameters.{name}}}}}: there is none"


def _unknown_outputs(
    flow: Manifest, template: Template, manifests: list[Manifest]
) -> Iterator[str]:
    earlier: dict[str, set[str]] = {}
    for group in template.get("steps", []):
        for step in group:
            for _, _, name, what in _variables(step):
                if name and what not in earlier.get(name, ()):
                    yield f"step {step['name']}: {{{{steps.{name}.{what}}}}}: nothing was put out"
        for step in group:
            outputs = _names(called_by(step, flow, manifests).get("outputs", {}))
            earlier[step["name"]] = {f"outputs.parameters.{each}" for each in outputs}


def _unknown_failures(flow: Manifest, template: Template) -> Iterator[str]:
    """What an exit handler looks for among failures is the name of a step of its workflow."""
    steps = [step["name"] for step in _steps(flow)]
    for name in (name for text in texts(template) for name in FAILED.findall(text)):
        if sum(name in each for each in steps) != 1:
            yield f"workflow.failures contains '{name}': must be in the name of one step"


def _variables(part: Template) -> Iterator[tuple[str, str, str, str]]:
    for text in texts(part):
        for inside in re.findall(r"\{\{(.*?)\}\}", text):
            yield from VARIABLE.findall(inside)


def _names(parameters: dict[str, Any]) -> set[str]:
    return {each["name"] for each in parameters.get("parameters", [])}


def _steps(flow: Manifest) -> Iterator[Template]:
    for template in flow["spec"]["templates"]:
        yield from (step for group in template.get("steps", []) for step in group)


def called_by(step: Template, flow: Manifest, manifests: list[Manifest]) -> Template:
    """The template that a step runs; an empty one where there is none, of which names tells."""
    own = {"name": flow["metadata"]["name"], "template": step.get("template")}
    there = step.get("templateRef", own)
    return next(
        (
            template
            for each in of_kind(manifests, "WorkflowTemplate")
            if each["metadata"]["name"] == there["name"]
            for template in each["spec"]["templates"]
            if template["name"] == there["template"]
        ),
        {},
    )


def steps_are_given_what_they_ask_for(manifests: list[Manifest]) -> Faults:
    faults = []
    for flow in of_kind(manifests, "WorkflowTemplate"):
        for step in _steps(flow):
            wanted = _names(called_by(step, flow, manifests).get("inputs", {}))
            given = _names(step.get("arguments", {}))
            if wanted != given:
                faults.append(
                    f"{title(flow)}: step {step['name']}: is given {sorted(given)}, and asks for"
                    f" {sorted(wanted)}"
                )
    return faults


def workflows_run_one_at_a_time(manifests: list[Manifest]) -> Faults:
    """All by one mutex: two that move adapters would each undo what the other did."""
    flows = _whole(manifests)
    held = {title(flow): _mutexes(flow) for flow in flows}
    every = set.intersection(*held.values()) if held else set()
    return [
        f"{name}: synchronization.mutexes: has none that all the others have"
        for name, own in held.items()
        if not own & every
    ]


def _whole(manifests: list[Manifest]) -> list[Manifest]:
    """Those that can be started, and not only lend their templates."""
    flows = of_kind(manifests, "WorkflowTemplate")
    return [each for each in flows if "entrypoint" in each["spec"]]


def _mutexes(flow: Manifest) -> set[str]:
    return {each["name"] for each in flow["spec"].get("synchronization", {}).get("mutexes", [])}


def workflows_come_to_an_end(manifests: list[Manifest]) -> Faults:
    """Each step in its time, and the whole in time for all of them; and then it is cleared away."""
    faults = [
        f"{pod.title}: activeDeadlineSeconds: say how long it may take"
        for pod in pods(manifests)
        if pod.owner["kind"] == "WorkflowTemplate" and "activeDeadlineSeconds" not in pod.spec
    ]
    for flow in _whole(manifests):
        steps = [called_by(step, flow, manifests) for step in _main(flow)]
        needed = sum(each.get("activeDeadlineSeconds", 0) for each in steps)
        if flow["spec"].get("activeDeadlineSeconds", 0) < needed:
            faults.append(f"{title(flow)}: activeDeadlineSeconds: its steps may take {needed}")
        if "ttlStrategy" not in flow["spec"]:
            faults.append(f"{title(flow)}: ttlStrategy: say how long it is kept")
    return faults


def _main(flow: Manifest) -> Iterator[Template]:
    for template in flow["spec"]["templates"]:
        if template["name"] == flow["spec"]["entrypoint"]:
            yield from (step for group in template["steps"] for step in group)


def gates_are_asked_once(manifests: list[Manifest]) -> Faults:
    """A gate that is asked until it passes is none; only one whose pod was lost is asked again."""
    return [
        f"{pod.title}: retryStrategy.retryPolicy: say OnError; a gate's first result counts"
        for pod in pods(manifests)
        if pod.owner["kind"] == "WorkflowTemplate"
        if GATES & set(pod.containers[0].get("command", []))
        if pod.spec.get("retryStrategy", {}).get("retryPolicy", "OnFailure") != "OnError"
    ]


def results_are_put_out(manifests: list[Manifest]) -> Faults:
    """What a command writes by `--result` is what Argo takes up."""
    faults = []
    for pod in pods(manifests):
        if pod.owner["kind"] != "WorkflowTemplate":
            continue
        written = flag(pod.containers[0], "--result")
        outputs = pod.spec.get("outputs", {}).get("parameters", [])
        taken = [each["valueFrom"]["path"] for each in outputs]
        if written is None or taken != [written]:
            faults.append(f"{pod.title}: outputs: {taken} is taken up, {written} is written")
    return faults
