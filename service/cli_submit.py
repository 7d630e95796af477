"""`reelgate submit`: a job from the command line, as any program would do it: over HTTP, with an API key.

It knows the API's interface and nothing of its insides. Plain words on stdout; bars on a terminal only.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import click
import httpx
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

_CHUNK_BYTES = 1 << 20
#: events that end a job
_ENDS = {"succeeded", "failed", "canceled", "expired"}
#: a stream brings a comment every 15 s; without one for so long it is opened again
_SILENCE_S = 60.0
_RECONNECTS = 20


def _off_the_command_line(context: click.Context, option: click.Parameter, given: str) -> str:
    """Take a key from the environment, or for ``-`` from the first line of the input; others can read command lines."""
    if context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT:
        return given
    if given != "-":
        words = (
            "others on this machine can read it there: set REELGATE_API_KEY, or give --key - and the key on the input"
        )
        raise click.BadParameter(words)
    return sys.stdin.readline().strip()


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[FILE_OR_URL]... PROMPT")
@click.option(
    "--api", default="http://127.0.0.1:8080", envvar="REELGATE_API", show_default=True, help="Or REELGATE_API."
)
@click.option(
    "--key",
    required=True,
    envvar="REELGATE_API_KEY",
    callback=_off_the_command_line,
    metavar="-",
    help="The first line of the input holds the key; without it REELGATE_API_KEY does.",
)
@click.option("--profile", help="One of `GET /v1/profiles`.")
@click.option("--session", "session_id", help="Go on in this session.")
@click.option("--wait", is_flag=True, help="Follow the job and download its video.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the video goes; implies --wait.")
def submit(
    words: tuple[str, ...],
    *,
    api: str,
    key: str,
    profile: str | None,
    session_id: str | None,
    wait: bool,
    output: Path | None,
) -> None:
    """Send files (or URLs) with a prompt, the last argument: reelgate submit clip.mp4 "trim the first 2 seconds" --wait."""
    *media, prompt = words
    ask = {"prompt": prompt, "profile": profile, "session_id": session_id}
    timeout = httpx.Timeout(30.0, read=_SILENCE_S)
    headers = {"Authorization": f"Bearer {key}", "User-Agent": f"Reelgate/{version('reelgate')}"}
    with httpx.Client(base_url=api, headers=headers, timeout=timeout) as client:
        try:
            sender = Sender(client)
            job = sender.submit(media, {name: value for name, value in ask.items() if value})
            if wait or output:
                _finish(sender, sender.follow(job), output)
        except httpx.TransportError as away:
            raise click.ClickException(f"{api} cannot be reached ({type(away).__name__}).") from None


def _finish(sender: "Sender", job: dict[str, Any], output: Path | None) -> None:
    """Say how it ended, and fetch the video. Raises ClickException where it ended badly."""
    for line in filter(None, [job["reply"], *job["changes"], job["timeline"]]):
        click.echo(line)
    if job["status"] != "succeeded":
        error = job["error"] or {"detail": job["status"], "hint": ""}
        raise click.ClickException(f"{error['detail']} {error['hint']}".strip())
    if job["result"] is not None:
        click.echo(msgspec.json.format(msgspec.json.encode(job["result"]), indent=2).decode())
    if job["output"]:
        path = output or Path(f"{job['id']}.{job['output']['format']}")
        sender.download(job["output"]["url"], path)
        click.echo(f"saved {path}")


class Sender:
    """The calls of one API. Refusals become the problem's own words."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._console = Console(stderr=True)

    def submit(self, media: list[str], ask: dict[str, Any]) -> dict[str, Any]:
        """Upload what is a file, then submit."""
        sources = [{"url": m} if "://" in m else {"upload_id": self.upload(Path(m))} for m in media]
        answer = _checked(self._client.post("/v1/jobs", json=ask | {"media": sources}))
        job: dict[str, Any] = answer.json()
        click.echo(f"{job['id']} is queued")
        for hint in job["hints"]:
            click.echo(f"hint: {hint}")
        return job

    def upload(self, path: Path) -> str:
        """Send a file and give its id."""
        if not path.is_file():
            raise click.ClickException(f"there is no file {path}")
        size = path.stat().st_size
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with self._bar(f"uploading {path.name}", size, DownloadColumn()) as advance:
            chunks = _chunks_of(path, advance)
            answer = self._client.post("/v1/uploads", params={"filename": path.name}, headers=headers, content=chunks)
        return str(_checked(answer).json()["id"])

    def follow(self, job: dict[str, Any]) -> dict[str, Any]:
        """Follow the events to the end, coming back where a stream breaks, and give the ended job."""
        with self._bar("waiting", 100) as bar:
            for _ in range(_RECONNECTS):
                try:
                    self._watch(job["id"], bar)
                except httpx.TransportError:
                    continue
                if (now := self.read(job["id"]))["status"] in _ENDS:
                    return now
        raise click.ClickException(f"{job['id']} goes on; its stream broke too often.")

    def _watch(self, job_id: str, bar: "Bar") -> None:
        """Show one stream's events until it ends. Each stream begins with a snapshot, so nothing is missed."""
        headers = {"Accept": "text/event-stream"}
        with self._client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
            if answer.is_error:
                answer.read()
            for line in _lines_of(_checked(answer)):
                if line.startswith(b'data: {"type"'):
                    progress = msgspec.json.decode(line[6:])["data"]["job"]["progress"]
                    bar.to(progress["percent"], progress["message"])

    def read(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = _checked(self._client.get(f"/v1/jobs/{job_id}")).json()
        return job

    def download(self, url: str, path: Path) -> None:
        """Fetch a signed link: it needs no key, so none is sent along."""
        headers = {"User-Agent": f"Reelgate/{version('reelgate')}"}
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=self._client.timeout) as answer:
            if answer.is_error:
                answer.read()
            size = int(_checked(answer).headers.get("Content-Length", 0))
            with self._bar(f"downloading {path.name}", size, DownloadColumn()) as advance, path.open("wb") as file:
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    file.write(chunk)
                    advance.by(len(chunk))

    def _bar(self, title: str, total: int, *columns: Any) -> "Bar":
        return Bar(self._console, title, total, *columns)


class Bar:
    """A bar on a terminal; elsewhere a line per change of words."""

    def __init__(self, console: Console, title: str, total: int, *columns: Any) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), *columns, console=console, disable=not console.is_terminal
        )
        self._task = self._progress.add_task(title, total=total)
        self._words = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def by(self, amount: int) -> None:
        self._progress.advance(self._task, amount)

    def to(self, percent: int, words: str) -> None:
        """Stand at a place, with words for it."""
        if words != self._words and self._progress.disable:
            click.echo(f"{percent:3d} %  {words}")
        self._words = words
        self._progress.update(self._task, completed=percent, description=words)


def _lines_of(answer: httpx.Response) -> Iterator[bytes]:
    """Split at line feeds alone: httpx's own lines also end at U+2028, which JSON may hold."""
    rest = b""
    for chunk in answer.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _chunks_of(path: Path, bar: Bar) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            bar.by(len(chunk))


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    words = answer.text[:200]
    if "json" in answer.headers.get("Content-Type", ""):
        problem = answer.json()
        words = problem.get("detail") or problem.get("title") or words
    raise click.ClickException(f"{answer.status_code}: {words}")
