"""Help and version load nothing that they do not need: seen by which modules are loaded, not by the time it takes."""

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from core.cli.main import summary_of

#: what takes long to load
HEAVY = {"httpx", "rich", "msgspec", "redis", "litestar", "uvicorn", "pydantic", "cryptography", "reelgate"}
COMMANDS = {entry.name: entry for entry in entry_points(group="reelgate.commands")}
CALLERS = sorted(name for name, entry in COMMANDS.items() if entry.module.startswith("service.cli."))
SCRIPT = """
import json, sys
from core.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def ran(*words: str) -> tuple[str, set[str]]:
    """Run a command; give what it says, and what was loaded."""
    command = [sys.executable, "-c", SCRIPT, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return done.stdout, set(json.loads(done.stderr))


def test_help_names_every_command_and_loads_none():
    said, loaded = ran("--help")
    for name in COMMANDS:
        assert f"\n  {name} " in said
    assert loaded & (HEAVY | {"worker.main"}) == set()


def test_the_version_is_told():
    said, loaded = ran("--version")
    assert said == f"reelgate, version {version('reelgate')}\n"
    assert loaded & HEAVY == set()


def test_callers_commands_explain_themselves_without_loading_the_client():
    for name in CALLERS:
        said, loaded = ran(name, "--help")
        assert "--json" in said, name
        assert loaded & HEAVY == set(), name


def test_operators_commands_over_all_tenants_explain_themselves_without_loading_what_they_do():
    said, loaded = ran("admin", "--help")
    names = re.findall(r"^  (\w+) ", said.partition("Commands:")[2], re.MULTILINE)
    assert {"jobs", "job", "cancel", "replay", "deliveries", "redeliver", "tenants", "pause", "resume"} <= set(names)
    assert loaded & HEAVY == set()
    for name in names:
        said, loaded = ran("admin", name, "--help")
        assert "--json" in said, name
        assert loaded & HEAVY == set(), name


def test_the_commands_for_callers_are_there():
    assert (
        sorted(
            ("run", "submit", "wait", "list", "show", "events", "cancel", "replay", "download", "deliveries", "credits")
        )
        == CALLERS
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_line_of_help(name):
    words = summary_of(COMMANDS[name])
    assert words
    assert len(words) < 80 - 14
