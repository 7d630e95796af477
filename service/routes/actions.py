"""What can be done to a job: cancel."""

from litestar import Response, post
from litestar.params import FromPath

from core import callback
from core.job import Job, cancel_asked
from core.store.jobs import LeaseLost
from core.view import JobView
from service.auth import needs
from service.operations import About, Answer, about
from service.parts import Asked, Parts, parts_of
from service.representation import answer, shown
from service.submit import own_job


@post(
    "/v1/jobs/{job_id:str}/cancel",
    guards=[needs("submit")],
    status_code=202,
    opt=about(
        About(
            "cancelJob",
            "Cancel a job",
            "Jobs",
            {
                202: Answer("It is being stopped, or has been.", JobView, headers=("Retry-After",)),
                200: Answer("It had ended already.", JobView),
            },
            scope="submit",
        )
    ),
)
async def cancel_job(request: Asked, job_id: FromPath[str]) -> Response[bytes]:
    """Stop a job. Safe to repeat."""
    parts = parts_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    if job.ended:
        return answer(await shown(parts, job))
    after = await _canceled(parts, job)
    headers = {} if after.ended else {"Retry-After": "1"}
    return answer(await shown(parts, after), status=202, headers=headers)


async def _canceled(parts: Parts, job: Job) -> Job:
    """Write the cancel over whatever the job's worker has written meanwhile."""
    while True:
        after = cancel_asked(job, now_ms=parts.clock.now_ms()) if not job.ended else job
        if after is job:
            return job
        try:
            return await parts.jobs.commit(job, after, owner=None, event=await _event(parts, job, after))
        except LeaseLost:
            job = await own_job(parts, job.tenant, job.id)


async def _event(parts: Parts, old: Job, new: Job) -> callback.Event:
    webhook = await parts.tenants.webhook(new.tenant)
    return callback.event(old, new, webhook=webhook, public_url=parts.settings.public_url, now_ms=parts.clock.now_ms())


HANDLERS = (cancel_job,)
