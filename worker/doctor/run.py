"""One run of the doctor: what is ours first, then the backend with the token that the gateway would use."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus, urlsplit

from core.clock import Clock, rfc3339
from core.errors import Temporary
from core.security.encryption import Encryption
from core.sentinel_url import is_sentinel_url, parse_sentinel_url
from core.settings import Settings
from core.store.redis.client import STORE_ERROR, Store, connect
from core.store.redis.codec import Unreadable
from core.store.tokens.anonymous_identity import AnonymousIdentities
from core.store.tokens.tokens import Tokens
from core.store.tokens.use import TokenUse
from worker.backend.client import Backend, Credentials
from worker.backend.faults import BackendFault
from worker.backend.metrics import CallCounts
from worker.context import platform_of, token_pool_over
from worker.doctor.calls import RecordedCalls
from worker.doctor.doubts import Seen, doubts_after
from worker.doctor.findings import Finding, Report, Verdict, scrub, works
from worker.doctor.free_checks import HarmlessChecks, read_balance
from worker.doctor.local_checks import bad_settings, check_redis, check_settings, check_storage
from worker.doctor.paid_checks import PaidChecks
from worker.outbound.client import OutboundClient, guarded_client
from worker.tokens.anonymous import AnonymousTokenSource
from worker.tokens.availability import is_over
from worker.tokens.balances import TokenBalances
from worker.tokens.pool import TokenPool

_REDIS_ANSWER_S = 5.0
#: tokens of the pool that are looked at
_POOLED = 20


class RunOptions(NamedTuple):
    """What a run shall do besides the harmless calls."""

    clip_url: str | None
    spend: bool


class _Findings(NamedTuple):
    findings: list[Finding]
    seen: Seen
    private: set[str]


class _DoctorContext(NamedTuple):
    """The parts of a worker that are looked at; not a whole one, which would not come up where one of them is wrong."""

    settings: Settings
    store: Store
    encryption: Encryption
    backend: Backend
    tokens: Tokens
    token_pool: TokenPool
    outbound: OutboundClient


def report_of_bad_settings(sentences: list[str]) -> Report:
    """Report what could not be read; nothing else can be looked at then."""
    return _report("", _Findings(bad_settings(sentences), Seen(), set()), account="none", spent=False)


async def examine(settings: Settings, options: RunOptions) -> Report:
    """Look at everything, and make the report."""
    found = _Findings(list(check_settings(settings)), Seen(anonymous=not settings.nemo_tokens), private_of(settings))
    async with _open_context(settings) as context:
        found.findings.extend(await check_redis(context.store, settings, context.encryption))
        found.findings.append(await check_storage(settings.storage))
        for number, credentials in enumerate(await _credentials(context, found), 1):
            await _examine_backend(context, credentials, found, options if number == 1 else None)
    where = urlsplit(settings.nemo_api_url)
    account = "NEMO_TOKEN" if settings.nemo_tokens else "anonymous" if found.seen.anonymous else "the pool"
    return _report(f"{where.scheme}://{where.netloc}", found, account=account, spent=options.spend)


@asynccontextmanager
async def _open_context(settings: Settings) -> AsyncIterator[_DoctorContext]:
    store = Store(connect(settings.redis_url.get_secret_value(), answer_s=_REDIS_ANSWER_S))
    encryption = Encryption([key.get_secret_value() for key in settings.secret_keys])
    backend = Backend(
        settings.nemo_api_url,
        platform=platform_of(settings),
        metrics=CallCounts(),
        first_pause_s=settings.backoff_s,
    )
    clock = Clock()
    tokens = Tokens(store, encryption, clock)
    balances = TokenBalances(TokenUse(store, clock), backend)
    pool = token_pool_over(tokens, balances, AnonymousIdentities(store), backend, clock, settings=settings)
    outbound = guarded_client(allow=settings.allow_addresses, http_allowed=settings.allow_http)
    try:
        yield _DoctorContext(settings, store, encryption, backend, tokens, pool, outbound)
    finally:
        await outbound.aclose()
        await backend.aclose()
        await store.close()


async def _credentials(context: _DoctorContext, found: _Findings) -> list[Credentials]:
    """Take the operator's tokens, those of the settings or of the pool, or else the anonymous identity's present one."""
    settings = context.settings
    if settings.nemo_tokens:
        return [Credentials(token.get_secret_value(), settings.default_profile) for token in settings.nemo_tokens]
    if any(each.area == "redis" and each.verdict is Verdict.BAD for each in found.findings):
        why = "Redis, which has the tokens of the pool and the anonymous identity's, cannot be used: see above"
        found.findings.append(Finding("backend", "anonymous token", Verdict.SKIPPED, "", why))
        return []
    if pooled := await _pooled_credentials(context, found):
        found.seen.anonymous = False
        return pooled
    return await _anonymous_credentials(context, found)


async def _pooled_credentials(context: _DoctorContext, found: _Findings) -> list[Credentials]:
    """Open some tokens of the pool that serve everybody; a tenant's own are not spent for others."""
    now_ms, profile = Clock().now_ms(), context.settings.default_profile
    serving = [t for t in await context.tokens.all() if t.kind == "operator" and not t.tenant]
    opened: list[Credentials] = []
    for token in [each for each in serving if not is_over(each, now_ms=now_ms)][:_POOLED]:
        try:
            opened += filter(None, [await context.token_pool.credentials(token.id, profile=profile)])
        except BackendFault as fault:  # it is under a secret key that is not given here
            expected = "one that REELGATE_SECRET_KEYS open"
            found.findings.append(Finding("backend", "a token of the pool", Verdict.BAD, expected, str(fault.fault)))
    return opened


async def _anonymous_credentials(context: _DoctorContext, found: _Findings) -> list[Credentials]:
    settings = context.settings
    source = AnonymousTokenSource(
        context.token_pool,
        AnonymousIdentities(context.store),
        context.backend,
        Clock(),
        rate_limited_s=settings.rate_limited_s,
    )
    expected = "one token of this installation's identity, for 7 days"
    try:
        token_id = await source.get_present_token(profile=settings.default_profile)
        credentials = await context.token_pool.credentials(token_id, profile=settings.default_profile)
    except (BackendFault, Temporary, Unreadable, STORE_ERROR) as why:
        came = str(why.fault) if isinstance(why, BackendFault) else type(why).__name__
        found.findings.append(Finding("backend", "anonymous token", Verdict.BAD, expected, came))
        return []
    found.findings.append(Finding("backend", "anonymous token", Verdict.OK, expected, "there is one"))
    return [credentials] if credentials else []


async def _examine_backend(
    context: _DoctorContext, credentials: Credentials, found: _Findings, options: RunOptions | None
) -> None:
    """Make the calls with the first token; of the others the balance is read."""
    settings, seen = context.settings, found.seen
    calls = RecordedCalls(context.backend, credentials, base_url=settings.nemo_api_url)
    if options is None:
        await read_balance(calls, seen)
    else:
        session_id = await HarmlessChecks(calls, seen).run(clip_url=options.clip_url)
        if not options.spend:
            calls.skip("message and export", "--spend was not given: they cost credits")
        elif session_id:
            await PaidChecks(calls, seen, settings, context.outbound).run(session_id)
    found.findings.extend(calls.findings)
    found.private.update(calls.private)


def private_of(settings: Settings) -> set[str]:
    """Name what must not get into a report."""
    redis_url = settings.redis_url.get_secret_value()
    secrets = {secret.get_secret_value() for secret in (*settings.nemo_tokens, *settings.secret_keys)}
    return {redis_url, *secrets, *_passwords_in(redis_url)}


def _passwords_in(redis_url: str) -> set[str]:
    """Take them out of an address, as they stand there and as they are meant; an option behind its ? may be one."""
    sentinels = parse_sentinel_url(redis_url) if is_sentinel_url(redis_url) else None
    where = urlsplit(sentinels.redis_url if sentinels else redis_url)
    options = re.findall(r"[?&](?:sentinel_)?password=([^&]*)", redis_url)
    found = {where.password or "", *options}
    return {each for password in found for each in (password, unquote(password), unquote_plus(password)) if each}


def _report(backend: str, found: _Findings, *, account: str, spent: bool) -> Report:
    report = Report(
        version=version("reelgate"),
        made_at=rfc3339(Clock().now_ms()),
        backend=backend,
        account=account,
        spent=spent,
        works=works(found.findings),
        findings=tuple(found.findings),
        doubts=doubts_after(found.seen),
    )
    return scrub(report, found.private)
