"""A stand-in for S3 on loopback, in a process of its own."""

import asyncio
import subprocess
import sys
import urllib.request
from contextlib import closing, suppress

import httpx
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


class Unread:
    """Lies before S3, and lets files in but answers nobody who looks `at` one, or only so."""

    def __init__(self, address: str, answer: bytes = b"", *, at: bytes = b"HEAD ") -> None:
        self._address = httpx.URL(address)
        self._answer, self._at = answer, at
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._address.host, self._address.port)
        with closing(writer), closing(back), suppress(ConnectionError):
            async with asyncio.TaskGroup() as ways:
                answers = ways.create_task(self._pass_on(there, writer))
                while request := await reader.read(65_536):
                    if request.startswith(self._at):
                        self.asked.set()
                        writer.write(self._answer)
                    else:
                        back.write(request)
                answers.cancel()

    async def _pass_on(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answer := await there.read(65_536):
            writer.write(answer)


class Stalled:
    """Lies before S3, and lets no part of a file through until its gate is open."""

    def __init__(self, address: str) -> None:
        self._address = httpx.URL(address)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._address.host, self._address.port)
        answers = asyncio.create_task(self._pass_on(there, writer))
        with closing(writer), closing(back), suppress(ConnectionError):
            while request := await reader.read(65_536):
                if request.startswith(b"PUT "):
                    self.asked.set()
                    await self.gate.wait()
                back.write(request)
                await back.drain()
        answers.cancel()

    async def _pass_on(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answer := await there.read(65_536):
            writer.write(answer)
