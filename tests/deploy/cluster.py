"""A node in the small: plays rendered pods with podman, each in a network of its own, and says what came of it.

    unshare --mount --net --pid --fork --kill-child --mount-proc python -m tests.deploy.cluster FOLDER

FOLDER holds `storage.yaml` and a file for each pod, `api.yaml`. What a cluster would do besides, this does: addresses for
pods, names for Services (podman's base_hosts_file), probes. It writes one JSON object, a `Seen`. Its namespaces take along
whatever it made.
"""

import asyncio
import json
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tests.deploy.containers import STATE, STORE
from tests.until import until

#: in the order of their start
ADDRESSES = {"valkey": "10.88.7.2", "sandbox": "10.88.7.3", "api": "10.88.7.4", "worker": "10.88.7.5"}
PAGES = {"api": (8080, ("/startupz", "/readyz", "/livez")), "worker": (9100, ("/readyz", "/livez"))}
_JOBS = f"http://{ADDRESSES['api']}:8080/v1/jobs"
_READY_S, _JOB_S = 60, 180
_EDIT = {
    "profile": "free-video-generation-automatic",
    "prompt": "generate a 10-second promotional video from my text: Fresh bread, every morning",
}
_CONFINED = "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /usr/x; touch /tmp/x /data/x && echo written"


class Seen(msgspec.Struct, kw_only=True):
    """What came of it: the last status of each page, what a container says of its bounds, a job's end, exit codes."""

    pages: dict[str, int]
    confined: dict[str, str]
    job: dict[str, Any]
    left_with: dict[str, int]


def sh(command: str) -> str:
    """Run a command to its end, and give what it printed; end this process where it failed."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout}{done.stderr}")
    return done.stdout


def podman(words: str, *, within: str = "") -> str:
    """Run podman, in the network of a pod where one is named."""
    inside = f"nsenter --net=/run/netns/{within} " if within else ""
    return sh(f"{inside}podman {shlex.join(STORE)} {words}")


def hide_state() -> None:
    """Note who holds which layer where this node's end takes it along: what a dead pod seems to hold, nobody unmounts."""
    sh(f"mkdir -p {STATE} && mount -t tmpfs tmpfs {STATE}")


def lay_network() -> None:
    """Join a network for each pod by one bridge, which this process is on as well."""
    # crun refuses a machine that shows it both kinds of control groups
    sh("! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified")
    sh("mount -t tmpfs tmpfs /run && mkdir /run/netns")
    sh(
        "ip link set lo up && ip link add pods type bridge && ip address add 10.88.7.1/24 dev pods && ip link set pods up"
    )
    for name, address in ADDRESSES.items():
        sh(f"ip netns add {name} && ip link add v-{name} type veth peer name eth0 netns {name}")
        sh(f"ip link set v-{name} master pods up && ip -n {name} link set lo up")
        sh(f"ip -n {name} address add {address}/24 dev eth0 && ip -n {name} link set eth0 up")


def play(folder: Path) -> dict[str, str]:
    """Start all pods; give the name of each one's container."""
    podman("pod rm --all --force")
    podman("volume rm --all --force")
    podman(f"kube play {folder}/storage.yaml")
    for name in ADDRESSES:
        podman(f"kube play --network host {folder}/{name}.yaml", within=name)
    running = podman("ps --format '{{.Names}}'").split()
    return {name: next(found for found in running if re.fullmatch(rf".+-{name}", found)) for name in ADDRESSES}


def fetch(url: str, key: str = "", body: Any = None) -> tuple[int, Any]:
    """Call a pod; status 0 is a call that nobody answered."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} if key else {}
    asked = urllib.request.Request(url, headers=headers, data=json.dumps(body).encode() if body else None)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if key else text.decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as nobody:
        return 0, str(nobody)


async def probe(url: str) -> int:
    """Ask a page until it says yes, or for long enough; give its last status."""

    async def says_yes() -> bool:
        return (await asyncio.to_thread(fetch, url))[0] == 200

    try:
        await until(says_yes, within_s=_READY_S, every_s=0.2)
    except TimeoutError:
        return fetch(url)[0]
    return 200


async def run_a_job(api: str) -> dict[str, Any]:
    """Make a key in the API's container, post an edit, and follow it to its end."""
    key = json.loads(podman(f"exec {api} reelgate keys create --tenant acme --json"))["key"]
    status, job = fetch(_JOBS, key, _EDIT)
    if status != 202:
        return {"status": status, "error": job}

    async def ended() -> Any:
        _, now = await asyncio.to_thread(partial(fetch, f"{_JOBS}/{job['id']}", key))
        return now["status"] not in {"queued", "running"} and now

    return await until(ended, within_s=_JOB_S, every_s=0.5)


def stop(container: str) -> int:
    """Send SIGTERM and give the exit code."""
    podman(f"stop --time 60 {container}")
    return int(podman(f"inspect --format '{{{{.State.ExitCode}}}}' {container}"))


async def main(folder: Path) -> None:
    hide_state()
    lay_network()
    names = play(folder)
    pages = {
        f"{name} {path}": await probe(f"http://{ADDRESSES[name]}:{port}{path}")
        for name, (port, paths) in PAGES.items()
        for path in paths
    }
    confined = {name: podman(f"exec {names[name]} sh -c {shlex.quote(_CONFINED)} 2>&1") for name in PAGES}
    job = await run_a_job(names["api"])
    left_with = {name: stop(names[name]) for name in PAGES}
    seen = Seen(pages=pages, confined=confined, job=job, left_with=left_with)
    sys.stdout.write(msgspec.json.encode(seen).decode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
