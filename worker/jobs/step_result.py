"""What a step returns: the next record to write, and what the next step of this very run must know besides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from core.model.job import Job
from core.model.session import Session
from core.model.token import Use
from core.security.redacted_repr import redacted_repr
from core.store.token_work import NO_WORK, TokenWork


@redacted_repr("interrupted", "reserved_token_id", "may_send", "use")
class Handover(msgspec.Struct, frozen=True):
    """What one step leaves for the next, and no record says, since it is true of this run of the job alone."""

    #: the run before this one stopped in the middle of a step: what it did last is not known
    interrupted: bool = False
    #: the token that this run has reserved for the job
    reserved_token_id: str | None = None
    #: the draft before the message, as JSON, where this run has read it
    draft_before: bytes | None = None
    #: this run's last commit wrote the intent to send, and nothing was sent since; set by that commit, by no step
    may_send: bool = False
    #: who uses the job's token, as this run's last commit was told; None: it was told nothing
    use: Use | None = None


@redacted_repr("job", "park_s")
class StepResult(NamedTuple):
    """The record to write, with what changes beside it. `park_s`: let go of the job for so long.

    `token_work`: what the commit does with the job's token besides.
    `fields` are kept beside the record in Redis. `handover` None: what the step was handed goes on.
    """

    job: Job
    session: Session | None = None
    park_s: float | None = None
    fields: Mapping[str, bytes] = MappingProxyType({})
    handover: Handover | None = None
    token_work: TokenWork = NO_WORK
