"""The token pool, shared by all workers: encrypted at rest, named by an id everywhere else."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, Required, TypedDict, TypeVar, Unpack

from core.clock import Clock, month_before, month_of
from core.ids import new_id
from core.model.token import OVER, Scope, Token, TokenKind, TokenState, TokenSums, token_of
from core.security.encryption import Encryption, Undecryptable
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import HashRow, Store
from core.store.redis.codec import Unreadable, raw, unreadable
from core.store.redis.keys import key
from core.store.redis.lists import pages_of_set
from core.store.redis.results import Nothing
from core.store.retired_hash_keys import hashes_under_retired_keys
from core.store.token_work import TakenToken

#: what was said of a token counts as said again when so long has passed, else it may be the same mishap
_APART_MS = 1_000
#: pages that are asked for in a row, each of a hundred tokens, where the index does not know of all of them yet
_PAGES_IN_A_ROW = 100
#: what rests for a while must be of use otherwise, what lacks credits must not be over, and what is good after all was revoked:
#: meanwhile it may have been added again, and told to rest
_MAY_FOLLOW = {
    TokenState.ACTIVE: [TokenState.REVOKED],
    TokenState.RATE_LIMITED: [TokenState.ACTIVE, TokenState.RATE_LIMITED, TokenState.EXPORT_BLOCKED],
    TokenState.EXHAUSTED: [state for state in TokenState if state not in OVER],
}


class OverBudget(Exception):  # noqa: N818 - it says what the tenant is
    """The tenant's month has no credits left for this job."""


#: another process hears so late at most that a token was removed
_OPENED_MS = 1_000


@redacted_repr("until_ms")
class _Opened(NamedTuple):
    """A token's secret, as it is stored and opened, and until when it need not be read again."""

    locked: bytes
    secret: str
    until_ms: int


class _Added(NamedTuple):
    added: bool = False


class _Removed(NamedTuple):
    removed: bool = False


class _Named(NamedTuple):
    tokens: tuple[str, ...] = ()


@redacted_repr("token_id", "over_budget")
class _Taken(NamedTuple):
    token_id: str | None = None
    over_budget: bool = False
    secret: bytes | None = None


class TokenRequest(TypedDict, total=False):
    """What a job needs of a token.

    A token must have `cost` credits left, or as many as the last message of this `kind` did cost. As the `last_choice` one
    will do that has fewer, unless so few were refused before; `least`: this very job knows so.
    """

    tenant: Required[str]
    job_id: Required[str]
    cost: Required[int]
    #: it must not expire before; 0: its time may be over, as the backend says itself
    until_ms: Required[int]
    #: the scopes that the job cannot do without
    needs: Required[Iterable[Scope]]
    #: the session's own token, or nothing
    only: Required[str | None]
    #: whether the installation's own identity may serve
    anonymous: Required[bool]
    #: whether a token may whose balance was never read
    unread: bool
    kind: str
    least: int
    last_choice: bool
    #: credits that the tenant may spend this month; 0: no limit
    month_limit: int


class _RefusalNoted(NamedTuple):
    said_before: bool = False


class _Found(NamedTuple):
    whole: bool = False
    named: bool = False
    tokens: tuple[str, ...] = ()


class _Summed(NamedTuple):
    whole: bool = False
    sure: bool = False
    kinds: tuple[str, ...] = ()
    known: int = 0
    available: int = 0
    frozen: int = 0
    read_ms: int | None = None


class _OfIndex(Protocol):
    @property
    def whole(self) -> bool: ...


OfIndex = TypeVar("OfIndex", bound=_OfIndex)


class Serving(NamedTuple):
    """Some of the tokens that serve a tenant. `named`: there are such as are not the anonymous identity's."""

    named: bool
    tokens: list[Token]


class Tokens:
    """Takes and marks tokens. Only `secret_of` gives a secret away."""

    def __init__(self, store: Store, encryption: Encryption, clock: Clock) -> None:
        self._store = store
        self._encryption = encryption
        self._clock = clock
        self._opened: dict[str, _Opened] = {}

    async def add(
        self,
        secret: str,
        *,
        kind: str,
        tenant: str | None = None,
        expires_ms: int | None = None,
        available: int | None = None,
        user_id: str | None = None,
        scopes: str | None = None,
        anew: bool = False,
    ) -> str:
        """Put a token into the pool and return its id. `tenant` "": it serves all, as without one.

        One that is there already keeps its id, and all that is known of it. `anew` forgets what refusals have taught and
        when it expires; whom it serves, and its scopes, stay where they are None. One that was removed lately has its id again.
        """
        token_id, digest, sends = await self._id_of(secret)
        if not anew and await self._store.ask("EXISTS", key("token", token_id)):
            return token_id  # also where Redis is full, and would refuse to look
        row: dict[str, Any] = {
            "secret": raw(self._encryption.lock(secret)),
            "digest": digest,
            "kind": kind,
            "state": "active",
            "fmt": self._store.fmt,
        }
        known = {
            "tenant": tenant,
            "scopes": scopes,
            "expires_ms": expires_ms,
            "available": available,
            "user_id": user_id,
        }
        row |= {name: value for name, value in known.items() if value is not None}
        pairs = [word for pair in row.items() for word in pair]
        arguments = self._clock.for_operations() | {"token": token_id, "row": pairs, "anew": anew, "sends": sends}
        await self._store.run("add_token", arguments, _Added)
        return token_id

    async def _id_of(self, secret: str) -> tuple[str, str, int]:
        """The id of a token, the digest that it is known by, also under a key that was rotated away, and the messages of before."""
        digests = self._encryption.hashes(secret)
        known_by = digests + await hashes_under_retired_keys(self._store, self._encryption, secret)
        for digest in known_by:
            if known := await self._store.redis.get(key("token_digest", digest)):
                return known.decode(), digest, 0
        removed = [told for digest in known_by if (told := await self._store.redis.get(key("removed_token", digest)))]
        token_id, sends = removed[0].decode().split() if removed else (new_id("tok"), 0)
        name = key("token_digest", digests[0])
        await self._store.redis.set(name, token_id, nx=True)
        return (await self._store.redis.get(name)).decode(), digests[0], int(sends)

    async def remove(self, token_id: str) -> bool:
        """Take a token out of the pool. Jobs that run on it end as if it had been revoked."""
        self._opened.pop(token_id, None)
        return (
            await self._store.run("remove_token", self._clock.for_operations() | {"token": token_id}, _Removed)
        ).removed

    async def remove_old_anonymous(self, *, before_ms: int, most: int = 100) -> None:
        """Remove anonymous tokens that expired before then and that no job uses any more."""
        found = await self._store.run("old_anonymous", {"before_ms": before_ms, "most": most}, _Named)
        for token_id in found.tokens:
            await self.remove(token_id)

    async def revoked_to_ask_for(self, *, most: int = 10) -> tuple[str, ...]:
        """Name revoked tokens that may be good after all, each to one caller: two seconds after it was revoked, then four, …

        Each once more after a minute, unless `note_still_revoked` is called.
        """
        arguments = self._clock.for_operations() | {"most": most}
        return (await self._store.run("revoked_to_ask_for", arguments, _Named)).tokens

    async def note_still_revoked(self, token_id: str) -> None:
        """Write that a revoked token was refused again: it is asked for when it has been revoked for twice as long."""
        await self._store.run("note_still_revoked", self._clock.for_operations() | {"token": token_id}, Nothing)

    async def all(self) -> list[Token]:
        """List the pool by id, without secrets and without those that cannot be read. For an operator, who waits."""
        found = [token async for page in pages_of_set(self._store, key("tokens")) for token in await self._load(page)]
        return sorted(found, key=lambda token: token.id)

    async def of_account(self, account: str) -> list[Token]:
        """List the tokens by which messages were sent for an account lately, the newest first."""
        name = hashlib.sha1(account.encode(), usedforsecurity=False).hexdigest()
        found = await self._store.ask("SMEMBERS", key("account_tokens", name))
        return await self._load(sorted((token_id.decode() for token_id in found), reverse=True))

    async def _load(self, token_ids: Sequence[str]) -> list[Token]:
        """Read some tokens in one round trip; those that are gone or cannot be read are left out."""
        found = []
        for token_id, row, in_flight in await self._rows(token_ids):
            with suppress(Unreadable):
                found += [self._read(token_id, row, in_flight)] if row else []
        return found

    async def _rows(self, token_ids: Sequence[str]) -> list[tuple[str, HashRow, int]]:
        pipe = self._store.redis.pipeline(transaction=False)
        for token_id in token_ids:
            pipe.hgetall(key("token", token_id))
            pipe.hlen(key("token_reservations", token_id))
        answers = await pipe.execute()
        return list(zip(token_ids, answers[::2], answers[1::2], strict=True))

    async def get(self, token_id: str) -> Token | None:
        """Read one token's facts. Raises Unreadable."""
        [(_, row, in_flight)] = await self._rows([token_id])
        return self._read(token_id, row, in_flight) if row else None

    def _read(self, token_id: str, row: HashRow, in_flight: int) -> Token:
        try:
            return token_of(token_id, row, in_flight=in_flight, now_ms=self._clock.now_ms())
        except (KeyError, ValueError):
            raise unreadable("token", token_id, "a field is missing, or has a value of a newer release") from None

    async def secret_of(self, token_id: str) -> str | None:
        """Open a token, for the call that carries it and nothing else. None: it was removed.

        What was read a moment ago is taken as it was: a job makes ten calls with one token.
        """
        now_ms = self._clock.now_ms()
        known = self._opened.get(token_id)
        if known and now_ms < known.until_ms:
            return known.secret
        locked = await self._store.ask("HGET", key("token", token_id), "secret")
        if locked is None:
            self._opened.pop(token_id, None)
            return None
        return self._open(token_id, locked, now_ms)

    def _open(self, token_id: str, locked: bytes, now_ms: int) -> str:
        """Open what was just read, where it is not what is open already. Raises Undecryptable."""
        known = self._opened.pop(token_id, None)
        secret = known.secret if known and known.locked == locked else self._encryption.open(locked)
        self._opened[token_id] = _Opened(locked, secret, now_ms + _OPENED_MS)
        return secret

    async def take(self, **request: Unpack[TokenRequest]) -> str | None:
        """Reserve `cost` credits on a token for a job, atomically over all workers. Safe to repeat for one job.

        Raises OverBudget where the tenant would spend more than `month_limit` credits this month.
        """
        arguments = self._clock.for_operations() | self.taking(**request)
        found = await self._store.run("take_token", arguments, _Taken)
        if found.over_budget:
            raise OverBudget(request["tenant"])
        if found.token_id and found.secret:
            self.note_taken(TakenToken(found.token_id, found.secret))
        return found.token_id

    def taking(self, **request: Unpack[TokenRequest]) -> dict[str, Any]:
        """Say the same to a commit, which takes the token then, or none where `take` would raise OverBudget."""
        defaults = {"unread": True, "kind": "", "least": 0, "last_choice": False, "month_limit": 0}
        arguments: dict[str, Any] = defaults | dict(request)
        arguments["job"] = arguments.pop("job_id")
        arguments["needs"] = [str(need) for need in request["needs"]]
        now_ms = self._clock.now_ms()
        return arguments | {"month": month_of(now_ms), "month_before": month_before(now_ms)}

    def note_taken(self, taken: TakenToken) -> None:
        """Open a token that was just taken, for the calls that come next."""
        with suppress(Undecryptable):  # whoever makes a call with it hears of that
            self._open(taken.token_id, taken.locked, self._clock.now_ms())

    async def mark(self, token_id: str, state: TokenState, *, rest_until_ms: int = 0) -> None:
        """Write what a refusal taught us about a token, unless something worse is known of it."""
        arguments = self._clock.for_operations() | {
            "token": token_id,
            "state": state,
            "rest_until_ms": rest_until_ms,
            "instead_of": _MAY_FOLLOW.get(state, list(TokenState)),
        }
        await self._store.run("mark_token", arguments, Nothing)

    async def note_refusal(self, token_id: str, what: str, *, by: str | None = None) -> bool:
        """Note that the backend refused a token or one of its scopes, and tell whether it did before.

        `what`: ``"refused"``, or ``"scope write"``. A balance that is read takes back that it was refused. `by`: the job that
        was refused, of which it does not count a second time.
        """
        arguments = self._clock.for_operations() | {
            "token": token_id,
            "what": what,
            "apart_ms": _APART_MS,
            "by": by,
        }
        return (await self._store.run("note_refusal", arguments, _RefusalNoted)).said_before

    async def note_denied(self, token_id: str, scope: Scope) -> None:
        """Write that the backend refused a call for want of a scope: whoever needs it takes another token."""
        arguments = self._clock.for_operations() | {"token": token_id, "scope": scope}
        await self._store.run("deny_scope", arguments, Nothing)

    async def note_export_refused(self, token_id: str, *, by: str | None = None) -> None:
        """Write that the backend refused a token an export: one may be a passing fault, two in a row are a plan.

        The commit of a render that was asked for takes it back. `by`: the job that was refused; in a row it counts once.
        """
        arguments = self._clock.for_operations() | {"token": token_id, "by": by}
        await self._store.run("note_export_refused", arguments, Nothing)

    async def serves(self, tenant: str) -> bool:
        """Whether an operator's or this tenant's own token is in the pool: then nobody is anonymous."""
        return (await self._find_serving(tenant, most=1)).named

    async def serving(self, tenant: str, *, most: int) -> Serving:
        """List about `most` of the tokens that this tenant's jobs may run on, at the same cost whatever there are.

        The operator's and its own that are not over: those never read, those read longest ago, and some by chance. Where
        there are none of either, the anonymous identity's.
        """
        found = await self._find_serving(tenant, most=most)
        tokens = await self._load(found.tokens)
        return Serving(found.named, [t for t in tokens if found.named or t.state is not TokenState.EXPIRED])

    async def _find_serving(self, tenant: str, *, most: int) -> _Found:
        arguments = self._clock.for_operations() | {"tenant": tenant, "most": most}
        return await _of_whole_index(lambda: self._store.run("find_serving_tokens", arguments, _Found))

    async def sums(self, tenant: str) -> TokenSums:
        """Add up all the tokens that this tenant's jobs may run on, at the same cost whatever there are."""
        arguments = self._clock.for_operations() | {"tenant": tenant}
        found = await _of_whole_index(lambda: self._store.run("sum_tokens", arguments, _Summed))
        kinds = frozenset(kind for told in found.kinds if (kind := _kind(told)))
        sure = found.whole and found.sure
        return TokenSums(sure, kinds, found.known, found.available, found.frozen, found.read_ms)


async def _of_whole_index(ask: Callable[[], Awaitable[OfIndex]]) -> OfIndex:
    """Ask until the index knows of all tokens, each time of some more: after an upgrade it knows of none."""
    found = await ask()
    for _ in range(_PAGES_IN_A_ROW):
        if found.whole:
            break
        found = await ask()
    return found


def _kind(told: str) -> TokenKind | None:
    """Read ``1101 active``. None: a state that only a newer release knows."""
    allowed, _, state = told.partition(" ")
    if state not in set(TokenState):
        return None
    scopes = frozenset(scope for scope, is_allowed in zip(Scope, allowed, strict=True) if is_allowed == "1")
    return TokenKind(scopes, TokenState(state))
