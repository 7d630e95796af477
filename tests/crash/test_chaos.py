"""A short run of `./run chaos`, as a person would start it."""

import asyncio
import sys
from pathlib import Path

from tests.crash.fork_server import ROOT

BAD = ("lost", "charged twice", "rendered twice", "orphaned renders", "callbacks missing", "ended twice")


async def test_a_short_run_loses_nothing_and_does_nothing_twice():
    command = (sys.executable, "-m", "sandbox.chaos", "--jobs", "40", "--seconds", "30", "--seed", "11")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    rows = {cells[1].strip(): cells[2].strip() for line in said.splitlines() if len(cells := line.split("│")) == 4}
    assert rows["accepted"] == "40"
    assert {name: rows[name] for name in BAD} == dict.fromkeys(BAD, "0")


async def test_a_run_that_is_told_to_end_leaves_no_process_behind():
    command = (sys.executable, "-m", "sandbox.chaos", "--jobs", "1", "--seconds", "60", "--workers", "1", "--apis", "1")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    while b"accepted" not in (line := await process.stdout.readline()):
        assert line, "it ended by itself"
    children = await asyncio.to_thread(children_of, process.pid)
    process.terminate()
    await process.communicate()
    assert children
    assert not await asyncio.to_thread(alive_of, children)


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def alive_of(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
