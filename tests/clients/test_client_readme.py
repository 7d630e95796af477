"""The client's README says what is so: its samples read, and what it names is there."""

import ast
import re
from pathlib import Path

import mypy.api
import pytest

import reelgate.client
from reelgate.client import AsyncReelgate, Reelgate

README = (Path(__file__).parents[2] / "clients" / "python" / "README.md").read_text()
SAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_reads_and_imports_what_is_there(sample):
    for node in ast.walk(ast.parse(sample)):
        if isinstance(node, ast.ImportFrom):
            assert node.module == "reelgate.client"
            assert {alias.name for alias in node.names} <= set(reelgate.client.__all__)


def test_the_samples_pass_a_strict_type_checker(tmp_path):
    """What a caller copies from there passes their own."""
    given = "from typing import Any\nkey: str\nsecret: str\nrequest: Any\n"
    files = [tmp_path / f"sample{number}.py" for number in range(len(SAMPLES))]
    for file, sample in zip(files, SAMPLES, strict=True):
        imports = "from reelgate.client import Reelgate\nreelgate: Reelgate\n" if "as reelgate" not in sample else ""
        file.write_text(f"{given}{imports}{sample}")
    said, _, status = mypy.api.run(["--strict", "--config-file=", *map(str, files)])
    assert status == 0, said


def test_the_table_names_every_method():
    told = {name for row in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    with Reelgate("http://127.0.0.1:9", "rg_none") as client:
        public = {name for name in dir(client) if not name.startswith("_")} - {"close"}
    assert told == public | {"verify"}
    assert all(hasattr(AsyncReelgate("http://127.0.0.1:9", "rg_none"), name) for name in public)
