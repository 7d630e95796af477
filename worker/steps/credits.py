"""What a message has cost: the balance before, less the balance after. `available + frozen` is what counts."""

from typing import Any

from core.job import Job
from core.store.connection import STORE_DOWN
from worker.upstream.faults import BackendFault
from worker.upstream.wire import Credits
from worker.work import Work


async def balance(work: Work) -> Credits | None:
    """Read the balance of the job's token. None where the backend does not say."""
    assert work.job.token_id is not None
    return await work.kit.pool.balance(await work.caller(), work.job.token_id)


async def spent(work: Work) -> dict[str, Any]:
    """Settle the job's reservation, and say what it has cost; nothing where the backend does not answer now."""
    if work.job.token_id is None:
        return {}
    try:
        now = await balance(work)
        others = await work.kit.tokens.settle(
            work.job.token_id,
            job_id=work.job.id,
            available=now.available if now else None,
            frozen=now.frozen if now else None,
        )
    except (BackendFault, *STORE_DOWN):
        return {}
    return cost(work.job, now, others=others)


def cost(job: Job, now: Credits | None, *, others: int) -> dict[str, Any]:
    """Compare two balances. Exact where no other job ran on the token and nothing is still reserved."""
    before = job.sent.credits_total if job.sent else None
    if now is None or before is None:
        return {}
    used = max(0, before - now.available - now.frozen)
    return {"credits_used": used, "credits_exact": others == 0 and now.frozen == 0}
