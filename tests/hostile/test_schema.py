"""The whole API tried out from its own description, by schemathesis: each call alone, and one after another by links.

Two processes are asked in turns. No server error, no undescribed status, media type, header or body; what is
well-formed is taken, what is not is refused.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.ground import Ground
from tests.openapi_check import DOCUMENT

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("st")


@pytest.mark.timeout(400)
def test_two_processes_do_what_the_description_says(ground: Ground, tmp_path: Path) -> None:
    env = os.environ | {
        "REELGATE_API": ground.urls[0],
        "REELGATE_APIS": ",".join(ground.urls),
        "REELGATE_API_KEY": ground.key,
        "REELGATE_HOOKS": str(HERE / "hooks.py"),
    }
    words = [SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no tests ran" not in done.stdout.lower()
