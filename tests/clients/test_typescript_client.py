"""`clients/typescript`: it compiles from the document, needs nothing at run time, and its verbs work in a living world."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway_fixture import Gateway, running_gateway
from tests.npm import ROOT, installed_in
from tests.until import PATIENCE_S

PACKAGE = ROOT / "clients" / "typescript"
_SAMPLE = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TSC = ("node_modules/.bin/tsc", "--noEmit", "--strict", "--target", "ES2022", "--module", "nodenext", "--types", "")


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    with installed_in(PACKAGE):
        _succeed("npm", "run", "build")
        yield PACKAGE


def _succeed(*command: str | Path, **environment: str) -> str:
    """Run a command in the package's folder, and give what it said."""
    env = os.environ | environment
    done = subprocess.run(
        command, cwd=PACKAGE, env=env, capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def _tests_passed(said: str) -> int:
    """Read how many tests Node ran, in either of the shapes in which it tells."""
    found = re.search(r"^(?:#|ℹ) pass (\d+)$", said, re.MULTILINE)
    return int(found[1]) if found else 0


def test_calls_events_and_signatures_hold_before_a_server_that_breaks(built: Path) -> None:
    assert _tests_passed(_succeed("npm", "test")) > 30


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("world")) as running:
        yield running


def test_every_verb_works_in_a_living_world(built: Path, gateway: Gateway) -> None:
    assert _tests_passed(_succeed("node", "--test", "test/live.mjs", **_addresses(gateway))) == 7


def test_it_works_in_a_browser_through_a_server_of_the_pages_own(built: Path, gateway: Gateway) -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("this machine has no Chromium")
    said = _succeed("node", "--test", "test/browser.mjs", CHROMIUM=chromium, **_addresses(gateway))
    assert _tests_passed(said) == 1


def _addresses(gateway: Gateway) -> dict[str, str]:
    return {
        "API": gateway.world["api"],
        "API_KEY": gateway.world["api_key"],
        "RECEIVER": gateway.world["receiver"],
        "SECRET": gateway.world["webhook_secret"],
        "CLIP": str(gateway.clip()),
        "FOLDER": str(gateway.folder),
    }


def _install(project: Path, *types: str) -> None:
    """Give a program the package, and types that it has beside it."""
    packages = project / "node_modules"
    packages.mkdir()
    (packages / "reelgate").symlink_to(PACKAGE)
    for name in types:
        (packages / name).symlink_to(PACKAGE / "node_modules" / name)


def test_the_samples_of_its_page_compile(built: Path, tmp_path: Path) -> None:
    samples = _SAMPLE.findall((PACKAGE / "README.md").read_text("utf-8"))
    assert len(samples) >= 3
    given = 'import type { IncomingMessage } from "node:http"; declare const request: IncomingMessage, body: Buffer;'
    _install(tmp_path, "@types")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for number, sample in enumerate(samples):
        (tmp_path / f"sample{number}.ts").write_text(f"{given}\n{sample}")
    _succeed(*_TSC[:-1], "node", *sorted(tmp_path.glob("*.ts")))


def test_it_compiles_for_programs_without_a_browsers_types(built: Path, tmp_path: Path) -> None:
    _install(tmp_path, "@types", "undici-types")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    program = tmp_path / "program.ts"
    program.write_text(
        'import { Reelgate } from "reelgate";\n'
        'const reelgate = new Reelgate({ baseUrl: "https://x", apiKey: "k" });\n'
        'export const job = reelgate.run({ prompt: "trim", media: [{ upload_id: "upl_1" }] });\n'
    )
    _succeed(*_TSC[:-1], "node", "--lib", "ES2022", "--exactOptionalPropertyTypes", program)


def test_it_is_found_by_programs_that_are_commonjs(built: Path, tmp_path: Path) -> None:
    """TypeScript looks no package's `exports` up for them, unless it is told to."""
    _install(tmp_path, "@types", "undici-types")
    program = tmp_path / "program.ts"
    program.write_text('import { Reelgate } from "reelgate";\nexport const kind = typeof Reelgate;\n')
    commonjs = ["commonjs" if each == "nodenext" else each for each in _TSC[:-1]]
    _succeed(*commonjs, "node", program)


def test_the_package_has_what_it_says_and_nothing_more(built: Path) -> None:
    (packed,) = json.loads(_succeed("npm", "pack", "--dry-run", "--json", "--ignore-scripts"))
    names = {file["path"] for file in packed["files"]}
    assert {"README.md", "package.json", "dist/index.js", "dist/index.d.ts"} <= names
    assert not [name for name in names if name.startswith(("src/", "test/"))]
