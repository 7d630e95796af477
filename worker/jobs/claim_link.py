"""The link that opens the project in a browser (BACKEND.md, "Calls": claim link)."""

import asyncio
from urllib.parse import quote

from core.model import session as sessions
from core.model.session import Session
from core.store.redis.client import STORE_DOWN
from worker.backend.faults import BackendFault
from worker.jobs.execution import JobExecution

#: no job waits longer for what it can do without, least of all up to its deadline
_WITHIN_S = 5.0
#: a link that is good for less is made anew: its caller may look at it days later
_GOOD_FOR_S = 3 * 86_400
#: how long one is good where the backend does not say
_USUAL_LIFE_S = 604_800.0


async def with_claim_link(execution: JobExecution, session: Session, *, within_s: float = _WITHIN_S) -> Session:
    """Give a session its link, made where there is none that is good for long. Without one, or one in time, it stays as it is."""
    if session.claim_url and session.claim_expires_ms >= execution.now_ms + _GOOD_FOR_S * 1000:
        return session
    if session.task_id is None or session.backend_id is None:
        return session
    try:
        async with asyncio.timeout(within_s):
            claim = await execution.context.backend.make_claim_token(
                await execution.credentials(), task_id=session.task_id, session_id=session.backend_id
            )
    except (BackendFault, TimeoutError, *STORE_DOWN):
        return session
    life_s = claim.expires_in_s or _USUAL_LIFE_S
    return sessions.claimable(
        session,
        claim_url=f"{execution.context.settings.nemo_web_url}/workspace/claim?ct={quote(claim.token, safe='')}",
        expires_ms=execution.now_ms + int(life_s * 1000),
    )
