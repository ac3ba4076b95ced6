"""The only reader of the environment."""

import os
import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agentic_rag.domain import WhenCold
from agentic_rag.errors import BadSettings

_RATE = r"^$|^[1-9]\d{0,4}/(second|minute|hour|day)$"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")

LlmRung = Literal["openai", "ollama"]
ExternalPolicy = Literal["never", "redact", "allow"]


class EngineName(StrEnum):
    """The engines that ingest can run with."""

    LOCAL = "local"
    RAY = "ray"


class Settings(BaseSettings):
    """Every knob, one name each; `.env.example` lists them. With none set, all runs embedded."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    llm_base_url: str = Field("", description="vLLM's OpenAI address, ending in /v1; empty: none")
    llm_model_name: str = Field("llm-server", description="model name that vLLM serves")
    llm_replicas: str = Field(
        "",
        description="of vLLM: host:port,... or dns://host:port or kubernetes://namespace/service",
    )
    llm_api_key: SecretStr = Field(SecretStr("EMPTY"), description="key for LLM_BASE_URL")
    llm_fallbacks: Annotated[tuple[LlmRung, ...], NoDecode] = Field(
        (), description="rungs behind the primary LLM, comma separated: openai, ollama"
    )
    llm_timeout_s: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="seconds that one LLM call may take"
    )
    llm_when_cold: WhenCold = Field(
        WhenCold.EXTRACTIVE,
        description="where the LLM sleeps: extractive answers without, wait, or fallback: the next",
    )
    llm_wake_limit_s: float = Field(
        900.0, gt=0, allow_inf_nan=False, description="seconds after which a wake-up has failed"
    )
    llm_idle_s: float = Field(
        300.0,
        ge=0,
        allow_inf_nan=False,
        description="seconds that the platform leaves an LLM running which nobody asks",
    )
    llm_most_waiting: int = Field(
        500, ge=0, description="callers who may wait for a wake-up at once; others do not wait"
    )
    llm_warm_every_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="seconds between looks that keep the LLM awake in open hours; empty: none",
    )
    request_timeout_s: float = Field(
        60.0,
        gt=0,
        allow_inf_nan=False,
        description="seconds that an answer may take where the caller names no time",
    )
    llm_connect_timeout_s: float = Field(
        3.0, gt=0, allow_inf_nan=False, description="seconds to connect to an LLM"
    )
    llm_temperature: float = Field(0.2, ge=0, le=2, description="default sampling temperature")
    llm_max_tokens: int = Field(256, ge=1, le=8192, description="default tokens an LLM may write")
    openai_api_key: SecretStr = Field(SecretStr(""), description="turns the OpenAI rung on")
    openai_model_name: str = Field("gpt-4o-mini", description="model of the OpenAI rung")
    openai_base_url: str = Field(
        "", description="another address for the OpenAI rung; empty: theirs"
    )
    openai_timeout_s: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="of its own; empty: LLM_TIMEOUT_S"
    )
    ollama_base_url: str = Field("", description="e.g. http://localhost:11434; turns that rung on")
    ollama_model_name: str = Field("llama3.2", description="model of the Ollama rung")
    ollama_timeout_s: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="of its own; empty: LLM_TIMEOUT_S"
    )

    llm_external_policy: ExternalPolicy = Field(
        "redact",
        description="what LLMs outside get: never anything, redact personal data, allow all",
    )

    chroma_host: str = Field("", description="Chroma server's host; empty: Chroma in a folder")
    chroma_port: int = Field(8000, ge=1, le=65535, description="Chroma server's port")
    chroma_collection: str = Field(
        "clinic", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,99}$", description="collection name's stem"
    )
    chroma_timeout_s: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="seconds that one Chroma call may take"
    )
    chroma_token: SecretStr = Field(
        SecretStr(""), description="sent to the Chroma server as `Authorization: Bearer ...`"
    )
    chroma_headers: Annotated[dict[str, SecretStr], NoDecode] = Field(
        {}, description='other headers for the Chroma server, as JSON: {"X-Api-Key": "..."}'
    )
    chroma_ssl: bool = Field(False, description="speak TLS with the Chroma server")
    chroma_ca_file: FilePath | None = Field(
        None, description="authorities (PEM) that its certificate is checked by; empty: the usual"
    )
    embedding_model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="a local folder, or a model name (the installed weights package, else the hub)",
    )
    embedding_backend: Literal["auto", "torch", "onnx"] = Field(
        "auto", description="what computes vectors; auto: onnx where an export stands, else torch"
    )
    embedding_precision: Literal["int8", "fp32"] = Field(
        "int8", description="which graph of the export is used; an index is good with one of them"
    )
    embedding_threads: int = Field(
        0, ge=0, le=256, description="threads that compute vectors; 0: one for each core"
    )
    embedding_dir: Path | None = Field(
        None, description="folder of the export; empty: embedder/ in DATA_DIR"
    )

    support_model: str = Field(
        "", description="cross-encoder (NLI) that may refuse further sentences; empty: none"
    )
    clinic_pack: Path | None = Field(None, description="folder of the clinic pack; empty: shipped")
    data_dir: Path = Field(Path(".agentic-rag"), description="everything the program keeps")
    index_keep: int = Field(
        2, ge=0, le=100, description="old index versions kept besides the live one"
    )
    top_k: int = Field(8, ge=1, le=100, description="passages retrieved when the caller names no k")
    max_ctx_snippets: int = Field(
        3, ge=1, le=20, description="passages laid before the LLM, for each part of a question"
    )
    max_ctx_chars: int = Field(2400, ge=200, le=100_000, description="characters of them, together")
    chat_top_k: int = Field(
        4, ge=1, le=100, description="on /chat: passages retrieved when the caller names no k"
    )
    chat_max_tokens: int = Field(
        256, ge=1, le=8192, description="on /chat: most tokens that a caller may have written"
    )
    chat_max_temperature: float = Field(
        0.5, ge=0, le=2, description="on /chat: highest temperature that a caller may ask for"
    )
    max_attempts: int = Field(2, ge=1, le=5, description="times the agent may search per question")
    max_question_chars: int = Field(4000, ge=1, le=100_000, description="longest question taken")
    max_concurrency: int = Field(
        256, ge=1, le=100_000, description="questions under way at most; more are refused with 429"
    )
    shutdown_notice_s: float = Field(
        2.0,
        ge=0,
        le=600,
        description="seconds after SIGTERM in which it says not ready, and still takes questions",
    )
    shutdown_grace_s: int = Field(
        30, ge=1, le=3600, description="seconds after those in which what is under way is finished"
    )
    max_instances: int = Field(128, ge=1, le=4096, description="most questions in one call")

    api_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="hashes of the callers' keys, comma separated: `agentic-rag keys new`"
    )
    allow_no_keys: bool = Field(
        False, description="without keys, serve other machines too, and not only this one"
    )
    metrics_open: bool = Field(
        False, description="/metrics asks for no key; else, where keys are set, for the admin's"
    )
    jwt_issuer: str = Field("", description="of the JSON web tokens that are taken beside keys")
    jwt_audience: str = Field("", description="that such a token has to be meant for")
    jwt_jwks_url: str = Field("", description="where the issuer's public keys are; empty: no JWTs")
    jwt_leeway_s: float = Field(
        30.0, ge=0, le=300, allow_inf_nan=False, description="that their clock may be off by"
    )
    rate_limit: str = Field(
        "", pattern=_RATE, description="of one caller at one replica: 60/minute; empty: none"
    )
    max_concurrency_per_key: int = Field(
        0, ge=0, le=100_000, description="requests of one caller under way at once; 0: no limit"
    )
    max_body_bytes: int = Field(
        4_194_304, ge=1024, le=1_073_741_824, description="largest request, over REST or gRPC"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="pages that browsers may call from, comma separated: https://clinic.example"
    )
    session_ttl: int = Field(
        86_400,
        ge=0,
        description="seconds that a conversation is kept after its last turn; 0: none is kept",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="Postgres that keeps conversations and records of answers; empty: files",
    )
    ui_server: str = Field(
        "http://127.0.0.1:8080", description="the server that the page for people asks"
    )
    ui_api_key: SecretStr = Field(
        SecretStr(""), description="the page's key at that server; empty: none; no browser sees it"
    )

    answers_ttl: int = Field(
        2_592_000,
        ge=0,
        description="seconds that a record of an answer is kept; 0: none is, nor feedback",
    )

    mlflow_tracking_uri: str = Field(
        "", description="MLflow, whose registry has the LoRA adapters: http://mlflow:5000"
    )
    adapters_name: str = Field(
        "clinic", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="registered model of the adapters"
    )
    adapters_dir: Path = Field(
        Path("/mnt/adapters"), description="folder of their copies, where vLLM sees it, too"
    )
    adapters_follow: bool = Field(
        False, description="have vLLM answer as the adapter that is live there"
    )
    adapters_key: SecretStr = Field(
        SecretStr(""), description="seals what is written down of adapters; 16 bytes or more"
    )
    adapters_max_rank: int = Field(
        16, ge=1, le=512, description="highest rank of an adapter: vLLM's --max-lora-rank"
    )
    adapters_suites: Path | None = Field(
        None, description="folder of golden.jsonl and thresholds.yaml for them; empty: the shipped"
    )
    adapters_gate_age_s: float = Field(
        604_800.0,
        gt=0,
        allow_inf_nan=False,
        description="seconds that an adapter's gate result is good for",
    )

    otel_exporter_otlp_endpoint: str = Field(
        "", description="where traces go, over OTLP/HTTP: http://localhost:4318; empty: nowhere"
    )
    otel_traces_sampler_arg: float = Field(
        1.0, ge=0, le=1, description="share of the traces that begin here that is kept"
    )

    log_format: Literal["text", "json"] = Field("text", description="shape of the log lines")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level"
    )

    @field_validator("llm_fallbacks", "api_keys", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("chroma_headers", mode="before")
    @classmethod
    def _read_headers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ValueError("expected a JSON object of names and values") from None

    @field_validator("chroma_headers", "chroma_token")
    @classmethod
    def _sendable(cls, value: SecretStr | dict[str, SecretStr]) -> SecretStr | dict[str, SecretStr]:
        headers = value if isinstance(value, dict) else {"Authorization": value}
        for name, secret in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(
                secret.get_secret_value()
            ):
                raise ValueError(
                    "expected printable ASCII without line breaks, to send as a header"
                )
        return value

    @field_validator("chroma_ca_file")
    @classmethod
    def _of_use(cls, value: Path | None, told: ValidationInfo) -> Path | None:
        if value and told.data.get("chroma_ssl") is False:
            raise ValueError("is of no use without CHROMA_SSL=true")
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _meant_for_us(cls, value: str, told: ValidationInfo) -> str:
        if value and not (told.data.get("jwt_issuer") and told.data.get("jwt_audience")):
            raise ValueError("needs JWT_ISSUER and JWT_AUDIENCE: whose tokens, and for whom")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("expected a URL that starts with postgresql://")
        return value

    @field_validator(
        "llm_base_url",
        "openai_base_url",
        "ollama_base_url",
        "jwt_jwks_url",
        "ui_server",
        "otel_exporter_otlp_endpoint",
    )
    @classmethod
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("expected a URL that starts with http:// or https://")
        return value.rstrip("/")


def read_settings(**overrides: object) -> Settings:
    """Read the environment, `.env` and the overrides (by field name), in rising order.

    Raises:
        BadSettings: a value cannot be used; names the variable and what was expected.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by pydantic itself
    except ValidationError as error:
        faults = "; ".join(
            f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise BadSettings(faults) from None


@cache
def get_settings() -> Settings:
    """Read the environment once, at first use and never at import."""
    return read_settings()


def child_environment(**overrides: str) -> dict[str, str]:
    """Return this process's environment with some variables set, for a process that we start."""
    return {**os.environ, **overrides}


def ray_address() -> str:
    """Return RAY_ADDRESS, which Ray reads for itself; empty where it is not set."""
    return os.environ.get("RAY_ADDRESS", "")
