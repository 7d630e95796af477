"""Start check: may this process serve this Redis? Asked by API, worker and commands at their start, and now and again."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import StartRefused
from core.security.encryption import Encryption
from core.store.cell_check import check_cell
from core.store.formats import Membership, check_formats
from core.store.redis.client import STORE_DOWN, STORE_ERROR, Store, why_refused
from core.store.secret_keys.check import check_secret_keys


class UnusableRedis(StartRefused):
    """What answers at REDIS_URL is none, has no such database, or lets its user do too little."""


async def check_start(store: Store, encryption: Encryption, *, cell: str, by_hand: bool = False) -> list[str]:
    """Look whether what is stored can be read here, and is this cell's. Returns warnings, each a sentence.

    `by_hand`: somebody types a command, and the Redis becomes nobody's by that. Raises StartRefused, STORE_DOWN. The cell
    comes before the secret keys, which may be told apart by nothing else.
    """
    with _refusals_in_words():
        await check_formats(store)
        warnings = await check_cell(store, cell, only_look=by_hand)
        return warnings + await check_secret_keys(store, encryption, by_hand=by_hand)


async def join(membership: Membership) -> None:
    """Have a process that may serve be known to the others. Raises UnusableRedis, STORE_DOWN."""
    with _refusals_in_words():
        await membership.note()


@contextmanager
def _refusals_in_words() -> Iterator[None]:
    try:
        yield
    except STORE_DOWN:
        raise
    except STORE_ERROR as refused:
        raise UnusableRedis(f"REDIS_URL names no Redis that can be used: {why_refused(refused)}") from None
