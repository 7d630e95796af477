"""Garbage collection of a process that holds thousands of jobs or connections.

What is in nobody's cycle goes at once in any case. To look for cycles, Python stops the process: for most of a second where
two thousand streams are open, and with its own thresholds again every few seconds. So what has been loaded by the time of the
start, which stays until the end, is never looked at again; young objects are looked at in larger portions, so that fewer
of them are taken for old; and all old ones a tenth as often.
"""

import gc

#: so many looks at young objects before those that survived one are looked at, too, and so many of these before all are
_OLDER, _ALL = 20, 100


def collect_rarely(*, young: int = 2_000) -> None:
    """Call this once all is loaded and nothing is served yet.

    `young`: so many objects more than were freed, before these are looked at; for 2,000 that takes about 1 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, _OLDER, _ALL)
