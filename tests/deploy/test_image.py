"""The image: deploy/Dockerfile builds, and both processes start from it as the chart starts them."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.containers import STORE, build, buildah, in_use
from tests.deploy.installations import pods

#: a base, a build from nothing, and a machine that is busy
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    with in_use():
        made = buildah("from", "--pull-never", f"{build('gateway')}:test")
        yield made
        buildah("rm", made)


def test_it_runs_one_program_as_nobody_in_particular(container):
    told = json.loads(buildah("inspect", container))["OCIv1"]["config"]
    assert told["Entrypoint"] == ["reelgate"]
    assert told["User"] == "10001:10001"
    assert told["Cmd"][0] == "api"
    assert buildah("run", "--isolation", "chroot", container, "--", "id", "-u") == "10001"


def test_there_is_no_ffmpeg_and_nothing_for_tests_in_it(container):
    found = buildah("run", "--isolation", "chroot", container, "--", "ls", "/opt/reelgate/bin").split()
    assert "reelgate" in found
    assert not {"pytest", "ruff", "mypy"} & set(found)
    assert not [name for name in found if "ffmpeg" in name]


def test_it_has_the_script_of_the_docs_and_not_the_framework_whose_plugin_brings_it(container):
    look = "import importlib.util as u; from service.openapi.scalar import find_script as f; print(f(), *map(u.find_spec, {}))"
    brought = ["star_openapi_scalar", "star_openapi", "starlette", "flask"]
    told = buildah("run", "--isolation", "chroot", container, "--", "python", "-c", look.format(brought)).split()
    assert told[0].startswith("/opt/reelgate/share/reelgate/scalar.")
    assert told[1:] == ["None"] * len(brought)


@pytest.mark.parametrize("component", ["api", "worker"])
def test_a_process_starts_from_it_with_the_words_of_the_chart(container, component, redis_url):
    [described] = pods("sandbox")[component]["containers"]
    words = [{"0.0.0.0": "127.0.0.1", "8080": "0", "9100": "0"}.get(word, word) for word in described["args"]]
    with started(container, words, redis_url) as address:
        for path in ("/livez", "/readyz"):
            with urllib.request.urlopen(address + path, timeout=30) as answer:
                assert answer.status == 200


@contextmanager
def started(container: str, words: list[str], redis_url: str) -> Iterator[str]:
    """Start a process in the image, give the address that it says, and end it."""
    settings = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": "k" * 40, "REELGATE_DRAIN_DELAY_S": "0"}
    told = [option for name, value in settings.items() for option in ("--env", f"{name}={value}")]
    command = ["buildah", *STORE, "run", "--isolation", "chroot", *told, container, "--", "reelgate", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())["address"]
    finally:
        # buildah keeps the signal to itself, and must outlive what it runs: it unmounts what it has mounted
        os.kill(innermost(process.pid), signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def innermost(process_id: int) -> int:
    """Find the process that the runners below this one have started in the end."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return innermost(int(children[0])) if children else process_id
