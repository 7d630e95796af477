"""Build hook: puts the one file that `/docs` is shown with, Scalar's, into the wheel as ``share/reelgate/``.

It is taken out of a distribution on PyPI that brings it along, which the build front end has installed beside this hook:
as pinned in `pyproject.toml`, where the file's digest is, too. A file of another digest ends the build. Its name carries
the digest, and so does the address that it is served at. Beside it goes the same file as gzip, so that no process packs it.
"""

import gzip
import hashlib
import shutil
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARED = "share/reelgate"


class ScalarBuildHook(BuildHookInterface[Any]):
    """Takes `file` of the distribution `package`, whose SHA-256 is `sha256`: all three stand in `pyproject.toml`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        script = Path(str(distribution(self.config["package"]).locate_file(self.config["file"])))
        content = script.read_bytes()
        found, pinned = hashlib.sha256(content).hexdigest(), self.config["sha256"]
        if found != pinned:
            raise ValueError(f"{script} has the SHA-256 {found}, and not {pinned}")
        name = f"scalar.{pinned[:16]}.js"
        self._folder = Path(tempfile.mkdtemp())
        packed = self._folder / f"{name}.gz"
        packed.write_bytes(gzip.compress(content, mtime=0))
        build_data["shared_data"][str(script)] = f"{SHARED}/{name}"
        build_data["shared_data"][str(packed)] = f"{SHARED}/{packed.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - as above
        shutil.rmtree(self._folder)
