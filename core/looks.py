"""Looks: what wakes from sleep, as a job does to look at its render; all but what goes ahead. How many may be begun at once.

Looks come in thousands, and each costs the event loop and Redis a little; whatever is ready at the same time makes the way
through both longer for everybody. So as many run at once as leave the loop on time and have Redis answer soon: fewer once one of
them is late; more while neither is and they are not enough, but each time only after as many have passed as there may be, since
those that all wait in one place make nobody late before they come back from there. A look that has run for a quarter of a second
waits for somebody else, costs nothing meanwhile, and counts no longer: a backend that is slow slows nobody down here.

Pure: it is told the time, in seconds of any clock that only goes forward, and how late the others were.
"""

#: so many at least, however late everything is: what slept is never forgotten
LEAST = 32
#: a loop that comes to a timer later than this is late
LATE_S = 0.02
#: an answer of Redis's that comes later than this, the rounds of the loop on its way included, is late
SLOW_S = 0.05
#: after so long a look is one that waits: it asks Redis twice, and comes round the loop some ten times
_WORKING_S = 0.25
#: by how much the bound grows and shrinks
_GROWTH, _SHRINKAGE = 1.5, 0.7
#: of the places that become free, one in so many is a look's, where one is due
_ONE_IN = 4


class Looks:
    """The looks that run in one process, and how many there may be."""

    def __init__(self, most: int) -> None:
        self._most = max(LEAST, most)
        self._begun_s: dict[str, float] = {}
        #: looks that have ended, or counted no longer, since the bound was changed
        self._passed = 0
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
        if self._begun_s.pop(item_id, None) is not None:
            self._passed += 1

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
        self._judge(lag_s / LATE_S, wanted=False)

    def note_answer(self, took_s: float) -> None:
        """Learn how long Redis took for an answer: everything that runs goes the same way."""
        self._judge(took_s / SLOW_S, wanted=self.more_due and self._passed >= self.bound)

    def _judge(self, strain: float, *, wanted: bool) -> None:
        bound = next_bound(self.bound, running=self.running, wanted=wanted, strain=strain, most=self._most)
        if bound != self.bound:
            self.bound, self._passed = bound, 0

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
            self._passed += 1


def next_bound(bound: int, *, running: int, wanted: bool, strain: float, most: int) -> int:
    """How many looks may run at once, now that with `running` of them something was late (`strain` above 1) or was not.

    `wanted`: more are due than there is room for, and those that ran have shown what they do.
    """
    if strain > 1:
        return max(LEAST, int(min(bound, running) * _SHRINKAGE))
    if wanted and strain < 1 / 2:
        return min(most, int(bound * _GROWTH))
    return bound
