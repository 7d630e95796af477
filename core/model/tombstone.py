"""The tombstone of a job: what is left of its record when its data is deleted, without a word of its caller's. Pure."""

import msgspec

from core.errors import MEANINGS
from core.model.job import Job, Problem
from core.model.plan import Plan
from core.model.transitions import InvalidTransition, with_cost


def tombstone_of(job: Job) -> Job:
    """Keep of an ended job what says how it ended, and what it cost."""
    if not job.ended:
        raise InvalidTransition(f"{job.id}: only an ended job can be deleted")
    return msgspec.structs.replace(
        job,
        version=job.version + 1,
        prompt="",
        media=(),
        reply=None,
        reply_truncated=False,
        changes=(),
        timeline=None,
        result=None,
        output=None,
        claim_url=None,
        metadata={},
        hints=(),
        webhook=None,
        plan=Plan(message=None, action=job.plan.action),
        render=None,
        request_id=None,  # a caller's own words, maybe
        error=job.error and _without_words(job),
        data_removed=True,
        beyond={},  # what is unknown may be words
    )


def _without_words(job: Job) -> Problem | None:
    """Say of an error what its code says, and its cost: its own words may name files, or be the backend's."""
    assert job.error is not None
    meaning = MEANINGS[job.error.code]
    plain = msgspec.structs.replace(job.error, detail=meaning.title, hint=meaning.hint)
    return with_cost(msgspec.structs.replace(job, error=plain)).error
