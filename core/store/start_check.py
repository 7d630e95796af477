"""Start check: may this process serve this Redis? Asked by API, worker and commands at their start, and now and again."""

from core.errors import StartRefused
from core.security.encryption import Encryption
from core.store.cell_check import check_cell
from core.store.formats import check_formats
from core.store.redis.client import STORE_DOWN, STORE_ERROR, Store
from core.store.secret_keys.check import check_secret_keys


class UnusableRedis(StartRefused):
    """What answers at REDIS_URL is none, or has no such database."""


async def check_start(store: Store, encryption: Encryption, *, cell: str, by_hand: bool = False) -> list[str]:
    """Look whether what is stored can be read here, and is this cell's. Returns warnings, each a sentence.

    `by_hand`: somebody types a command, and the Redis becomes nobody's cell by that. Raises StartRefused, STORE_DOWN. The cell comes before the secret keys, which may be told apart by nothing else.
    """
    try:
        await check_formats(store)
    except STORE_DOWN:
        raise
    except STORE_ERROR as refused:
        raise UnusableRedis(f"REDIS_URL names no Redis that can be used: {refused}.") from None
    return await check_cell(store, cell, only_look=by_hand) + await check_secret_keys(store, encryption)
