"""REELGATE_SECRET_KEYS that do not belong to a Redis: start refused with a sentence, said by `/readyz`, rotation allowed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from click.testing import CliRunner, Result

from core.cli.api_keys import keys
from core.cli.tokens import tokens
from core.security.encryption import Encryption
from core.store.redis.client import STORE_DOWN, Store, connect
from core.store.redis.keys import key
from core.store.secret_keys.check import (
    NEWER_KEY,
    OLDER_KEY,
    WRONG_KEYS,
    WrongSecretKeys,
    check_secret_keys,
    keep_own_seal_alone,
)
from tests.ready_line import address_in
from tests.redis_fixture import RedisServer, running_redis
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until

__all__ = ["core"]

REELGATE = Path(sys.executable).with_name("reelgate")
OLD, NEW, OTHER = "o" * 40, "n" * 40, "x" * 40
COMMANDS = {"api": ("api", "--port", "0"), "worker": ("worker", "--metrics-port", "0")}


def environment(redis_url: str, keys: str, folder: Path) -> dict[str, str]:
    return os.environ | {
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": keys,
        "REELGATE_STORAGE": str(folder),
        "REELGATE_DRAIN_DELAY_S": "0",
        "NEMO_API_URL": "http://127.0.0.1:9",
    }


@asynccontextmanager
async def started(redis_url: str, keys: str, folder: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        REELGATE,
        *words,
        env=environment(redis_url, keys, folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def outcome(redis_url: str, keys: str, folder: Path, *words: str) -> tuple[int | None, str]:
    """Run a process to its end, which is a clean one where it says that it is ready; give its status and its errors."""
    async with started(redis_url, keys, folder, *words) as child, asyncio.timeout(PATIENCE_S):
        line = await child.stdout.readline()
        if b" ready" in line:
            child.send_signal(signal.SIGTERM)
        _, errors = await child.communicate()
        return child.returncode, errors.decode()


@asynccontextmanager
async def checking(redis_url: str) -> AsyncIterator[Any]:
    """Give a function that checks keys, as a process of its own would."""
    stores: list[Store] = []

    async def check(*keys: str) -> list[str]:
        stores.append(Store(connect(redis_url, answer_s=PATIENCE_S)))
        return await check_secret_keys(stores[-1], Encryption(keys))

    try:
        yield check
    finally:
        for store in stores:
            await store.close()


def command(redis_url: str, secret_keys: str, *words: str, stdin: str = "") -> Result:
    env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": secret_keys}
    return CliRunner().invoke({"keys": keys, "tokens": tokens}[words[0]], words[1:], input=stdin, env=env)


@pytest.fixture
def written(redis_url: str) -> str:
    """The address of a Redis in which a tenant was made under the key OLD."""
    assert command(redis_url, OLD, "keys", "create", "--tenant", "acme").exit_code == 0
    return redis_url


@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_process_with_other_keys_is_refused_with_a_sentence(written: str, tmp_path: Path, kind: str):
    status, errors = await outcome(written, OTHER, tmp_path, *COMMANDS[kind])
    assert status not in (0, None)
    assert WRONG_KEYS in errors
    assert "Traceback" not in errors
    assert OTHER not in errors


@pytest.mark.parametrize("words", [("keys", "list"), ("keys", "create", "--tenant", "beta"), ("tokens", "list")])
def test_commands_with_other_keys_are_refused_and_write_nothing(written: str, words: tuple[str, ...]):
    with redis.Redis.from_url(written) as client:
        before = sorted(client.keys())
        refused = command(written, OTHER, *words)
        assert (refused.exit_code, refused.output) == (1, f"Error: {WRONG_KEYS}\n")
        assert sorted(client.keys()) == before


@pytest.mark.parametrize("words", [("keys", "list"), ("tokens", "list"), ("doctor",)])
async def test_who_types_a_command_at_an_empty_redis_locks_out_no_process_that_has_other_keys(
    redis_url: str, tmp_path: Path, words: tuple[str, ...]
):
    """As with the address of a new installation and the keys of the old one, or before the key was made that is kept."""
    await outcome(redis_url, OTHER, tmp_path, *words)
    status, errors = await outcome(redis_url, OLD, tmp_path, *COMMANDS["api"])
    assert (status, WRONG_KEYS in errors) == (0, False)
    assert (await outcome(redis_url, OTHER, tmp_path, *COMMANDS["api"]))[0] not in (0, None), "it is that one's now"


@pytest.mark.parametrize("held", ["keys", "tokens"])
async def test_a_redis_of_the_last_version_is_known_by_what_it_holds(redis_url: str, held: str):
    words = {"keys": ("keys", "create", "--tenant", "acme"), "tokens": ("tokens", "add")}[held]
    assert (await asyncio.to_thread(command, redis_url, OLD, *words, stdin="nmv_usr_1")).exit_code == 0
    with redis.Redis.from_url(redis_url) as client:
        client.delete(key("secret_key_seals"))
        async with checking(redis_url) as check:
            with pytest.raises(WrongSecretKeys):
                await check(OTHER)
            assert not client.exists(key("secret_key_seals"))
            assert await check(NEW, OLD) == []
        assert client.exists(key("secret_key_seals"))


async def test_an_old_key_that_was_taken_out_before_all_was_encrypted_anew_is_asked_for(core: Core):
    async with checking(core.settings.redis_url.get_secret_value()) as check:
        assert await check(OLD) == []
        assert await check(NEW, OLD) == []
        assert await check(NEW) == await check(NEW) == [OLDER_KEY]
        assert await check(OTHER, NEW) == [OLDER_KEY], "also with one more in front"
        assert await check(NEW, OLD) == [NEWER_KEY], "and back"


async def test_keys_are_rotated_by_a_new_one_in_front_and_then_the_old_one_can_go(core: Core):
    async with checking(core.settings.redis_url.get_secret_value()) as check:
        assert await check(OLD) == []
        assert await check(NEW, OLD) == []
        await keep_own_seal_alone(core.store, Encryption([NEW, OLD]))  # as a rewrap does
        assert await check(NEW) == []
        with pytest.raises(WrongSecretKeys):
            await check(OTHER)


async def test_who_has_not_got_the_new_key_yet_goes_on_with_a_warning(redis_url: str):
    async with checking(redis_url) as check:
        assert await check(OLD) == []
        assert await check(NEW, OLD) == []
        assert await check(OLD) == [NEWER_KEY]
        assert await check(OLD, NEW) == [], "back to the old one, which reads both"
        assert await check("a" * 40, NEW, OLD) == []
        assert await check("b" * 40, "a" * 40, NEW) == [OLDER_KEY], "what is under the old one was never encrypted anew"
        with pytest.raises(WrongSecretKeys):
            await check(OLD)


async def test_of_two_that_come_first_at_once_with_different_keys_one_is_refused(redis_url: str):
    async with checking(redis_url) as check:
        for _ in range(10):
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
            came = await asyncio.gather(check(OLD), check(OTHER), check(OLD), return_exceptions=True)
            assert {type(each) for each in came} == {list, WrongSecretKeys}
            assert came[0] == came[2] or isinstance(came[0], WrongSecretKeys)


async def test_many_who_come_at_once_with_a_new_key_leave_the_seal_of_the_one_before(redis_url: str) -> None:
    async with checking(redis_url) as check:
        for _ in range(10):
            with redis.Redis.from_url(redis_url) as client:
                client.flushall()
            await check(OLD)
            assert await asyncio.gather(*(check(NEW, OLD) for _ in range(4))) == [[]] * 4
            assert await check(OLD) == [NEWER_KEY], "it has not got the new one yet, and goes on"


async def test_processes_with_the_same_keys_start_at_once_on_an_empty_redis(redis_url: str, tmp_path: Path):
    starts = [outcome(redis_url, OLD, tmp_path, *words) for words in COMMANDS.values()]
    assert [status for status, _ in await asyncio.gather(*starts)] == [0, 0]
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen(key("secret_key_seals")) == 1


async def test_a_redis_that_is_replaced_while_the_api_runs_is_told_by_readyz(redis_url: str, tmp_path: Path):
    async with started(redis_url, OLD, tmp_path, *COMMANDS["api"]) as child, httpx.AsyncClient(trust_env=False) as http:
        url = address_in((await child.stdout.readline()).decode(), "api")
        assert (await http.get(f"{url}/readyz")).status_code == 200
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
            client.lpush(key("secret_key_seals"), Encryption([OTHER]).lock("reelgate"))
        answer = await http.get(f"{url}/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "warnings": [WRONG_KEYS]})
        assert (await http.get(f"{url}/livez")).status_code == 200
        child.send_signal(signal.SIGTERM)
        _, errors = await child.communicate()
    assert WRONG_KEYS in [json.loads(line)["event"] for line in errors.splitlines()]


async def test_a_redis_that_is_replaced_while_a_worker_runs_ends_it_with_the_sentence(redis_url: str, tmp_path: Path):
    async with started(redis_url, OLD, tmp_path, *COMMANDS["worker"]) as child:
        await child.stdout.readline()
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
            client.lpush(key("secret_key_seals"), Encryption([OTHER]).lock("reelgate"))
        _, errors = await child.communicate()
    assert child.returncode not in (0, None)
    rows = [json.loads(line) for line in errors.splitlines()]
    assert [row["level"] for row in rows if row["event"] == WRONG_KEYS] == ["error"]


@pytest.fixture
def server() -> Any:
    with running_redis() as server:
        yield server


@pytest.mark.timeout(2 * PATIENCE_S)
async def test_a_redis_that_is_a_replica_at_the_start_counts_as_away(server: RedisServer):
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", "1")
    async with checking(server.url) as check, asyncio.timeout(PATIENCE_S):
        with pytest.raises(STORE_DOWN):
            await check(OLD)


@pytest.mark.parametrize(("keys", "comes_up"), [(OTHER, False), (OLD, True)], ids=["refused", "comes up"])
@pytest.mark.parametrize("kind", COMMANDS)
async def test_a_redis_that_is_away_at_the_start_is_checked_when_it_comes(
    server: RedisServer, tmp_path: Path, kind: str, keys: str, comes_up: bool
):
    written = await asyncio.to_thread(command, server.url, OLD, "keys", "create", "--tenant", "acme")
    assert written.exit_code == 0
    server.kill()
    async with started(server.url, keys, tmp_path, *COMMANDS[kind]) as child, asyncio.timeout(PATIENCE_S):
        errors = b""
        while b"Redis" not in errors:
            errors += await child.stderr.readline()
        server.restart()
        if comes_up:
            url = address_in((await child.stdout.readline()).decode(), kind)
            async with httpx.AsyncClient(trust_env=False) as http:
                path = "/readyz" if kind == "api" else "/metrics"

                async def ready() -> bool:
                    return (await http.get(url + path)).status_code == 200

                await until(ready, within_s=PATIENCE_S)
            child.send_signal(signal.SIGTERM)
        _, more = await child.communicate()
        assert (child.returncode == 0) == comes_up
        assert (WRONG_KEYS in (errors + more).decode()) != comes_up
