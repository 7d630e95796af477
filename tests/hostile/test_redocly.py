"""The description passes the rules that Redocly recommends, but for those named in `redocly-exceptions.yaml`.

Its command is fetched into a folder of its own; where npm or its registry is not at hand, the test is skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.openapi_check import DOCUMENT
from tests.until import PATIENCE_S

VERSION = "2.77.0"
FETCH_LIMIT_S = 240
EXCEPTIONS = Path(__file__).with_name("redocly-exceptions.yaml")
#: it would look for a newer self, and tell its makers of its use
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}


@pytest.fixture(scope="module")
def redocly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("this machine has no Node.js with npm")
    folder = tmp_path_factory.mktemp("redocly")
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"@redocly/cli@{VERSION}"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=FETCH_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer in time")
    if done.returncode:
        pytest.skip("npm cannot install Redocly's command here")
    return folder / "node_modules" / ".bin" / "redocly"


def test_the_description_passes_the_recommended_rules(redocly: Path, tmp_path: Path) -> None:
    shutil.copy(DOCUMENT, tmp_path / "openapi.json")
    shutil.copy(EXCEPTIONS, tmp_path / ".redocly.lint-ignore.yaml")
    (tmp_path / "redocly.yaml").write_text("extends: [recommended]\n")
    words = [redocly, "lint", "openapi.json", "--format=json"]
    done = subprocess.run(
        words, cwd=tmp_path, env=os.environ | QUIET, capture_output=True, timeout=PATIENCE_S, check=False
    )
    found = json.loads(done.stdout)
    assert found["problems"] == [] or all(p["ignored"] for p in found["problems"]), found["problems"]
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": _named_exceptions()}


def _named_exceptions() -> int:
    """Count what is excepted: an exception that is not needed any more shall go."""
    return sum(line.strip().startswith("- ") for line in EXCEPTIONS.read_text().splitlines())
