"""Who may call: tokens, their credits, scopes and expiry, and the rules by which anonymous ones are given out.

Everybody who must name a token outside this module uses its `id`; the token itself is in no repr, log or ledger.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.settings import BadSetting, Settings

ALL_SCOPES = frozenset({"*"})
SCOPES = frozenset({"read", "write", "upload", "render", "*"})


@dataclass
class CreditAccount:
    """Credits. What is frozen belongs to a running message: it is spent when the edit lands, else it thaws."""

    available: int
    frozen: int = 0
    spent: int = 0

    def freeze(self, cost: int) -> None:
        if self.available < cost:
            raise refusals.credits_short()
        self.available -= cost
        self.frozen += cost

    def spend(self, cost: int) -> None:
        self.frozen -= cost
        self.spent += cost

    def thaw(self, cost: int) -> None:
        self.frozen -= cost
        self.available += cost

    def balance(self) -> dict[str, int]:
        return {"available": self.available, "frozen": self.frozen, "total": self.available + self.frozen}


@dataclass
class Token:
    value: str = field(repr=False)
    user_id: str
    #: whose sessions it sees: its own unless a successor inherits them
    account: str
    plan: str
    scopes: frozenset[str]
    credit_account: CreditAccount
    made_at_s: float
    anonymous: bool
    expires_at_s: float | None = None

    @property
    def id(self) -> str:
        """Names the token without showing it: ``tok_`` and a short hash."""
        return "tok_" + hashlib.sha256(self.value.encode()).hexdigest()[:12]

    def allows(self, scope: str) -> bool:
        return "*" in self.scopes or scope in self.scopes


@dataclass
class Issued:
    """One anonymous token that was given out, for the limits."""

    client_id: str
    address: str
    token: Token


class Tokens:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._by_value: dict[str, Token] = {}
        self._issued: list[Issued] = []
        for token in registered(settings.tokens, clock.now_s()):
            self.add(token)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_value.values())

    def add(self, token: Token) -> None:
        self._by_value[token.value] = token

    def caller(self, headers: Mapping[str, str], scope: str) -> Token:
        """Find the token of a call. Raises Refused where it is missing, unknown, expired or lacks the scope."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not value:
            raise refusals.token_missing()
        token = self._by_value.get(value.strip())
        if token is None:
            raise refusals.token_unknown()
        if self.has_expired(token):
            raise refusals.token_expired() if token.anonymous else refusals.registered_token_expired()
        if not token.allows(scope):
            raise refusals.scope_missing(scope)
        return token

    def has_expired(self, token: Token) -> bool:
        return token.expires_at_s is not None and token.expires_at_s <= self._clock.now_s()

    def expire(self, token: Token) -> None:
        """End an anonymous token now, so that its client may get the next. A registered one has none: it stays."""
        if token.anonymous:
            token.expires_at_s = self._clock.now_s()

    def issue(self, client_id: str, address: str) -> Token:
        """Give an anonymous token. Raises Refused (429) where the client or the address had its share."""
        old = [issued for issued in self._issued if issued.client_id == client_id]
        alive = [issued for issued in old if not self.has_expired(issued.token)]
        if len(alive) >= self._settings.anonymous_per_client or self._address_had_its_share(address):
            raise refusals.rate_limited()
        token = self._anonymous(old[-1].token if old else None)
        self._issued.append(Issued(client_id, address, token))
        self.add(token)
        return token

    def _address_had_its_share(self, address: str) -> bool:
        since_s = self._clock.now_s() - self._clock.real_s(self._settings.token_life_s)
        recent = [i for i in self._issued if i.address == address and i.token.made_at_s > since_s]
        return len(recent) >= self._settings.anonymous_per_address

    def _anonymous(self, before: Token | None) -> Token:
        now_s = self._clock.now_s()
        inherits = before is not None and self._settings.successor_sees_sessions
        return Token(
            value="nmv_usr_" + secrets.token_hex(20),
            user_id=before.user_id if before is not None else "anon_" + secrets.token_hex(8),
            account=before.account if before is not None and inherits else secrets.token_hex(8),
            plan="anonymous" if self._settings.anonymous_exports else "free",
            scopes=ALL_SCOPES,
            credit_account=CreditAccount(self._settings.anonymous_credits),
            made_at_s=now_s,
            anonymous=True,
            expires_at_s=now_s + self._clock.real_s(self._settings.token_life_s),
        )


def register(
    value: str,
    *,
    credits_: int,
    made_at_s: float,
    plan: str = "pro",
    scopes: Iterable[str] = ALL_SCOPES,
    expires_at_s: float | None = None,
    beside: Token | None = None,
) -> Token:
    """Make a registered token as an operator would have it. `beside`: another one, of whose account it is, too."""
    name = hashlib.sha256(value.encode()).hexdigest()[:16]
    return Token(
        value=value,
        user_id=beside.user_id if beside else "usr_" + name,
        account=beside.account if beside else name,
        plan=plan,
        scopes=frozenset(scopes),
        credit_account=beside.credit_account if beside else CreditAccount(credits_),
        made_at_s=made_at_s,
        anonymous=False,
        expires_at_s=expires_at_s,
    )


def registered(text: str, now_s: float) -> list[Token]:
    """Read the setting, ``nmv_usr_a:25000,nmv_usr_b:50:free:read+write``. Raises BadSetting without the value."""
    return [_registered(part.strip().split(":"), now_s) for part in text.split(",") if part.strip()]


def _registered(parts: list[str], now_s: float) -> Token:
    value, credits_, plan, scopes = [*parts, *["", "", ""]][:4]
    named = frozenset(scopes.split("+")) if scopes else ALL_SCOPES
    if not value or not credits_.isdigit() or not named <= SCOPES or len(parts) > 4:  # noqa: PLR2004 - its four parts
        raise BadSetting("SANDBOX_TOKENS is not token:credits[:plan[:scope+scope]], with commas")
    return register(value, credits_=int(credits_), made_at_s=now_s, plan=plan or "pro", scopes=named)
