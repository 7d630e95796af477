"""Where a world keeps its things, and when they go."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.world.folders import make_folders
from sandbox.world.kept import default_folder, hold
from sandbox.world.up import told_of


def test_a_worlds_folder_has_all_its_parts(tmp_path):
    folders = make_folders("up", root=tmp_path / "worlds")
    parts = (folders.logs, folders.redis, folders.storage, folders.input)
    assert all(part.is_dir() and part.parent == folders.world for part in parts)
    assert folders.log("api-1").parent == folders.logs


def test_two_worlds_of_one_process_do_not_share_a_folder(tmp_path):
    assert make_folders("up", root=tmp_path).world != make_folders("up", root=tmp_path).world


def test_the_folders_of_ended_processes_are_cleared_away_and_those_of_living_ones_stay(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, living = tmp_path / f"up-{ended.pid}-x", tmp_path / f"demo-{os.getpid()}-y"
    gone.mkdir()
    living.mkdir()
    make_folders("up", root=tmp_path)
    assert not gone.exists()
    assert living.exists()


@pytest.mark.parametrize("place", ["redis://[2001:db8::1]:6379/0", "redis://4194305:6379/0"])
async def test_a_kept_world_stays_although_its_name_looks_like_that_of_a_process_that_has_ended(tmp_path, place):
    kept = tmp_path / default_folder(place, None).name
    async with hold(kept):
        pass
    make_folders("up", root=tmp_path)
    assert kept.exists()


def test_a_folder_that_no_world_made_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    make_folders("up", root=tmp_path)
    assert (tmp_path / "notes").exists()


@pytest.mark.parametrize(
    ("redis", "backend", "name"),
    [
        (None, None, "kept"),
        ("redis://user:secret@127.0.0.1:6379/0", None, "kept-127.0.0.1-6379-0"),
        (None, "https://mega-api-prod.nemovideo.ai", "kept-mega-api-prod.nemovideo.ai"),
        ("unix:///run/redis.sock", "http://[::1]:8900/../..", "kept-run-redis.sock-1-8900"),
        ("redis://HOST:nonsense/../1", None, "kept-host-nonsense-..-1"),
    ],
)
def test_a_world_on_another_redis_or_backend_is_kept_by_itself_and_under_no_password(redis, backend, name):
    assert default_folder(redis, backend).as_posix() == f".reelgate/{name}"


@pytest.mark.parametrize(
    ("error", "of_the_folder"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "kept/redis"), True),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "elsewhere"), False),
        (PermissionError(errno.EACCES, "Permission denied", str(Path.cwd())), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EMFILE, "Too many open files"), False),
        (OSError(errno.ENOSPC, "No space left on device", "/var/told"), False),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/usr/bin/reelgate"), False),
    ],
)
def test_a_folder_is_blamed_for_what_the_system_said_of_it_and_of_nothing_else(error: OSError, of_the_folder: bool):
    said = told_of(error, Path("kept"))
    assert ("can't hold a world" in said) == of_the_folder
    assert error.strerror is not None
    assert error.strerror in said
    assert error.filename is None or Path(error.filename).name in said
