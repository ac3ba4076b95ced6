"""The checks, in their order: is it there, is it ready, does it answer right, and how fast."""

import time
from collections.abc import Callable, Iterator, Sequence

from agentic_rag.client import Busy, Refused
from agentic_rag.domain import Degraded
from agentic_rag.lines import Line
from agentic_rag.smoke.cases import Case, Fault, Said, faults, telling
from agentic_rag.smoke.doors import DOORS
from agentic_rag.smoke.server import Server
from agentic_rag.smoke.trouble import Trouble, told

_RUNS, _SLOW_S = 3, 10.0
_TO_MEND = "LLM_BASE_URL, LLM_MODEL_NAME and LLM_API_KEY; `agentic-rag doctor` tells which"


def look(server: Server) -> Iterator[Line]:
    """Yield whether a server is there, and ready to be asked; ends with the first that fails."""
    for check in (_alive, _health, _ready, _models, _keys):
        try:
            with told(server):
                line = check(server)
        except Trouble as trouble:
            line = _failed(check.__name__.strip("_"), trouble.fault)
        yield line
        if line.state == "FAIL":
            return


def look_behind(server: Server) -> Iterator[Line]:
    """Yield what is wrong with the model behind a server that answers without it, too."""
    try:
        with told(server):
            llm = server.send("GET", "/health")["llm"]
            failing = llm is not None and llm["state"] == "failing"
    except Trouble as trouble:
        yield _failed("model", trouble.fault)
        return
    if failing:
        yield Line("FAIL", "model", "it would not wake", f"see its pod, and {_TO_MEND}")


def ask_all(server: Server, cases: Sequence[Case], doors: Sequence[str]) -> Iterator[Line]:
    """Yield how every case is answered at each door, and how fast at the first that is right."""
    right: list[str] = []
    for door in doors:
        for line in _at(door, server, cases):
            right += [door] if line.state == "PASS" else []
            yield line
    if right:
        yield _runs(server, telling(cases), right[0])


def _failed(what: str, fault: Fault) -> Line:
    return Line("FAIL", what, fault.found, fault.remedy)


def _alive(server: Server) -> Line:
    if server.send("GET", "/healthz").get("status") != "alive":
        return Line("FAIL", "alive", "answers, but is no agentic-rag", "see --url")
    return Line("PASS", "alive", server.url)


def _health(server: Server) -> Line:
    health = server.send("GET", "/health")
    about = f"version {health['version']}, {health['clinic']['name']}"
    if refused := health["refused"]:
        found = f"{about}; refuses index {refused['version']}: {refused['reason']}"
        return Line("WARN", "health", found, "run `agentic-rag ingest`")
    asleep = health["llm"] and f"; the model is {health['llm']['state']}"
    return Line("PASS", "health", f"{about}{asleep or ''}")


def _ready(server: Server) -> Line:
    try:
        state = server.send("GET", "/ready")
        server.send("GET", f"/v2/models/{server.model}/ready")
    except Busy:
        remedy = "wait, if it has just begun; else see /health, its log and `agentic-rag doctor`"
        return Line("FAIL", "ready", "it is not ready", remedy)
    return Line("PASS", "ready", f"{state['in_flight']} in work, {state['queued']} wait")


def _models(server: Server) -> Line:
    listed = set(server.send("GET", "/v1/models")["models"])
    listed &= {each["id"] for each in server.send("GET", "/openai/v1/models")["data"]}
    if server.model not in listed:
        found = f"serves {', '.join(sorted(listed)) or 'nothing'}, and not {server.model}"
        return Line("FAIL", "models", found, "see --model")
    return Line("PASS", "models", server.model)


def _keys(server: Server) -> Line:
    try:
        server.send("GET", "/v1/models", bare=True)
    except Refused:
        return Line("PASS", "keys", "who has none is not let in")
    remedy = "set API_KEYS, unless only you reach it or a gateway asks for keys"
    return Line("WARN", "keys", "none is asked for", remedy)


def _at(door: str, server: Server, cases: Sequence[Case]) -> Iterator[Line]:
    """Yield what is wrong at a door, or that nothing is; who is not heard is not asked on."""
    wrong = False
    for case in cases:
        what = f"{door}: {case.question}"
        try:
            with told(server):
                found = list(faults(case, DOORS[door](server, case.question)))
        except Trouble as trouble:
            yield _failed(what, trouble.fault)
            return
        for fault in found:
            wrong = True
            yield _failed(what, fault)
    if not wrong:
        yield Line("PASS", door, f"{len(cases)} of {len(cases)} answers are right")


def _runs(server: Server, case: Case, door: str) -> Line:
    what = f"{_RUNS} runs"
    try:
        with told(server):
            timed = [_timed(lambda: DOORS[door](server, case.question)) for _ in range(_RUNS)]
    except Trouble as trouble:
        return _failed(what, trouble.fault)
    last = timed[-1][1]
    times = ", ".join(f"{seconds:.2f}" for seconds, _ in timed)
    found = (
        f"{times} s; {', '.join(str(said.tokens) for _, said in timed)} tokens; {last.generator}"
    )
    if last.degraded == Degraded.LLM_UNAVAILABLE:
        return Line("FAIL", what, f"no model answers: {found}; {last.degraded}", f"see {_TO_MEND}")
    if last.degraded:
        return Line("WARN", what, f"{found}; {last.degraded}", "see the model behind it")
    if max(seconds for seconds, _ in timed) > _SLOW_S:
        return Line("WARN", what, found, f"over {_SLOW_S:g} s: see its load and its model")
    return Line("PASS", what, found)


def _timed(ask: Callable[[], Said]) -> tuple[float, Said]:
    begun = time.monotonic()
    said = ask()
    return time.monotonic() - begun, said
