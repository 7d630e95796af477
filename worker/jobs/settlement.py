"""Settles what a job's message has cost: reads the credits, frees what was reserved, lets the session wait if it must."""

from typing import Any

import msgspec

from core.model.job import Job
from core.model.session import Session
from core.store.redis.client import STORE_DOWN
from worker.backend.faults import BackendFault
from worker.jobs.credit_reading import CreditReading, cost_of
from worker.jobs.execution import JobExecution
from worker.tokens.estimate import estimate


async def take_credit_reading(execution: JobExecution) -> CreditReading:
    """Read the balance of the job's token, and who else uses it. Raises BackendFault(TOKEN_REFUSED)."""
    assert execution.job.token_id is not None
    pool = execution.context.token_pool
    balance, use = await pool.read_balance(await execution.credentials(), execution.job.token_id)
    if use is None:
        return CreditReading(balance, 0, None)
    own = estimate(execution.job)
    return CreditReading(balance, max(0, use.reserved - own), use.taken if use.in_flight == 1 else None)


async def settle_cost(execution: JobExecution, job: Job, reading: CreditReading, *, confirmed: bool) -> dict[str, Any]:
    """Release the job's reservation, and say what the message has cost; `confirmed`: it was worked on for certain."""
    assert job.token_id is not None
    await execution.context.token_pool.release(job, job.token_id, balance=reading.balance)
    return cost_of(job, reading, confirmed=confirmed)


async def settle_failed_job(execution: JobExecution) -> tuple[dict[str, Any], Session | None]:
    """Say what a job that ends badly has cost, and how its session must wait for what may still come.

    Nothing is said of the cost where the backend does not answer now.
    """
    job = execution.job
    if job.sent is None:
        return {"credits_used": 0, "credits_exact": True}, None
    if job.edited or job.token_id is None:
        return {}, None
    try:
        reading = await take_credit_reading(execution)
        cost = await settle_cost(execution, job, reading, confirmed=False)
        return cost, settling_session(execution, reading)
    except (BackendFault, *STORE_DOWN):
        return {}, settling_session(execution, None)


def settling_session(execution: JobExecution, reading: CreditReading | None) -> Session | None:
    """Let the session's next job wait for late effects of this one's message, unless a balance says that none can come."""
    sent = execution.job.sent
    if sent is None or execution.job.edited or (reading and reading.at_rest):
        return None
    until_ms = sent.at_ms + int(execution.context.settings.stream_limit_s * 1000)
    return msgspec.structs.replace(execution.session, settling_until_ms=until_ms)
