"""Redis changes hands under load, by real Sentinels: whoever was told that a job is kept finds it afterwards."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from core.sentinel_url import parse_sentinel_url
from core.store.jobs.submissions import Accepted
from core.store.redis.client import STORE_DOWN, connect
from core.store.redis.failover import LAST_BIT_S, FailoverFailed, Moved, PlannedFailover
from core.store.redis.functions import NotReplicated
from core.store.redis.keys import key
from tests.lateness import timed
from tests.sentinels_fixture import PASSWORD, REPLICAS, SENTINELS, SERVICE, Watched, running_sentinels
from tests.store_fixture import SECRET_KEY, Core, settings_for
from tests.until import PATIENCE_S, until

pytestmark = pytest.mark.timeout(4 * PATIENCE_S)

REELGATE = Path(sys.executable).with_name("reelgate")
JOBS = 10_000
#: of which so many are there before Redis moves
BEFORE = 3_000
CALLERS = 16
TRIES = 5


@pytest.fixture
def watched() -> Iterator[Watched]:
    with running_sentinels() as servers:
        yield servers


@pytest.fixture
async def core(watched: Watched) -> AsyncIterator[Core]:
    """The store over the Sentinels' address, once they all know each other."""

    async def settled() -> bool:
        try:
            return await asyncio.to_thread(watched.settled)
        except (redis.RedisError, KeyError):  # of a server that is not up yet, or knows nothing yet
            return False

    await until(settled, within_s=PATIENCE_S, every_s=0.2)
    client = connect(watched.url, answer_s=0.7, rest_s=0.2)
    core = Core(client, settings_for(watched.url, tenant_queued_jobs=1_000_000))
    yield core
    await core.store.close()


class Load:
    """Callers who submit until Redis has moved and enough jobs are accepted. What was refused is its caller's to know."""

    def __init__(self, core: Core, *, jobs: int = JOBS, before: int = BEFORE) -> None:
        self._core = core
        self._jobs = jobs
        self._before = before
        self.accepted: list[str] = []
        self.refused = 0
        self.many = asyncio.Event()
        self.moved = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._submit() for _ in range(CALLERS)))

    async def _submit(self) -> None:
        while len(self.accepted) < self._jobs or not self.moved.is_set():
            job = self._core.new_job()
            try:
                if isinstance(await self._core.offer(job), Accepted):
                    self.accepted.append(job.id)
            except STORE_DOWN:
                self.refused += 1
                await asyncio.sleep(0.05)  # as a caller does who was refused, and not as fast as it goes
            if len(self.accepted) >= self._before:
                self.many.set()


async def lost(core: Core, accepted: list[str]) -> list[str]:
    """Name those that are gone. A few hundred are asked for at a time: each answer has 0.7 s, on any machine."""
    gone: list[str] = []
    for first in range(0, len(accepted), 250):
        asked = accepted[first : first + 250]
        found = await asyncio.gather(*(core.jobs.load(job_id) for job_id in asked))
        gone += [job_id for job_id, job in zip(asked, found, strict=True) if job is None]
    return gone


async def failover(
    watched: Watched, *, told_to_end: signal.Signals | None = None, impatient: bool = False, user: str = ""
) -> tuple[int | None, str]:
    """Run the command; it is told to end once writes are paused. `impatient`: once the Sentinels move, and again and again."""
    url = watched.url.replace("://", f"://{user}", 1)
    env = os.environ | {"REDIS_URL": url, "REELGATE_SECRET_KEYS": SECRET_KEY}
    child = await asyncio.create_subprocess_exec(
        REELGATE, "redis", "failover", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    if told_to_end:
        under_way = moving if impatient else paused

        async def may_be_told() -> bool:
            return child.returncode is not None or await under_way(watched)

        async def has_ended_or_is_told_again() -> bool:
            if child.returncode is None:
                child.send_signal(told_to_end)
            return child.returncode is not None

        await until(may_be_told, within_s=PATIENCE_S)
        child.send_signal(told_to_end)
        if impatient:
            await until(has_ended_or_is_told_again, within_s=PATIENCE_S)
    out, _ = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    return child.returncode, out.decode()


async def paused(watched: Watched) -> bool:
    with watched.server(watched.primary()) as client:
        return client.info("clients")["paused_reason"] != "none"


async def moving(watched: Watched) -> bool:
    """Whether a Sentinel is about to promote another one."""
    return any(await asyncio.gather(*(asyncio.to_thread(watched.promotes, port) for port in watched.sentinels)))


async def test_a_planned_failover_under_load_loses_none_of_ten_thousand(watched: Watched, core: Core) -> None:
    before = watched.primary()
    load = Load(core)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await load.many.wait()
        status, told = await failover(watched)
        load.moved.set()
    assert status == 0, told
    after = watched.primary()
    assert after != before
    assert f"from 127.0.0.1:{before} to 127.0.0.1:{after}" in told
    assert load.refused, "it was under load while Redis moved"
    assert await lost(core, load.accepted) == []
    with watched.server(before) as client:
        assert client.role()[0] == b"slave"


class Lagging:
    """A Sentinel that names the old primary again, once, after it has named the new one: another's word came late."""

    def __init__(self, watched: Watched) -> None:
        self._sentinel = watched.sentinels[0]
        self._old: bytes | None = None
        self._now = b""
        self.lagged = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._sentinel)
        with closing(writer), closing(back), suppress(ConnectionError):
            while request := await reader.read(65_536):
                back.write(request)
                answer = await there.read(65_536)
                writer.write(self._told(answer) if b"GET-MASTER-ADDR-BY-NAME" in request else answer)

    def _told(self, answer: bytes) -> bytes:
        self._old = self._old or answer
        if self._now in (b"", self._old) or self.lagged:
            self._now = answer
            return answer
        self.lagged = True
        return self._old


async def test_a_sentinel_that_names_the_old_primary_once_more_makes_no_failover_fail(
    watched: Watched, core: Core
) -> None:
    """Demoted by that word, the primary would be told to follow itself."""
    before, lagging = watched.primary(), Lagging(watched)
    async with await asyncio.start_server(lagging.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        moved = await PlannedFailover(parse_sentinel_url(replace(watched, sentinels=(port,)).url)).run()
        assert (moved.old[1], moved.new[1]) == (before, watched.primary())
    with watched.server(before) as client:
        assert client.role()[2] == moved.new[1]


class Late:
    """A Sentinel that hears of the new primary late: asked for it, it goes on naming the old one for some times."""

    def __init__(self, port: int, *, times: int) -> None:
        self._sentinel = port
        self._times = times
        self._old = b""
        self.has_heard = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._sentinel)
        with closing(writer), closing(back), suppress(ConnectionError):
            while request := await reader.read(65_536):
                back.write(request)
                answer = await there.read(65_536)
                writer.write(self._told(answer) if b"GET-MASTER-ADDR-BY-NAME" in request else answer)

    def _told(self, answer: bytes) -> bytes:
        self._old = self._old or answer
        if answer == self._old:
            return answer
        self._times -= 1
        self.has_heard = self._times < 0
        return answer if self.has_heard else self._old


async def test_the_word_of_one_sentinel_is_no_promotion_before_another_one_agrees(watched: Watched, core: Core) -> None:
    """By a later vote they may promote another replica yet: what the first one accepts would be lost."""
    first, *others = watched.sentinels
    late = [Late(port, times=5) for port in others]
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(await asyncio.start_server(x.serve, "127.0.0.1", 0)) for x in late]
        ports = (first, *(server.sockets[0].getsockname()[1] for server in servers))
        moved = await PlannedFailover(parse_sentinel_url(replace(watched, sentinels=ports).url)).run()
    assert any(each.has_heard for each in late)
    assert moved.new[1] == watched.primary()


async def test_a_failover_beside_another_one_is_refused_and_one_after_it_is_not(watched: Watched, core: Core) -> None:
    before = watched.primary()
    with watched.server(before) as client:
        client.set(key("failover"), "")
        status, told = await failover(watched)
        assert (status, "Another failover is under way" in told) == (1, True), told
        assert watched.primary() == before
        assert client.delete(key("failover")), "it is the other one's still"
    assert (await failover(watched))[0] == 0
    with watched.server(watched.primary()) as client:
        assert not client.exists(key("failover"))


async def test_a_replica_that_lags_keeps_the_primary_where_it_is_and_pauses_nobody(
    watched: Watched, core: Core
) -> None:
    """A pause that lasts would look to the Sentinels as if the primary had died."""
    primary = watched.primary()
    lagging, *_ = [port for port in watched.servers if port != primary]
    watched.servers[lagging].send_signal(signal.SIGSTOP)
    trying = asyncio.create_task(PlannedFailover(parse_sentinel_url(watched.url)).run())  # before it counts as dead
    while not trying.done():
        assert await core.store.ask("SET", "a", "1")
        await asyncio.sleep(0.02)  # the failover's own connections get their share of this loop
    watched.servers[lagging].send_signal(signal.SIGCONT)
    with pytest.raises(FailoverFailed, match="the primary is where it was"):
        await trying
    assert watched.primary() == primary


class Stalling:
    """A replica, and a Sentinel that names it, which stalls once writes are paused: it takes connections, and answers none."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._replica = next(port for port in watched.servers if port != watched.primary())
        #: where it is to be found
        self.port = 0
        #: for how long it was waited for then
        self.held_s: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await paused(self._watched):
            await self._forward(self._replica, reader, writer)
            return
        async with timed() as held:
            with closing(writer), suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
        self.held_s.append(held.own_s)

    async def serve_sentinel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._forward(self._watched.sentinels[0], reader, writer)

    async def _forward(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer), closing(back), suppress(ConnectionError):
            while request := await reader.read(65_536):
                back.write(request)
                answer = await there.read(65_536)
                writer.write(answer.replace(b"\r\n%d\r\n" % self._replica, b"\r\n%d\r\n" % self.port))


async def test_a_replica_that_stalls_while_writes_are_paused_is_waited_for_no_longer_than_the_pause_may_last(
    watched: Watched, core: Core
) -> None:
    """A longer one looks to the Sentinels as if the primary had died."""
    stalling = Stalling(watched)
    async with (
        await asyncio.start_server(stalling.serve, "127.0.0.1", 0) as replica,
        await asyncio.start_server(stalling.serve_sentinel, "127.0.0.1", 0) as sentinel,
    ):
        stalling.port, port = (each.sockets[0].getsockname()[1] for each in (replica, sentinel))
        with pytest.raises(FailoverFailed, match="did not catch up in time"):
            await PlannedFailover(parse_sentinel_url(replace(watched, sentinels=(port,)).url)).run()

        async def let_go() -> bool:
            return bool(stalling.held_s)

        await until(let_go, within_s=PATIENCE_S)
    assert max(stalling.held_s) < 2 * LAST_BIT_S


async def test_a_user_that_may_not_pause_writes_is_told_so_and_is_in_nobodys_way(watched: Watched, core: Core) -> None:
    """The one that the configuration asks for: it may do what the service does."""
    rights = ["~rg:*", "~arq:*", "&rg:*", "+@all", "-@admin", "-@dangerous", "+role", "+config|get", "+info"]
    before = watched.primary()
    for port in watched.servers:
        with watched.server(port) as client:
            client.execute_command("ACL", "SETUSER", "reelgate", "on", f">{PASSWORD}", *rights)
    status, told = await failover(watched, user="reelgate")
    assert (status, "no permissions to run the 'client|pause' command" in told) == (1, True), told
    assert watched.primary() == before
    assert (await failover(watched))[0] == 0, "with one that may do all, and at once"


class Freezing:
    """A Sentinel before which all replicas hang as soon as it is told to promote one: what it tells them waits at their door."""

    def __init__(self, watched: Watched, *, goes_then: bool = False, primary_dies: bool = False) -> None:
        self._sentinel = watched.sentinels[0]
        self._dying = [watched.servers[watched.primary()]] if primary_dies else []
        self._replicas = [server for port, server in watched.servers.items() if port != watched.primary()]
        #: nobody reaches it any more after that
        self._goes_then = goes_then
        self._is_gone = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._sentinel)
        with closing(writer), closing(back), suppress(ConnectionError):
            while not self._is_gone and (request := await reader.read(65_536)):
                if b"FAILOVER" in request:
                    self._tell(signal.SIGSTOP)
                    for primary in self._dying:
                        primary.kill()
                back.write(request)
                writer.write(await there.read(65_536))
                self._is_gone = self._goes_then and b"FAILOVER" in request

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        for replica in self._replicas:
            replica.send_signal(number)


async def test_a_promotion_that_does_not_come_in_time_does_not_come_later_either(watched: Watched, core: Core) -> None:
    """By then the primary accepts again, and what it does would be lost."""
    before, freezing = watched.primary(), Freezing(watched)
    with pytest.raises(FailoverFailed, match="promoted nobody"):
        await fail_over_by(watched, freezing)
    accepted = await _accepted_at_last(core)
    freezing.thaw()

    async def quiet() -> bool:
        try:
            one_primary = not await asyncio.to_thread(has_two_primaries, watched)
            return one_primary and await asyncio.to_thread(watched.settled) and not await moving(watched)
        except redis.RedisError:  # of one that is demoted, and lets go of everybody
            return False

    await until(quiet, within_s=PATIENCE_S, every_s=0.1)
    assert watched.primary() == before
    assert await lost(core, accepted) == []


async def test_a_sentinel_that_cannot_be_told_to_give_up_is_named(watched: Watched, core: Core) -> None:
    with pytest.raises(FailoverFailed, match=r"127\.0\.0\.1:\d+ could not be told to give it up"):
        await fail_over_by(watched, Freezing(watched, goes_then=True))


async def test_where_the_primary_dies_meanwhile_the_sentinels_are_left_to_it(watched: Watched, core: Core) -> None:
    """Of a dead one they would not learn again which replicas it has: nobody would be promoted for good."""
    with pytest.raises(FailoverFailed, match="does not answer any more"):
        await fail_over_by(watched, Freezing(watched, primary_dies=True))
    assert [watched.replicas_known_to(port) for port in watched.sentinels] == [REPLICAS] * SENTINELS


async def fail_over_by(watched: Watched, first: Freezing) -> None:
    """Have a failover asked for at that Sentinel."""
    async with await asyncio.start_server(first.serve, "127.0.0.1", 0) as server:
        sentinels = (server.sockets[0].getsockname()[1], *watched.sentinels[1:])
        await PlannedFailover(parse_sentinel_url(replace(watched, sentinels=sentinels).url), promotion_s=3).run()


class Racing:
    """A Sentinel that keeps it to itself that it is told to promote one, and promotes one when that is called off.

    `before_it_looks`: really, and others hear of it; else in the moment between the look and the word to give up.
    """

    def __init__(self, watched: Watched, *, before_it_looks: bool) -> None:
        self._watched = watched
        self._before_it_looks = before_it_looks
        self._primary = watched.primary()
        self.replica = next(port for port in watched.servers if port != self._primary)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._watched.sentinels[0])
        with closing(writer), closing(back), suppress(ConnectionError):
            while request := await reader.read(65_536):
                if b"FAILOVER" in request:
                    writer.write(b"+OK\r\n")
                elif b"RESET" in request:
                    with self._watched.server(self.replica) as client:
                        client.execute_command("REPLICAOF", "NO", "ONE")
                    writer.write(b":1\r\n")
                else:
                    asks_for_facts = b"\r\nMASTER\r\n" in request
                    if asks_for_facts and self._before_it_looks:
                        await self._promote()
                    back.write(request)
                    answer = await there.read(65_536)
                    writer.write(self._under_way(answer) if asks_for_facts else answer)

    async def _promote(self) -> None:
        self._watched.command_sentinels("FAILOVER", SERVICE, only_first=True)

        async def promoted() -> bool:
            return await asyncio.to_thread(self._watched.primary) != self._primary

        await until(promoted, within_s=PATIENCE_S)

    def _under_way(self, facts: bytes) -> bytes:
        if self._before_it_looks:
            return facts
        under_way = b"$5\r\nflags\r\n$27\r\nmaster,failover_in_progress\r\n"
        return re.sub(rb"\$5\r\nflags\r\n\$\d+\r\n[^\r]*\r\n", under_way, facts)


async def fail_over_past(watched: Watched, first: Racing) -> Moved:
    """Have a failover asked for at that Sentinel, while no other one takes the paused primary for dead."""
    watched.command_sentinels("SET", SERVICE, "down-after-milliseconds", "600000")
    async with await asyncio.start_server(first.serve, "127.0.0.1", 0) as server:
        sentinels = (server.sockets[0].getsockname()[1], *watched.sentinels[1:])
        return await PlannedFailover(
            parse_sentinel_url(replace(watched, sentinels=sentinels).url), promotion_s=0.5
        ).run()


async def test_a_replica_that_is_promoted_while_that_is_called_off_is_taken_back(watched: Watched, core: Core) -> None:
    """The Sentinel has forgotten that it promotes one: no one would see to it."""
    racing = Racing(watched, before_it_looks=False)
    with pytest.raises(FailoverFailed, match="promoted nobody"):
        await fail_over_past(watched, racing)
    with watched.server(racing.replica) as client:
        assert client.role()[0] == b"slave"
    assert await lost(core, await _accepted_at_last(core)) == []


async def test_a_promotion_that_has_come_when_it_is_called_off_is_seen_through(watched: Watched, core: Core) -> None:
    """Writes that went on at the old primary would be lost."""
    before = watched.primary()
    moved = await fail_over_past(watched, Racing(watched, before_it_looks=True))
    assert (moved.old[1], moved.new[1]) == (before, watched.primary())
    with watched.server(before) as client:
        assert client.role()[0] == b"slave"


async def _accepted_at_last(core: Core) -> list[str]:
    """Submit until Redis takes some jobs; name these."""
    load = Load(core, jobs=200, before=0)
    load.moved.set()
    await load.run()
    return load.accepted


@pytest.mark.parametrize("told_to_end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_failover_that_is_stopped_is_seen_through_and_leaves_no_writes_paused(
    watched: Watched, core: Core, told_to_end: signal.Signals
) -> None:
    for _ in range(TRIES):  # on a busy machine one may be through before it is seen to pause
        old = watched.primary()
        status, told = await failover(watched, told_to_end=told_to_end)
        if status:
            break
    assert (status, "writes go on" in told) == (1, True), told
    for port in watched.servers:
        with watched.server(port) as client:
            assert client.info("clients")["paused_reason"] == "none"
    with watched.server(old) as client, watched.server(watched.primary()) as primary:
        assert (client.role()[0] == b"slave") == (watched.primary() != old)
        assert primary.set("a", "1")


async def test_a_second_ctrl_c_leaves_no_move_half_done_and_loses_nothing(watched: Watched, core: Core) -> None:
    before = watched.primary()
    load = Load(core, jobs=BEFORE, before=500)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await load.many.wait()
        status, told = await failover(watched, told_to_end=signal.SIGINT, impatient=True)

        async def accepts_no_more() -> bool:
            with suppress(redis.ConnectionError), watched.server(before) as client:
                return client.role()[0] == b"slave"
            return False

        await until(accepts_no_more, within_s=PATIENCE_S, every_s=0.1)
        load.moved.set()
    assert status != 0, "it was told to end"
    assert await lost(core, load.accepted) == [], told


async def test_an_old_primary_that_dies_while_another_is_promoted_is_told_of_as_a_move(
    watched: Watched, core: Core
) -> None:
    """The Sentinels hear of the promoted one's role a moment after it has it: until then the command waits."""
    before = watched.primary()
    command = asyncio.create_task(failover(watched))

    async def one_is_promoted() -> bool:
        return command.done() or await asyncio.to_thread(has_two_primaries, watched)

    await until(one_is_promoted, within_s=PATIENCE_S)
    watched.servers[before].kill()
    status, told = await command
    assert (status, "was promoted, and writes go on there" in told) == (1, True), told
    assert str(watched.primary()) in told
    assert watched.primary() != before


def has_two_primaries(watched: Watched) -> bool:
    """Look at each server's role; one whose role changes closes its connections, and has none at that moment."""
    roles = []
    for port in watched.servers:
        with suppress(redis.ConnectionError), watched.server(port) as client:
            roles.append(client.role()[0])
    return roles.count(b"master") > 1


class Care(NamedTuple):
    """What an operator has set: REELGATE_WAIT_REPLICAS, and Redis's min-replicas-to-write."""

    wait_replicas: int
    min_replicas: int


NONE, WAITING, BOTH = Care(0, 0), Care(1, 0), Care(1, 1)
DIES_WITH = 1_000


def take_care(watched: Watched, core: Core, care: Care) -> None:
    core.with_settings(wait_replicas=care.wait_replicas, tenant_queued_jobs=1_000_000)
    for port in watched.servers:
        with watched.server(port) as client:
            client.config_set("min-replicas-to-write", care.min_replicas)


async def crash(watched: Watched, before: int) -> None:
    """Kill the primary, and wait until another one is promoted."""
    watched.servers[before].kill()

    async def moved() -> bool:
        return await asyncio.to_thread(watched.primary) != before

    await until(moved, within_s=PATIENCE_S, every_s=0.1)


def cut_off(watched: Watched, port: int) -> None:
    """Let a primary's replicas lose it for good; whoever else is connected notices nothing."""
    with watched.server(port) as client:
        client.config_set("requirepass", "another one than the replicas know")
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")


@pytest.mark.parametrize("care", [WAITING, BOTH], ids=["WAIT", "WAIT and min-replicas-to-write"])
async def test_a_primary_that_is_killed_under_load_takes_nothing_along_that_a_replica_was_waited_for(
    watched: Watched, core: Core, care: Care
) -> None:
    take_care(watched, core, care)
    load = Load(core, jobs=2 * BEFORE)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await load.many.wait()
        await crash(watched, watched.primary())
        load.moved.set()
    assert load.refused
    assert await lost(core, load.accepted) == []


@pytest.mark.parametrize("care", [NONE, WAITING, BOTH], ids=["nothing set", "WAIT", "WAIT and min-replicas-to-write"])
async def test_a_primary_that_dies_after_it_had_lost_its_replicas_takes_along_what_nobody_waited_for(
    watched: Watched, core: Core, care: Care
) -> None:
    """The worst that a crash can find. Without care what is accepted meanwhile is gone: so this setup can lose jobs."""
    take_care(watched, core, care)
    before, load = watched.primary(), Load(core, jobs=2 * DIES_WITH, before=DIES_WITH)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await load.many.wait()
        cut_off(watched, before)
        until_cut = len(load.accepted)

        async def noticed() -> bool:
            refused = (
                care is not NONE and load.refused >= CALLERS
            )  # of a busy machine's late answers some are refused too
            return len(load.accepted) >= until_cut + 300 or refused

        await until(noticed, within_s=PATIENCE_S)
        await crash(watched, before)
        load.moved.set()
    gone = await lost(core, load.accepted)
    assert bool(gone) is (care is NONE)


async def test_a_job_that_no_replica_takes_in_time_is_not_promised(core: Core) -> None:
    core.with_settings(wait_replicas=9)
    with pytest.raises(NotReplicated):
        await core.offer(core.new_job())


async def test_a_connection_to_a_primary_that_was_demoted_is_left(watched: Watched, core: Core) -> None:
    with watched.server(watched.primary()) as client:
        await core.store.ask("SET", "a", "1")
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(STORE_DOWN):
            await core.store.ask("SET", "a", "2")
        client.replicaof("NO", "ONE")

        async def writes() -> bool:
            try:
                return bool(await core.store.ask("SET", "a", "3"))
            except STORE_DOWN:
                return False

        await until(writes, within_s=PATIENCE_S)


async def test_a_failover_without_sentinels_is_refused_with_a_sentence(redis_url: str) -> None:
    env = os.environ | {"REDIS_URL": redis_url, "REELGATE_SECRET_KEYS": SECRET_KEY}
    child = await asyncio.create_subprocess_exec(
        REELGATE, "redis", "failover", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert (child.returncode, "names no Sentinels" in out.decode()) == (1, True)
