"""Queries: each names metrics that somebody exports, and one that wakes a sleeper can wake it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import promql_parser
from tests.infra.manifests import REPO, Manifest, annotations, externals, of_kind, title

Faults = list[str]

VLLM = {  # 0.32, which tests/vllm asks; counters under the name that Prometheus sees
    "vllm:admission_rejections_total",
    "vllm:cache_config_info",
    "vllm:engine_sleep_state",
    "vllm:generation_tokens_total",
    "vllm:kv_cache_usage_perc",
    "vllm:lora_requests_info",
    "vllm:num_preemptions_total",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:num_requests_waiting_by_reason",
    "vllm:prefix_cache_hits_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prompt_tokens_total",
    "vllm:request_success_total",
}
VLLM_HISTOGRAMS = {
    "vllm:e2e_request_latency_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:time_to_first_token_seconds",
}
KSERVE_HISTOGRAMS = {f"request_{step}_seconds" for step in ("preprocess", "predict", "postprocess")}
CHROMA = {  # 1.5.9, as the collector names it; integration/test_chroma_otel.py asks a real one
    "chroma_collection_add_total",
    "chroma_collection_query_total",
    "chroma_tokio_active_tasks",
    "chroma_tokio_global_queue_depth",
}
PROMETHEUS = {"ALERTS", "up"}
GRAFANA = {"$__rate_interval": "5m", "$__interval": "5m", "$__range": "1h"}
TRIGGER, AUTOSCALING = "triggers.query", "autoScaling.metrics.query"
PARTS = ("_bucket", "_count", "_sum")


def every_query_names_metrics_that_exist(manifests: list[Manifest]) -> Faults:
    recorded = {
        rule["record"]
        for each in of_kind(manifests, "PrometheusRule")
        for rule in rules_of(each)
        if "record" in rule
    }
    faults = []
    for where, query in queries(manifests):
        try:
            names = set(metrics_in(query))
        except ValueError as error:
            faults.append(f"{where}: {query!r} is no PromQL: {error}")
            continue
        faults += [
            f"{where}: nobody exports {name}; see docs/metrics.md"
            for name in sorted(names - exported() - recorded)
        ]
    return faults


@cache
def exported() -> frozenset[str]:
    """All that the agent, vLLM, Prometheus and the externals export."""
    names = (
        VLLM | CHROMA | PROMETHEUS | {f"{name}{part}" for name in VLLM_HISTOGRAMS for part in PARTS}
    )
    names |= {f"{name}{part}" for name in KSERVE_HISTOGRAMS for part in PARTS}
    page = (REPO / "docs" / "metrics.md").read_text("utf-8")
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE):
        names |= {f"{name}{part}" for part in PARTS} if kind == "histogram" else {name}
    return frozenset(names | {each["name"] for each in externals() if each["kind"] == "Metric"})


def metrics_in(query: str) -> Iterator[str]:
    """The metrics that a query selects, by name.

    Raises:
        ValueError: it is no PromQL.
    """
    for each in _selectors(query):
        named = [one.value for one in each.matchers.matchers if one.name == "__name__"]
        yield each.name or (named[0] if named else "(no name)")


def selectors(query: str) -> list[Any]:
    """What a query selects series by; nothing for no PromQL, which another rule tells of."""
    try:
        return list(_selectors(query))
    except ValueError:
        return []


def _selectors(query: str) -> Iterator[Any]:
    for each in _parts(parsed(query)):
        if isinstance(each, promql_parser.VectorSelector):
            yield each


def parsed(query: str) -> Any:
    for variable, span in GRAFANA.items():
        query = query.replace(variable, span)
    return promql_parser.parse(query)


def _parts(expression: Any) -> Iterator[Any]:
    yield expression
    for way in ("expr", "lhs", "rhs", "vector_selector"):
        if hasattr(expression, way):
            yield from _parts(getattr(expression, way))
    for each in getattr(expression, "args", ()):
        yield from _parts(each)


def _is_one_element(expression: Any) -> bool:
    """Whether what it gives has no labels: `sum(x)`, `sum(x) or vector(0)`."""
    if isinstance(expression, promql_parser.ParenExpr):
        return _is_one_element(expression.expr)
    if isinstance(expression, promql_parser.BinaryExpr):
        return _is_one_element(expression.lhs) and _is_one_element(expression.rhs)
    if isinstance(expression, promql_parser.AggregateExpr):
        return expression.modifier is None
    if isinstance(expression, promql_parser.Call):
        return expression.func.name in {"scalar", "vector"}
    return isinstance(expression, promql_parser.NumberLiteral)


def queries(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    """Where each query stands: alerts, triggers of autoscalers, panels of dashboards."""
    for each in manifests:
        for where, query in ASKS.get(each["kind"], _nothing)(each):
            yield f"{title(each)}: {where}", query


Queries = Iterable[tuple[str, str]]


def _of_rules(rules: Manifest) -> Queries:
    for rule in rules_of(rules):
        yield rule.get("alert") or rule["record"], str(rule["expr"])


def _of_scaled_object(scaler: Manifest) -> Queries:
    for trigger in scaler["spec"]["triggers"]:
        if trigger["type"] == "prometheus":
            yield TRIGGER, trigger["metadata"]["query"]


def _of_inference_service(service: Manifest) -> Queries:
    for metric in service["spec"]["predictor"].get("autoScaling", {}).get("metrics", []):
        if "external" in metric:
            yield AUTOSCALING, metric["external"]["metric"]["query"]


def _of_config_map(config: Manifest) -> Queries:
    for name, text in config.get("data", {}).items():
        if name.endswith(".json") and '"panels"' in text:
            yield from ((name, query) for query in _of_panels(json.loads(text)))


def _nothing(_: Manifest) -> Queries:
    return ()


ASKS: dict[str, Callable[[Manifest], Queries]] = {
    "ConfigMap": _of_config_map,
    "InferenceService": _of_inference_service,
    "PrometheusRule": _of_rules,
    "ScaledObject": _of_scaled_object,
}


def rules_of(rules: Manifest) -> list[dict[str, Any]]:
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def _of_panels(dashboard: object) -> Iterator[str]:
    if isinstance(dashboard, dict):
        yield from (value for key, value in dashboard.items() if key == "expr" and value)
        for value in dashboard.values():
            yield from _of_panels(value)
    elif isinstance(dashboard, list):
        for value in dashboard:
            yield from _of_panels(value)


def _wakes_by_one(query: str) -> bool:
    try:
        return _is_one_element(parsed(query))
    except ValueError:
        return True  # told of as no PromQL


def what_wakes_is_awake_itself(manifests: list[Manifest]) -> Faults:
    """At zero replicas vLLM exports nothing: a trigger of its own metrics would never fire."""
    faults = []
    for where, query in queries(manifests):
        if not where.endswith((TRIGGER, AUTOSCALING)):
            continue
        if "vllm:" in query:
            faults.append(f"{where}: vLLM exports nothing at zero; ask agentic_rag_llm_inflight")
        if not _wakes_by_one(query):
            faults.append(f"{where}: KEDA takes one element; say sum(...) and no `by`")
    return faults


def sleepers_under_keda_have_a_trigger(manifests: list[Manifest]) -> Faults:
    faults = []
    for each in of_kind(manifests, "InferenceService"):
        predictor = each["spec"]["predictor"]
        by_keda = annotations(each).get("serving.kserve.io/autoscalerClass") == "keda"
        if by_keda and not any(
            "external" in m for m in predictor.get("autoScaling", {}).get("metrics", [])
        ):
            faults.append(f"{title(each)}: autoScaling.metrics: KEDA has nothing to go by")
    for each in of_kind(manifests, "ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            if trigger["type"] in {"cpu", "memory"} and not each["spec"].get("minReplicaCount", 0):
                faults.append(f"{title(each)}: triggers: {trigger['type']} of no pod wakes nobody")
    return faults
