"""Looks: what wakes from sleep, as a job does to look at its render; all but what goes ahead. How many may be begun at once.

Looks come in thousands, and each costs the event loop a little; whatever is ready at the same time makes each of its rounds
longer for everybody. So as many run at once as leave the loop on time: more while it is and they are not enough, fewer once it
is late. A look that has run for a second waits for somebody else, costs nothing meanwhile, and counts no longer: a backend
that is slow slows nobody down here.

Pure: it is told the time, in seconds of any clock that only goes forward, and how late the loop was.
"""

#: so many at least, however late the loop is: what slept is never forgotten
LEAST = 32
#: a loop that comes to a timer later than this is late
LATE_S = 0.02
#: after so long a look is one that waits
_WORKING_S = 1.0
#: by how much the bound grows and shrinks
_GROWTH, _SHRINKAGE = 1.5, 0.7
#: of the places that become free, one in so many is a look's, where one is due
_ONE_IN = 4


class Looks:
    """The looks that run in one process, and how many there may be."""

    def __init__(self, most: int) -> None:
        self._most = max(LEAST, most)
        self._begun_s: dict[str, float] = {}
        self._owed = 0.0
        self.bound = LEAST
        #: when it was last asked more were due, or may have been, than there was room for
        self.more_due = False

    def begin(self, item_id: str, *, now_s: float) -> None:
        """Count a look."""
        self._begun_s.pop(item_id, None)
        self._begun_s[item_id] = now_s

    def end(self, item_id: str) -> None:
        """Count it no longer. Safe for what is no look."""
        self._begun_s.pop(item_id, None)

    def room(self, *, now_s: float) -> int:
        """How many may begin now."""
        self._forget_waiting(now_s)
        return max(0, self.bound - len(self._begun_s))

    @property
    def running(self) -> int:
        """How many run, those that wait left out."""
        return len(self._begun_s)

    def is_worth_asking(self, *, now_s: float) -> bool:
        """Whether more are due, and so many places have become free that one question pays for itself."""
        return self.more_due and self.room(now_s=now_s) >= self.bound / 2

    def note_lateness(self, lag_s: float) -> None:
        """Learn how late the loop came to a timer while looks ran or were due."""
        self.bound = next_bound(self.bound, running=self.running, more_due=self.more_due, lag_s=lag_s, most=self._most)

    def kept_of(self, free_places: int) -> int:
        """How many of the places that are free now are kept for looks; whatever is due else may have the others.

        What is left of a share is owed for the next time, so that a single place, too, is a look's now and then.
        """
        self._owed += free_places / _ONE_IN
        kept = int(self._owed)
        self._owed -= kept
        return kept

    def _forget_waiting(self, now_s: float) -> None:
        while self._begun_s:
            oldest = next(iter(self._begun_s))
            if now_s - self._begun_s[oldest] < _WORKING_S:
                return
            del self._begun_s[oldest]


def next_bound(bound: int, *, running: int, more_due: bool, lag_s: float, most: int) -> int:
    """How many looks may run at once, now that the loop was so late with `running` of them."""
    if lag_s > LATE_S:
        return max(LEAST, int(min(bound, running) * _SHRINKAGE))
    if more_due and lag_s < LATE_S / 2:
        return min(most, int(bound * _GROWTH))
    return bound
