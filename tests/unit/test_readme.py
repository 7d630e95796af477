"""README.md and the pages beside it: tables are compared with the code, and whatever is named exists."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.cli.api_keys import keys
from core.cli.redis import redis
from core.cli.secrets import secrets
from core.cli.tokens import tokens
from core.metrics import Shows, exposition, show_metrics_of
from core.model.job import Stage, Status
from core.model.transitions import TRANSITIONS
from core.settings import Settings, variable_of
from service.admin.command import admin
from tests.compat.last_release import COMMIT
from worker.callbacks.retry_policy import JITTER, STEPS_S

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "CONFIGURATION.md").read_text()
PROMISES = (ROOT / "docs" / "PROMISES.md").read_text()
PAGES = (
    *("README.md", "CONTRIBUTING.md", "DECISIONS.md", "CHANGELOG.md"),
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))),
    *(
        "deploy/README.md",
        "deploy/RUNBOOK.md",
        "deploy/SCALING.md",
        "deploy/chart/README.md",
        "openapi/errors.md",
        "clients/python/README.md",
        "clients/typescript/README.md",
        "tests/bench/README.md",
    ),
)


def table(first_heading: str, page: str = README) -> list[list[str]]:
    """Give the rows of a page's table whose first column has this heading."""
    [rows] = re.findall(rf"^\| {re.escape(first_heading)} \|.*\n\| ---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows.splitlines()]


def words_in_code(status: Status) -> str:
    """Read the comment that stands above a status in core/model/job.py: what callers are told, and what is for us."""
    source = (ROOT / "core" / "model" / "job.py").read_text()
    [block] = re.findall(rf'((?:    #.+\n)+)    {status.name} = "{status}"', source)
    return " ".join(line.strip().lstrip("#: ") for line in block.splitlines())


def default_of(field: str) -> str:
    """Write a setting's default as the table does."""
    info = Settings.model_fields[field]
    if info.is_required():
        return "needed"
    value = info.default.get_secret_value() if isinstance(info.default, SecretStr) else info.default
    match value:
        case None | () | "":
            return "–"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:g}`"
    return f"`{value}`"


def test_the_table_of_states_says_what_the_code_says():
    told = {row[0].strip("`"): (row[1], set(re.findall(r"`(\w+)`", row[2]))) for row in table("status")}
    coded = {
        str(status): (words_in_code(status), {str(to) for origin, to in TRANSITIONS if origin is status})
        for status in Status
    }
    assert told == coded


def test_every_stage_is_named_in_its_order():
    [line] = re.findall(r"its `stage` is (.*?)\. A job", README, re.DOTALL)
    assert re.findall(r"`(\w+)`", line) == list(Stage)


def test_the_table_of_settings_has_every_variable_with_its_default():
    told = [(row[0].strip("`"), row[1]) for row in table("variable", CONFIGURATION)]
    assert told == [(variable_of(field), default_of(field)) for field in Settings.model_fields]
    assert all(row[2] for row in table("variable", CONFIGURATION))


def test_every_promise_names_tests_that_exist():
    for promise, tests in table("promise", PROMISES):
        named = re.findall(r"`(tests/\S+)`", tests)
        assert named, promise
        for path in named:
            assert (ROOT / path).is_file(), f"{promise}: there is no {path}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    path = ROOT / page
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_named_is_one_of_the_script(page):
    script = (ROOT / "run").read_text()
    for command in re.findall(r"\./run ([a-z]+)", (ROOT / page).read_text()):
        assert re.search(rf"^  {command} ", script, re.MULTILINE), command


def spelt_out(path: str) -> list[str]:
    """Name each file of ``core/store/{rpc,replies}.py``."""
    before, _, rest = path.partition("{")
    names, _, after = rest.partition("}")
    return [f"{before}{name}{after}" for name in names.split(",")]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_exists(page):
    rooms = "core|service|worker|sandbox|clients|docs|tests|openapi|deploy"
    for named in re.findall(rf"`((?:{rooms})/[\w/.,{{}}-]+)`", (ROOT / page).read_text()):
        for path in spelt_out(named):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_without_its_folder_exists(page):
    for name in re.findall(r"`(test_\w+\.py)`", (ROOT / page).read_text()):
        assert list((ROOT / "tests").glob(f"*/{name}")), name


def test_the_runbook_names_metrics_that_are_shown():
    for process in (Shows.API, Shows.WORKER):
        show_metrics_of(process)
    shown = exposition()[0].decode()
    named = set(re.findall(r"`(reelgate_\w+)", (ROOT / "deploy" / "RUNBOOK.md").read_text()))
    assert len(named) > 10
    for name in named:
        assert f"# TYPE {name.removesuffix('_total')}" in shown, name


def test_the_runbook_names_commands_that_exist():
    rooms = {"admin": admin, "keys": keys, "tokens": tokens, "redis": redis, "secrets": secrets}
    text = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    for room, command in re.findall(r"`(?:reelgate )?(admin|(?<=reelgate )\w+) (\w+)", text):
        assert command in rooms[room].commands


def test_the_runbook_sends_again_also_what_was_given_up_after_all_its_attempts():
    """A range goes by when callbacks were made, which is days before they are given up."""
    days = re.findall(r"redeliver [^`]*--dead --since (\d+)d", (ROOT / "deploy" / "RUNBOOK.md").read_text())
    assert len(days) == 3
    assert all(int(each) * 86_400 > 2 * sum(STEPS_S) * (1 + JITTER) for each in days), "and days to hear of it"


def test_the_runbook_says_what_the_upgrade_from_the_last_release_asks_for():
    assert f"### From {COMMIT[:7]}\n" in (ROOT / "deploy" / "RUNBOOK.md").read_text()
