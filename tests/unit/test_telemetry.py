"""Logs: one event a line, the request id in each, the caller's slips kept out."""

import json
import logging.config

import pytest

from agentic_rag.telemetry import clean_request_id, log_config, new_request_id, request_id


@pytest.fixture
def logged(capsys):
    """Set logging up, write with it, and give back the lines that came out."""

    def write(fmt: str, level: str, say) -> list[str]:
        logging.config.dictConfig(log_config(fmt, level))
        say(logging.getLogger("agentic_rag.somewhere"))
        return capsys.readouterr().err.splitlines()

    yield write
    for name in (None, *log_config("text", "info")["loggers"]):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.filters.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING if name is None else logging.NOTSET)


def test_a_json_line_carries_the_event_and_the_request_id(logged):
    token = request_id.set("req-1")

    lines = logged("json", "info", lambda logger: logger.info("graded kept=%d", 2))

    request_id.reset(token)
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert (line["message"], line["request_id"], line["level"]) == (
        "graded kept=2",
        "req-1",
        "info",
    )
    assert line["logger"] == "agentic_rag.somewhere"


def test_a_traceback_stays_in_its_json_line(logged):
    def fail(logger):
        try:
            int("broken")
        except ValueError:
            logger.exception("prediction failed")

    lines = logged("json", "info", fail)

    assert len(lines) == 1
    assert "ValueError: invalid literal" in json.loads(lines[0])["traceback"]


def test_a_text_line_carries_the_request_id(logged):
    token = request_id.set("req-2")

    lines = logged("text", "info", lambda logger: logger.warning("away"))

    request_id.reset(token)
    assert "[req-2] away" in lines[0]


def test_what_lies_below_the_level_is_not_written(logged):
    assert logged("text", "warning", lambda logger: logger.info("chatter")) == []


def test_a_request_id_cannot_forge_a_log_line():
    assert clean_request_id("a1\nERROR forged\r\n") == "a1ERRORforged"
    assert clean_request_id("x" * 500) == "x" * 64


def test_every_request_gets_an_id_of_its_own():
    made = {new_request_id() for _ in range(100)}

    assert len(made) == 100
    assert all(clean_request_id(each) == each for each in made)


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_personal_data_is_masked_in_the_event_and_in_its_traceback(logged, fmt):
    def fail(logger):
        try:
            int("my name is Asha Patil, 98220 12345")
        except ValueError:
            logger.exception("could not read %s of %s", "a@example.org", "98220 12345")

    told = "".join(logged(fmt, "info", fail))

    assert "could not read <EMAIL> of <PHONE>" in told
    assert [word for word in ("98220", "Asha", "a@example.org") if word in told] == []
    assert "ValueError" in told


def test_a_request_id_of_digits_is_no_card(logged):
    token = request_id.set("4111111111111111")

    lines = logged("text", "info", lambda logger: logger.info("away"))

    request_id.reset(token)
    assert "[4111111111111111] away" in lines[0]


def test_an_event_with_a_slip_in_its_arguments_is_not_lost(logged):
    lines = logged("text", "info", lambda logger: logger.info("kept=%d", "two"))

    assert "kept=%d" in lines[0]
