"""What commands print of the API's things: jobs, events, deliveries."""

from collections.abc import Iterable

from reelgate.client.types import Delivery, Estimate, Event, Job
from service.cli.options import command_again
from service.cli.printing import echo, printable, printable_json
from service.cli.terminal import json_of, local, print_json, print_table


def print_as_asked(job: Job, *, as_json: bool) -> None:
    """Show a job as JSON, or in words."""
    if as_json:
        print_json(job)
    else:
        print_job(job)


def print_result(job: Job) -> None:
    """Say what came of a job, without its film. Where the backend said nothing, the reply names the changes already."""
    reply = job.reply or ""
    changes = [change for change in job.changes if change not in reply]
    for line in filter(None, [reply, *changes, job.timeline]):
        echo(line)
    if job.result is not None:
        print_json(job.result)


def print_job(job: Job) -> None:
    """Show a job, a fact a line; what there is nothing to say of is left out."""
    for name, value in [*_asked_of(job), *_known_of(job)]:
        if value:
            echo(f"{name:9} {printable(value)}")
    print_result(job)


def _asked_of(job: Job) -> list[tuple[str, str | None]]:
    """Say which job it is, and what it was asked for."""
    return [
        ("id", job.id),
        ("status", state_of(job) + (f" ({job.stage})" if job.stage else "")),
        ("waits", _wait_of(job)),
        ("prompt", _prompt_of(job)),
        ("profile", job.profile),
        ("session", job.session_id),
        ("replays", job.parent_id),
        ("batch", job.batch_id),
        ("metadata", " ".join(f"{name}={value}" for name, value in job.metadata.items())),
    ]


def _known_of(job: Job) -> list[tuple[str, str | None]]:
    """Say what has become of it."""
    return [
        ("created", local(job.created_at)),
        ("finished", local(job.finished_at)),
        ("expected", expectation_of(job.estimate) if job.estimate and not job.ended else None),
        ("credits", _credits_of(job)),
        ("film", _film_of(job)),
        ("error", f"{job.error.code}: {job.error.detail}" if job.error else None),
        ("do", job.error.hint if job.error else None),
        *(("hint", hint) for hint in job.hints),
    ]


def state_of(job: Job) -> str:
    return f"{job.status} {job.progress.percent} %" if job.status == "running" else job.status


def _prompt_of(job: Job) -> str | None:
    return job.input.prompt if job.input else job.plan.message


def _wait_of(job: Job) -> str | None:
    if not job.wait:
        return None
    place = f", place {job.wait.position}" if job.wait.position else ""
    eta = f", about {job.wait.eta_p90_s:.0f} s to its end" if job.wait.eta_p90_s else ""
    return f"{job.wait.reason}{place}{eta}"


def _credits_of(job: Job) -> str | None:
    return None if job.credits_used is None else f"{job.credits_used}{'' if job.credits_exact else ' (estimated)'}"


def expectation_of(estimate: Estimate) -> str:
    """Say what a job will probably cost and take: ``50 credits, up to 100 (as published); 40 s, up to 95 s (by 212 jobs)``."""
    most = max(estimate.credits, default=0)
    cost = f"{estimate.credits_typical} credits{_up_to(most, estimate.credits_typical)}" if most else "no credits"
    if estimate.p50_s is None or estimate.p90_s is None:
        return f"{cost}{_basis_of(estimate.credits_jobs)}"
    takes = f"{estimate.p50_s:g} s{_up_to(estimate.p90_s, estimate.p50_s, ' s')}"
    return f"{cost}{_basis_of(estimate.credits_jobs)}; {takes}{_basis_of(estimate.time_jobs)}"


def _up_to(most: float, usual: float, unit: str = "") -> str:
    return f", up to {most:g}{unit}" if most > usual else ""


def _basis_of(jobs: int) -> str:
    return f" (by {jobs} jobs)" if jobs else " (as published)"


def _film_of(job: Job) -> str | None:
    if not job.output:
        return None
    size = f", {job.output.width}x{job.output.height}" if job.output.width else ""
    length = f", {job.output.duration_s:g} s" if job.output.duration_s else ""
    return f"{job.output.format}{size}{length}: {command_again(f'download {job.id}')}"


def print_event(event: Event, *, as_json: bool) -> None:
    """Show an event in a line."""
    if as_json:
        echo(printable_json(json_of(event).decode()))
        return
    progress = event.job.progress if event.job else None
    rest = f"{progress.percent:3d} %  {printable(progress.message)}" if progress else ""
    echo(f"{local(event.timestamp)}  {event.type:14} {rest}".rstrip())


def print_jobs(jobs: Iterable[Job]) -> None:
    """List jobs; what one looks for first stands on the left, where a narrow terminal leaves it."""
    rows = [
        (job.id, state_of(job), local(job.created_at, short=True), _prompt_of(job), job.profile, _credits_of(job))
        for job in jobs
    ]
    print_table(("ID", "STATUS", "CREATED", "PROMPT", "PROFILE", "CREDITS"), rows)


def print_deliveries(deliveries: Iterable[Delivery]) -> None:
    rows = [
        (each.id, each.status, each.type, local(each.created_at), len(each.attempts), each.why or _last_error(each))
        for each in deliveries
    ]
    print_table(("ID", "STATUS", "TYPE", "CREATED", "ATTEMPTS", "WHY"), rows)


def _last_error(delivery: Delivery) -> str | None:
    last = delivery.attempts[-1] if delivery.attempts else None
    return (last.error or f"status {last.status}") if last else None
