"""A command that runs as a process of the service: it may have the connections that it needs, and whatever it says, also
before it has read its settings, is a log line.

`reelgate api` and `worker` are such commands; those that an operator types speak as click does.
"""

from typing import Any

import click

from core.logs import configure_logs, get_logger, log_crashes
from core.process.open_files import allow_open_files
from core.settings import Settings, load_settings, unknown_names

log = get_logger(__name__)


class ProcessCommand(click.Command):
    """Logs what click would print of a refusal, and what Python would print of a crash."""

    def make_context(self, *args: Any, **named: Any) -> click.Context:
        configure_logs("INFO")
        log_crashes()
        allow_open_files()
        try:
            return super().make_context(*args, **named)
        except click.ClickException as refusal:
            raise _logged(refusal) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as refusal:
            raise _logged(refusal) from None


def _logged(refusal: click.ClickException) -> SystemExit:
    log.error(refusal.format_message())
    return SystemExit(refusal.exit_code)


def load_process_settings() -> Settings:
    """Read the settings, or end the process with a log line for each bad name or value; then log as they say."""
    settings = load_settings(report=log.error)
    configure_logs(settings.log_level, settings.log_format)
    for name, near in sorted(unknown_names().items()):
        log.warning("this looks like a setting and is none", variable=name, meant=near)
    return settings
