"""Which secret keys the processes of this Redis have, and write under, by the keys' names."""

from collections.abc import Sequence
from typing import NamedTuple

from core.clock import Clock
from core.store.redis.client import Store


class LivingProcess(NamedTuple):
    """An API or a worker, and the names of its secret keys, the writing one first; none where its release names none."""

    id: str
    kind: str
    key_names: tuple[str, ...]


class SecretKeyUse(NamedTuple):
    """`unknown`: somebody serves this Redis whose release says nothing of itself. `written_ms`: when a key last wrote."""

    processes: tuple[LivingProcess, ...]
    unknown: bool
    written_ms: dict[str, int]

    def unable_to_read(self, newest: str) -> list[str]:
        """Say, in sentences for the operator, who could not read what is written under a key."""
        objections = [
            f"The {process.kind} {process.id} does not have the newest key: give it to all of them first."
            for process in self._lacking(newest)
        ]
        if self.unknown:
            objections.append(
                "A process of an older release runs, and does not say which keys it has: upgrade it first."
            )
        return objections

    def objections(self, newest: str) -> list[str]:
        """Say who keeps all other keys from being taken out."""
        return self.unable_to_read(newest) + [
            f"The {process.kind} {process.id} writes under another key: put the newest one in front there, then run this "
            "again."
            for process in self.processes
            if process.key_names[:1] != (newest,) and newest in process.key_names
        ]

    def _lacking(self, key_name: str) -> list[LivingProcess]:
        return [process for process in self.processes if key_name not in process.key_names]


class _Listed(NamedTuple):
    processes: tuple[str, ...] = ()
    unknown: bool = False
    used: tuple[str, ...] = ()


async def secret_key_use(store: Store, clock: Clock) -> SecretKeyUse:
    listed = await store.run("list_secret_key_use", clock.for_operations(), _Listed)
    written = dict(row.split(" ") for row in listed.used)
    return SecretKeyUse(
        tuple(_process(row.split(" ")) for row in listed.processes),
        listed.unknown,
        {name: int(at_ms) for name, at_ms in written.items()},
    )


def _process(row: Sequence[str]) -> LivingProcess:
    process_id, kind, names = row
    return LivingProcess(process_id, kind, tuple(name for name in names.split(",") if name))
