"""An old secret key is taken out, and nothing is made anew: whatever was written under it works on under the newest one."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from core.cli.api_keys import keys
from core.cli.secrets import secrets
from core.cli.tokens import tokens
from core.ids import new_id
from core.security.encryption import Encryption, Undecryptable
from core.store.formats import Membership
from core.store.redis.client import Store, connect
from core.store.redis.keys import key
from core.store.redis.lists import MEMBERS_AT_ONCE
from core.store.secret_keys.check import NEWER_KEY, WRONG_KEYS, WrongSecretKeys, check_secret_keys
from core.store.secret_keys.rewrap import Kind, Rewrapped, RewrapRefused, SecretRewrap, Standing
from core.store.tenants.api_keys import ApiKeys, IssuedKey
from core.store.tenants.webhooks import Webhooks
from core.store.tokens.tokens import Tokens
from tests.ready_line import address_in
from tests.store_fixture import Core, core
from tests.until import PATIENCE_S, until

__all__ = ["core"]

OLDEST, OLD, NEW = "a" * 40, "o" * 40, "n" * 40
REELGATE = Path(sys.executable).with_name("reelgate")


class Installation:
    """What one process does under its secret keys, over a store that all of them share."""

    def __init__(self, core: Core, *secret_keys: str) -> None:
        self.encryption = Encryption(secret_keys)
        given = (core.store, self.encryption, core.clock)
        self.api_keys, self.webhooks, self.tokens = ApiKeys(*given), Webhooks(*given), Tokens(*given)
        self.rewrap = SecretRewrap(*given)
        self.member = Membership(
            core.store,
            core.clock,
            kind="worker",
            process_id=new_id("evt"),
            secret_key_names=self.encryption.key_names,
            lease_s=10,
            settle_s=0,
        )


class Written:
    """What was written under a key, as those who use it know it."""

    def __init__(self, issued: IssuedKey, token_id: str, signing: str) -> None:
        self.issued, self.token_id, self.signing = issued, token_id, signing

    async def works_for(self, process: Installation) -> None:
        caller = await process.api_keys.find_caller(self.issued.secret)
        assert caller is not None
        assert caller.key_id == self.issued.id
        assert self.signing in await process.webhooks.signing_secrets(self.issued.tenant)
        assert await process.tokens.secret_of(self.token_id) == f"nmv_{self.issued.tenant}"
        again = await process.tokens.add(f"nmv_{self.issued.tenant}", kind="operator")
        assert again == self.token_id, "the same token is in the pool once"


async def written_by(process: Installation, tenant: str) -> Written:
    issued = await process.api_keys.create(tenant)
    token_id = await process.tokens.add(f"nmv_{tenant}", kind="operator")
    return Written(issued, token_id, str(issued.webhook_secret))


def nobody(_: int) -> None:
    """Nobody watches how far it is."""


def counts(done: Rewrapped, standing: Standing) -> dict[str, int]:
    return {kind: found[standing] for kind, found in done.census.items() if found[standing]}


async def test_after_a_rewrap_the_old_key_is_taken_out_and_everything_works_on(core: Core):
    written = [await written_by(Installation(core, OLD), tenant) for tenant in ("acme", "beta")]
    await Installation(core, OLD).webhooks.rotate_secret("acme")  # two secrets sign for a day
    done = await Installation(core, NEW, OLD).rewrap.rewrap(nobody)
    assert (done.changed, done.objections) == (5, ())
    assert counts(done, Standing.NEWEST) == {Kind.TOKEN: 2, Kind.WEBHOOK: 3, Kind.HASH_KEY: 1}
    alone = Installation(core, NEW)
    for each in written:
        await each.works_for(alone)
    assert await alone.api_keys.revoke(written[0].issued.id)
    assert await alone.api_keys.find_caller(written[0].issued.secret) is None
    assert await alone.tokens.remove(written[0].token_id)
    assert await alone.tokens.get(written[0].token_id) is None
    assert await alone.tokens.add("nmv_acme", kind="operator") == written[0].token_id


async def test_keys_are_rotated_again_and_again(core: Core):
    written = [await written_by(Installation(core, OLDEST), "first")]
    for new, old in ((OLD, OLDEST), (NEW, OLD), (OLDEST, NEW), (NEW, OLDEST)):
        assert (await Installation(core, new, old).rewrap.rewrap(nobody)).objections == ()
        written.append(await written_by(Installation(core, new), f"under-{new[0]}-{len(written)}"))
        for each in written:
            await each.works_for(Installation(core, new))


async def test_what_an_older_key_hashes_with_is_kept_anew_where_the_key_that_it_was_encrypted_under_is_lost(core: Core):
    issued = await Installation(core, OLDEST).api_keys.create("acme")
    await Installation(core, OLD, OLDEST).rewrap.rewrap(nobody)
    done = await Installation(core, NEW, OLDEST).rewrap.rewrap(nobody)  # OLD is gone, and with it one webhook secret
    assert counts(done, Standing.UNREADABLE) == {Kind.WEBHOOK: 1}
    assert await Installation(core, NEW).api_keys.find_caller(issued.secret)


async def test_what_is_rewrapped_again_stays_as_it_is(core: Core):
    await written_by(Installation(core, OLD), "acme")
    await Installation(core, NEW, OLD).rewrap.rewrap(nobody)
    before = await core.everything()
    done = await Installation(core, NEW, OLD).rewrap.rewrap(nobody)
    assert (done.changed, done.objections) == (0, ())
    assert await core.everything() == before


async def test_a_check_counts_and_writes_nothing(core: Core):
    await written_by(Installation(core, OLD), "acme")
    await Installation(core, NEW, OLD).rewrap.check(nobody)  # this Redis has the library now
    before = await core.everything()
    done = await Installation(core, NEW, OLD).rewrap.check(nobody)
    assert await core.everything() == before
    assert counts(done, Standing.OLDER) == {Kind.TOKEN: 1, Kind.WEBHOOK: 1}
    assert done.objections == ("2 secrets are under an older key.",)


class Stopped(Exception):  # noqa: N818 - it says what happened
    """Whoever rewraps was stopped in the middle."""


async def test_one_that_was_stopped_in_the_middle_is_run_again_and_ends_it(core: Core):
    many, process = MEMBERS_AT_ONCE * 3, Installation(core, OLD)
    written = await written_by(process, "acme")
    await asyncio.gather(*(process.tokens.add(f"nmv_{n}", kind="operator") for n in range(many)))

    def stop(_: int) -> None:
        raise Stopped

    new = Installation(core, NEW, OLD)
    with pytest.raises(Stopped):
        await new.rewrap.rewrap(stop)
    half = await new.rewrap.check(nobody)
    assert half.census[Kind.TOKEN][Standing.NEWEST] > 0
    assert half.census[Kind.TOKEN][Standing.OLDER] > 0
    await written.works_for(new)
    left, told = half.census[Kind.TOKEN][Standing.OLDER], []
    done = await new.rewrap.rewrap(told.append)
    assert (done.changed, done.objections) == (left + 1, ()), "the tokens, and the webhook's secret"
    assert sum(told) == await new.rewrap.size() == many + 2
    await written.works_for(Installation(core, NEW))


async def test_who_writes_under_the_old_key_meanwhile_keeps_it_until_it_is_run_again(core: Core):
    """The old process has both keys, the old one in front, as while they are rolled out."""
    await written_by(Installation(core, OLD), "acme")
    late, new = Installation(core, OLD, NEW), Installation(core, NEW, OLD)
    await late.member.note()
    added: list[Written] = []

    async def add_late(_: int) -> None:
        added.append(await written_by(late, new_id("evt")))
        await late.webhooks.rotate_secret("acme")

    adding: list[asyncio.Task[None]] = []
    done = await new.rewrap.rewrap(lambda n: adding.append(asyncio.create_task(add_late(n))))
    await asyncio.gather(*adding)
    assert "writes under another key" in done.objections[0]
    assert (await new.rewrap.check(nobody)).objections
    await late.member.leave()
    assert (await new.rewrap.rewrap(nobody)).objections == ()
    for each in added:
        await each.works_for(Installation(core, NEW))
    assert len(await Installation(core, NEW).webhooks.signing_secrets("acme")) == 2


async def test_a_token_that_is_removed_or_written_meanwhile_is_left_alone(core: Core):
    old, new = Installation(core, OLD), Installation(core, NEW, OLD)
    removed, renewed = [await old.tokens.add(f"nmv_{n}", kind="operator") for n in range(2)]
    pages = new.rewrap._pages(nobody)
    places = [place async for page in pages for place in page]
    await new.tokens.remove(removed)
    await new.tokens.add("nmv_1", kind="operator", anew=True)
    assert [await new.rewrap._encrypt_anew(place) for place in places] == [0, 0]
    assert await core.redis.exists(key("token", removed)) == 0
    assert await new.tokens.secret_of(renewed) == "nmv_1"


async def test_nothing_is_written_that_a_running_process_could_not_read(core: Core):
    old = Installation(core, OLD)
    written = await written_by(old, "acme")
    await old.member.note()
    new = Installation(core, NEW, OLD)
    before = await core.everything()
    with pytest.raises(RewrapRefused, match="does not have the newest key"):
        await new.rewrap.rewrap(nobody)
    assert await core.everything() == before
    assert (await new.rewrap.check(nobody)).objections[0].startswith("The worker ")
    await written.works_for(old)


async def test_a_process_that_says_nothing_of_its_keys_is_upgraded_first(core: Core):
    await core.turns.admit(worker="of a release before", slots=1, alive_s=60)
    with pytest.raises(RewrapRefused, match="older release"):
        await Installation(core, NEW, OLD).rewrap.rewrap(nobody)


async def test_what_no_given_key_opens_is_counted_and_named(core: Core):
    await written_by(Installation(core, OLDEST), "acme")
    done = await Installation(core, NEW, OLD).rewrap.rewrap(nobody)
    assert counts(done, Standing.UNREADABLE) == {Kind.TOKEN: 1, Kind.WEBHOOK: 1}
    assert "2 secrets cannot be read" in done.objections[0]
    await core.redis.hset(key("tenant", "acme"), "secrets", b"no record")
    assert counts(await Installation(core, NEW, OLD).rewrap.check(nobody), Standing.UNREADABLE)[Kind.WEBHOOK] == 1


async def test_a_process_with_the_old_key_alone_is_refused_afterwards(core: Core):
    assert await check_secret_keys(core.store, Encryption([OLD])) == []
    assert await check_secret_keys(core.store, Encryption([NEW, OLD])) == []
    await Installation(core, NEW, OLD).rewrap.rewrap(nobody)
    with pytest.raises(WrongSecretKeys):
        await check_secret_keys(core.store, Encryption([OLD]))
    assert await check_secret_keys(core.store, Encryption([NEW])) == []


async def test_a_key_that_was_tried_and_thrown_away_locks_nobody_out_once_the_old_one_has_gone(core: Core):
    """A command ran under a key that nobody has any more, and left its seal in front."""
    written = await written_by(Installation(core, OLDEST), "acme")
    assert await check_secret_keys(core.store, Encryption([OLDEST])) == []
    assert await check_secret_keys(core.store, Encryption([OLD, OLDEST])) == []
    new = Installation(core, NEW, OLDEST)
    assert await check_secret_keys(core.store, new.encryption) == [NEWER_KEY]
    assert (await new.rewrap.rewrap(nobody)).objections == ()
    for encryption in (new.encryption, Encryption([NEW])):
        assert await check_secret_keys(core.store, encryption) == []
    await written.works_for(Installation(core, NEW))


async def test_it_is_told_until_when_links_under_the_old_key_work(core: Core):
    old, new = Installation(core, OLD), Installation(core, NEW, OLD)
    await old.member.note()
    await old.member.leave()
    core.clock.turn(by_s=3600)
    done = await new.rewrap.rewrap(nobody)
    assert done.links_until is not None
    core.clock.turn(by_s=24 * 3600)
    assert (await new.rewrap.rewrap(nobody)).links_until is None


# --- the command, and real processes


def command(redis_url: str, secret_keys: str, *words: str, stdin: str = "") -> Result:
    groups: dict[str, Any] = {"keys": keys, "tokens": tokens, "secrets": secrets}
    env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": secret_keys}
    return CliRunner().invoke(groups[words[0]], words[1:], input=stdin, env=env)


@contextmanager
def running_api(redis_url: str, secret_keys: str, folder: Path) -> Iterator[str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "REDIS_URL": redis_url,
        "REELGATE_SECRET_KEYS": secret_keys,
        "REELGATE_STORAGE": str(folder),
        "REELGATE_DRAIN_DELAY_S": "0",
    }
    with subprocess.Popen([REELGATE, "api", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True) as api:
        try:
            assert api.stdout is not None
            yield address_in(api.stdout.readline(), "api")
        finally:
            api.terminate()
            api.wait(PATIENCE_S)


def test_the_command_says_whether_the_old_key_may_go_and_an_api_without_it_knows_the_callers(
    redis_url: str, tmp_path: Path
):
    issued = command(redis_url, OLD, "keys", "create", "--tenant", "acme").output
    secret = re.search(r"rg_\S+", issued)[0]
    command(redis_url, OLD, "tokens", "add", stdin="nmv_usr_1")
    looked = command(redis_url, f"{NEW},{OLD}", "secrets", "rewrap", "--check")
    assert looked.exit_code == 1
    assert "2 secrets are under an older key" in looked.output
    done = command(redis_url, f"{NEW},{OLD}", "secrets", "rewrap")
    assert (done.exit_code, "The older keys may go" in done.output) == (0, True), done.output
    assert not any(word in done.output for word in (OLD, NEW, secret, "nmv_usr_1"))
    assert command(redis_url, NEW, "secrets", "rewrap", "--check").exit_code == 0
    assert WRONG_KEYS in command(redis_url, OLD, "secrets", "rewrap").output
    with running_api(redis_url, NEW, tmp_path) as url:
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(f"{url}/v1/jobs", headers=headers, trust_env=False).status_code == 200
        told = command(redis_url, f"{NEW},{OLD}", "secrets", "rewrap", "--check")
        assert told.exit_code == 0


def test_the_command_is_refused_while_an_api_runs_that_lacks_the_newest_key(redis_url: str, tmp_path: Path):
    command(redis_url, OLD, "keys", "create", "--tenant", "acme")
    with running_api(redis_url, OLD, tmp_path):
        refused = command(redis_url, f"{NEW},{OLD}", "secrets", "rewrap")
    assert (refused.exit_code, "does not have the newest key" in refused.output) == (1, True)


async def test_a_command_that_is_killed_in_the_middle_leaves_all_of_it_to_be_read(redis_url: str, core: Core):
    old = Installation(core, OLD)
    written = await written_by(old, "acme")
    await asyncio.gather(*(old.tokens.add(f"nmv_{n}", kind="operator") for n in range(MEMBERS_AT_ONCE * 10)))
    env = {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": f"{NEW},{OLD}"}
    child = await asyncio.create_subprocess_exec(REELGATE, "secrets", "rewrap", env=env, stdout=subprocess.DEVNULL)
    store = Store(connect(redis_url, answer_s=PATIENCE_S))

    async def begun() -> bool:
        return bool(await store.ask("EXISTS", key("retired_hash_keys")))

    await until(begun, within_s=PATIENCE_S, every_s=0)
    with suppress(ProcessLookupError):
        child.kill()
    assert await child.wait() in (-9, 0), "killed, or as good as done"
    await store.close()
    await written.works_for(Installation(core, NEW, OLD))
    assert (await Installation(core, NEW, OLD).rewrap.rewrap(nobody)).objections == ()
    await written.works_for(Installation(core, NEW))


async def test_without_a_rewrap_the_old_key_cannot_be_taken_out(core: Core):
    """What the others above would find too if there was nothing to do."""
    written = await written_by(Installation(core, OLD), "acme")
    alone = Installation(core, NEW)
    assert await alone.api_keys.find_caller(written.issued.secret) is None
    with pytest.raises(Undecryptable):
        await alone.tokens.secret_of(written.token_id)
