"""Leases: a worker holds a job or a delivery for a while, and whatever it writes is refused once another one does."""


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another worker holds this job now; whoever gets this must stop, without a further effect."""
