"""Logs: one JSON object a line on stderr, with ids and no content.

No prompt, media URL, token, key or query string is ever passed to a log call; libraries that would log them are
turned down here. An exception is told by its kind and its place, since its words may be a caller's content.
"""

import logging
import sys
import traceback
from collections.abc import Iterator

import structlog
from structlog.typing import EventDict, Processor

#: these write URLs, arguments or bodies at INFO
_TALKATIVE = ("httpx", "httpcore", "arq", "uvicorn.access", "litestar", "asyncio", "hpack")
#: of a trace the innermost places
_FRAMES = 12


def configure_logs(level: str) -> None:
    """Send the logs of this process, libraries' included, through one formatter."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_words,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _without_words(_: object, __: str, event: EventDict) -> EventDict:
    """Write exceptions as ``KeyError at run.py:70 < run.py:52``, and cut off what asyncio adds to its own events."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = ", during ".join(_told(each) for each in _chain(error))
    if event.get("logger") == "asyncio":
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
