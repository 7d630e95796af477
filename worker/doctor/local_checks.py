"""Checks of what is ours: settings, Redis and storage. Each gives findings, and none raises."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any

from core.clock import Clock
from core.errors import StartRefused
from core.ids import new_id
from core.security.encryption import Encryption
from core.settings import Settings, unknown_names
from core.storage.errors import FileMissing, StorageDown
from core.storage.storage import Storage
from core.store.cell_check import WrongCell, check_cell
from core.store.formats import WrongFormat, check_formats
from core.store.jobs.records import Jobs
from core.store.redis.client import STORE_DOWN, STORE_ERROR, Store, why_away
from core.store.redis.durability import durability_warnings, is_durable
from core.store.secret_keys.check import WrongSecretKeys, check_secret_keys
from worker.doctor.findings import Finding, Verdict

_OLDEST_REDIS = 7
_PROBE = b"reelgate doctor"


def check_settings(settings: Settings) -> Iterable[Finding]:
    """Look for names that nobody reads, and for what is well-formed and yet no way to run for real."""
    yield Finding("settings", "values", Verdict.OK, "every variable can be read", "all can")
    for name, near in sorted(unknown_names().items()):
        came = f"{name} is read by nobody" + (f"; {near} may be meant" if near else "")
        yield Finding("settings", "names", Verdict.WARNING, "names that are in docs/CONFIGURATION.md", came)
    if settings.public_url.startswith("http://"):
        came = "REELGATE_PUBLIC_URL is plain http: links to films go over the net in the clear"
        yield Finding("settings", "public URL", Verdict.WARNING, "https, and reachable by callers", came)
    if settings.allow_http or settings.allow_addresses:
        came = "REELGATE_ALLOW_HTTP or REELGATE_ALLOW_ADDRESSES opens what is closed by default"
        yield Finding("settings", "outbound", Verdict.WARNING, "public addresses by https alone", came)


def bad_settings(sentences: Iterable[str]) -> list[Finding]:
    """Make findings of what `load_settings` said."""
    return [Finding("settings", "values", Verdict.BAD, "every variable can be read", each) for each in sentences]


async def check_redis(store: Store, settings: Settings, encryption: Encryption) -> list[Finding]:
    """Look at Redis: is it there, new enough, durable, ours to read, and does it run functions?"""
    try:
        return [
            await _version(store),
            *await _durability(store),
            await _secret_keys(store, encryption),
            await _formats(store),
            await _cell(store, settings.cell),
            await _functions(store, settings),
        ]
    except STORE_DOWN as away:
        came = f"{type(away).__name__}: {why_away(away)}"
        return [Finding("redis", "connection", Verdict.BAD, "an answer at REDIS_URL", came)]
    except STORE_ERROR as refusal:
        came = f"{type(refusal).__name__}: it refuses this user or this command"
        return [Finding("redis", "connection", Verdict.BAD, "a user that may do all", came)]


async def _version(store: Store) -> Finding:
    expected, facts = "Redis 7.0 or newer, or Valkey", await _server_facts(store)
    if facts is None:
        return Finding("redis", "version", Verdict.WARNING, expected, "this user may not ask: INFO is refused")
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = str(facts.get("valkey_version") or facts.get("redis_version"))
    number = version.partition(".")[0]
    if not number.isdecimal():
        return Finding("redis", "version", Verdict.WARNING, expected, "it does not tell")
    verdict = Verdict.OK if int(number) >= _OLDEST_REDIS else Verdict.BAD
    return Finding("redis", "version", verdict, expected, f"{name} {version}")


async def _server_facts(store: Store) -> Mapping[str, Any] | None:
    """None: its user may do all that jobs need, and not ask this."""
    try:
        facts: Mapping[str, Any] = await store.redis.info("server")
    except STORE_DOWN:
        raise
    except STORE_ERROR:
        return None
    return facts


async def _durability(store: Store) -> list[Finding]:
    expected = "appendonly yes, maxmemory-policy noeviction"
    warnings = await durability_warnings(store)
    if not warnings and await is_durable(store) is None:
        warnings = ["It does not tell this user whether it keeps a log (CONFIG is refused): ask whoever runs it."]
    if warnings:
        return [Finding("redis", "durability", Verdict.WARNING, expected, each) for each in warnings]
    return [Finding("redis", "durability", Verdict.OK, expected, "it has both")]


async def _secret_keys(store: Store, encryption: Encryption) -> Finding:
    expected = "the keys under which this Redis was written"
    try:
        warnings = await check_secret_keys(store, encryption, by_hand=True)
    except WrongSecretKeys as wrong:
        return Finding("redis", "secret keys", Verdict.BAD, expected, str(wrong))
    if warnings:
        return Finding("redis", "secret keys", Verdict.WARNING, expected, " ".join(warnings))
    return Finding("redis", "secret keys", Verdict.OK, expected, "they are")


async def _formats(store: Store) -> Finding:
    expected = "records that this release reads"
    try:
        await check_formats(store)
    except WrongFormat as wrong:
        return Finding("redis", "record format", Verdict.BAD, expected, str(wrong))
    return Finding("redis", "record format", Verdict.OK, expected, f"format {store.mark.written} is written")


async def _cell(store: Store, cell: str) -> Finding:
    expected = f"the Redis of cell '{cell}'" if cell else "a Redis that is no cell's, as REELGATE_CELL is not set"
    try:
        warnings = await check_cell(store, cell, only_look=True)
    except WrongCell as wrong:
        return Finding("redis", "cell", Verdict.BAD, expected, str(wrong))
    return Finding(
        "redis", "cell", Verdict.WARNING if warnings else Verdict.OK, expected, " ".join(warnings) or "it is"
    )


async def _functions(store: Store, settings: Settings) -> Finding:
    """Load our functions as every process does, and call one that finds nothing to do."""
    expected = "may call FUNCTION and FCALL"
    try:
        await Jobs(store, settings, Clock()).renew({new_id("job"): "doctor"})
    except STORE_DOWN:
        raise
    except STORE_ERROR as refusal:
        return Finding("redis", "functions", Verdict.BAD, expected, f"refused: {type(refusal).__name__}")
    return Finding("redis", "functions", Verdict.OK, expected, "may")


async def check_storage(where: str) -> Finding:
    """Write, read, list and delete a file. Where none can be listed, what a job left without a word of it stays for good."""
    expected, folder = "a file can be written, read, listed and deleted", f"doctor/{new_id('upl')}"
    try:
        storage = Storage(where)
        came, doubts = await _probe(storage, folder)
    except (StartRefused, StorageDown) as refused:
        return Finding("storage", _kind(where), Verdict.BAD, expected, str(refused))
    except Exception as error:  # noqa: BLE001 - whatever the storage raises is what was to be found out
        return Finding("storage", _kind(where), Verdict.BAD, expected, f"{type(error).__name__} from REELGATE_STORAGE")
    if came != _PROBE:
        return Finding("storage", _kind(where), Verdict.BAD, expected, "other bytes came back")
    if doubts:
        return Finding("storage", _kind(where), Verdict.WARNING, expected, "; ".join(doubts))
    return Finding("storage", _kind(where), Verdict.OK, expected, "all four")


async def _probe(storage: Storage, folder: str) -> tuple[bytes, list[str]]:
    """Give what came back of a file, and what makes it doubtful that files which are deleted are gone."""
    path, doubts = f"{folder}/probe", list[str]()
    await storage.write(path, _chunks())
    came = await storage.head(path, len(_PROBE))
    if await storage.keeps_versions(path):
        doubts.append("it keeps all that is deleted, as older versions: end them by a lifecycle rule")
    await storage.delete_folder(folder)
    with suppress(FileMissing):
        await storage.size_bytes(path)
        doubts.append("it may not be listed")
    await storage.delete(path)
    return came, doubts


async def _chunks() -> AsyncIterator[bytes]:
    yield _PROBE


def _kind(where: str) -> str:
    return "S3" if where.startswith("s3://") else "folder"
