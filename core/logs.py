"""Logs: one JSON object a line on stderr, with ids and no content.

No prompt, media URL, token, key or query string is ever passed to a log call; libraries that would log them are
turned down here.
"""

import logging
import sys

import structlog

#: these write URLs, arguments or bodies at INFO
_TALKATIVE = ("httpx", "httpcore", "arq", "uvicorn.access", "litestar", "asyncio", "hpack")


def configure_logs(level: str) -> None:
    """Send the logs of this process, libraries' included, through one formatter."""
    shared: list[structlog.typing.Processor] = [
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
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
