"""The operator's commands over a real Redis: what they print, what they refuse, and that no secret is shown twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner, Result

from core.cli.api_keys import keys
from core.cli.tokens import tokens
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
        "ID": added.output.strip(),
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


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ([], ""),
        ([], "two words\n"),
        ([], "nmv_usr_é\n"),
        ([], "x" * 5000),
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
