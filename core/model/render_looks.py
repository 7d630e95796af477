"""When a render is looked at: for the first time when most of its profile are done, and not all in the same moment. Pure.

The documents say "every 30 s" (BACKEND.md, "Calls"); we count from the moment at which a render was asked for. So much time
is between any two looks at the least.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b

#: so many renders must have ended before anything is said by them
ENOUGH_RENDERS = 20
#: the part of the interval over which looks are spread that would all come at its end
SPREAD = 0.05
#: for a look less, renders may be noticed later by so large a part of the interval, on average
WORTH_OF_LOOK = 0.05
#: no first look comes later than so many intervals: a profile's renders are everybody's, and some of one tenant take long
MOST_INTERVALS = 4
#: of so many renders one may be done an interval, or longer, before it is looked at
_ONE_IN = 20
#: first looks that are compared
_COMPARED = 20


def first_look_s(took_s: Sequence[float], interval_s: float) -> float:
    """Say how long after it was asked for a render is looked at first, from how long the last ones of its profile took.

    No sooner than `interval_s`, which it is, too, where too few are known, or no other time would have been better for them.
    """
    if len(took_s) < ENOUGH_RENDERS:
        return interval_s
    return min(_first_looks(sorted(took_s), interval_s), key=lambda first_s: _cost_s(took_s, first_s, interval_s))


def spread_s(least_s: float, interval_s: float, *, job_id: str, nth: int) -> float:
    """Lengthen a job's nth pause a little, each by another part: looks that are once in step would stay in step.

    By a hash in which nothing of one pause can be seen in the next; a checksum's hang together, and two of them made bunches.
    """
    digest = blake2b(f"{job_id}/{nth}".encode(), digest_size=4).digest()
    return least_s + SPREAD * interval_s * int.from_bytes(digest) / 2**32


def _first_looks(took_s: list[float], interval_s: float) -> list[float]:
    """List the times that come into question: a moment after some were done, unless that is late for the fastest.

    Where such a moment comes too late for a first look, whole intervals sooner, so that a later look comes then.
    """
    latest_s = took_s[len(took_s) // _ONE_IN] + interval_s
    after_some = (time_s + SPREAD * interval_s for time_s in took_s[:: max(1, len(took_s) // _COMPARED)])
    in_time = (_in_time_s(first_s, interval_s) for first_s in after_some if first_s <= latest_s)
    return [interval_s, *(first_s for first_s in in_time if first_s > interval_s)]


def _in_time_s(first_s: float, interval_s: float) -> float:
    too_late_s = max(0.0, first_s - MOST_INTERVALS * interval_s)
    return min(first_s - interval_s * math.ceil(too_late_s / interval_s), MOST_INTERVALS * interval_s)


def _cost_s(took_s: Sequence[float], first_s: float, interval_s: float) -> float:
    """Say how late renders are noticed that are first looked at then, on average, and add what their looks are worth."""
    looks = [1 + max(0, math.ceil((time_s - first_s) / interval_s)) for time_s in took_s]
    late_s = sum(first_s + (n - 1) * interval_s - time_s for n, time_s in zip(looks, took_s, strict=True))
    return (late_s + WORTH_OF_LOOK * interval_s * sum(looks)) / len(took_s)
