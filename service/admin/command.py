"""`reelgate admin`: what an operator sees and does over all tenants. Each command loads what it does when it does it."""

from functools import partial
from typing import Literal

import click

from core.cli.arguments import tenant_name
from service.admin.options import (
    after_option,
    ask,
    json_option,
    limit_option,
    since_option,
    tenant_option,
    until_option,
    yes_option,
)
from service.cli.options import DELIVERY_STATUSES, JOB_STATUSES, start_option

_JOB = click.argument("job_id")


@click.group()
def admin() -> None:
    """See and steer the jobs of all tenants. With the settings of the service in the place of an API key.

    Ids and facts are shown, and a caller's content only with --content. What is changed, and what content is read, is
    written down: `reelgate admin audit`.
    """


@admin.command("jobs")
@click.option("--state", type=click.Choice(JOB_STATUSES), help="Those that stand there.")
@tenant_option
@click.option("--profile", help="Those that use this skill.")
@since_option
@until_option
@limit_option
@after_option
@json_option
def admin_jobs(
    *,
    state: str | None,
    tenant: str,
    profile: str | None,
    since_ms: int | None,
    until_ms: int | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List the jobs of all tenants, newest first."""
    from core.model.job import Status  # noqa: PLC0415 - so that --help need not wait
    from core.store.jobs.queries import JobFilter  # noqa: PLC0415
    from service.admin import context, jobs  # noqa: PLC0415

    wanted = JobFilter(
        status=Status(state) if state else None, profile=profile, created_from_ms=since_ms, created_until_ms=until_ms
    )
    context.run_admin(partial(jobs.show_jobs, wanted=wanted, tenant=tenant, after=after, limit=limit, as_json=as_json))


@admin.command("job")
@_JOB
@click.option("--content", is_flag=True, help="Its prompt, media, metadata and reply too. That is written down.")
@json_option
def admin_job(job_id: str, *, content: bool, as_json: bool) -> None:
    """Show all that is known of a job. Where it stands, who holds it, its token, its callbacks."""
    from service.admin import context, jobs  # noqa: PLC0415

    context.run_admin(partial(jobs.show_job, job_id=job_id, content=content, as_json=as_json))


@admin.command("cancel")
@click.argument("job_ids", nargs=-1, required=True)
@yes_option
@json_option
def admin_cancel(job_ids: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Cancel jobs, as their callers would. Their callbacks are sent."""
    from service.admin import context, jobs  # noqa: PLC0415

    ask(f"Cancel {_count(job_ids)}? What was charged stays charged.", yes=yes)
    context.run_admin(partial(jobs.cancel_jobs, job_ids=job_ids, as_json=as_json))


def _count(job_ids: tuple[str, ...]) -> str:
    return job_ids[0] if len(job_ids) == 1 else f"{len(job_ids)} jobs"


@admin.command("replay")
@_JOB
@start_option
@yes_option
@json_option
def admin_replay(job_id: str, *, start: Literal["start", "render"], yes: bool, as_json: bool) -> None:
    """Play an ended job again for its tenant, as a new job."""
    from service.admin import context, jobs  # noqa: PLC0415

    ask(f"Replay {job_id} from its {start}?{' That costs credits.' if start == 'start' else ''}", yes=yes)
    context.run_admin(partial(jobs.replay_ended_job, job_id=job_id, start=start, as_json=as_json))


@admin.command("deliveries")
@click.option(
    "--state",
    type=click.Choice(DELIVERY_STATUSES),
    default="dead",
    show_default=True,
    help="Those there.",
)
@tenant_option
@limit_option
@after_option
@json_option
def admin_deliveries(*, state: str, tenant: str, limit: int, after: str | None, as_json: bool) -> None:
    """List the callbacks of all tenants, newest first. Of their URLs the host is shown."""
    from core.events.delivery import DeliveryState  # noqa: PLC0415
    from service.admin import context, deliveries  # noqa: PLC0415

    listing = partial(
        deliveries.show_deliveries,
        state=DeliveryState(state),
        tenant=tenant,
        after=after,
        limit=limit,
        as_json=as_json,
    )
    context.run_admin(listing)


@admin.command("redeliver")
@click.argument("delivery_id", required=False)
@tenant_option
@click.option(
    "--dead", is_flag=True, help="What was given up of this tenant's, by when it was made, up to 1,000 at a time."
)
@since_option
@until_option
@yes_option
@json_option
def admin_redeliver(
    delivery_id: str | None,
    *,
    tenant: str,
    dead: bool,
    since_ms: int | None,
    until_ms: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a callback again, or all that were given up. Those need --tenant, --dead and --since."""
    from service.admin import context, deliveries  # noqa: PLC0415

    if delivery_id and not (tenant or dead or since_ms or until_ms):
        ask(f"Send {delivery_id} again?", yes=yes)
        context.run_admin(partial(deliveries.redeliver_one, delivery_id=delivery_id, as_json=as_json))
        return
    if delivery_id or not (tenant and dead and since_ms):
        raise click.UsageError("Name a delivery, or give --tenant, --dead and --since.")
    ask(f"Send again what was given up of {tenant}'s callbacks?", yes=yes)
    sending = partial(deliveries.redeliver_dead, tenant=tenant, since_ms=since_ms, until_ms=until_ms, as_json=as_json)
    context.run_admin(sending)


@admin.command("tenants")
@limit_option
@after_option
@json_option
def admin_tenants(*, limit: int, after: str | None, as_json: bool) -> None:
    """List tenants. What each has queued and running, its credits, and whether it is paused."""
    from service.admin import context, tenants  # noqa: PLC0415

    context.run_admin(partial(tenants.list_tenants, after=after, limit=limit, as_json=as_json))


_WHO = click.argument("tenant", required=False, default="", callback=tenant_name)
_ALL = click.option("--all", "everybody", is_flag=True, help="Everybody's, instead of one tenant's.")


def _require_one(tenant: str, *, everybody: bool) -> None:
    if bool(tenant) == everybody:
        raise click.UsageError("Name a tenant, or give --all.")


@admin.command("pause")
@_WHO
@_ALL
@yes_option
@json_option
def admin_pause(tenant: str, *, everybody: bool, yes: bool, as_json: bool) -> None:
    """Let no more jobs begin. They are accepted all the same and wait; those that run go on."""
    from service.admin import context, tenants  # noqa: PLC0415

    _require_one(tenant, everybody=everybody)
    ask(f"Pause {tenant or 'everybody'}? Jobs that are not resumed in time expire.", yes=yes)
    context.run_admin(partial(tenants.pause_starts, tenant=tenant, as_json=as_json))


@admin.command("resume")
@_WHO
@_ALL
@json_option
def admin_resume(tenant: str, *, everybody: bool, as_json: bool) -> None:
    """Let jobs begin again, at once where there is room."""
    from service.admin import context, tenants  # noqa: PLC0415

    _require_one(tenant, everybody=everybody)
    context.run_admin(partial(tenants.resume_starts, tenant=tenant, as_json=as_json))


@admin.command("workers")
@json_option
def admin_workers(*, as_json: bool) -> None:
    """List the workers that live: what each holds, and how it does."""
    from service.admin import context, workers  # noqa: PLC0415

    context.run_admin(partial(workers.list_workers, as_json=as_json))


@admin.command("audit")
@limit_option
@after_option
@json_option
def admin_audit(*, limit: int, after: str | None, as_json: bool) -> None:
    """List what operators have done here, newest first."""
    from service.admin import audit, context  # noqa: PLC0415

    context.run_admin(partial(audit.list_audit, after=after, limit=limit, as_json=as_json))
