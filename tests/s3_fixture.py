"""A stand-in for S3 on loopback, in a process of its own."""

import subprocess
import sys
import urllib.request

import pytest

from sandbox.world.ports import free_port

BUCKET = "videos"


def access_to(address: str) -> dict[str, str]:
    """Write the environment that lets a process reach it."""
    access = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
    return {f"AWS_{name}": value for name, value in (access | {"ENDPOINT": address}).items()}


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """A stand-in for S3 on loopback, in a process of its own."""
    port = free_port()
    log = (tmp_path_factory.mktemp("s3") / "log").open("w")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            answers_at(address, server)
            urllib.request.urlopen(urllib.request.Request(f"{address}/{BUCKET}", method="PUT")).close()
            yield address
        finally:
            server.terminate()


def answers_at(address, server):
    while server.poll() is None:
        try:
            urllib.request.urlopen(address).close()
        except OSError:
            continue
        return
    raise AssertionError("the stand-in for S3 ended by itself")
