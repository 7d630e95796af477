"""Ctrl-C: until a command is loaded, which takes a while, it ends the process at once and without a word; then the command hears it.

Python would show where in its own files it was at that moment.
"""

import os
import signal

#: how a command ends that Ctrl-C has ended
EXIT_AFTER_CTRL_C = 128 + signal.SIGINT


def end_at_once_on_interrupt() -> None:
    """Let Ctrl-C end the process. Who shall not hear it, as what a script has put in the background, does not."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(*_: object) -> None:
    os._exit(EXIT_AFTER_CTRL_C)  # an exception would pass through half a library, some of which keep it


def hear_interrupts() -> None:
    """Let Ctrl-C be what commands expect: a KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
