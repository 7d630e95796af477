"""Clients that generators make of the document by their default flags: each compiles, submits, follows, downloads and reads a
problem, in a living world. What openapi-python-client makes is in `tests/hostile/test_generated_client.py`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway_fixture import Gateway, running_gateway
from tests.java import generate
from tests.npm import installed
from tests.openapi_check import DOCUMENT
from tests.until import PATIENCE_S

PROGRAMS = Path(__file__).with_name("generated")
COMPILER = ("typescript@5.9.3", "@types/node@20.19.43", "openapi-typescript@7.13.0", "openapi-fetch@0.17.0")
STRICT = ("--strict", "--target", "ES2022", "--lib", "ES2022,DOM,DOM.Iterable", "--types", "node", "--outDir", "built")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("world")) as running:
        yield running


def _succeed(folder: Path, *command: str | Path, **environment: str) -> None:
    env = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def _addresses(gateway: Gateway) -> dict[str, str]:
    return {"API": gateway.world["api"], "API_KEY": gateway.world["api_key"], "CLIP": str(gateway.clip())}


def _project(folder: Path, program: str, *, kind: str) -> Path:
    """Lay out a project of TypeScript with this program in it, and give the folder of its commands."""
    commands = installed(*COMPILER)
    (folder / "node_modules").symlink_to(commands.parent)
    (folder / "package.json").write_text(f'{{"type": "{kind}"}}')
    shutil.copy(PROGRAMS / program, folder)
    return commands


def test_the_types_of_openapi_typescript_serve_a_program(gateway: Gateway, tmp_path: Path) -> None:
    commands = _project(tmp_path, "openapi_typescript.ts", kind="module")
    _succeed(tmp_path, commands / "openapi-typescript", DOCUMENT, "--output", "schema.ts")
    _succeed(tmp_path, commands / "tsc", *STRICT, "--module", "nodenext", "openapi_typescript.ts")
    _succeed(tmp_path, "node", "built/openapi_typescript.js", **_addresses(gateway))


def test_the_client_of_openapi_generator_for_typescript_serves_a_program(gateway: Gateway, tmp_path: Path) -> None:
    commands = _project(tmp_path, "typescript_fetch.ts", kind="commonjs")
    generate("typescript-fetch", DOCUMENT, tmp_path / "made")
    _succeed(tmp_path, commands / "tsc", *STRICT, "--module", "commonjs", "typescript_fetch.ts")
    _succeed(tmp_path, "node", "built/typescript_fetch.js", **_addresses(gateway))


def test_the_client_of_openapi_generator_for_python_serves_a_program(gateway: Gateway, tmp_path: Path) -> None:
    generate("python", DOCUMENT, tmp_path / "made")
    program = PROGRAMS / "openapi_generator_python.py"
    _succeed(tmp_path, sys.executable, "-W", "error", program, PYTHONPATH=str(tmp_path / "made"), **_addresses(gateway))
