"""Where `reelgate` starts: until its command is loaded, which takes a while, Ctrl-C ends it at once and without a word.

Python would show where in its own files it was at that moment.
"""

import os
import signal

#: how a command ends that Ctrl-C has ended
EXIT_AFTER_CTRL_C = 128 + signal.SIGINT


def run_command_line() -> None:
    """Load the command line and run it. Who shall not hear Ctrl-C, as what a script has put in the background, does not."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    from core.cli.main import main as command_line  # noqa: PLC0415 - it is this loading that may be ended

    command_line()


def _end_at_once(*_: object) -> None:
    os._exit(EXIT_AFTER_CTRL_C)  # an exception would pass through half a library, some of which keep it


def hear_interrupts() -> None:
    """Let Ctrl-C be what commands expect: a KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
