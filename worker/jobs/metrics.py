"""Counts the jobs that this process works on, by stage. Their starts and ends are counted by the commit that writes them."""

from core.metrics import JOBS_IN_FLIGHT, STAGE_SECONDS
from core.model.job import Job, Stage


class JobGauge:
    """Shows one job under the stage that it is in, while this process works on it."""

    def __init__(self) -> None:
        self._shown: Stage | None = None

    def show(self, stage: Stage | None) -> None:
        """Show the job under a stage; None: not any more."""
        if self._shown:
            JOBS_IN_FLIGHT.labels(self._shown).dec()
        self._shown = stage
        if stage:
            JOBS_IN_FLIGHT.labels(stage).inc()


def count_stage(old: Job, new: Job, *, now_ms: int) -> None:
    """Count how long a stage took that a job has left."""
    if old.stage and old.stage != new.stage and old.stage_since_ms:
        # another host may have written when it began; a sum that falls is a restart to Prometheus
        STAGE_SECONDS.labels(old.stage).observe(max(0, now_ms - old.stage_since_ms) / 1000)
