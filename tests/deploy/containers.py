"""Images without a registry: what debootstrap makes stands in for Docker Hub's Python, and buildah builds on it in a chroot.

It takes root and Debian's buildah, debootstrap and, for pods, podman with crun: `.ci/run` installs them. What was made is
kept in `.tools/containers`, so that only changed layers are built again. Whoever uses this is skipped where that lacks.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from sandbox.world.embedded_redis import command

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".tools" / "containers"
#: where buildah and podman note who holds which layer
STATE = FOLDER / "run"
STORE = ("--root", str(FOLDER / "store"), "--runroot", str(STATE), "--storage-driver", "overlay")
#: the machine's own authorities, which a mirror of PyPI may need
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_BASE = "docker.io/library/python:3.11-slim-bookworm"
_BUILD_S = 900
#: layers of some changes of our code; each is some hundred megabytes
_MOST_IMAGES = 40


def need(*programs: str) -> None:
    """Skip the test where a program or the right to use it lacks."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("a base is made by root alone")


def run(*words: str, timeout_s: float = _BUILD_S) -> str:
    """Run a program to its end and give what it printed."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def buildah(*words: str) -> str:
    return run("buildah", *STORE, *words).strip()


@contextmanager
def in_use() -> Iterator[None]:
    """Use what is kept here. The last who does so sees that nothing of it is mounted: such a checkout can't be removed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "users").open("w") as users:
        if _nobody_else(users):
            _unmount()  # what a session left that was killed
        fcntl.flock(users, fcntl.LOCK_SH)
        yield
        left = mounted() if _nobody_else(users) else []
        if left:
            _unmount()
        assert not left, "a program has ended and left these mounted"


def _nobody_else(users: IO[str]) -> bool:
    """Take the lock that keeps others out, unless one of them has it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def mounted() -> list[str]:
    """List the places below here at which something is mounted, inner ones last."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted(place for place in places if Path(place).is_relative_to(FOLDER))


def _unmount() -> None:
    """Unmount all, and forget who holds a layer: as long as one seems to be held, buildah unmounts its store no more."""
    for place in reversed(mounted()):
        run("umount", place)
    shutil.rmtree(STATE, ignore_errors=True)


@contextmanager
def alone() -> Iterator[None]:
    """Let one test process at a time build; the others find its layers."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(target: str) -> str:
    """Build a target of deploy/Dockerfile and give the image's name. Needs buildah and debootstrap."""
    need("buildah", "debootstrap")
    name = f"localhost/reelgate-{target}"
    with alone():
        _forget_old_layers()
        if _BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            _make_base()
        options = ("--isolation", "chroot", "--pull-never", "--layers", "--volume", f"{_AUTHORITIES}:{_AUTHORITIES}:ro")
        files = ("--file", "deploy/Dockerfile", "--ignorefile", "deploy/Dockerfile.dockerignore")
        buildah("build", *options, *files, "--target", target, "--tag", f"{name}:test", ".")
    return name


def _forget_old_layers() -> None:
    """Let go of what bears no name, once that has become much; the next build is one from nothing."""
    if len(buildah("images", "--all", "--quiet").split()) > _MOST_IMAGES:
        buildah("rmi", "--prune", "--force")


def build_redis() -> str:
    """Put the embedded Valkey where its own image would have it. The base must be there."""
    name = "localhost/reelgate-valkey"
    with alone():
        container = buildah("from", "--pull-never", _BASE)
        buildah("copy", "--quiet", container, command()[0], "/usr/local/bin/valkey-server")
        buildah("commit", "--quiet", "--rm", container, f"{name}:test")
    return name


def _make_base() -> None:
    tree = FOLDER / "base"
    shutil.rmtree(tree, ignore_errors=True)
    run("debootstrap", "--variant=minbase", "--include=python3,python3-pip,ca-certificates", "bookworm", str(tree))
    (tree / "usr/bin/python").symlink_to("python3")
    # Debian's pip leaves the system's packages alone; Docker Hub's does as it is told
    (tree / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(tree), "/")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for variable in (path, f"SSL_CERT_FILE={_AUTHORITIES}", f"PIP_CERT={_AUTHORITIES}"):
        buildah("config", "--env", variable, container)
    buildah("commit", "--quiet", "--rm", container, _BASE)
    shutil.rmtree(tree)
