"""Prefer: wait=N (RFC 7240): answers a submit at once, or with the ended job if it ends while its caller waits."""

import asyncio
from contextlib import suppress

from litestar import Response

from core.model.job import Job
from core.store.idempotency import StoredResponse
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from core.store.tenants.api_keys import Caller
from service.context import ApiContext
from service.http.json_response import encoded_response, json_response
from service.jobs.current_view import current_view

#: when a job that was just accepted is worth a look
_FIRST_LOOK_S = 2


async def respond(context: ApiContext, accepted: StoredResponse, wait_s: int | None, caller: Caller) -> Response[bytes]:
    """Answer 202 with what was accepted, or 200 with the job where it ended within `wait_s`, and the API key still holds.

    Nobody waits whose tenant has as many waiting here as it may.
    """
    headers = dict(accepted.headers)
    if wait_s is not None and context.subscriptions.has_place(caller.tenant):
        headers["Preference-Applied"] = f"wait={wait_s}"
        if ended := await _ended_within(context, accepted.id, wait_s, caller):
            return json_response(await current_view(context, ended), headers=headers)
    headers["Retry-After"] = str(_FIRST_LOOK_S)
    return encoded_response(accepted.body, status=202, headers=headers)


async def _ended_within(context: ApiContext, job_id: str, wait_s: int, caller: Caller) -> Job | None:
    """Wait for a job's end. None: it did not come, or is not to be read here; that the job is accepted stays true."""
    with context.subscriptions.place(caller.tenant), suppress(TimeoutError, Unreadable, *STORE_DOWN):
        async with asyncio.timeout(wait_s):
            ended = await _end_of(context, job_id)
            return ended if ended and await context.api_keys.holds(caller.key_id) else None
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
