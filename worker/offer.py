"""How many jobs a worker offers to hold: all its places while its event loop is on time, and fewer while it is late.

So less is let in where nobody would take it up in time; what comes where more is held already is left to workers that are on
time, for a moment; and whoever scales workers by what waits sees that there are too few. Pure.
"""

#: deliveries have places of their own beside the jobs: for attempts, and for those who wait for one
DELIVERY_PLACES = 512
#: a loop that comes to a timer later than this is too late for more jobs
TOO_LATE_S = 0.25
#: one that comes earlier than this may have more
ON_TIME_S = 0.1
#: by how much an offer shrinks; the part of all places by which it grows, and below which it never falls
_SHRINKAGE, _STEP = 0.8, 0.1


def has_room(jobs: int, *, places: int) -> bool:
    """Whether a worker that holds so many jobs may have one more that slept: callbacks need places, too.

    What was let in while others slept is more than there are places for once these wake, all of them perhaps.
    """
    return jobs <= places + DELIVERY_PLACES // 2


def next_offer(offered: int, *, places: int, lag_s: float) -> int:
    """How many of its places a worker offers, now that its loop was so late to one timer."""
    if lag_s > TOO_LATE_S:
        return max(1, int(places * _STEP), int(offered * _SHRINKAGE))
    if lag_s < ON_TIME_S:
        return min(places, offered + max(1, int(places * _STEP)))
    return offered
