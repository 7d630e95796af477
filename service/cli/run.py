"""`reelgate run`, `submit`, `wait` and `download`: from files and words to a film."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.options import Access, JobWish, output_option, timeout_option, with_access, with_wish

if TYPE_CHECKING:
    from reelgate.client.calls import JobOptions

_WORDS = click.argument("words", nargs=-1, required=True, metavar="[FILE_OR_URL]... PROMPT")


@click.command("run")
@_WORDS
@output_option("Where the film goes; by default it is named after the job. Its ending is the film's format.")
@with_wish
@timeout_option
@with_access
def run_command(
    words: tuple[str, ...],
    *,
    output: Path | None,
    profile: str | None,
    session_id: str | None,
    max_credits: int | None,
    metadata: dict[str, str],
    idempotency_key: str | None,
    timeout_s: float | None,
    api: str,
    key: str,
    as_json: bool,
) -> None:
    """Edit files (or URLs) by a prompt and save the film. The prompt is the last argument, or ``-`` and on the input:

    reelgate run clip.mp4 "trim the first 2 seconds" -o out.mp4
    """
    from service.cli import preflight  # noqa: PLC0415 - so that --help need not wait

    film_format = preflight.format_of_output(output)
    wish = JobWish(profile, session_id, max_credits, metadata, idempotency_key)
    options = _options(wish, film_format)
    _go(Access(api, key), words, wish, options, output, wait=True, timeout_s=timeout_s, as_json=as_json)


@click.command("submit")
@_WORDS
@with_wish
@click.option("--wait", is_flag=True, help="Follow the job and download its video.")
@output_option("Where the film goes; implies --wait. Its ending is the film's format.")
@with_access
def submit_command(
    words: tuple[str, ...],
    *,
    profile: str | None,
    session_id: str | None,
    max_credits: int | None,
    metadata: dict[str, str],
    idempotency_key: str | None,
    wait: bool,
    output: Path | None,
    api: str,
    key: str,
    as_json: bool,
) -> None:
    """Send files (or URLs) with a prompt, the last argument: reelgate submit clip.mp4 "trim the first 2 seconds" --wait."""
    from service.cli import preflight  # noqa: PLC0415 - so that --help need not wait

    film_format = preflight.format_of_output(output)
    wish = JobWish(profile, session_id, max_credits, metadata, idempotency_key)
    options = _options(wish, film_format)
    _go(Access(api, key), words, wish, options, output, wait=wait or output is not None, as_json=as_json)


@click.command("wait")
@click.argument("job_id")
@output_option("Download the film there when it is ready.")
@timeout_option
@with_access
def wait_command(
    job_id: str, *, output: Path | None, timeout_s: float | None, api: str, key: str, as_json: bool
) -> None:
    """Wait for a job's end, and say how it ended."""
    from reelgate.client import require_success  # noqa: PLC0415
    from service.cli import calling, formatting, job_run, preflight  # noqa: PLC0415

    if output:
        preflight.check_output(output)
    access = Access(api, key)
    log = job_run.Log(output, quiet=as_json)
    with calling.calling(access, advice=log.advice, patience_s=job_run.JOB_PATIENCE_S) as reelgate:
        way = job_run.JobRun(reelgate, log)
        job = way.wait(job_id, timeout_s=timeout_s)
        if output:
            job_run.finish(way, job, output, as_json=as_json)
            return
        formatting.print_as_asked(job, as_json=as_json)
        require_success(job)


@click.command("download")
@click.argument("job_id")
@output_option("Where it goes; by default it is named after the job.")
@with_access
def download_command(job_id: str, *, output: Path | None, api: str, key: str, as_json: bool) -> None:
    """Download a job's film. What an earlier attempt has fetched is gone on with."""
    from service.cli import calling, job_run, preflight, terminal  # noqa: PLC0415

    preflight.check_output(output or Path(f"{job_id}.mp4"))
    access = Access(api, key)
    log = job_run.Log(output, quiet=as_json)
    with calling.calling(access, advice=log.advice, patience_s=job_run.JOB_PATIENCE_S) as reelgate:
        log.at = "looking"
        job = reelgate.job(job_id)
        log.ended(job)
        job_run.JobRun(reelgate, log).download(job, output)
        if as_json:
            terminal.print_json(job)
        log.teller.own_up()


def _options(wish: JobWish, film_format: str | None) -> "JobOptions":
    """Write what the command line asks for as a job has it; what is not asked for is left out."""
    options: JobOptions = {}
    if wish.profile:
        options["profile"] = wish.profile
    if wish.session_id:
        options["session_id"] = wish.session_id
    if wish.max_credits is not None:
        options["max_credits"] = wish.max_credits
    if wish.metadata:
        options["metadata"] = wish.metadata
    if film_format:
        options["output"] = {"format": film_format}
    return options


def _go(
    access: Access,
    arguments: tuple[str, ...],
    wish: JobWish,
    options: "JobOptions",
    output: Path | None,
    *,
    wait: bool,
    as_json: bool,
    timeout_s: float | None = None,
) -> None:
    """Check all, then submit, and where it is waited for, follow the job to its film."""
    from service.cli import calling, job_run, preflight, terminal  # noqa: PLC0415

    words = preflight.read_words(arguments)
    preflight.check_files(words.files)
    if wait:
        preflight.check_output(output or Path("job.mp4"))
    log = job_run.Log(output, quiet=as_json, key=wish.idempotency_key)
    with calling.calling(access, advice=log.advice) as reelgate:
        job = job_run.JobRun(reelgate, log).begin(words, wish, options)
        if not wait:
            if as_json:
                terminal.print_json(job)
            log.teller.own_up()
            return
    with calling.calling(access, advice=log.advice, patience_s=job_run.JOB_PATIENCE_S) as reelgate:
        way = job_run.JobRun(reelgate, log)
        job_run.finish(way, way.follow(job, timeout_s=timeout_s), output, as_json=as_json)
