"""Reads the balance and the state after a message, in this order, and decides nothing."""

from typing import NamedTuple

from core.model.job import Sent
from worker.backend import drafts
from worker.backend.responses import State
from worker.jobs.credit_reading import CreditReading
from worker.jobs.edit_outcome import fingerprint_before
from worker.jobs.execution import JobExecution
from worker.jobs.settlement import take_credit_reading, take_reading_to_settle


class StateReading(NamedTuple):
    """What was there. `seen`: the state's fingerprint; `changed`: it is another one than before the message.

    `elsewhere`: the draft is still the one before the message, and what has changed stands beside it.
    """

    state: State
    reading: CreditReading
    seen: str
    changed: bool
    elsewhere: bool


async def look(execution: JobExecution, *, closely: bool = False) -> StateReading:
    """Look once. `closely`: be exact about who else uses the token."""
    sent = execution.job.sent
    assert sent is not None
    # credits first: where they say that nothing can come any more, the state read after them is the last one
    reading = await (take_credit_reading(execution, closely=True) if closely else take_reading_to_settle(execution))
    state = await execution.read_state()
    seen = _fingerprint(state, sent)
    changed = seen != fingerprint_before(sent)
    return StateReading(state, reading, seen, changed, elsewhere=changed and await _has_old_draft(execution, state))


async def _has_old_draft(execution: JobExecution, state: State) -> bool:
    return drafts.same_draft(await execution.draft_before(), state.draft)


def _fingerprint(state: State, sent: Sent) -> str:
    """Name what is compared, as the intent did."""
    if sent.state is None:
        return drafts.fingerprint(state.draft)
    return drafts.state_fingerprint(state.content, uploads=sent.uploads)
