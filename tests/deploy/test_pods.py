"""The rendered pods run: podman plays the sandbox installation, and a job goes from POST to its film in it."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.deploy.cluster import ADDRESSES, Seen
from tests.deploy.containers import ROOT, alone, build, build_redis, in_use, need
from tests.deploy.helm import RELEASE, Object, render

#: images from nothing, and a machine that is busy
pytestmark = pytest.mark.timeout(2400)

#: as a machine has it that gives its own processes no more
_CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
base_hosts_file = "{hosts}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_OWN_WORLD = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Seen:
    need("podman", "crun", "catatonit", "unshare", "nsenter", "ip")
    if subprocess.run([*_OWN_WORLD, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no namespaces")
    folder = tmp_path_factory.mktemp("pods")
    with in_use():
        gateway, sandbox, redis = build("gateway"), build("sandbox"), build_redis()
        values = (f'image.repository="{gateway}"', 'image.tag="test"', f'sandbox.image="{sandbox}:test"')
        write_pods(render("sandbox", *values, f'valkey.image="{redis}:test"'), folder)
        with alone():
            return play(folder)


def write_pods(rendered: tuple[Object, ...], folder: Path) -> None:
    """Write a file for each pod, less the ports and probes: podman forwards the former and gives the latter to systemd."""
    for made in deepcopy(rendered):
        if made["kind"] == "Deployment":
            for container in made["spec"]["template"]["spec"]["containers"]:
                for field in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
                    container.pop(field, None)
        if made["kind"] in ("Deployment", "PersistentVolumeClaim"):
            name = made["metadata"]["name"].removeprefix(f"{RELEASE}-")
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(made))
    names = "".join(f"{address} {RELEASE}-{name}\n" for name, address in ADDRESSES.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
    (folder / "containers.conf").write_text(_CONTAINERS_CONF.format(hosts=folder / "hosts"))


def play(folder: Path) -> Seen:
    where = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
    }
    command = [*_OWN_WORLD, sys.executable, "-m", "tests.deploy.cluster", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return Seen(**json.loads(done.stdout))


def test_both_processes_answer_their_probes(seen):
    assert set(seen.pages.values()) == {200}


def test_they_run_as_nobody_without_rights_on_a_root_that_nobody_writes(seen):
    for said in seen.confined.values():
        assert said.startswith("10001\n")
        assert {"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} <= set(
            said.splitlines()
        )
        assert "Read-only file system" in said
        assert "written" in said


def test_a_job_goes_from_post_to_its_film(seen):
    assert seen.job["status"] == "succeeded", seen.job
    assert seen.job["output"]["url"]


def test_they_end_cleanly_when_told_to(seen):
    assert seen.left_with == {"api": 0, "worker": 0}
