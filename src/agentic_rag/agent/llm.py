"""The one way to a chat model: rungs chosen by settings, finite times, no silent retries."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from agentic_rag.errors import LlmNotConfigured
from agentic_rag.inference.affinity.named import Named, read_replicas
from agentic_rag.inference.affinity.transport import AffinityTransport
from agentic_rag.inference.bounded import PLAIN, bound
from agentic_rag.settings import Settings, get_settings
from agentic_rag.tracing import carried

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI


_INSIDE = (".svc", ".local", ".internal", ".localhost", ".cluster", ".lan", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Rung:
    """Where a model is: `name` is vllm, openai or ollama; `replicas` where there are several."""

    name: str
    model: str
    base_url: str | None
    api_key: SecretStr
    timeout_s: float
    replicas: Named | None = None

    @property
    def outside(self) -> bool:
        """Tell whether it is beyond the cluster: OpenAI, and what a public address leads to."""
        hosts = [urlsplit(self.base_url or "").hostname or ""]
        hosts += self.replicas.hosts if self.replicas else ()
        return self.name == "openai" or not all(map(_is_inside, hosts))


def rungs(settings: Settings) -> list[Rung]:
    """Return the rungs that may be asked, first to be tried first; empty where there is none."""
    allowed = settings.llm_external_policy != "never"
    return [rung for rung in configured(settings) if allowed or not rung.outside]


def configured(settings: Settings) -> list[Rung]:
    """Return the rungs with a model that are set, whether or not they may be asked."""
    known = {
        "vllm": Rung(
            "vllm",
            settings.llm_model_name,
            settings.llm_base_url,
            settings.llm_api_key,
            settings.llm_timeout_s,
            read_replicas(settings.llm_replicas),
        ),
        "openai": Rung(
            "openai",
            settings.openai_model_name,
            settings.openai_base_url or None,
            settings.openai_api_key,
            settings.openai_timeout_s or settings.llm_timeout_s,
        ),
        "ollama": Rung(
            "ollama",
            settings.ollama_model_name,
            f"{settings.ollama_base_url}/v1",
            SecretStr("ollama"),
            settings.ollama_timeout_s or settings.llm_timeout_s,
        ),
    }
    usable = {
        "vllm": bool(settings.llm_base_url),
        "openai": bool(settings.openai_api_key.get_secret_value()),
        "ollama": bool(settings.ollama_base_url),
    }
    primary = next((name for name in known if usable[name]), None)
    # patients' words leave for OpenAI only as the primary or where LLM_FALLBACKS says so
    wanted = [primary, *settings.llm_fallbacks] if primary else []
    return [known[name] for name in dict.fromkeys(wanted) if name and usable[name]]


def _is_inside(host: str) -> bool:
    """Tell whether a host is one that only a cluster, or a machine, knows by that name.

    >>> _is_inside("llm-server.default.svc"), _is_inside("10.0.0.7"), _is_inside("api.openai.com")
    (True, True, False)
    """
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.rstrip(".").endswith(_INSIDE)
    return address.is_private or address.is_loopback


async def _part_of_ours(request: httpx.Request) -> None:
    """Tell the model's server which trace its work belongs to."""
    request.headers.update(carried())


def get_llm(settings: Settings | None = None, rung: Rung | None = None) -> "ChatOpenAI":
    """Return the chat model of a rung, or of the first one.

    Raises:
        LlmNotConfigured: no rung with a model is set.
    """
    settings = settings or get_settings()
    rung = rung or next(iter(rungs(settings)), None)
    if rung is None:
        raise LlmNotConfigured("set LLM_BASE_URL, OPENAI_API_KEY or OLLAMA_BASE_URL")
    from langchain_openai import ChatOpenAI  # a second to import: only who has a model pays

    timeout = httpx.Timeout(rung.timeout_s, connect=settings.llm_connect_timeout_s)
    transport = AffinityTransport(rung.replicas.open()) if rung.replicas else None
    return ChatOpenAI(
        model=rung.model,
        base_url=rung.base_url,
        api_key=rung.api_key,
        timeout=timeout,
        # a client of its own, so that whoever closes the model closes its connections only
        http_async_client=httpx.AsyncClient(
            timeout=timeout,
            transport=transport,
            headers=PLAIN,
            event_hooks={"request": [_part_of_ours], "response": [bound]},
        ),
        max_retries=0,
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        use_responses_api=False,
        stream_usage=True,
        # ours are kept by whoever calls; theirs, with Python 3.11, loses a cancellation that
        # comes together with a chunk: the model would write on for nobody
        stream_chunk_timeout=None,
    )
