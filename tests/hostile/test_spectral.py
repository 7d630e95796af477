"""The description passes Spectral's rules for OpenAPI, but for those that `spectral.yaml` switches off, with the reason.

Where npm or its registry is not at hand, the test is skipped.
"""

import json
import re
import subprocess
from pathlib import Path

from tests.npm import installed
from tests.openapi_check import DOCUMENT
from tests.until import PATIENCE_S

VERSION = "6.16.3"
RULES = Path(__file__).with_name("spectral.yaml")


def test_the_description_passes_spectrals_rules() -> None:
    assert _found(RULES) == []


def test_each_rule_that_is_off_would_find_something(tmp_path: Path) -> None:
    """An exception that is not needed any more shall go."""
    every_rule = tmp_path / "spectral.yaml"
    every_rule.write_text('extends: ["spectral:oas"]\n')
    off = re.findall(r"^  ([\w-]+): off$", RULES.read_text("utf-8"), re.MULTILINE)
    assert sorted({problem["code"] for problem in _found(every_rule)}) == sorted(off)


def _found(rules: Path) -> list[dict[str, str]]:
    """List the problems, of every severity."""
    spectral = installed(f"@stoplight/spectral-cli@{VERSION}") / "spectral"
    words = [spectral, "lint", DOCUMENT, "--ruleset", rules, "--format", "json", "--quiet", "--fail-severity", "hint"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)
