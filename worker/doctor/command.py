"""`reelgate doctor`: looks at settings, Redis, storage and the backend, and says whether the gateway works here."""

import asyncio
from pathlib import Path

import click

from core.logs import configure_logs
from core.settings import load_settings


def _writable(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a place that takes no file before anything is done, and leave what is there."""
    try:
        if path:
            path.open("ab").close()
    except OSError as refused:
        raise click.BadParameter(f"{path}: {refused.strerror}") from None
    return path


@click.command()
@click.option("--spend", is_flag=True, help="Also one message and one export to its film: costs about 50 credits.")
@click.option("--clip-url", help="A small MP4 that the backend can fetch; without it no upload by URL is tried.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_writable,
    help="Write the report there, as Markdown where it ends in .md, else as JSON. It holds no secret.",
)
@click.option("--json", "as_line", is_flag=True, help="Print the report as JSON in place of tables.")
def doctor(spend: bool, clip_url: str | None, report_file: Path | None, as_line: bool) -> None:
    """Check settings, Redis, storage and the backend. Ends with 1 where the gateway would not work.

    With NEMO_TOKEN, the pool's tokens that serve all, or else this installation's anonymous one, it makes the harmless calls of a job in their
    order and says what came, as shapes and never as content. What nobody could find out from the backend's documents,
    and this run did, stands at the end.
    """
    # loaded here, so that --help need not wait for them
    from core.cli.context import output_errors_in_words  # noqa: PLC0415
    from worker.doctor import findings, run  # noqa: PLC0415

    configure_logs("ERROR")
    sentences: list[str] = []
    try:
        settings = load_settings(report=sentences.append)
    except SystemExit:
        report = run.report_of_bad_settings(sentences)
    else:
        report = asyncio.run(run.examine(settings, run.RunOptions(clip_url, spend)))
    try:
        if report_file:
            as_file = findings.as_markdown if report_file.suffix == ".md" else findings.as_json
            report_file.write_bytes(as_file(report))
    except OSError as refused:
        raise click.ClickException(f"{report_file}: {refused.strerror}") from None
    finally:  # what was found may have cost credits
        with output_errors_in_words():
            click.echo(findings.as_json(report), nl=False) if as_line else findings.show(report)
    raise SystemExit(0 if report.works else 1)
