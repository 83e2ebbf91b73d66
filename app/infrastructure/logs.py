"""What the process says about itself: one JSON object per line, or readable text on a terminal.

Secrets stay out: values whose name says what they are, and tokens wherever they stand. Documents and variables of requests
are never logged at all.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import IO, Any

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from app.infrastructure import journal
from app.infrastructure.tokens import TOKEN_PATTERN

HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(
    r"passw|token|secret|authori[sz]ation|cookie|credential|(^|_)(api_?)?key$|(^|_)variables$|(^|_)dsn$", re.IGNORECASE
)
URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@]+@")
TEXT_LENGTH_MAX = 10_000
DEPTH_MAX = 6
QUIET = {
    "tortoise": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.access": logging.WARNING,
}


def configure(level: str = "INFO", *, json: bool | None = None, stream: IO[str] | None = None) -> None:
    """Send every log line, ours and the libraries', to a stream (stderr); JSON unless that is a terminal."""
    out = stream if stream is not None else sys.stderr
    as_json = json if json is not None else not out.isatty()
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
    ]
    after: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        after += [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer(serializer=_dumps)]
    else:
        after += [structlog.processors.format_exc_info, redact, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quieter in QUIET.items():
        logging.getLogger(name).setLevel(quieter)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def add_request_id(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Name the request a line belongs to."""
    if request_id := journal.request_id.get():
        event.setdefault("request_id", request_id)
    return event


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hide what nobody should read in a log."""
    return {name: _redacted(name, value, 0) for name, value in event.items()}


def _redacted(name: object, value: Any, depth: int) -> Any:
    if isinstance(name, str) and SECRET_NAMES.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, bool | int | float | None):
        return value
    if depth >= DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): _redacted(key, inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner, depth + 1) for inner in value]
    text = URL_PASSWORD.sub(rf"\1{HIDDEN}@", TOKEN_PATTERN.sub(HIDDEN, str(value)))
    text = text.encode("utf-8", errors="replace").decode()
    return text if len(text) <= TEXT_LENGTH_MAX else text[:TEXT_LENGTH_MAX] + "…"


def _dumps(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
