"""The operator's commands over a real Redis: what they print, what they refuse, and that no secret is shown twice."""

import asyncio
import json
import os
import pty
import pwd
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner, Result
from redis.exceptions import ConnectionError as RedisConnectionError

from core.cli.api_keys import keys
from core.cli.secrets import secrets
from core.cli.tokens import tokens
from core.clock import Clock
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.redis.keys import key
from core.store.tenants.api_keys import ApiKeys
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.tokens import Tokens
from tests.store_fixture import SECRET_KEY

REELGATE = Path(sys.executable).with_name("reelgate")
SECRET = "nmv_usr_0123456789abcdef"


@pytest.fixture
def run(redis_url):
    def command(group, *arguments: str, stdin: str = "") -> Result:
        environment = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY}
        return CliRunner().invoke(group, arguments, input=stdin, env=environment)

    return command


def listed(run, group, *arguments: str) -> list[dict[str, str]]:
    """Read a table: each row by its titles."""
    titles, *rows = (line.split("  ") for line in run(group, "list", *arguments).output.splitlines())
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return [dict(zip([t.strip() for t in titles if t.strip()], row, strict=False)) for row in cells]


def test_a_token_is_listed_with_all_that_is_known_of_it_and_without_its_secret(run):
    added = run(
        tokens, "add", "--tenant", "acme", "--scopes", "read+write", "--expires", "2030-01-01T00:00:00Z", stdin=SECRET
    )
    assert added.exit_code == 0
    [row] = listed(run, tokens)
    assert row == {
        "ID": added.stdout.strip(),
        "KIND": "operator",
        "TENANT": "acme",
        "STATE": "active",
        "AVAILABLE": "-",
        "FROZEN": "-",
        "RESERVED": "0",
        "JOBS": "0",
        "EXPIRES": "2030-01-01T00:00:00.000Z",
        "SCOPES": "read+write",
    }
    shown = run(tokens, "list").output + added.output
    assert not any(SECRET[n : n + 4] in shown for n in range(len("nmv_usr_"), len(SECRET) - 3))


def test_a_token_that_is_added_again_keeps_its_id_and_takes_what_is_said_now(run):
    first = run(tokens, "add", "--scopes", "read", stdin=SECRET).output
    again = run(tokens, "add", "--scopes", "*", stdin=SECRET).output
    assert first == again
    assert [row["SCOPES"] for row in listed(run, tokens)] == ["*"]


def test_a_token_whose_time_is_over_is_said_to_have_expired(run):
    over = run(tokens, "add", "--expires", "2020-01-01T00:00:00Z", stdin=SECRET)
    good = run(tokens, "add", "--expires", "2999-01-01T00:00:00Z", stdin=f"{SECRET}2")
    assert over.stderr.startswith("Warning: its time was over at 2020-01-01T00:00:00")
    assert good.stderr == ""
    states = {row["ID"]: row["STATE"] for row in listed(run, tokens)}
    assert states == {over.stdout.strip(): "expired", good.stdout.strip(): "active"}


def test_a_tenants_own_token_that_is_added_again_serves_nobody_else_unless_that_is_said(run):
    token_id = run(tokens, "add", "--tenant", "acme", "--scopes", "read+write", stdin=SECRET).output.split()[0]
    again = run(tokens, "add", stdin=SECRET)
    assert (again.stdout, "serves acme alone" in again.stderr) == (f"{token_id}\n", True)
    assert [(row["TENANT"], row["SCOPES"]) for row in listed(run, tokens)] == [("acme", "read+write")]
    assert run(tokens, "add", "--tenant", "", stdin=SECRET).stderr == ""
    assert [(row["TENANT"], row["SCOPES"]) for row in listed(run, tokens)] == [("(all)", "read+write")]


def test_a_tenant_that_is_none_is_said_to_be_none(run):
    assert "no tenant acmee" in run(tokens, "add", "--tenant", "acmee", stdin=SECRET).stderr
    assert "no tenant acmee" in run(keys, "list", "--tenant", "acmee").stderr
    run(keys, "create", "--tenant", "acme")
    assert run(keys, "list", "--tenant", "acme").stderr == ""
    assert run(tokens, "add", "--tenant", "acme", stdin=f"{SECRET}2").stderr == ""


def test_a_token_in_two_cells_has_one_fingerprint_whatever_their_secret_keys_are(run, redis_server):
    def there(*arguments: str, stdin: str = "") -> Result:
        environment = {"REDIS_URL": redis_server.url_of(1), "REELGATE_SECRET_KEYS": "another cell's " * 3}
        return CliRunner().invoke(tokens, arguments, input=stdin, env=environment)

    mine = [run(tokens, "add", stdin=secret).output.strip() for secret in (SECRET, f"{SECRET}2")]
    theirs = there("add", stdin=SECRET).output.strip()
    here = {line.split()[1]: line.split()[0] for line in run(tokens, "fingerprints").output.splitlines()}
    assert set(here) == set(mine)
    assert there("fingerprints").output == f"{here[mine[0]]} {theirs}\n"
    assert len(set(here.values())) == 2
    assert there("remove", theirs).exit_code == 0


def test_a_token_that_is_removed_is_gone(run):
    token_id = run(tokens, "add", stdin=SECRET).output.strip()
    assert run(tokens, "remove", token_id).exit_code == 0
    assert listed(run, tokens) == []
    assert "there is no token" in run(tokens, "remove", token_id).output


def test_who_removes_the_anonymous_token_that_serves_hears_what_that_costs(run, redis_url):
    async def issued() -> list[str]:
        store, clock = Store(connect(redis_url, answer_s=5)), Clock()
        pool = Tokens(store, Encryption([SECRET_KEY]), clock)
        over_ms = clock.now_ms() - 1
        try:
            return [
                await pool.add("nmv_usr_old", kind="anonymous", expires_ms=over_ms),
                await pool.add("nmv_usr_new", kind="anonymous", expires_ms=over_ms + 86_400_000),
            ]
        finally:
            await store.close()

    over, present = (run(tokens, "remove", token_id) for token_id in asyncio.run(issued()))
    assert (over.exit_code, present.exit_code) == (0, 0)
    assert ["the backend gives no other one" in removed.stderr for removed in (over, present)] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ([], ""),
        ([], "two words\n"),
        ([], "nmv_usr_é\n"),
        ([], "x" * 5000),
        ([], f"{SECRET}\n{SECRET}2\n"),
        (["--scopes", "read+fly"], SECRET),
        (["--expires", "tomorrow"], SECRET),
        (["--tenant", "a b"], SECRET),
    ],
)
def test_what_cannot_be_a_token_is_refused_with_a_sentence(run, arguments, stdin):
    refused = run(tokens, "add", *arguments, stdin=stdin)
    assert refused.exit_code != 0
    assert "Error" in refused.output
    assert "Traceback" not in refused.output
    assert listed(run, tokens) == []


def test_keys_of_all_tenants_or_of_one_are_listed_and_a_revoked_one_is_gone(run):
    made = {name: json.loads(run(keys, "create", "--tenant", name, "--json").output) for name in ("acme", "beta")}
    assert [row["TENANT"] for row in listed(run, keys)] == ["acme", "beta"]
    assert [row["ID"] for row in listed(run, keys, "--tenant", "beta")] == [made["beta"]["id"]]
    shown = run(keys, "list").output
    assert not any(facts["key"] in shown for facts in made.values())
    assert run(keys, "revoke", made["acme"]["id"]).exit_code == 0
    assert [row["TENANT"] for row in listed(run, keys)] == ["beta"]


def test_of_a_key_that_has_leaked_nobody_need_know_the_id_nor_show_the_key(run):
    made = [json.loads(run(keys, "create", "--tenant", name, "--json").output) for name in ("acme", "beta")]
    done = run(keys, "revoke", "-", stdin=f"{made[0]['key']}\n")
    assert (done.exit_code, done.stdout) == (0, f"{made[0]['id']} is revoked\n")
    assert "acme's" in done.stderr
    assert [row["ID"] for row in listed(run, keys)] == [made[1]["id"]]
    for words, stdin in ((("-",), made[0]["key"]), ((made[1]["key"],), ""), (("",), "")):
        refused = run(keys, "revoke", *words, stdin=stdin)
        assert (refused.exit_code != 0, made[0]["key"] in refused.output, made[1]["key"] in refused.output) == (
            True,
            False,
            False,
        )
    assert SECRET not in run(tokens, "remove", SECRET).output
    assert [row["ID"] for row in listed(run, keys)] == [made[1]["id"]]


def test_a_tenant_whose_making_broke_off_is_still_shown_its_webhook_secret(run, redis_url):
    """The process ended, or Redis went away, behind the secret and before the key."""

    async def break_off() -> str | None:
        store = Store(connect(redis_url, answer_s=5))
        try:
            return await Webhooks(store, Encryption([SECRET_KEY]), Clock()).create_secret("acme")
        finally:
            await store.close()

    secret = asyncio.run(break_off())
    assert json.loads(run(keys, "create", "--tenant", "acme", "--json").output)["webhook_secret"] == secret
    assert "webhook_secret" not in json.loads(run(keys, "create", "--tenant", "acme", "--json").output)


def test_a_key_whose_making_was_not_answered_is_told_as_one_that_may_be_there(run, monkeypatch):
    create = ApiKeys.create

    async def unanswered(api_keys: ApiKeys, *what: Any, **how: Any) -> None:
        await create(api_keys, *what, **how)
        raise RedisConnectionError

    monkeypatch.setattr(ApiKeys, "create", unanswered)
    lost = run(keys, "create", "--tenant", "acme")
    assert (lost.exit_code, "keys list --tenant acme" in lost.stderr, "rotate-secret" in lost.stderr) == (1, True, True)
    assert [row["TENANT"] for row in listed(run, keys)] == ["acme"]


def trail(redis_url: str) -> list[dict[str, str]]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        return [fields for _, fields in client.xrange(key("audit"))]


def test_who_makes_and_takes_away_keys_and_tokens_is_written_down_without_what_is_secret(run, redis_url):
    made = json.loads(run(keys, "create", "--tenant", "acme", "--json").output)
    token_id = run(tokens, "add", "--tenant", "acme", stdin=SECRET).stdout.strip()
    run(keys, "revoke", made["id"])
    run(keys, "revoke", made["id"])
    run(tokens, "remove", token_id)
    run(secrets, "rewrap")
    rows = trail(redis_url)
    assert [(row["action"], row.get("ids"), row["outcome"]) for row in rows[1::2]] == [
        ("create key", made["id"], "done"),
        ("add token", token_id, "done"),
        ("revoke key", made["id"], "done"),
        ("revoke key", made["id"], "unchanged: there is none"),
        ("remove token", token_id, "done"),
        ("rewrap secrets", None, "done: 0 encrypted anew"),
    ]
    assert {row["outcome"] for row in rows[::2]} == {"attempted"}
    assert {row["user"] for row in rows} == {pwd.getpwuid(os.getuid()).pw_name}
    assert [row.get("tenant") for row in rows[:4]] == ["acme"] * 4
    assert not any(word in str(rows) for word in (SECRET, made["key"], made["webhook_secret"]))


def test_nothing_is_made_or_taken_away_that_cannot_be_written_down(run, redis_url):
    made = json.loads(run(keys, "create", "--tenant", "acme", "--json").output)
    token_id = run(tokens, "add", stdin=SECRET).stdout.strip()
    with redis.Redis.from_url(redis_url) as client:
        client.set(key("audit"), "no stream")
    for group, words, stdin in (
        (keys, ("create", "--tenant", "beta"), ""),
        (keys, ("revoke", made["id"]), ""),
        (tokens, ("add",), f"{SECRET}2"),
        (tokens, ("remove", token_id), ""),
    ):
        refused = run(group, *words, stdin=stdin)
        assert (refused.exit_code, "WRONGTYPE" in refused.stderr) == (1, True), words
    assert [row["ID"] for row in listed(run, keys)] == [made["id"]]
    assert [row["ID"] for row in listed(run, tokens)] == [token_id]


def test_a_redis_that_refuses_a_command_is_told_in_a_sentence(redis_url):
    where = urlsplit(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("weak", enabled=True, passwords=["+word"], keys=["*"], commands=["+@all", "-fcall"])
        try:
            env = {
                "REDIS_URL": f"redis://weak:word@{where.hostname}:{where.port}/0",
                "REELGATE_SECRET_KEYS": SECRET_KEY,
            }
            refused = CliRunner().invoke(tokens, ["add"], input=SECRET, env=env)
        finally:
            client.acl_deluser("weak")
    assert (refused.exit_code, refused.stderr.startswith("Error: Redis refuses: "), "fcall" in refused.stderr) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a:b"])
def test_a_tenant_needs_a_plain_name(run, name):
    assert run(keys, "create", "--tenant", name).exit_code != 0


def test_a_redis_that_is_away_is_told_in_a_sentence():
    environment = {"REDIS_URL": "redis://127.0.0.1:9/0", "REELGATE_SECRET_KEYS": SECRET_KEY}
    away = CliRunner().invoke(tokens, ["list"], env=environment)
    assert (away.exit_code, away.output.strip()) == (1, "Error: Redis does not answer at REDIS_URL.")


@pytest.fixture
def run_before_a_full_disk(redis_url):
    def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY}
        with Path("/dev/full").open("w") as full:
            return subprocess.run(
                [REELGATE, *arguments],
                env=env,
                input=stdin,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

    return command


@pytest.mark.parametrize("words", ["keys list", "tokens list", "tokens add", "secrets rewrap --check"])
def test_a_full_disk_is_told_in_a_sentence(run_before_a_full_disk, words):
    done = run_before_a_full_disk(*words.split(), stdin=SECRET)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "Error: No space left on device")
    assert "Traceback" not in done.stderr


def test_a_key_that_could_not_be_shown_is_revoked(run, run_before_a_full_disk):
    done = run_before_a_full_disk("keys", "create", "--tenant", "acme")
    first, last = done.stderr.splitlines()
    assert (done.returncode, last) == (1, "Error: No space left on device")
    assert ("is revoked" in first, "rotate-secret" in first) == (True, True)
    assert listed(run, keys) == []


def test_no_input_is_no_token():
    closed = subprocess.run(["sh", "-c", f"{REELGATE} tokens add <&-"], stderr=subprocess.PIPE, text=True, check=False)
    assert (closed.returncode, "standard input" in closed.stderr) == (1, True)


def test_an_input_that_is_no_text_is_told_in_a_sentence(redis_url):
    env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([REELGATE, "tokens", "add"], env=env, input=b"nmv_\xff\n", capture_output=True, check=False)
    assert (done.returncode, b"this is no token" in done.stderr, b"Traceback" in done.stderr) == (1, True, False)


def test_a_token_that_is_typed_at_a_terminal_is_asked_for_and_not_shown(run, redis_url):
    child, terminal = pty.fork()
    if child == 0:
        env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY}
        os.execve(REELGATE, [str(REELGATE), "tokens", "add"], env)
    shown = b""
    while b"Token: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, f"{SECRET}\n".encode())
    with suppress(OSError):  # the terminal is gone when its last process is
        while more := os.read(terminal, 1024):
            shown += more
    assert os.waitpid(child, 0)[1] == 0
    assert SECRET.encode() not in shown
    assert [row["ID"] for row in listed(run, tokens)] == shown.decode().split()[-1:]


def test_what_is_no_redis_is_told_in_a_sentence(redis_url):
    url = f"{redis_url.rpartition('/')[0]}/99999"
    env = {"REDIS_URL": url, "REELGATE_SECRET_KEYS": SECRET_KEY}
    result = CliRunner().invoke(keys, ["list"], env=env)
    assert (result.exit_code, result.output) == (
        1,
        "Error: REDIS_URL names no Redis that can be used: DB index is out of range.\n",
    )


def test_a_wrong_password_is_told_as_such_and_not_shown(redis_url):
    where = urlsplit(redis_url)
    for user in (":not-the-password@", "nobody:not-the-password@", ""):
        url = f"redis://{user}{where.hostname}:{where.port}/0"
        refused = CliRunner().invoke(tokens, ["list"], env={"REDIS_URL": url, "REELGATE_SECRET_KEYS": SECRET_KEY})
        assert (refused.exit_code, refused.output.strip()) == (
            1,
            "Error: Redis refuses the user or the password in REDIS_URL.",
        )


def test_a_redis_that_refuses_for_now_says_why(run, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            refused = run(keys, "create", "--tenant", "acme")
        finally:
            client.config_set("min-replicas-to-write", 0)
    assert (refused.exit_code, refused.output.strip()) == (
        1,
        "Error: Redis refuses for now at REDIS_URL: too few replicas are there.",
    )


def test_a_redis_that_is_full_is_named_as_such_and_what_frees_room_still_works(run, redis_url):
    key_id = json.loads(run(keys, "create", "--tenant", "acme", "--json").output)["id"]
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            refused = run(keys, "create", "--tenant", "acme")
            revoked = run(keys, "revoke", key_id)
        finally:
            client.config_set("maxmemory", 0)
    assert (refused.exit_code, "Redis is full" in refused.output) == (1, True)
    assert revoked.exit_code == 0
