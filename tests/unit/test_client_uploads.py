"""The client's uploads, before a server: what is not the file that was looked at does not arrive whole."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reelgate.client import AsyncReelgate, Reelgate
from tests.scripted_api import ScriptedApi, gives, scripted_api

SIZE_BYTES = 3_000_000


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as running:
        running.replies = {"/v1/uploads": [gives(201, {"id": "upl_1"})]}
        yield running


def upload(api: ScriptedApi, path: Path, kind: str, progress=None) -> object:
    """Upload with either client."""
    if kind == "blocking":
        with httpx.Client(trust_env=False) as http, Reelgate(api.url, "rg_k", http=http, retry_s=0) as reelgate:
            return reelgate.upload(path, progress=progress)

    async def waiting() -> object:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await AsyncReelgate(api.url, "rg_k", http=http, retry_s=0).upload(path, progress=progress)

    return asyncio.run(waiting())


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 1_000_000)


def change(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("kind", ["blocking", "waiting"])
@pytest.mark.parametrize("act", [grow, shrink, change])
def test_a_file_that_changes_while_it_is_sent_is_no_upload(api: ScriptedApi, tmp_path: Path, act, kind) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(SIZE_BYTES))
    with pytest.raises(OSError, match="has changed") as told:
        upload(api, path, kind, progress=lambda done, _: act(path) if done < 300_000 else None)
    assert told.value.filename == str(path)
    assert [body for *_, body in api.asked if len(body) == SIZE_BYTES] == []


@pytest.mark.parametrize("kind", ["blocking", "waiting"])
def test_what_is_no_file_is_refused_and_not_waited_for(api: ScriptedApi, tmp_path: Path, kind) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no file"):
            upload(api, place, kind)
    assert api.asked == []


@pytest.mark.parametrize("kind", ["blocking", "waiting"])
def test_a_progress_that_raises_ends_the_upload_with_what_it_raised(api: ScriptedApi, tmp_path: Path, kind) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(SIZE_BYTES))
    with pytest.raises(ZeroDivisionError):
        upload(api, path, kind, progress=lambda *_: 1 / 0)


@pytest.mark.parametrize("kind", ["blocking", "waiting"])
def test_a_file_arrives_whole_also_an_empty_one(api: ScriptedApi, tmp_path: Path, kind) -> None:
    for content in (os.urandom(SIZE_BYTES), b""):
        path = tmp_path / os.fsdecode(b'caf\xe9 "x"\n.mp4')
        path.write_bytes(content)
        upload(api, path, kind)
        assert api.asked[-1][3] == content
