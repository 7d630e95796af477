"""The description passes the rules that Redocly recommends, but for those named in `redocly-exceptions.yaml`.

Where npm or its registry is not at hand, the test is skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.npm import installed
from tests.openapi_check import DOCUMENT
from tests.until import PATIENCE_S

VERSION = "2.77.0"
EXCEPTIONS = Path(__file__).with_name("redocly-exceptions.yaml")
#: it would look for a newer self, and tell its makers of its use
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}


def test_the_description_passes_the_recommended_rules(tmp_path: Path) -> None:
    redocly = installed(f"@redocly/cli@{VERSION}") / "redocly"
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
