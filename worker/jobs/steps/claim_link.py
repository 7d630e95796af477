"""The link that opens the project in a browser (BACKEND.md, "Calls": claim link)."""

import asyncio

from core.store.redis.client import STORE_DOWN
from worker.backend.faults import BackendFault
from worker.jobs.execution import JobExecution

#: no job waits longer for what it can do without, least of all up to its deadline
_WITHIN_S = 5.0


async def make_claim_link(execution: JobExecution, *, within_s: float = _WITHIN_S) -> str | None:
    """Give the session's link, made where there is none yet. Without one, or one in time, the job is none the worse."""
    session = execution.session
    if session.claim_url or session.task_id is None or session.backend_id is None:
        return session.claim_url
    try:
        async with asyncio.timeout(within_s):
            claim = await execution.context.backend.make_claim_token(
                await execution.credentials(), task_id=session.task_id, session_id=session.backend_id
            )
    except (BackendFault, TimeoutError, *STORE_DOWN):
        return None
    return f"{execution.context.settings.nemo_web_url}/workspace/claim?ct={claim}"
