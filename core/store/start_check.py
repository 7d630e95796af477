"""Start check: may this process serve this Redis? Asked by API, worker and commands at their start, and now and again."""

from core.security.encryption import Encryption
from core.store.cell_check import check_cell
from core.store.formats import check_formats
from core.store.redis.client import Store
from core.store.secret_keys.check import check_secret_keys


async def check_start(store: Store, encryption: Encryption, *, cell: str) -> list[str]:
    """Look whether what is stored can be read here, and is this cell's. Returns warnings, each a sentence.

    Raises StartRefused, STORE_DOWN. The cell comes before the secret keys, which may be told apart by nothing else.
    """
    await check_formats(store)
    return await check_cell(store, cell) + await check_secret_keys(store, encryption)
