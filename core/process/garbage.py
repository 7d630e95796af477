"""Garbage collection of a process that holds thousands of jobs or connections.

What is in nobody's cycle goes at once in any case. To look for cycles, Python stops the process: for most of a second where
two thousand streams are open, and with its own thresholds again every few seconds. So what has been loaded by the time of the
start, which stays until the end, is never looked at again; young objects are looked at in larger portions, so that fewer
of them are taken for old; and all old ones a tenth as often.
"""

import gc

#: young objects more than were freed, before these are looked at; so many such looks before those that survived one are
#: looked at, too; and so many of these before all are. A look at 2,000 takes 1 ms, one at 40,000 about 20 ms.
_THRESHOLDS = (2_000, 20, 100)


def collect_rarely() -> None:
    """Call this once all is loaded and nothing is served yet."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
