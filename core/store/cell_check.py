"""Cell check: is this Redis the one of the cell that this process is to serve?

Cells are told apart by their names, in keys and ids, and not by what is in their Redis: a process with another cell's
address would run its jobs with this one's tokens, and nobody would hear of it. So the first process that has a name
leaves it in Redis, for good, as a name never changes.
"""

from core.errors import StartRefused
from core.store.redis.client import Store
from core.store.redis.keys import key


class WrongCell(StartRefused):
    """This Redis is another cell's. Its words are a sentence for the operator."""


async def check_cell(store: Store, cell: str, *, only_look: bool = False) -> list[str]:
    """Compare this process's name with that of the Redis; the first who has one writes it. `cell`: empty without a name.

    `only_look`: nothing is written, since whoever types a command may have the address of another Redis. Returns
    warnings, each a sentence: a process without a name goes on, as it does while an installation is given its first name
    and is rolled back. Raises WrongCell. One round trip where all is well.
    """
    known = await store.ask("GET", key("cell"))
    if known is None and cell and only_look:
        return [f"This Redis is no cell's yet, and REELGATE_CELL is '{cell}': is REDIS_URL the right one?"]
    if known is None and cell:
        await store.ask("SET", key("cell"), cell, "NX")
        known = await store.ask("GET", key("cell"))
    owner = (known or b"").decode()
    if owner == cell:
        return []
    if not cell:
        return [f"This Redis is that of cell '{owner}', and REELGATE_CELL is not set: its API keys are refused here."]
    raise WrongCell(
        f"REELGATE_CELL: this process is of cell '{cell}', and this Redis is that of cell '{owner}'. Give the REDIS_URL of "
        f"cell '{cell}', or the name that belongs to this one."
    )
