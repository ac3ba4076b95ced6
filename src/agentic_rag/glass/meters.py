"""Meters: what Prometheus is told of requests and answers; docs/metrics.md explains each.

Every label has few values: routes, steps, rules and settings, and never what somebody wrote.
"""

from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agentic_rag.domain import Answer, Outcome

_STEP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

requests = Counter("agentic_rag_requests", "Requests that have ended.", ["door", "status"])
request_seconds = Histogram(
    "agentic_rag_request_seconds", "How long a request took.", ["door"], buckets=_STEP_S
)
answers = Counter("agentic_rag_answers", "Final answers.", ["door", "outcome", "rung", "degraded"])
adapter_answers = Counter(
    "agentic_rag_adapter_answers", "Answers that a LoRA adapter wrote.", ["adapter", "outcome"]
)
step_seconds = Histogram(
    "agentic_rag_step_seconds", "What a step of the way took.", ["step"], buckets=_STEP_S
)
tokens = Counter("agentic_rag_tokens", "Tokens that an LLM counted.", ["rung", "kind"])
kept = Counter("agentic_rag_citations_kept", "Citations in answers.")
dropped = Counter("agentic_rag_sentences_dropped", "Drafted sentences left out.", ["why"])
emergencies = Counter("agentic_rag_emergencies", "Emergencies, by their rule.", ["category"])
declines = Counter("agentic_rag_declines", "Questions declined.", ["reason"])
stale_files = Gauge(
    "agentic_rag_index_stale_files",
    "Files of the pack that the live index does not hold as they are now.",
)


class _Index(Collector):
    """Tells which index version answers: one series, whatever came before.

    Attributes:
        version: who knows; None while there is none.
    """

    def __init__(self) -> None:
        self.version: Callable[[], str | None] = lambda: None

    def collect(self) -> Iterable[Metric]:
        """Return the gauge."""
        told = GaugeMetricFamily(
            "agentic_rag_index_info", "1 for the index version that answers.", labels=["version"]
        )
        if version := self.version():
            told.add_metric([version], 1.0)
        yield told


index = _Index()
REGISTRY.register(index)


def _few(adapter: str) -> str:
    """Return a version's name, or `other` where this process has seen many already."""
    if adapter not in _adapters and len(_adapters) < _MOST_ADAPTERS:
        _adapters.add(adapter)
    return adapter if adapter in _adapters else "other"


_MOST_ADAPTERS = 32
_adapters: set[str] = set()


def count_answer(answer: Answer, door: str) -> None:
    """Count one answer and all that is in it."""
    rung, degraded = answer.generator.partition("/")[0], answer.degraded or "none"
    answers.labels(door, answer.outcome.value, rung, str(degraded)).inc()
    if answer.adapter:
        adapter_answers.labels(_few(answer.adapter), answer.outcome.value).inc()
    for step, seconds in answer.timings.items():
        step_seconds.labels(step).observe(seconds)
    if answer.usage.total_tokens:
        tokens.labels(rung, "prompt").inc(answer.usage.prompt_tokens)
        tokens.labels(rung, "completion").inc(answer.usage.completion_tokens)
    kept.inc(len(answer.citations))
    for each in answer.way.dropped:
        dropped.labels(each.why).inc()
    if answer.outcome is Outcome.EMERGENCY:
        emergencies.labels(answer.way.category or "none").inc()
    if answer.outcome is Outcome.DECLINED:
        declines.labels(answer.way.reason or "none").inc()


def count_request(door: str, status: str, seconds: float) -> None:
    """Count one request."""
    requests.labels(door, status).inc()
    request_seconds.labels(door).observe(seconds)
