"""Logs: one line per event, as text or JSON, with its context (request, job, attempt)."""

import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from models_store.settings import LogFormat, Settings

logger = logging.getLogger(__name__)

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=_NO_FIELDS)

# Their own handlers would write lines of another format.
_LOGGERS_WITH_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "alembic")
_VERBOSE_LOGGERS = (
    # They log whole URLs, whose query may hold a secret.
    *("httpx", "httpx2", "httpcore", "httpcore2", "urllib3", "botocore"),
    # Our own log lines cover the same events.
    *("alembic.runtime.plugins", "celery.worker.strategy", "celery.app.trace"),
)

_SENSITIVE_NAME = r"[^=&\s\"']*(?:key|token|secret|signature|password)[^=&\s\"']*"
_SECRETS = (
    (re.compile(r"(://)[^/\s:@\"']*:[^/\s@\"']+@"), r"\1***@"),
    (re.compile(r"\b(authorization\W+(?:basic\s+)?|bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(cs_[0-9a-f]+_|whsec_)[\w+/=]+"), r"\1***"),
    (re.compile(rf"([?&]{_SENSITIVE_NAME}=)[^&\s\"']+", re.IGNORECASE), r"\1***"),
)


@contextmanager
def logging_context(**fields: Any) -> Iterator[None]:  # noqa: ANN401  # any JSON value
    """Add fields to every line logged within the block, in this thread or task."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def current_field(name: str) -> Any:  # noqa: ANN401  # any JSON value
    """Return a field of the logging context, or None."""
    return _context.get().get(name)


def redact(text: str) -> str:
    """Mask API keys, passwords in URLs, secrets in query strings and Authorization headers."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def set_up_logging(settings: Settings) -> None:
    """Send all log lines of this process to stderr, in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_context)
    handler.setFormatter(_JsonLines() if settings.log_format is LogFormat.JSON else _TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _LOGGERS_WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.error").addFilter(_is_not_duplicate)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace_back: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        logger.critical("the process ends with an error", exc_info=(kind, error, trace_back))
    else:
        sys.__excepthook__(kind, error, trace_back)


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    name = uncaught.thread.name if uncaught.thread else "unknown"
    logger.critical("the thread %s ends with an error", name, exc_info=uncaught.exc_value)


def _is_not_duplicate(record: logging.LogRecord) -> bool:
    """Drop uvicorn's record of an error that the server has already logged with its request."""
    return not record.getMessage().startswith("Exception in ASGI application")


def _add_context(record: logging.LogRecord) -> bool:
    fields = dict(_context.get())
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        fields["trace_id"] = trace.format_trace_id(span.trace_id)
    record.context = fields
    return True


class _TextLines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        context: Mapping[str, Any] = getattr(record, "context", _NO_FIELDS)
        line = super().formatMessage(record)
        return " ".join([line, *(f"{name}={value}" for name, value in context.items())])

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _JsonLines(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            timestamp="time",
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.update(log_data.pop("context", _NO_FIELDS))
        # Uvicorn's copy of the message for terminals.
        log_data.pop("color_message", None)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            log_data["error_type"], log_data["error"] = type(error).__qualname__, str(error)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: redact(value) if isinstance(value, str) else value for name, value in log_data.items()}
