"""Jobs of all tenants: listed, looked at, cancelled, replayed."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import click
import msgspec

from core.cli.acts import doubt_told
from core.errors import WaitReason
from core.model.job import Job, Status
from core.profiles import PROFILES
from core.security.encryption import Undecryptable, token_fingerprint
from core.store.jobs.queries import LOOKED_AT, JobFilter
from core.store.redis.codec import Unreadable
from core.store.tenants.api_keys import Caller
from service.admin.context import AdminContext, refusals_written, require_id
from service.admin.facts import Facts, content_of, delivery_facts, job_facts, job_line, state_words, time_of
from service.admin.formatting import show_facts, show_page
from service.cli.terminal import print_json
from service.http.headers import NOWHERE
from service.jobs.cancel import request_cancel
from service.jobs.current_view import current_wait
from service.jobs.replay import accept_replay
from service.problems import ApiError

_COLUMNS = {
    "ID": "id",
    "STATE": "state",
    "TENANT": "tenant",
    "CODE": "code",
    "CREATED": "created_at",
    "PROFILE": "profile",
    "CREDITS": "credits_used",
}


async def show_jobs(
    context: AdminContext, wanted: JobFilter, *, tenant: str, after: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, newest first. Few that match among many cost no more than LOOKED_AT jobs looked at."""
    if after:
        require_id(context, after, "job")
    if wanted.profile is not None and wanted.profile not in PROFILES:  # it becomes part of a key, too
        raise click.ClickException(f"there is no profile {wanted.profile}: they are {', '.join(PROFILES)}")
    tenants = await context.named_or_all(tenant)
    found = await context.api.job_queries.page_of_all(tenants, wanted, after=after, limit=limit)
    lines = await asyncio.gather(*(_line(context, job) for job in found.jobs))
    rows = [line | {"state": state_words(line)} for line in lines]
    show_page(lines if as_json else rows, _COLUMNS, next_after=found.next_after, as_json=as_json)
    if found.next_after and len(found.jobs) < limit:
        click.echo(f"{LOOKED_AT:,} jobs were looked at, and there are older ones.", err=True)


async def _line(context: AdminContext, job: Job) -> Facts:
    return job_line(job, await _waits_for(context, job))


async def _waits_for(context: AdminContext, job: Job) -> WaitReason | None:
    if job.status is Status.QUEUED:
        return (await current_wait(context.api, job)).reason
    return job.wait.reason if job.wait else None


async def show_job(context: AdminContext, job_id: str, *, content: bool, as_json: bool) -> None:
    """Show all that is known of a job; its content too where that is asked for, which is written down first."""
    job = await _load(context, job_id)
    if content:
        await context.acts.trail.append(context.acts.entry("read content", job.id, tenant=job.tenant), "done")
    facts = await _line(context, job) | job_facts(job) | await _held(context, job) | await _token(context, job)
    facts["callbacks"] = await _callbacks(context, job)
    if content:
        facts["content"] = content_of(job)
    show_facts(facts, as_json=as_json)


async def _load(context: AdminContext, job_id: str) -> Job:
    require_id(context, job_id, "job")
    job = await context.api.jobs.load(job_id)
    if job is None:
        raise click.ClickException(f"there is no job {job_id}")
    return job


async def _held(context: AdminContext, job: Job) -> Facts:
    held = await context.api.jobs.holder(job.id)
    return {
        "worker": held.owner.rpartition(":")[0] or None,
        "lease_until": time_of(held.lease_until_ms),
        "crashes": held.crashes,
    }


async def _token(context: AdminContext, job: Job) -> Facts:
    """Name its token by id and fingerprint; the fingerprint is null where it was removed or cannot be opened."""
    fingerprint = None
    if job.token_id:
        with suppress(Undecryptable):
            secret = await context.api.tokens.secret_of(job.token_id)
            fingerprint = token_fingerprint(secret) if secret else None
    return {"token_id": job.token_id, "token_fingerprint": fingerprint}


async def _callbacks(context: AdminContext, job: Job) -> list[Facts]:
    found = await context.api.deliveries.of_job(job.id)
    default = await default_url(context, job.tenant) if found else None
    return [delivery_facts(delivery, default) for delivery, _ in found]


async def default_url(context: AdminContext, tenant: str) -> str | None:
    """Say where a tenant's callbacks go by default; None also where this release cannot read it."""
    with suppress(Unreadable):
        webhook = await context.api.webhooks.default(tenant)
        return webhook.url if webhook else None
    return None


async def cancel_jobs(context: AdminContext, job_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Cancel jobs one by one, as their callers would. Those that cannot be keep none of the others from it."""
    done: list[Facts] = []
    try:
        for job_id in job_ids:
            done += [await _outcome(context, job_id)]
    finally:  # what was done is said, also where Redis goes away in the middle
        _say_cancelled(done, as_json=as_json)
    if failed := sum(each["error"] is not None for each in done):
        raise click.ClickException(f"{failed} of {len(done)} could not be cancelled")


async def _outcome(context: AdminContext, job_id: str) -> Facts:
    try:
        return {"id": job_id, "status": await _cancel(context, job_id), "error": None}
    except click.ClickException as refused:
        words = refused.message
    except ApiError as refused:
        words = f"{job_id}: {refused.detail}"
    except Unreadable as unreadable:
        words = str(unreadable)
    return {"id": job_id, "status": None, "error": words}


def _say_cancelled(done: Sequence[Facts], *, as_json: bool) -> None:
    if as_json:
        print_json({"data": done, "next_after": None})
    for each in done:
        if each["error"]:
            click.echo(f"Error: {each['error']}", err=True)
        elif not as_json:
            click.echo(f"{each['id']} is {each['status']}")


async def _cancel(context: AdminContext, job_id: str) -> str:
    job = await _load(context, job_id)
    entry = context.acts.entry("cancel", job.id, tenant=job.tenant)
    async with refusals_written(context, entry):
        return str((await request_cancel(context.api, job, audit=entry)).status)


async def replay_ended_job(
    context: AdminContext, job_id: str, *, start: Literal["start", "render"], as_json: bool
) -> None:
    """Play an ended job again for its tenant, as a new job. No API key's limit of submits applies; the tenant's do."""
    job = await _load(context, job_id)
    caller = Caller(job.tenant, "", frozenset())
    entry = context.acts.entry("replay", job.id, tenant=job.tenant)
    for known_to_apis in (context.api.job_outcomes, context.api.timings):  # by which they tell what to expect
        await known_to_apis.now()
    async with refusals_written(context, entry):
        again = accept_replay(context.api, caller, job.id, start=start, key=None, origin=NOWHERE, audit=entry)
        with doubt_told():
            accepted = await again
    made = msgspec.json.decode(accepted.body)
    words = f"{made['id']} is {made['status']}"
    try:
        if as_json:
            print_json({"id": made["id"], "status": made["status"], "parent_id": job.id})
        else:
            click.echo(words)
    except OSError:  # it costs credits: whoever does not see it would make another one
        click.echo(words, err=True)
        raise
