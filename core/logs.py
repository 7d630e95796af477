"""Logs: one JSON object a line on stderr, with ids and no content; readable lines where a person sits at a terminal.

No prompt, media URL, token, key or query string is ever passed to a log call; libraries that would log them are
turned down here. An exception is told by its kind and its place, since its words may be a caller's content. Who logs
says what happened in fixed words, and everything else in fields: ``log.info("job ended", status="failed")``. What a
request or a job is known by (`job_id`, `tenant`, `request_id`, `trace_id`) is bound once, by `bind`.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal, cast

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor

LogFormat = Literal["auto", "json", "console"]

#: these write URLs, arguments or bodies at INFO
_TALKATIVE = ("httpx", "httpcore", "arq", "uvicorn.access", "litestar", "asyncio", "hpack")
#: these put what they quote, a repr or a line of code, behind the first line
_FIRST_LINE_ONLY = ("asyncio", "py.warnings")
_TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-")
#: of a trace the innermost places
_FRAMES = 12

#: what every line gets, ours or a library's
_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

#: binds fields to all lines of the running task, and to those of tasks that it starts
bind = structlog.contextvars.bind_contextvars


def bind_anew(**fields: Any) -> None:
    """Bind fields in the place of all that were bound, as a request does, whose task may come from the one before it."""
    structlog.contextvars.clear_contextvars()
    bind(**fields)


def get_logger(name: str) -> BoundLogger:
    """Make a logger that takes fields: ``get_logger(__name__)``."""
    processors = [structlog.stdlib.filter_by_level, *_COMMON, _as_record]
    logger = structlog.wrap_logger(
        logging.getLogger(name), processors=processors, wrapper_class=BoundLogger, cache_logger_on_first_use=True
    )
    return cast("BoundLogger", logger)


def trace_id_of(traceparent: str | None) -> str | None:
    """Take the trace's id out of a W3C trace context, where it is one."""
    found = _TRACE_ID.match(traceparent or "")
    return found[1] if found else None


def configure_logs(level: str, log_format: LogFormat = "auto") -> None:
    """Send the logs of this process, libraries' included, through one formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(_renderer(log_format)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them
    _hand_over_to_root()
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _as_record(_: object, __: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Hand our own line to `logging` as it is: a dictionary where libraries have a text."""
    return (event,), {}


class _Formatter(logging.Formatter):
    """Writes a line, ours or a library's. structlog's own formatter does the same by a copy of each record."""

    def __init__(self, render: Processor) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        event = dict(record.msg) if isinstance(record.msg, dict) else _foreign(record)
        return cast("str", self._render(None, record.levelname.lower(), _without_words(event)))


def _foreign(record: logging.LogRecord) -> EventDict:
    event: EventDict = {"event": record.getMessage(), "exc_info": record.exc_info}
    for add in _COMMON:
        event = cast("EventDict", add(logging.getLogger(record.name), record.levelname.lower(), event))
    return event


def _hand_over_to_root() -> None:
    """Take back the handlers that libraries gave their own loggers (uvicorn does), which would write past the formatter."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True


def say_ready(kind: str, address: str, log_format: LogFormat) -> None:
    """Write on stdout the one line that whoever started the process waits for, in the form of the log's lines.

    ``{"event": "worker ready", "address": "http://127.0.0.1:9100", …}``, or ``worker ready http://127.0.0.1:9100``.
    """
    if is_for_people(log_format):
        sys.stdout.write(f"{kind} ready {address}\n")
    else:
        processors = [structlog.processors.add_log_level, _COMMON[-1], _renderer("json")]
        said = structlog.wrap_logger(structlog.PrintLogger(sys.stdout), processors=processors)
        said.info(f"{kind} ready", address=address, logger=__name__)
    sys.stdout.flush()


def is_for_people(log_format: LogFormat) -> bool:
    """Whether lines are made to be read at a terminal, not by programs."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def _renderer(log_format: LogFormat) -> Processor:
    if is_for_people(log_format):
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    encoder = json.JSONEncoder(default=lambda value: type(value).__name__)  # `json.dumps` would make one for each line
    return lambda _, __, event: encoder.encode(event)


def log_crashes() -> None:
    """Make log lines of what Python would write to stderr itself: errors that nobody caught, and warnings."""
    logging.captureWarnings(capture=True)
    log = logging.getLogger(__name__)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("an error was caught by nobody", exc_info=(kind, error, trace))

    sys.excepthook = uncaught
    threading.excepthook = lambda told: uncaught(
        told.exc_type, cast("BaseException", told.exc_value), told.exc_traceback
    )
    sys.unraisablehook = lambda told: uncaught(told.exc_type, cast("BaseException", told.exc_value), told.exc_traceback)


def _without_words(event: EventDict) -> EventDict:
    """Write exceptions as ``KeyError at run.py:70 < run.py:52``, and cut off what libraries quote."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = ", during ".join(_told(each) for each in _chain(error))
    if event.get("logger") in _FIRST_LINE_ONLY:
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {where or 'no place'}"
