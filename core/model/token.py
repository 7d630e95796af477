"""A backend token without its secret: its states, its scopes, its credits, and who uses it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

#: so many refused exports in a row, and a token is not given to a job that exports any more
REFUSED_EXPORTS = 2


class Scope(StrEnum):
    """What a token may be allowed to do at the backend; ``*`` is all of it."""

    READ = "read"
    WRITE = "write"
    UPLOAD = "upload"
    RENDER = "render"


class TokenState(StrEnum):
    """What a token is good for. `rate_limited` ends by itself, `exhausted` when a balance says so."""

    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    EXPORT_BLOCKED = "export_blocked"
    RATE_LIMITED = "rate_limited"
    REVOKED = "revoked"


#: states in which a token serves nobody any more
OVER = (TokenState.EXPIRED, TokenState.REVOKED)


class Token(NamedTuple):
    """A token's facts without its secret. Credits are None until they were read once."""

    id: str
    kind: str
    tenant: str
    state: TokenState
    expires_ms: int | None
    available: int | None
    frozen: int | None
    reserved: int
    in_flight: int
    scopes: str
    user_id: str | None
    #: when the balance was read
    read_at_ms: int | None = None
    #: until when it serves nobody, after a 429
    rest_until_ms: int = 0
    #: scopes that the backend has refused it
    denied: frozenset[str] = frozenset()
    #: exports that were refused in a row
    blocked: int = 0

    def is_for(self, tenant: str) -> bool:
        """Tell whether it serves this tenant: everybody, or this one alone."""
        return self.tenant in ("", tenant)

    def may(self, needs: Iterable[Scope]) -> bool:
        """Tell whether its scopes allow this; where none are known, whatever was not refused."""
        named = set(self.scopes.split("+")) if self.scopes else {"*"}
        return all(need not in self.denied and named & {need, "*"} for need in needs)


class TokenKind(NamedTuple):
    """What tokens have in common that decides whether a job may ever run on one of them."""

    #: what their scopes allow, without those that were refused
    allowed: frozenset[Scope]
    #: `export_blocked` where so many exports were refused that it is no mishap
    state: TokenState


class TokenSums(NamedTuple):
    """What the tokens that serve a tenant come to. Credits are of those that are not over, as they were last read."""

    #: False: there may be tokens that are not in here
    sure: bool
    kinds: frozenset[TokenKind]
    #: how many balances were ever read; without one nothing is known of credits
    known: int
    available: int
    frozen: int
    #: when the oldest of these balances was read; None: none was, they came with the tokens
    read_ms: int | None


def token_kind_of(token: Token) -> TokenKind:
    """Say of one token what decides whether a job may ever run on it."""
    may_export = token.state is TokenState.EXPORT_BLOCKED and token.blocked < REFUSED_EXPORTS
    state = TokenState.ACTIVE if may_export else token.state
    return TokenKind(frozenset(scope for scope in Scope if token.may([scope])), state)


class Use(NamedTuple):
    """Who uses a token at a moment: messages ever sent on it, and how many of other jobs are being worked on."""

    sends: int
    others_at_work: int


class SentMessage(NamedTuple):
    """A message that was really sent on a token, and whose cost is not settled yet."""

    #: credits that it will probably cost
    cost: int
    #: its intent was written then; 0: its stream has closed since, so nobody knows whether its credits are still frozen
    open_since_ms: int


def token_of(token_id: str, row: Mapping[bytes, bytes], *, in_flight: int, now_ms: int) -> Token:
    def number(name: bytes) -> int | None:
        return int(float(row[name])) if name in row else None

    user_id, rest_until_ms = row.get(b"user_id"), number(b"rest_until_ms") or 0
    state = TokenState(row[b"state"].decode())
    blocked = number(b"blocked") or 0
    if state is TokenState.RATE_LIMITED and rest_until_ms <= now_ms:
        state = TokenState.EXPORT_BLOCKED if blocked else TokenState.ACTIVE
    return Token(
        id=token_id,
        kind=row[b"kind"].decode(),
        tenant=row[b"tenant"].decode(),
        state=state,
        expires_ms=number(b"expires_ms"),
        available=number(b"available"),
        frozen=number(b"frozen"),
        reserved=number(b"reserved") or 0,
        in_flight=in_flight,
        scopes=row[b"scopes"].decode(),
        user_id=user_id.decode() if user_id else None,
        read_at_ms=number(b"read_at_ms"),
        rest_until_ms=rest_until_ms,
        denied=frozenset(row.get(b"denied", b"").decode().split()),
        blocked=blocked,
    )
