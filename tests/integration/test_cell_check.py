"""A Redis belongs to one cell: what is of another one refuses to start on it, and what has no name is warned."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from core.cli.api_keys import keys
from core.security.encryption import Encryption
from core.store.cell_check import WrongCell, check_cell
from core.store.redis.keys import key
from core.store.start_check import check_start
from service.admin.command import admin
from tests.api_fixture import SECRET_KEY, running_api
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S

__all__ = ["core"]

REELGATE = Path(sys.executable).with_name("reelgate")
COMMANDS = {"api": ("api", "--port", "0"), "worker": ("worker", "--metrics-port", "0"), "keys": ("keys", "list")}


async def test_the_first_who_has_a_name_leaves_it_and_another_is_refused_with_both(core: Core) -> None:
    assert await check_cell(core.store, "") == []
    assert not await core.redis.exists(key("cell"))
    assert [await check_cell(core.store, "eu1") for _ in range(2)] == [[], []]
    with pytest.raises(WrongCell, match=r"this process is of cell 'eu2', and this Redis is that of cell 'eu1'"):
        await check_cell(core.store, "eu2")
    assert await core.redis.get(key("cell")) == b"eu1"


async def test_of_two_that_come_first_at_once_one_is_refused(core: Core) -> None:
    came = await asyncio.gather(*(check_cell(core.store, cell) for cell in ("eu1", "eu2")), return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["WrongCell", "list"]


async def test_who_has_no_name_goes_on_with_a_warning_so_that_a_first_name_can_be_rolled_back(core: Core) -> None:
    await check_cell(core.store, "eu1")
    [warning] = await check_start(core.store, Encryption([SECRET_KEY]), cell="")
    assert "cell 'eu1', and REELGATE_CELL is not set" in warning


@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_process_of_another_cell_refuses_to_start_with_a_sentence_and_writes_nothing(
    redis_url: str, tmp_path: Path, kind: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(key("cell"), "eu1")
        env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_CELL": "eu2"}
        child = await asyncio.create_subprocess_exec(
            *(REELGATE, *COMMANDS[kind]),
            env=env | {"REELGATE_STORAGE": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(child.communicate(), PATIENCE_S)
        assert (child.returncode, out) == (1, b"")
        last = errors.decode().splitlines()[-1]
        said = json.loads(last)["event"] if last.startswith("{") else last
        assert "REELGATE_CELL: this process is of cell 'eu2', and this Redis is that of cell 'eu1'" in said
        assert b"Traceback" not in errors
        assert client.keys() == [key("cell").encode()]


async def test_a_command_makes_nobodys_redis_no_cells(redis_url: str) -> None:
    """Its REDIS_URL may be another installation's, which has no name."""
    env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "REELGATE_CELL": "eu2"}
    for group, words in ((keys, ["list"]), (admin, ["workers"])):
        done = await asyncio.to_thread(CliRunner().invoke, group, words, env=env)
        assert "no cell's yet" in done.output
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists(key("cell"))


async def test_the_probe_and_the_commands_tell_who_has_no_name(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(key("cell"), "eu1")
    async with running_api(redis_url, tmp_path) as api:
        warnings = (await api.http.get("/readyz")).json()["warnings"]
    assert [each for each in warnings if "REELGATE_CELL is not set" in each]
    env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY}
    listed = await asyncio.to_thread(CliRunner().invoke, keys, ["list"], env=env)
    assert listed.exit_code == 0
    assert "REELGATE_CELL is not set" in listed.output
