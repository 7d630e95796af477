"""Goes through a page as its reader would: all that can be run, top to bottom, in one shell and one folder."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.guide.page import Block
from tests.until import PATIENCE_S

_SAID = "@@ said by line "
_PROGRAMS = {"python": "python {}", "javascript": "node {}", "go": "go run {}"}
_ENDINGS = {"python": "py", "javascript": "mjs", "go": "go"}


def walk(blocks: list[Block], folder: Path, given: dict[str, str]) -> dict[int, str]:
    """Run a page's blocks and give what each said, by its line. `given`: what the reader's `export` lines set."""
    script = "\n".join([_BEFORE, *(_step(block, folder, given) for block in blocks)])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "GOCACHE": str(_go_cache()), **given}
    status, stdout, stderr = _run(script, folder, env)
    said = _by_line(stdout)
    last = max(said, default=0)
    assert status == 0, f"{blocks[-1].page}:{last} ended with {status}\n{said.get(last, '')}\n{stderr}"
    return said


def _run(script: str, folder: Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Run a script, and end whatever it has left running, also when it hangs."""
    command, pipe = ["bash", "-c", script], subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as shell:
        try:
            stdout, stderr = shell.communicate(timeout=PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    return shell.returncode, stdout, stderr


#: what is started in the background ends with the page
_BEFORE = "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT"


def _step(block: Block, folder: Path, given: dict[str, str]) -> str:
    if "save as" in block.marks:
        (folder / block.marks["save as"]).write_text(block.code, "utf-8")
        return ""
    if not block.is_run:
        return ""
    begin = f"printf '\\n%s\\n' '{_SAID}{block.line}'"
    if block.language == "sh":
        return f"{begin}\n{_without_exports(block.code, given)}"
    file = f"line_{block.line}.{_ENDINGS[block.language]}"
    (folder / file).write_text(block.code, "utf-8")
    return f"{begin}\n{_PROGRAMS[block.language].format(file)}"


def _without_exports(code: str, given: dict[str, str]) -> str:
    """Leave out the lines in which a reader sets what is given here."""
    names = "|".join(map(re.escape, given))
    return re.sub(rf"^export (?:{names})=.*\n", "", code, flags=re.MULTILINE)


def _by_line(stdout: str) -> dict[int, str]:
    parts = re.split(rf"^{_SAID}(\d+)\n", stdout, flags=re.MULTILINE)
    return {int(line): said for line, said in zip(parts[1::2], parts[2::2], strict=True)}


def _go_cache() -> Path:
    return Path(os.environ.get("GOCACHE") or Path.home() / ".cache" / "go-build")
