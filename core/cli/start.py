"""Where `reelgate` starts: the command line is loaded only once Ctrl-C ends that loading at once."""

from core.cli.interrupts import end_at_once_on_interrupt


def run_command_line() -> None:
    """Load the command line and run it."""
    end_at_once_on_interrupt()
    from core.cli.main import main as command_line  # noqa: PLC0415 - it is this loading that may be ended

    command_line()
