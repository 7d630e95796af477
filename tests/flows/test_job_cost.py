"""What a whole job costs Redis, from its POST to its callback, with the real processes: round trips, whatever the machine."""

from sandbox.world.child_process import stop_all
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import make_folders
from sandbox.world.settings import callers_environment
from tests.bench.harness import running_harness
from tests.bench.redis_meter import Meter
from tests.bench.roundtrips import is_idle

JOBS = 10
#: by the operation, for one job; a look at the render parks it, so it is claimed twice, and its callback asks twice
JOB = {"commit_job": 9, "claim_job": 2, "claim_delivery": 1, "record_delivery": 1}
#: what a job does with its token is done in its commits, as long as no other job uses that
MOST = JOB | {"note_balance": 0, "take_token": 0, "settle_token": 0}
#: beside those the submit
MOST_IN_ALL = 14
#: what comes more seldom goes with the time that jobs take on this machine, as what an API reads again of its key
OF_A_JOB = 0.25


async def test_a_whole_job_asks_redis_no_more_than_it_did() -> None:
    folders = make_folders("jobcost")
    child = embedded_redis(data_folder=folders.redis, log_path=folders.log("redis"), env=callers_environment())
    await child.start()
    meter = Meter(child.address)
    try:
        async with running_harness("jobcost", redis_url=await meter.start()) as harness:
            for _ in range(2):
                await harness.whole_job()
            meter.turns.clear()
            for _ in range(JOBS):
                await harness.whole_job()
            turns = {name: count / JOBS for name, count in meter.turns.items()}
    finally:
        await meter.stop()
        await stop_all([child])
    too_many = {name: turns.get(f"FCALL {name}") for name, most in MOST.items() if turns.get(f"FCALL {name}", 0) > most}
    assert not too_many
    of_jobs = {name: count for name, count in turns.items() if count >= OF_A_JOB and not is_idle(name)}
    assert sum(of_jobs.values()) <= MOST_IN_ALL, of_jobs
