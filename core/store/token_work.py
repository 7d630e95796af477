"""What the commit of a job's record does with its token in the same operation, where it would be a round trip of its own."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from core.model.token import Use
from core.security.redacted_repr import redacted_repr


class ReadBalance(NamedTuple):
    """A token's credits, as the backend has just told them."""

    token_id: str
    available: int
    frozen: int


class Settling(NamedTuple):
    """A message's cost, settled if no other job has used the token: `at_sends` messages were ever sent on it by then.

    `learned`: what a message of this `kind` has certainly cost.
    """

    balance: ReadBalance
    kind: str
    learned: int | None
    at_sends: int


class TokenWork(NamedTuple):
    """Each is left out where it is None.

    `take`: what `Tokens.taking` in `core.store.tokens.tokens` gives. `use_of`: the token of which is told who uses it.
    """

    take: Mapping[str, Any] | None = None
    balance: ReadBalance | None = None
    settling: Settling | None = None
    use_of: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Write it as arguments of the operation `commit_job`."""
        return {
            "take": self.take,
            "balance": self.balance._asdict() | {"token": self.balance.token_id} if self.balance else None,
            "settling": _settling(self.settling) if self.settling else None,
            "use_of": self.use_of,
        }


NO_WORK = TokenWork()


@redacted_repr("token_id")
class TakenToken(NamedTuple):
    """A token that was taken, and its secret, as it is stored."""

    token_id: str
    locked: bytes


class Answers(NamedTuple):
    """What is told of the token after a commit. `use` None: it was not asked for, or the token was removed."""

    taken: TakenToken | None = None
    use: Use | None = None


def untaken_token_id() -> str:
    """Name what stands in a record in the place of the token that its commit takes. No caller can have said this."""
    return f"tok_{secrets.token_hex(18)}"


def _settling(settling: Settling) -> dict[str, Any]:
    balance = settling.balance
    return {
        "token": balance.token_id,
        "balance": {"available": balance.available, "frozen": balance.frozen},
        "kind": settling.kind,
        "learned": settling.learned,
        "at_sends": settling.at_sends,
    }
