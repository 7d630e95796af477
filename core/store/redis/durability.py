"""Durability checks: what `/readyz` and a starting process warn of, where Redis may lose what it was told, or takes nothing."""

from collections.abc import Mapping

from redis.exceptions import ResponseError

from core.store.redis.client import Store

_NO_AOF = "Redis runs without AOF (appendonly no): a restart of it loses accepted jobs."
_REPLICA = "Redis is a replica, and takes nothing: REDIS_URL must lead to the primary."
_EVICTS = "Redis may evict keys (maxmemory-policy is not noeviction): accepted jobs can vanish."


async def durability_warnings(store: Store) -> list[str]:
    """Name what is missing, each in a sentence. A Redis that does not tell its settings is only pinged."""
    return _warnings(await _settings(store) or {})


async def is_durable(store: Store) -> bool | None:
    """Whether nothing is missing, the last write of its log included. None: it does not tell."""
    found = await _settings(store)
    if not found:
        return None
    persistence = await store.redis.info("persistence")
    return not _warnings(found) and persistence.get("aof_last_write_status", "ok") == "ok"


async def _settings(store: Store) -> Mapping[str, str] | None:
    """Read the settings that count; hosted ones refuse CONFIG, and are only pinged."""
    try:
        found: Mapping[str, str] = await store.redis.config_get("appendonly", "maxmemory-policy", "replicaof")  # type: ignore[arg-type]
    except ResponseError:
        await store.redis.ping()
        return None
    return found


def _warnings(found: Mapping[str, str]) -> list[str]:
    warnings = []
    if found.get("appendonly") == "no":
        warnings.append(_NO_AOF)
    if found.get("maxmemory-policy", "noeviction") != "noeviction":
        warnings.append(_EVICTS)
    if found.get("replicaof"):
        warnings.append(_REPLICA)
    return warnings
