"""What a whole job costs Redis, from its POST to its callback, with the real processes: round trips, whatever the machine."""

from sandbox.world.child_process import stop_all
from sandbox.world.embedded_redis import embedded_redis
from sandbox.world.folders import make_folders
from sandbox.world.settings import callers_environment
from tests.bench.harness import running_harness
from tests.bench.redis_meter import Meter

JOBS = 10
#: by the operation, for one job; a look at the render parks it, so it is claimed twice, and its callback asks twice
JOB = {"commit_job": 9, "claim_job": 2, "note_balance": 1, "take_token": 1, "settle_token": 1}
MOST = JOB | {"claim_delivery": 1, "record_delivery": 1}
#: beside those: the submit, now and then something of the worker's own
MOST_IN_ALL = 18


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
    own = {name: count for name, count in turns.items() if "poll_queue" not in name and "BLPOP" not in name}
    assert sum(own.values()) <= MOST_IN_ALL, own
