"""Doctor: says what is configured, what answers, and what to do about what does not."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import httpx

from agentic_rag.agent.ask import ask
from agentic_rag.agent.llm import Rung, configured, rungs
from agentic_rag.bootstrap.house import House, build_house
from agentic_rag.domain import Outcome, Question
from agentic_rag.errors import AgenticRagError, IndexRefused, Misconfigured
from agentic_rag.inference.sight import Sight, of_failure, of_models
from agentic_rag.settings import Settings

State = Literal["ok", "warning", "fault"]
_PROBE_S = 5.0
_RULES_CHARS = 2_000  # of the safety prompt and a question, beside the documents
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; a fault keeps the main job from running, a warning does not."""

    state: State
    what: str
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return {
            "state": self.state,
            "what": self.what,
            "found": self.found,
            "remedy": self.remedy,
        }


def fit(findings: list[Finding]) -> bool:
    """Tell whether the main job can run."""
    return all(finding.state != "fault" for finding in findings)


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that an answer needs."""
    try:
        house = build_house(settings)
    except Misconfigured as error:
        return [Finding("fault", "clinic pack", str(error), "mend the file and field it names")]
    profile = house.clinic.profile
    findings = [
        Finding("ok", "clinic pack", f"{profile.name} ({house.clinic.folder})"),
        Finding("ok", "red-flag rules", f"{len(house.deps.red_flags.rules)} rules, examples found"),
        await _look_at_library(house),
    ]
    if findings[-1].state == "ok":
        findings.append(await _look_at_documents(house))
        findings.append(await _look_at_answer(house))
    await house.close()
    findings += _token_in_the_clear(settings)
    findings += [await _look_at_rung(r, settings) for r in rungs(settings)]
    return findings + _outside(settings) + _no_rung(settings)


async def _look_at_library(house: House) -> Finding:
    try:
        await house.library.open()
    except IndexRefused as error:
        return Finding("fault", "index", str(error), "run `agentic-rag ingest`")
    except AgenticRagError as error:
        data = "make DATA_DIR a folder that can be written"
        chroma = "start the Chroma server, or see the message"
        remedy = data if "DATA_DIR" in str(error) else chroma
        return Finding("fault", "index", str(error), remedy)
    except OSError as error:
        remedy = "make DATA_DIR a folder that can be written"
        return Finding("fault", "index", f"{house.settings.data_dir}: {error.strerror}", remedy)
    where = house.settings.chroma_host or f"{house.settings.data_dir}"
    return Finding("ok", "index", f"version {house.library.version} is open, Chroma at {where}")


async def _look_at_documents(house: House) -> Finding:
    found = await asyncio.to_thread(house.drift)
    if not found:
        return Finding("ok", "documents", "the index holds those of the pack as they are")
    told = f"the index does not hold {house.clinic.documents} as it is now: {found}"
    return Finding("warning", "documents", told, "run `agentic-rag ingest`")


async def _look_at_answer(house: House) -> Finding:
    question = Question(text="I cannot breathe and my face is swollen")
    answer = await ask(question, deps=house.deps)
    if answer.outcome is not Outcome.EMERGENCY:
        return Finding("fault", "triage", "an emergency was not recognised", "see redflags.yaml")
    return Finding("ok", "triage", f"answers in {answer.timings['total'] * 1000:.0f} ms")


async def _look_at_rung(rung: Rung, settings: Settings) -> Finding:
    what = f"LLM {rung.name}/{rung.model}"
    if rung.base_url is None:
        return Finding("ok", what, "configured; not called, because a call costs money")
    headers = {"Authorization": f"Bearer {rung.api_key.get_secret_value()}"}
    timeout = httpx.Timeout(_PROBE_S, connect=settings.llm_connect_timeout_s)
    try:
        async with httpx.AsyncClient(timeout=timeout, headers=headers) as client:
            reply = await client.get(f"{rung.base_url}/models")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        sight, told = of_failure(error), type(error).__name__
        return Finding("warning", what, f"{sight} ({told})", _remedy(sight, rung))
    sight = of_models(reply.status_code, reply.content, rung.model)
    if sight is Sight.HERE:
        return _look_at_length(what, reply, rung, settings)
    if sight is Sight.STRANGER:
        found = f"answers, but serves {', '.join(_served(reply)) or 'no list of models'}"
        return Finding("warning", what, found, _remedy(sight, rung))
    return Finding("warning", what, f"{sight} ({reply.status_code})", _remedy(sight, rung))


def _remedy(sight: Sight, rung: Rung) -> str:
    prefix = "LLM" if rung.name == "vllm" else rung.name.upper()
    remedies = {
        Sight.KEY_REFUSED: f"set {prefix}_API_KEY to one that it takes",
        Sight.STRANGER: f"set {prefix}_MODEL_NAME to one of these",
        Sight.ELSEWHERE: f"mend {prefix}_BASE_URL",
        Sight.LOADING: "wait: it is waking; answers come from the documents meanwhile",
        Sight.BUSY: "give it more replicas, or ask less",
        Sight.BROKEN: "see its own log",
        Sight.CUT: "see its own log",
    }
    asleep = "it may be asleep: answers come from the documents meanwhile"
    return remedies.get(sight, asleep)


def _look_at_length(what: str, reply: httpx.Response, rung: Rung, settings: Settings) -> Finding:
    """See that a prompt fits; vLLM says what it is served with, others do not."""
    lengths = {m.get("id"): m.get("max_model_len") for m in reply.json()["data"]}
    length = lengths.get(rung.model)
    wanted = settings.llm_max_tokens + (_RULES_CHARS + settings.max_ctx_chars) // _CHARS_PER_TOKEN
    if not isinstance(length, int) or length >= wanted:
        return Finding("ok", what, "answers")
    found = f"answers, but reads {length} tokens at once; a question may need {wanted}"
    remedy = "serve it with a longer --max-model-len, or lower MAX_CTX_CHARS or LLM_MAX_TOKENS"
    return Finding("warning", what, found, remedy)


def _served(reply: httpx.Response) -> list[str]:
    try:
        return [str(model["id"]) for model in reply.json()["data"]][:5]
    except (ValueError, KeyError, TypeError):
        return []


def _outside(settings: Settings) -> list[Finding]:
    """Say what becomes of the rungs beyond the cluster."""
    policy = settings.llm_external_policy
    told = {
        "never": "is outside the cluster, and left out: LLM_EXTERNAL_POLICY=never",
        "redact": "is outside the cluster; personal data is taken out of what it gets",
        "allow": "is outside the cluster, and gets patients' words as they are",
    }
    remedy = "LLM_EXTERNAL_POLICY=redact, where patients have not agreed to that"
    return [
        Finding("warning", f"LLM {rung.name}/{rung.model}", told[policy], remedy)
        if policy == "allow"
        else Finding("ok", f"LLM {rung.name}/{rung.model}", told[policy])
        for rung in configured(settings)
        if rung.outside
    ]


def _token_in_the_clear(settings: Settings) -> list[Finding]:
    secret = settings.chroma_token.get_secret_value() or settings.chroma_headers
    if not (settings.chroma_host and secret) or settings.chroma_ssl:
        return []
    found = "is sent in the clear"
    return [Finding("warning", "Chroma token", found, "CHROMA_SSL=true, where others may listen")]


def _no_rung(settings: Settings) -> list[Finding]:
    if rungs(settings):
        return []
    found = "none set: answers are quoted from the documents"
    return [Finding("ok", "LLM", found, "LLM_BASE_URL, OPENAI_API_KEY or OLLAMA_BASE_URL add one")]
