"""What a worker does while Redis is away."""

import asyncio
from collections import Counter

from redis.exceptions import OutOfMemoryError

from worker.redis_outage import LONGEST_PAUSE_S, until_redis_answers


async def test_what_asks_the_backend_in_each_try_is_tried_ever_more_seldom_while_redis_takes_nothing() -> None:
    tries: Counter[str] = Counter()
    often = asyncio.Event()

    async def refused(what: str) -> None:
        tries[what] += 1
        if tries["a write"] == 10:
            often.set()
        raise OutOfMemoryError

    write = until_redis_answers(lambda: refused("a write"))
    call_and_write = until_redis_answers(lambda: refused("a call and a write"), longest_s=LONGEST_PAUSE_S)
    both = [asyncio.create_task(each) for each in (write, call_and_write)]
    await often.wait()
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    assert 1 < tries["a call and a write"] < tries["a write"]
