"""`reelgate list`, `show`, `events`, `cancel`, `replay`, `deliveries` and `credits`: what is there, and what becomes of it."""

from itertools import islice
from typing import TYPE_CHECKING, Literal

import click

from service.cli import printing
from service.cli.options import (
    DELIVERY_STATUSES,
    JOB_STATUSES,
    Access,
    command_again,
    idempotency_option,
    start_option,
    with_access,
)

if TYPE_CHECKING:
    from reelgate.client import Event, Reelgate
    from reelgate.client.calls import JobFilters

_JOB = click.argument("job_id")


@click.command("list")
@click.option("--status", type=click.Choice(JOB_STATUSES), help="Those that stand there.")
@click.option("--profile", help="Those that use this skill.")
@click.option("--session", "session_id", help="Those of this session.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many at most.")
@with_access
def list_command(
    *, status: str | None, profile: str | None, session_id: str | None, limit: int, api: str, key: str, as_json: bool
) -> None:
    """List jobs, newest first."""
    from service.cli import calling, formatting, terminal  # noqa: PLC0415 - so that --help need not wait

    filters: JobFilters = {}
    if status:
        filters["status"] = status
    if profile:
        filters["profile"] = profile
    if session_id:
        filters["session_id"] = session_id
    with calling.calling(Access(api, key)) as reelgate:
        jobs = list(islice(reelgate.jobs(**filters), limit))
    if as_json:
        terminal.print_json(jobs)
    else:
        formatting.print_jobs(jobs)


@click.command("show")
@_JOB
@with_access
def show_command(job_id: str, *, api: str, key: str, as_json: bool) -> None:
    """Show a job: where it stands, what it has cost, what became of it."""
    from service.cli import calling, formatting  # noqa: PLC0415

    with calling.calling(Access(api, key)) as reelgate:
        job = reelgate.job(job_id)
    formatting.print_as_asked(job, as_json=as_json)


@click.command("events")
@_JOB
@click.option("--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--after", default="", metavar="EVENT_ID", help="Follow from behind this event on.")
@with_access
def events_command(job_id: str, *, follow: bool, after: str, api: str, key: str, as_json: bool) -> None:
    """Show a job's events. With --follow as they come; --json prints one a line."""
    from service.cli import calling, formatting, job_run  # noqa: PLC0415

    if after and not follow:
        raise click.UsageError("--after goes with --follow.")
    seen = after

    def advice() -> list[str]:
        words = command_again(f"events {job_id} --follow --after {seen}")
        return [f"to go on: {words}"] if follow and seen else []

    patience_s = job_run.JOB_PATIENCE_S if follow else calling.CALL_PATIENCE_S
    with calling.calling(Access(api, key), advice=advice, patience_s=patience_s) as reelgate:
        for event in reelgate.events(job_id, after=after) if follow else _history(reelgate, job_id):
            formatting.print_event(event, as_json=as_json)
            seen = event.id


def _history(reelgate: "Reelgate", job_id: str) -> "tuple[Event, ...]":
    """Give the events that a job has had, and say where it had more."""
    page = reelgate.history(job_id)
    if page.trimmed:
        printing.echo("the first events are not kept any more", err=True)
    return page.data


@click.command("cancel")
@_JOB
@with_access
def cancel_command(job_id: str, *, api: str, key: str, as_json: bool) -> None:
    """Cancel a job. What was charged by then stays charged."""
    from service.cli import calling, terminal  # noqa: PLC0415

    with calling.calling(Access(api, key)) as reelgate:
        job = reelgate.cancel(job_id)
    if as_json:
        terminal.print_json(job)
    else:
        printing.echo(f"{job.id} is {job.status}")


@click.command("replay")
@_JOB
@start_option
@idempotency_option
@with_access
def replay_command(
    job_id: str,
    *,
    start: Literal["start", "render"],
    idempotency_key: str | None,
    api: str,
    key: str,
    as_json: bool,
) -> None:
    """Play an ended job again, as a new job."""
    from service.cli import calling, job_run, terminal  # noqa: PLC0415

    log = job_run.Log(None, quiet=as_json, key=idempotency_key)
    with calling.calling(Access(api, key), advice=log.advice) as reelgate:
        job = job_run.JobRun(reelgate, log).replay(job_id, start, idempotency_key)
        if as_json:
            terminal.print_json(job)
        else:
            printing.echo(f"{job.id} is {job.status}")
            printing.echo(f"to follow it: {command_again(f'wait {job.id}')}", err=True)


@click.command("deliveries")
@click.argument("job_id", required=False)
@click.option(
    "--status",
    type=click.Choice(DELIVERY_STATUSES),
    default="dead",
    show_default=True,
    help="Without a job: those of all jobs that stand there.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many at most.")
@with_access
def deliveries_command(job_id: str | None, *, status: str, limit: int, api: str, key: str, as_json: bool) -> None:
    """Show what callbacks were sent. Those of a job, or of all jobs those that were given up."""
    from service.cli import calling, formatting, terminal  # noqa: PLC0415

    with calling.calling(Access(api, key)) as reelgate:
        told = reelgate.deliveries
        found = list(told.of_job(job_id).data if job_id else islice(told.list(status=status), limit))
    if as_json:
        terminal.print_json(found)
    else:
        formatting.print_deliveries(found)


@click.command("credits")
@with_access
def credits_command(*, api: str, key: str, as_json: bool) -> None:
    """Show the credits that new jobs can spend."""
    from service.cli import calling, terminal  # noqa: PLC0415

    with calling.calling(Access(api, key)) as reelgate:
        found = reelgate.credits()
    if as_json:
        terminal.print_json(found)
    else:
        terminal.print_table(
            ("AVAILABLE", "FROZEN", "TOTAL", "AS OF"),
            [(found.available, found.frozen, found.total, terminal.local(found.as_of))],
        )
