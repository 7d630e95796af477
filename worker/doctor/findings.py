"""What the doctor says: findings and doubts, and the report that they make, as a table, as JSON and as Markdown.

Nothing here holds content: a finding's words are ours, and of an answer it has the shape (`worker.doctor.shapes`).
"""

import io
import sys
from collections.abc import Iterable
from enum import StrEnum

import msgspec
from rich.console import Console
from rich.table import Column, Table

#: of what came a terminal shows so much; the report has it whole
_SHOWN = 100
#: what is shorter is in too many words to be taken out
_SHORTEST_SECRET = 4


class Verdict(StrEnum):
    OK = "ok"
    #: works, but not as it should
    WARNING = "warning"
    #: the gateway would not work
    BAD = "bad"
    SKIPPED = "skipped"


_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.BAD: "bold red", Verdict.SKIPPED: "dim"}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `expected`: what the contract says; `came`: what was there."""

    area: str
    what: str
    verdict: Verdict
    expected: str
    came: str


class Doubt(msgspec.Struct, frozen=True):
    """One of BACKEND.md's open doubts; `finding` None: it is still open."""

    doubt: str
    finding: str | None

    @property
    def words(self) -> str:
        """Say it in one line."""
        return f"settled: {self.finding}" if self.finding else "still open"


class Report(msgspec.Struct, frozen=True):
    """All that was found, fit to be sent to somebody."""

    version: str
    made_at: str
    #: scheme and host of the backend
    backend: str
    #: ``NEMO_TOKEN``, ``the pool`` or ``anonymous``
    account: str
    spent: bool
    works: bool
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]


def works(findings: Iterable[Finding]) -> bool:
    """Tell whether the gateway would work."""
    return not any(finding.verdict is Verdict.BAD for finding in findings)


def scrub(report: Report, secrets: Iterable[str]) -> Report:
    """Take out of what came what must not leave this machine, should it be there after all. All else is our own words."""
    hidden = sorted((each for each in secrets if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)

    def without(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "…")
        return text

    replace = msgspec.structs.replace
    return replace(
        report,
        findings=tuple(replace(each, came=without(each.came)) for each in report.findings),
        doubts=tuple(replace(each, finding=each.finding and without(each.finding)) for each in report.doubts),
    )


def as_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def as_markdown(report: Report) -> bytes:
    facts = f"Reelgate {report.version}, {report.made_at}, backend {report.backend}, token: {report.account}."
    lines = [
        "# reelgate doctor",
        "",
        facts,
        _conclusion(report),
        "",
        *_rows(("what", "verdict", "expected", "came")),
        *(_row((f"{f.area}: {f.what}", f.verdict, f.expected, f.came)) for f in report.findings),
        "",
        *_rows(("doubt", "what this run says")),
        *(_row((d.doubt, d.words)) for d in report.doubts),
        "",
    ]
    return "\n".join(lines).encode()


def _rows(titles: tuple[str, ...]) -> list[str]:
    return [_row(titles), _row(("---",) * len(titles))]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def show(report: Report) -> None:
    """Print tables, as wide as the terminal is, with marks for the characters that it cannot write."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    found = Table("what", "", "expected", _whole("came"), title="Findings", title_justify="left")
    for f in report.findings:
        found.add_row(
            f"{f.area}: {f.what}", f"[{_STYLES[f.verdict]}]{f.verdict}[/]", f.expected, _plain(_short(f.came))
        )
    open_ones = Table(
        "doubt about the backend", _whole("what this run says"), title="Open doubts", title_justify="left"
    )
    for doubt in report.doubts:
        open_ones.add_row(doubt.doubt, _plain(doubt.words))
    console.print(found, open_ones, _conclusion(report))


def _whole(title: str) -> Column:
    """Make a column in which no word is cut: the name of a setting may be all that there is to say."""
    return Column(title, overflow="fold")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN or "{" not in text else f"{text[:_SHOWN]}…"


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def _conclusion(report: Report) -> str:
    if report.works:
        return "The gateway works here, as far as was looked. The whole shapes are in the report."
    bad = ", ".join(f"{f.area}: {f.what}" for f in report.findings if f.verdict is Verdict.BAD)
    return f"The gateway would not work here. See: {bad}."
