"""What the backend says of an account: a new anonymous token, a balance."""

from typing import Any

import msgspec

from core.security.redacted_repr import redacted_repr
from worker.backend.responses.envelope import UnreadableAnswer
from worker.backend.responses.values import moment_ms, needed, user_of, whole

_NO_LIMIT = -1


@redacted_repr("user_id", "expires_at_ms", "credits")
class IssuedToken(msgspec.Struct, frozen=True):
    """A new anonymous token."""

    token: str
    user_id: str | None
    expires_at_ms: int | None
    credits: int | None


class Credits(msgspec.Struct, frozen=True):
    """`frozen`: reserved for work in progress; where the answer lacks it, what the total has beyond what is available."""

    available: int
    frozen: int
    total: int
    #: whether the answer says what is frozen at all
    tells_frozen: bool = True
    #: or it follows from the total alone, which may as well be all that the account ever had
    infers_frozen: bool = False

    @property
    def unlimited(self) -> bool:
        """Whether the account has no limit, as ``-1`` says where a number is asked for."""
        return self.available == _NO_LIMIT

    def as_told(self) -> dict[str, int]:
        """Write it as callers read it."""
        return {"available": self.available, "frozen": self.frozen, "total": self.total}


def parse_issued_token(data: dict[str, Any]) -> IssuedToken:
    return IssuedToken(
        token=needed(data, "token", "access_token"),
        user_id=user_of(data),
        expires_at_ms=moment_ms(data.get("expires_at", data.get("expiresAt"))),
        credits=whole(data, "credits"),
    )


def parse_credits(data: dict[str, Any]) -> Credits:
    available = whole(data, "available")
    if available is None:
        raise UnreadableAnswer("the answer lacks available")
    frozen, total = whole(data, "frozen"), whole(data, "total")
    infers = frozen is None and total is not None
    told = frozen is not None or infers
    if frozen is None:
        frozen = 0 if total is None else max(0, total - available)
    whole_total = available + frozen if total is None else total
    return Credits(available, frozen, whole_total, tells_frozen=told, infers_frozen=infers)
