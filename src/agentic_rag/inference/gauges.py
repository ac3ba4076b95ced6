"""Gauges: what the outside is told of the LLM; KEDA scales a sleeping one by the first."""

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 900, 1800)

inflight = Gauge(
    "agentic_rag_llm_inflight",
    "Calls to an LLM that are under way, its wake-up included.",
    ["llm"],
)
state = Gauge("agentic_rag_llm_state", "1 for the state that an LLM is in.", ["llm", "state"])
gpu_seconds_saved = Counter(
    "agentic_rag_llm_gpu_seconds_saved",
    "Estimate: GPU-seconds that an LLM did not use because it slept; docs/metrics.md has how.",
    ["llm"],
)
wake_seconds = Histogram(
    "agentic_rag_llm_wake_seconds",
    "How long an LLM took to wake.",
    ["llm"],
    buckets=_BUCKETS,
)
