"""Where a world keeps its things, and when they go."""

import os
import subprocess
import sys

from sandbox.world.folders import make_folders


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


def test_a_folder_that_no_world_made_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    make_folders("up", root=tmp_path)
    assert (tmp_path / "notes").exists()
