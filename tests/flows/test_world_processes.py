"""The world's processes: ready when they say so, gone when they are stopped, whoever stops and however."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from sandbox.world.child_process import Child, ChildFailed, first_end, start_all, stop_all, while_alive
from sandbox.world.commands import run
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.run_until_signal import run_until_signal

ROOT = Path(__file__).resolve().parents[2]
ENV = dict(os.environ)

#: says it is ready, ends politely when asked
POLITE = """
import signal, sys
print('polite ready http://127.0.0.1:1', flush=True)
signal.sigwait([signal.SIGTERM])
"""
#: starts a program of its own, and ends without it
PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])
print('polite ready http://127.0.0.1:%d' % child.pid, flush=True)
signal.sigwait([signal.SIGTERM])
"""
#: a world of one child, whose pid it prints
WORLD = f"""
import asyncio, os, pathlib, sys
from sandbox.world.child_process import Child
async def main():
    child = Child('polite', [sys.executable, '-c', {POLITE!r}], env=dict(os.environ), ready='polite ready',
                  address='', log_path=pathlib.Path(sys.argv[1]))
    await child.start()
    print(child.pid, flush=True)
    await child.end()
asyncio.run(main())
"""


def python_child(source, tmp_path, *, name="polite"):
    return Child(
        name,
        [sys.executable, "-c", source],
        env=ENV,
        ready=r"^polite ready (http://\S+)",
        address="",
        log_path=tmp_path / f"{name}.log",
    )


def wait_gone(pid):
    """Wait until the process has ended; a pidfd becomes readable then."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watch], [], [], 60)[0], f"process {pid} is still there"
    finally:
        os.close(watch)


async def test_a_child_is_started_when_it_says_so_and_its_address_is_what_it_printed(tmp_path):
    child = python_child(POLITE, tmp_path)
    await child.start()
    assert child.address == "http://127.0.0.1:1"
    await child.stop()
    wait_gone(child.pid)


async def test_a_child_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log(tmp_path):
    child = python_child("import sys; print('NEMO_API_URL: bad value'); sys.exit(2)", tmp_path, name="api-1")
    with pytest.raises(ChildFailed, match=r"api-1 ended by itself with status 2.*\n.*NEMO_API_URL: bad value"):
        await child.start()


async def test_when_one_of_several_fails_the_reason_is_its_own(tmp_path):
    good, bad = python_child(POLITE, tmp_path), python_child("raise SystemExit(3)", tmp_path, name="bad")
    with pytest.raises(ChildFailed, match="bad ended by itself with status 3"):
        await start_all([good, bad])
    await stop_all([good, bad])


async def test_stopping_a_child_takes_what_it_started_with_it(tmp_path):
    child = python_child(PARENT, tmp_path)
    await child.start()
    grandchild = int(child.address.rpartition(":")[2])
    await child.stop()
    wait_gone(grandchild)


async def test_a_frozen_child_is_stopped_too(tmp_path):
    child = python_child(POLITE, tmp_path)
    await child.start()
    child.signal(signal.SIGSTOP)
    await child.stop()
    wait_gone(child.pid)


async def test_a_killed_child_is_noticed_and_can_be_started_again(tmp_path):
    child = python_child(POLITE, tmp_path)
    await child.start()
    child.signal(signal.SIGKILL)
    assert "was ended by signal 9" in str(await first_end([child]))
    await child.start()
    await child.stop()


def test_children_do_not_outlive_a_parent_that_was_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WORLD, str(tmp_path / "log")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as world:
        pid = int(world.stdout.readline())
        world.kill()
    wait_gone(pid)


async def test_the_embedded_redis_keeps_what_it_was_given_through_a_kill(tmp_path):
    child = embedded_redis(data_folder=tmp_path, log_path=tmp_path / "redis.log", env=ENV)
    await child.start()
    with redis.Redis.from_url(child.address) as client:
        client.config_set("appendfsync", "always")
        client.set("kept", "yes")
        child.signal(signal.SIGKILL)
        await child.end()
    await child.start()
    with redis.Redis.from_url(child.address) as client:
        assert client.get("kept") == b"yes"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    await child.stop()


async def test_nobody_without_the_password_reads_or_writes_the_embedded_redis(tmp_path):
    child = embedded_redis(data_folder=tmp_path, log_path=tmp_path / "redis.log", env=ENV)
    await child.start()
    where = urlsplit(child.address)
    for password in (None, "wrong"):
        with redis.Redis(where.hostname, where.port, password=password) as stranger:
            with pytest.raises(redis.AuthenticationError):
                stranger.set("mine", "yes")
            with pytest.raises(redis.AuthenticationError):
                stranger.keys()
    await child.stop()


async def test_a_child_finds_what_it_is_told_on_its_input_at_each_start(tmp_path):
    says = "import signal; print(f'polite ready http://{input()}', flush=True); signal.sigwait([signal.SIGTERM])"
    log = tmp_path / "log"
    command = [sys.executable, "-c", says]
    child = Child("told", command, env=ENV, ready=r"ready (http://\S+)", address="", log_path=log, told="one\ntwo\n")
    for _ in range(2):
        await child.start()
        assert child.address == "http://one"
        await child.stop()


async def test_a_command_gives_what_it_printed_and_gets_its_input(tmp_path):
    echo = [sys.executable, "-c", "print(input())"]
    assert await run(echo, env=ENV, stdin="nmv_usr_x\n", log_path=tmp_path / "log") == "nmv_usr_x\n"


async def test_a_command_that_fails_is_reported_with_what_it_complained_of(tmp_path):
    with pytest.raises(ChildFailed, match=r"ended with status 1.*\n.*no such tenant"):
        await run(
            [sys.executable, "-c", "raise SystemExit('no such tenant')"], env=ENV, stdin="", log_path=tmp_path / "log"
        )


async def test_work_in_company_is_broken_off_when_a_child_ends(tmp_path):
    child = python_child(POLITE, tmp_path)
    await child.start()
    left = asyncio.Event()

    async def work():
        child.signal(signal.SIGKILL)
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    with pytest.raises(ChildFailed, match="was ended by signal 9"):
        await while_alive([child], work())
    assert left.is_set()


async def test_work_in_company_gives_its_result(tmp_path):
    child = python_child(POLITE, tmp_path)
    await child.start()

    async def work():
        return 5

    assert await while_alive([child], work()) == 5
    await child.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_whoever_tells_it_to_end_everything_is_put_in_order_first(number):
    in_order = []

    async def work():
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            in_order.append("stopped")
        return 0

    assert await run_until_signal(work(), when_told=7) == 7
    assert in_order == ["stopped"]


async def test_without_being_told_the_works_own_status_counts():
    async def work():
        return 1

    assert await run_until_signal(work()) == 1
