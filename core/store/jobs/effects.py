"""What a job's next record brings about beside it, for the operation that writes both: on its token, in what is measured and
counted, in its batch and in the gauges. Pure.
"""

from typing import Any

from core.clock import rfc3339
from core.errors import WaitReason
from core.events.event import random_tail
from core.ids import cell_of, id_prefix
from core.model.job import Job, Stage, Status
from core.model.session import Session
from core.security.signed_links import output_path

#: what a place has in the place of a stage or a reason to wait
_NONE = "-"
#: where a job that has started can be shown
PLACES = {
    f"{status}/{stage}/{wait}": (status, stage, wait)
    for status in (Status.RUNNING, Status.CANCELING)
    for stage in (_NONE, *Stage)
    for wait in (_NONE, *WaitReason)
    if wait != WaitReason.PAUSED  # which keeps jobs from starting
}
#: why a job waits that needs a token, of which another tenant's may have some
_WAITS_FOR_TOKEN = (WaitReason.NO_CREDITS, WaitReason.BACKEND_RATE_LIMITED)


def place_of(job: Job) -> str | None:
    """Name where a job is shown in the gauges: ``running/rendering/-``. None: it has not started, or has ended."""
    if job.status not in (Status.RUNNING, Status.CANCELING):
        return None
    return f"{job.status}/{job.stage or _NONE}/{job.wait.reason if job.wait else _NONE}"


def lends_place(job: Job) -> bool:
    """Whether others may have a job's place while it sleeps: where it waits for a token of its tenant's, they need not.

    Whoever waits for the backend itself, or for a page before it, keeps it: those that would begin in its place could come
    no further. So does who is canceled, and says no more why it waits.
    """
    waits = job.wait is not None and job.wait.reason in _WAITS_FOR_TOKEN and not job.wait.for_all
    return waits and job.status is Status.RUNNING


def token_marks(old: Job, new: Job, session: Session | None) -> dict[str, Any]:
    """Say what others are to know of the job's token: a message on it, that nobody hears any more, or an export."""
    return {
        "sending": _sending(old, new, session),
        "unsent_on": old.token_id if old.sent and not new.sent else None,
        "unheard_on": new.token_id if _is_unheard(new) and (_is_heard(old) or _goes_on_elsewhere(old, new)) else None,
        "exported_on": new.token_id if _is_asked(new) and not _is_asked(old) else None,
    }


def _sending(old: Job, new: Job, session: Session | None) -> dict[str, Any] | None:
    """Say on which token a message is about to be sent, or goes on, whose account that is, and what it will probably cost."""
    moved = _goes_on_elsewhere(old, new)
    if new.sent is None or new.token_id is None or not (old.sent is None or moved):
        return None
    account = session.user_id if session else None
    return {"token": new.token_id, "account": account, "cost": new.sent.cost, "moved": moved}


def _goes_on_elsewhere(old: Job, new: Job) -> bool:
    """Whether another token serves the job from here on, whose account may yet be charged for its message."""
    return old.sent is not None and old.token_id != new.token_id and not (new.edited or new.ended)


def _is_heard(job: Job) -> bool:
    """Whether somebody may listen to the job's message.

    One to whose end somebody has listened counts as heard where the job was alone on its token: its cost is settled at once,
    and nobody need know.
    """
    if job.sent is None or job.stage is not Stage.EDITING or job.status is not Status.RUNNING:
        return False
    return job.recovery is None or job.sent.sends is not None


def _is_unheard(job: Job) -> bool:
    """Whether a message is out to which nobody listens, and of which it is not known what it did."""
    return job.sent is not None and not (job.edited or job.ended or _is_heard(job))


def _is_asked(job: Job) -> bool:
    """Whether the backend has taken the job's export."""
    return job.render is not None and job.render.asked


def time_samples(old: Job, new: Job, now_ms: int) -> dict[str, Any]:
    """Say how long what is over now took, for the estimates."""
    return {"stage_sample": _in_stage(old, new, now_ms), "render_sample": _rendered(old, new)}


def _in_stage(old: Job, new: Job, now_ms: int) -> dict[str, Any] | None:
    """Say how long a stage took that a job comes through, for the estimates: not the one in which it has waited for credits."""
    came_through = new.status in (Status.RUNNING, Status.SUCCEEDED) and new.stage != old.stage
    has_waited = old.stage is Stage.PREPARING and old.waited_ms > 0
    if not (came_through and old.stage and old.stage_since_ms) or has_waited:
        return None
    return {"stage": str(old.stage), "ms": now_ms - old.stage_since_ms}


def _rendered(old: Job, new: Job) -> dict[str, Any] | None:
    """Say how long a render took that is done now, where the backend has told; once, however often its film is fetched."""
    if new.render is None or new.render.took_s is None or (old.render and old.render.took_s is not None):
        return None
    return {"profile": new.profile, "ms": int(new.render.took_s * 1000)}


def end_in_batch(job: Job, now_ms: int) -> dict[str, Any] | None:
    """Say what its batch keeps of a job that has ended. None: it is in none."""
    if job.batch_id is None or not job.ended:
        return None
    return {
        "id": job.batch_id,
        "now": rfc3339(now_ms),
        "now_ms": now_ms,
        "id_prefix": id_prefix("evt", cell_of(job.batch_id)),
        "random": random_tail(),
        "output": output_path(job.id) if job.output else None,
    }


def usage_of(job: Job) -> dict[str, float]:
    """Say what an ended job adds to its tenant's month."""
    minutes = (job.output.duration_s or 0) / 60 if job.output else 0
    credits_used = float(job.credits_used or 0)
    counted = {
        f"jobs_{job.status}": 1.0,
        "credits": credits_used,
        "credits_estimated": 0.0 if job.credits_exact else credits_used,
        "minutes": minutes,
    }
    return {name: by for name, by in counted.items() if by}
