"""Logs, set up once, and the request id that every line of one request carries."""

import logging
import logging.config
import re
import uuid
from contextvars import ContextVar
from typing import Any

import orjson

from agentic_rag.personal import mask

REQUEST_HEADER = "x-request-id"
request_id: ContextVar[str] = ContextVar("request_id", default="-")

_UNFIT = re.compile(r"[^A-Za-z0-9._:-]")
_MAX_ID_CHARS = 64


def clean_request_id(raw: str) -> str:
    r"""Keep what is safe in a log line or a header of a caller's request id.

    >>> clean_request_id("a b\nERROR forged")
    'abERRORforged'
    """
    return _UNFIT.sub("", raw)[:_MAX_ID_CHARS]


class _RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class _PersonalDataFilter(logging.Filter):
    """Masks what names or reaches a person: in the message, and in what a traceback quotes."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "event"):  # which holds nothing that somebody wrote
            return True
        record.msg, record.args = mask(_told(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(self._formatter.formatException(record.exc_info))
        return True


def _told(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a slip of whoever logs is no reason to lose the event
        return str(record.msg)


class _NotTheCallersFault(logging.Filter):
    """Keeps kserve's tracebacks of what was told to the caller, and is no fault, out of the log."""

    _TOLD = frozenset(
        {"InvalidInput", "Refused", "Failed", "Busy", "Closed", "Forbidden"}
        | {"NoSuchModel", "ModelNotReady"}
    )

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or kind.__name__ not in self._TOLD


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
        }
        event = getattr(record, "event", None)
        line |= {"event": "request", **event} if event else {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def log_config(fmt: str, level: str) -> dict[str, Any]:
    """Return a `logging.config` dictionary for the whole process; `fmt` is text or json."""
    loud = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    quiet = {"handlers": ["stderr"], "level": "WARNING", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": _RequestIdFilter},
            "personal": {"()": _PersonalDataFilter},
            "told": {"()": _NotTheCallersFault},
        },
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
            "json": {"()": _JsonFormatter},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": fmt,
                "filters": ["request_id", "personal"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        # the libraries under us log bodies and whole tracebacks of a caller's slips
        "loggers": {
            "agentic_rag": loud,
            "uvicorn": loud,
            "uvicorn.access": quiet,
            "kserve": {**quiet, "filters": ["told"]},
            "kserve.trace": quiet,
            "bm25s": quiet,
        },
    }


def set_up_logging(fmt: str, level: str) -> None:
    """Point every logger of the process at stderr, one line an event."""
    logging.config.dictConfig(log_config(fmt, level))


def new_request_id() -> str:
    """Make an id for a request that brought none."""
    return uuid.uuid4().hex
