"""Prefer: wait=N (RFC 7240): answers a submit at once, or with the ended job if it ends while its caller waits."""

import asyncio

from litestar import Response

from core.model.job import Job
from core.store.idempotency import StoredResponse
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from service.context import ApiContext
from service.http.json_response import encoded_response, json_response
from service.jobs.current_view import current_view

#: when a job that was just accepted is worth a look
_FIRST_LOOK_S = 2


async def respond(context: ApiContext, accepted: StoredResponse, wait_s: int | None, *, key_id: str) -> Response[bytes]:
    """Answer 202 with what was accepted, or 200 with the job where it ended within `wait_s`, and the API key still holds."""
    headers = dict(accepted.headers)
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
        if ended := await _ended_within(context, accepted.id, wait_s, key_id=key_id):
            return json_response(await current_view(context, ended), headers=headers)
    headers["Retry-After"] = str(_FIRST_LOOK_S)
    return encoded_response(accepted.body, status=202, headers=headers)


async def _ended_within(context: ApiContext, job_id: str, wait_s: int, *, key_id: str) -> Job | None:
    """Wait for a job's end. None: it did not come, or is not to be read here; that the job is accepted stays true."""
    try:
        async with asyncio.timeout(wait_s):
            ended = await _end_of(context, job_id)
            return ended if ended and await context.api_keys.holds(key_id) else None
    except (TimeoutError, Unreadable, *STORE_DOWN):
        return None


async def _end_of(context: ApiContext, job_id: str) -> Job | None:
    with context.subscriptions.to_job(job_id) as wakeup:
        while not context.subscriptions.closing:
            wakeup.clear()
            job = await context.jobs.load(job_id)
            if job is None or job.ended:
                return job
            await wakeup.wait()
    return None
