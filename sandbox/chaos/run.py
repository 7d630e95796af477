"""A chaos run from its world to its verdict: callers submit, faults come and end, all comes to rest and is counted."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
from rich.console import Console

from sandbox.chaos.caller import Caller, CallerFailed
from sandbox.chaos.counting import Accepted, Verdict, judged
from sandbox.chaos.display import Display, Standing, display_on
from sandbox.chaos.fault_injector import FaultInjector
from sandbox.chaos.fault_schedule import troubles
from sandbox.chaos.job_requests import Ask, asks
from sandbox.chaos.settings import paced
from sandbox.chaos.watch import Watch
from sandbox.clips import make_talk_clip
from sandbox.world.announce import receiver_address
from sandbox.world.child_process import Child
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import Folders
from sandbox.world.identity import Identity
from sandbox.world.settings import callers_environment
from sandbox.world.world import World, WorldSpec, open_world

_CLIPS = 2
#: jobs are submitted in this part of the time, so that troubles meet them at every stage
_SUBMITTING_SHARE = 0.75
#: a job's own deadline, after which it must have ended whatever happened
_JOB_TIMEOUT_S = 120
#: how long the jobs may take to end after the last trouble, and how long the rest to come to rest after that
_ENDING_S = 240.0
_REST_S = 45.0
_LOOK_EVERY_S = 0.3


class ChaosOptions(NamedTuple):
    """How long, how much, and from which seed."""

    jobs: int
    seconds: float
    seed: int
    workers: int
    apis: int


class Outcome(NamedTuple):
    verdict: Verdict
    longest_standstill_s: float
    #: how often each trouble came
    caused: dict[str, int]


async def run(wanted: ChaosOptions, folders: Folders, screen: Console) -> Outcome:
    """Make a world, a run in it and its verdict. Raises ChildFailed, CallerFailed and httpx's errors."""
    identity = Identity()
    env = paced(callers_environment(), token=identity.sandbox_token)
    # every write is flushed before its answer: killed at any time, it knows everything that it has said "ok" to
    redis = embedded_redis(data_folder=folders.redis, log_path=folders.log("redis"), env=env, appendfsync="always")
    try:
        await redis.start()
        spec = WorldSpec(wanted.apis, wanted.workers, redis_url=redis.address)
        async with open_world(spec, folders=folders, caller=env, identity=identity) as world:
            with display_on(screen, jobs=wanted.jobs) as display:
                async with _calling(world) as (caller, outside):
                    return await Course(wanted, world, caller, outside).run(redis, display)
    finally:
        await redis.stop()


@asynccontextmanager
async def _calling(world: World) -> AsyncIterator[tuple[Caller, "Outside"]]:
    addresses = [api.address for api in world.apis]
    caller = Caller(addresses, world.api_key, hooks=receiver_address(world))
    async with (
        httpx.AsyncClient(base_url=world.backend, timeout=60, trust_env=False) as backend,
        httpx.AsyncClient(base_url=receiver_address(world), timeout=60, trust_env=False) as receiver,
    ):
        try:
            yield caller, Outside(backend, receiver)
        finally:
            await caller.aclose()


class Outside(NamedTuple):
    """Where the truth is read: what the backend did, and what the receiver got."""

    backend: httpx.AsyncClient
    receiver: httpx.AsyncClient

    async def ledger(self) -> dict[str, Any]:
        return dict((await self.backend.get("/_sandbox/ledger")).raise_for_status().json())

    async def received(self) -> list[dict[str, Any]]:
        return list((await self.receiver.get("/_received")).raise_for_status().json())


class Course:
    """One run in a running world."""

    def __init__(self, wanted: ChaosOptions, world: World, caller: Caller, outside: Outside) -> None:
        self._wanted = wanted
        self._world = world
        self._caller = caller
        self._outside = outside
        self._accepted: list[Accepted] = []
        self._watch = Watch()
        self._clips: list[str] = []

    async def run(self, redis: Child, display: Display) -> Outcome:
        """Submit amid troubles, then wait for rest, then count."""
        self._clips = [await self._clip(number) for number in range(_CLIPS)]
        injector = FaultInjector(self._world, redis, self._outside.backend)
        showing = asyncio.create_task(self._show(display, injector))
        try:
            async with asyncio.TaskGroup() as group:
                causing = group.create_task(injector.run(troubles(self._wanted.seconds, seed=self._wanted.seed)))
                submitting = group.create_task(self._submit_all())
                group.create_task(self._watch.until(lambda: causing.done() and submitting.done(), self._caller))
            verdict = await self._rested()
        finally:
            showing.cancel()
        return Outcome(verdict, self._watch.longest_standstill_s, dict(injector.caused))

    async def _clip(self, number: int) -> str:
        path = self._world.folders.input / f"clip-{number}.mp4"
        await make_talk_clip(path, scenes=1, duration_s=1.0 + number, silences=(), size=(160, 90))
        return await self._caller.upload(path)

    async def _submit_all(self) -> None:
        """Spread the submits over the run."""
        drawn = list(asks(self._wanted.jobs, seed=self._wanted.seed, clips=_CLIPS))
        gap_s = self._wanted.seconds * _SUBMITTING_SHARE / len(drawn)
        async with asyncio.TaskGroup() as group:
            for _, together in itertools.groupby(drawn, key=lambda ask: ask.session or ask.title):
                several = list(together)
                group.create_task(self._submit_in_turn(several, session=several[0].session))
                await asyncio.sleep(gap_s * len(several))

    async def _submit_in_turn(self, together: list[Ask], *, session: str | None) -> None:
        """Submit what belongs together: the first job of a session brings the clip that the others go on with."""
        where = {"session_id": await self._caller.session()} if session else {}
        async with asyncio.TaskGroup() as group:
            for ask in together:
                job_id = await self._submit(ask, where)
                self._accepted.append(Accepted(job_id, ask.title))
                if ask.cancel_after_s is not None:
                    group.create_task(self._cancel(job_id, ask.cancel_after_s))

    async def _submit(self, ask: Ask, where: dict[str, str]) -> str:
        media = [] if ask.clip is None else [self._media(ask.clip)]
        body = {"prompt": ask.prompt, "media": media, "output": ask.output, "timeout_s": _JOB_TIMEOUT_S} | where
        try:
            return await self._caller.submit(body, hook=ask.hook)
        except CallerFailed as refused:
            if refused.code != "media_needed":
                raise
        # the job that was to bring the session's clip was cancelled before it began
        return await self._caller.submit(body | {"media": [self._media(0)]}, hook=ask.hook)

    def _media(self, clip: int) -> dict[str, str]:
        return {"upload_id": self._clips[clip]}

    async def _cancel(self, job_id: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._caller.cancel(job_id)

    async def _rested(self) -> Verdict:
        """Wait until everything has ended and was told, or the time for that is over; then count."""
        ending_s = _now_s() + _ENDING_S
        await self._watch.until(lambda: self._all_ended() or _now_s() > ending_s, self._caller)
        verdict, rest_s = await self._count(), _now_s() + _REST_S
        while not verdict.holds and _now_s() < rest_s:
            await asyncio.sleep(_LOOK_EVERY_S)
            verdict = await self._count()
        return verdict

    def _all_ended(self) -> bool:
        return len(self._watch.jobs) >= len(self._accepted) and self._watch.unended == 0

    async def _count(self) -> Verdict:
        jobs = {job.id: found for job in self._accepted if (found := self._watch.jobs.get(job.id))}
        ledger, received = await self._outside.ledger(), await self._outside.received()
        return judged(self._accepted, jobs=jobs, ledger=ledger, received=received)

    async def _show(self, display: Display, injector: FaultInjector) -> None:
        while True:
            ended = len(self._watch.jobs) - self._watch.unended
            caused = sum(injector.caused.values())
            display.show(Standing(self._wanted.jobs, len(self._accepted), ended, caused), now_s=_now_s())
            await asyncio.sleep(_LOOK_EVERY_S)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
