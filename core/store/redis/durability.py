"""Durability checks: what `/readyz` and a starting process warn of, where Redis may lose what it was told, or takes nothing."""

from collections.abc import Mapping

from redis.exceptions import ResponseError

from core.store.redis.client import Store

_NO_AOF = "Redis runs without AOF (appendonly no): a restart of it loses accepted jobs."
_REPLICA = "Redis is a replica, and takes nothing: REDIS_URL must lead to the primary."
_EVICTS = "Redis may evict keys (maxmemory-policy is not noeviction): accepted jobs can vanish."


async def durability_warnings(store: Store) -> list[str]:
    """Name what is missing, each in a sentence. A Redis that does not tell its settings is only pinged."""
    return _warnings(await _settings(store))


async def is_durable(store: Store) -> bool | None:
    """Whether nothing is missing, the last write of its log included. None: it does not tell."""
    found = await _settings(store)
    if _warnings(found):
        return False
    if "appendonly" not in found:
        return None
    persistence = await store.redis.info("persistence")
    return bool(persistence.get("aof_last_write_status", "ok") == "ok")


async def _settings(store: Store) -> Mapping[str, str]:
    """Read the settings that count; hosted ones refuse CONFIG, and say less."""
    try:
        found: Mapping[str, str] = await store.redis.config_get("appendonly", "maxmemory-policy", "replicaof")  # type: ignore[arg-type]
    except ResponseError:
        return await _told_by_info(store)
    return found


async def _told_by_info(store: Store) -> Mapping[str, str]:
    """Read what INFO says of them. How a hosted one keeps what it is told is its host's to say, so nothing of its log."""
    try:
        memory, replication = await store.redis.info("memory"), await store.redis.info("replication")
    except ResponseError:
        await store.redis.ping()
        return {}
    primary = replication.get("master_host", "")
    return {"maxmemory-policy": memory.get("maxmemory_policy", "noeviction"), "replicaof": primary}


def _warnings(found: Mapping[str, str]) -> list[str]:
    warnings = []
    if found.get("appendonly") == "no":
        warnings.append(_NO_AOF)
    if found.get("maxmemory-policy", "noeviction") != "noeviction":
        warnings.append(_EVICTS)
    if found.get("replicaof"):
        warnings.append(_REPLICA)
    return warnings
