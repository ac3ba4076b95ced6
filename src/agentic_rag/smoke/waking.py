"""Waking: asks while the model sleeps, and times how it wakes. Proves that zero replicas work."""

import time
from collections.abc import Callable, Iterator

from agentic_rag.domain import Answer, Degraded, LlmStatus, Provisional
from agentic_rag.lines import Line
from agentic_rag.smoke.cases import Case, faults, said_by
from agentic_rag.smoke.server import Server
from agentic_rag.smoke.trouble import Trouble, told

_POLL_S = 1.0
_IDLE = {"asleep": "asleep", "unknown": "not heard of"}  # who asked would wake it: nobody looks


def wake(server: Server, case: Case, *, idle_s: float) -> Iterator[Line]:
    """Yield how long it took to fall asleep, to answer meanwhile, to wake, and to answer better."""
    try:
        with told(server):
            asleep = _fall_asleep(server, idle_s)
        yield asleep
        if asleep.state == "PASS":
            with told(server):
                lines = list(_woken(server, case))
            yield from lines
    except Trouble as trouble:
        yield Line("FAIL", "wake", trouble.fault.found, trouble.fault.remedy)


def _fall_asleep(server: Server, idle_s: float) -> Line:
    begun = time.monotonic()
    while True:
        llm = server.send("GET", "/health")["llm"]
        waited = time.monotonic() - begun
        if llm is None:
            return Line("FAIL", "asleep", "no model is set that could sleep", "set LLM_BASE_URL")
        if llm["state"] in _IDLE:
            return Line("PASS", "asleep", f"{_IDLE[llm['state']]} after {waited:.0f} s")
        if waited > idle_s:
            remedy = "see minReplicas, the retention, and who else asks it: metrics keep it awake"
            found = f"it is {llm['state']} after {waited:.0f} s of nobody asking"
            return Line("FAIL", "asleep", found, remedy)
        time.sleep(_POLL_S)


def _woken(server: Server, case: Case) -> Iterator[Line]:
    """Yield what a caller sees who stays, each with the seconds since the question."""
    since = _stopwatch()
    meanwhile, answer, states = None, None, []
    server.client.session_id = None
    with server.client.stream(case.question) as events:
        for event in events:
            match event:
                case Provisional():
                    meanwhile = meanwhile or (since(), event.answer)
                case LlmStatus():
                    states.append(f"{event.state} at {since():.1f} s")
                case Answer():
                    answer = event
    yield _provisional(meanwhile)
    yield Line("PASS", "wake-up", ", ".join(dict.fromkeys(states)) or "the model told nothing")
    yield _upgraded(answer, case, since())


def _provisional(meanwhile: tuple[float, Answer] | None) -> Line:
    if meanwhile is None:
        remedy = "see LLM_WHEN_COLD; did it wake in the meantime by somebody else?"
        return Line("FAIL", "provisional", "no answer came while the model slept", remedy)
    seconds, answer = meanwhile
    return Line("PASS", "provisional", f"{answer.outcome} by {answer.generator}, {seconds:.1f} s")


def _upgraded(answer: Answer | None, case: Case, seconds: float) -> Line:
    if answer and answer.degraded is Degraded.LLM_REJECTED:
        found = f"it woke, and its draft proved nothing: {answer.generator}, {seconds:.1f} s"
        return Line("WARN", "upgraded", found, "see whether the model is up to it: docs/models.md")
    if answer is None or answer.degraded or "/" not in answer.generator:
        why = answer and (answer.degraded or answer.generator)
        remedy = "see the model's pod: image, weights, memory; and LLM_WAKE_LIMIT_S"
        return Line("FAIL", "upgraded", f"no model's answer came: {why}", remedy)
    for fault in faults(case, said_by(answer)):
        return Line("FAIL", "upgraded", fault.found, fault.remedy)
    return Line("PASS", "upgraded", f"by {answer.generator}, {seconds:.1f} s")


def _stopwatch() -> Callable[[], float]:
    begun = time.monotonic()
    return lambda: time.monotonic() - begun
