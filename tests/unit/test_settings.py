"""Settings: read once, refused by name, listed in `.env.example`."""

import re
from pathlib import Path

import pytest

from agentic_rag.errors import BadSettings
from agentic_rag.settings import Settings, child_environment, read_settings

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / ".env.example"


@pytest.fixture(autouse=True)
def _elsewhere(settings):
    """Stand in a folder without a `.env`."""


def example_lines() -> list[str]:
    return EXAMPLE.read_text("utf-8").splitlines()


def example_names() -> list[str]:
    return [line.partition("=")[0] for line in example_lines() if re.match(r"\w+=", line)]


def test_with_nothing_set_everything_is_embedded():
    read = read_settings()

    assert (read.llm_base_url, read.ollama_base_url) == ("", "")
    assert read.openai_api_key.get_secret_value() == ""
    assert read.chroma_host == ""
    assert read.clinic_pack is None
    assert read.data_dir == Path(".agentic-rag")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_BASE_URL", "localhost:8000/v1"),
        ("OLLAMA_BASE_URL", "ftp://localhost"),
        ("LLM_FALLBACKS", "openai,bard"),
        ("LLM_TIMEOUT_S", "0"),
        ("LLM_TIMEOUT_S", "nan"),
        ("LLM_TIMEOUT_S", "inf"),
        ("LLM_CONNECT_TIMEOUT_S", "soon"),
        ("CHROMA_TIMEOUT_S", "inf"),
        ("LLM_TEMPERATURE", "2.1"),
        ("LLM_MAX_TOKENS", "0"),
        ("CHROMA_PORT", "70000"),
        ("CHROMA_COLLECTION", "two words"),
        ("TOP_K", "many"),
        ("TOP_K", "101"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_CTX_CHARS", "-1"),
        ("RATE_LIMIT", "sixty"),
        ("RATE_LIMIT", "60/fortnight"),
        ("RATE_LIMIT", "0/minute"),
        ("JWT_JWKS_URL", "https://id.example/keys"),  # and not a word of whose tokens they are
        ("MAX_BODY_BYTES", "0"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(BadSettings, match=rf"\b{name}\b"):
        read_settings()


def test_every_bad_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("TOP_K", "many")
    monkeypatch.setenv("LOG_LEVEL", "loud")

    with pytest.raises(BadSettings) as caught:
        read_settings()

    assert "TOP_K" in str(caught.value)
    assert "LOG_LEVEL" in str(caught.value)


def test_a_refusal_tells_no_value_and_so_no_secret(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-my-secret")
    monkeypatch.setenv("LLM_BASE_URL", "user:my-secret@llm:8000")
    monkeypatch.setenv("LLM_MAX_TOKENS", "my-secret")

    with pytest.raises(BadSettings) as caught:
        read_settings()

    assert "LLM_BASE_URL" in str(caught.value)
    assert "LLM_MAX_TOKENS" in str(caught.value)
    assert "my-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["llm_api_key", "openai_api_key"])
def test_a_key_does_not_show_where_settings_are_printed(name):
    read = read_settings(**{name: "sk-my-secret"})

    assert "sk-my-secret" not in repr(read)
    assert "sk-my-secret" not in str(read)


@pytest.mark.parametrize(
    ("value", "rungs"),
    [
        ("", ()),
        (" , ", ()),
        ("openai", ("openai",)),
        ("ollama,openai", ("ollama", "openai")),
        (" openai , ollama ,", ("openai", "ollama")),
    ],
)
def test_fallbacks_are_split_at_commas(monkeypatch, value, rungs):
    monkeypatch.setenv("LLM_FALLBACKS", value)

    assert read_settings().llm_fallbacks == rungs


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")

    assert read_settings() == Settings()


def test_an_address_loses_its_last_slash(monkeypatch):
    monkeypatch.setenv("LLM_BASE_URL", "http://llm.example/v1/")

    assert read_settings().llm_base_url == "http://llm.example/v1"


def test_the_environment_goes_before_the_env_file_and_an_override_before_both(monkeypatch):
    Path(".env").write_text("TOP_K=3\nMAX_ATTEMPTS=3\nLLM_MODEL_NAME=filed\n", "utf-8")
    monkeypatch.setenv("TOP_K", "4")
    monkeypatch.setenv("MAX_ATTEMPTS", "4")

    read = read_settings(top_k=5)

    assert (read.top_k, read.max_attempts, read.llm_model_name) == (5, 4, "filed")


def test_a_variable_that_is_not_ours_is_left_alone(monkeypatch):
    monkeypatch.setenv("TOP_K_OF_SOMEONE_ELSE", "many")
    Path(".env").write_text("SOMEONE_ELSE=1\n", "utf-8")

    assert read_settings().top_k == Settings().top_k


def test_a_child_gets_our_environment_and_what_we_set(monkeypatch):
    monkeypatch.setenv("TOP_K", "4")
    monkeypatch.setenv("LOG_LEVEL", "error")

    environment = child_environment(TOP_K="5")

    assert environment["TOP_K"] == "5"
    assert environment["LOG_LEVEL"] == "error"


def test_the_example_lists_every_setting_once_and_nothing_else():
    assert sorted(example_names()) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_explains_each_setting_in_the_line_above():
    lines = example_lines()

    for at, line in enumerate(lines):
        if re.match(r"\w+=", line):
            assert re.match(r"# \S", lines[at - 1]), f"{line} has no comment above it"


def test_the_example_holds_the_defaults():
    Path(".env").write_bytes(EXAMPLE.read_bytes())

    assert read_settings() == Settings(_env_file=None)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())
