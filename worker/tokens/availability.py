"""Which tokens can serve a job: what it needs of one, which of them are over, and why it gets none. Pure."""

import random
from collections.abc import Collection, Sequence

from core.errors import MEANINGS, Code, Permanent, Temporary, WaitReason
from core.model.job import Job
from core.model.session import Session, is_bound
from core.model.token import OVER, Scope, Token, TokenKind, TokenState, token_kind_of

#: tokens that a job looks at closely when none is known to fit, however many there are
TOKENS_LOOKED_AT = 32
#: balances that are read for whoever asks for a tenant's credits, all at once
BALANCES_READ_ANEW = 16
#: how long a waiting job sleeps before it asks for a token again; an end of another job does not wake it
_NO_TOKEN_S = 5.0
#: and at the longest, however long tokens rest: another one may be free, or added, before
_LONGEST_NAP_S = 60.0
#: who is not asked for its balance: it serves nobody any more, or was told to rest
_LEFT_ALONE = (*OVER, TokenState.RATE_LIMITED)
#: a balance that was read longer ago is read again before a job waits for credits
_STALE_MS = 15_000
#: what is known of a token that exports nothing is asked anew by what costs nothing alone, whatever is done about its plan
_CLOSED_HINT = (
    f"{MEANINGS[Code.EXPORT_BLOCKED].hint} Then replay from the render a job whose export was refused, which costs nothing and "
    "asks anew for all; or have the operator of this service add the token again."
)
#: the scope that a call needs; a look at a render, and its file, say nothing of the token's other calls
_SCOPES = {
    "open_session": Scope.WRITE,
    "message": Scope.WRITE,
    "upload": Scope.UPLOAD,
    "render": Scope.RENDER,
    "cancel_render": Scope.RENDER,
    "state": Scope.READ,
    "credits": Scope.READ,
}


def is_over(token: Token, *, now_ms: int) -> bool:
    """Whether a token serves nobody any more: it was refused, or its time has passed."""
    return token.state in OVER or (token.expires_ms is not None and token.expires_ms <= now_ms)


def goes_on_with_timeline(token: Token, job: Job, *, now_ms: int) -> bool:
    """Whether a job may try the token on which its session's timeline lives: one of an operator's also after its time.

    The backend may know of a later one, and takes the timeline along when it refuses the token. The anonymous identity's is
    renewed first.
    """
    is_past = token.kind == "anonymous" and is_over(token, now_ms=now_ms)
    return token.is_for(job.tenant) and token.state not in OVER and not is_past


def with_unread_balance(tokens: Sequence[Token]) -> list[Token]:
    """Choose the tokens whose balance was never read, and can be; no more than a job may ask the backend for."""
    return [token for token in tokens if token.available is None and token.state not in _LEFT_ALONE][:TOKENS_LOOKED_AT]


def with_stale_balance(tokens: Sequence[Token], *, now_ms: int) -> list[Token]:
    """Choose the tokens whose balance was read so long ago that somebody may have topped up, the longest ago first."""
    stale = [t for t in tokens if (t.read_at_ms or 0) < now_ms - _STALE_MS and t.state not in _LEFT_ALONE]
    return sorted(stale, key=lambda token: token.read_at_ms or 0)[:TOKENS_LOOKED_AT]


def to_read_anew(tokens: Sequence[Token], dice: random.Random, *, now_ms: int) -> list[Token]:
    """Choose whose balance is read for somebody who asks: some read longest ago, and others by chance.

    By chance, since a balance that can't be read stays the oldest, and must not keep others from their turn.
    """
    may_be_asked = (t for t in tokens if t.state not in _LEFT_ALONE and not is_over(t, now_ms=now_ms))
    alive = sorted(may_be_asked, key=lambda token: token.read_at_ms or 0)
    oldest, others = alive[: BALANCES_READ_ANEW // 2], alive[BALANCES_READ_ANEW // 2 :]
    return oldest + dice.sample(others, min(len(others), BALANCES_READ_ANEW - len(oldest)))


def why_none_fits(job: Job, session: Session, serving: Sequence[Token], *, now_ms: int) -> Permanent | Temporary:
    """Say why a job has none of these tokens, of which an edit ties its session to its own alone."""
    tokens = [t for t in serving if t.id == session.token_id] if is_bound(session) else serving
    end = why_none_ever_fits(job, session, {token_kind_of(token) for token in tokens})
    return end or wait_for_one_of(job, session, tokens, now_ms=now_ms)


def why_none_ever_fits(job: Job, session: Session, kinds: Collection[TokenKind]) -> Permanent | None:
    """Say why a job ends for want of a token: the plan or the scopes of all that serve it forbid what it wants.

    `kinds`: of all of them, or it could end although one would serve. What has expired says nothing of those that have not: it
    does not come back, as a revoked one may.
    """
    living = [kind for kind in kinds if kind.state is not TokenState.EXPIRED] or kinds
    able = [kind for kind in living if needs_of(job, session) <= kind.allowed]
    if kinds and not able:
        return Permanent(Code.SCOPE_MISSING)
    if able and job.plan.action == "export" and all(kind.state is TokenState.EXPORT_BLOCKED for kind in able):
        return Permanent(Code.EXPORT_BLOCKED, hint=_CLOSED_HINT)
    return None


def wait_for_one_of(job: Job, session: Session, tokens: Sequence[Token], *, now_ms: int) -> Temporary:
    """Wait for the first token that rests after a 429, or else for credits."""
    able = [token for token in tokens if token.may(needs_of(job, session))]
    rests_ms = [token.rest_until_ms - now_ms for token in able if token.state is TokenState.RATE_LIMITED]
    if rests_ms:
        nap_s = min(_LONGEST_NAP_S, max(0, min(rests_ms)) / 1000)
        return Temporary(WaitReason.BACKEND_RATE_LIMITED, delay_s=nap_s)
    return Temporary(WaitReason.NO_CREDITS, delay_s=_NO_TOKEN_S)


def needs_of(job: Job, session: Session) -> frozenset[Scope]:
    """Name the scopes without which a job can't end well; every job reads a balance or a state."""
    exports = job.plan.action == "export"
    needs = {
        Scope.READ: True,
        Scope.WRITE: exports or job.plan.message is not None or bool(job.media),
        # what the session has must be brought again as long as no edit keeps it where it is
        Scope.UPLOAD: bool(job.media) or (bool(session.media) and not is_bound(session)),
        Scope.RENDER: exports,
    }
    return frozenset(scope for scope, needed in needs.items() if needed)


def scope_of(call: str) -> Scope | None:
    """Name the scope that a token lacks which was refused this call. None: that can't be told."""
    return _SCOPES.get(call)
