"""Durability checks: what `/readyz` and a starting process warn of, where Redis may lose what it was told."""

from redis.exceptions import ResponseError

from core.store.redis.client import Store


async def durability_warnings(store: Store) -> list[str]:
    """Name what is missing, each in a sentence. A Redis that does not tell its settings is only pinged."""
    try:
        found = await store.redis.config_get("appendonly", "maxmemory-policy")  # type: ignore[arg-type]
    except ResponseError:  # hosted ones refuse CONFIG
        await store.redis.ping()
        return []
    warnings = []
    if found.get("appendonly") == "no":
        warnings.append("Redis runs without AOF (appendonly no): a restart of it loses accepted jobs.")
    if found.get("maxmemory-policy", "noeviction") != "noeviction":
        warnings.append("Redis may evict keys (maxmemory-policy is not noeviction): accepted jobs can vanish.")
    return warnings
