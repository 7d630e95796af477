"""Tenants: what each has and may have, and whether its jobs begin."""

import click

from core.clock import month_of
from core.store.redis.functions import EVERYBODY
from core.store.tenants.tenants import TenantCounts
from service.admin.context import AdminContext
from service.admin.facts import Facts, time_of
from service.admin.formatting import show_page
from service.cli.terminal import print_json

_COLUMNS = {
    "TENANT": "tenant",
    "QUEUED": "queued",
    "RUNNING": "running",
    "PAUSED": "paused_since",
    "CREDITS": "month_credits",
    "KEYS": "keys",
}


async def list_tenants(context: AdminContext, *, after: str | None, limit: int, as_json: bool) -> None:
    """List tenants by the alphabet, with their limits, which are the same for all."""
    names = [name for name in await context.tenants.names() if name > (after or "")]
    page = names[:limit]
    if not as_json:
        await _say_limits(context)
    rows = await _rows(context, page)
    show_page(rows, _COLUMNS, next_after=page[-1] if len(names) > limit else None, as_json=as_json)


async def _rows(context: AdminContext, names: list[str]) -> list[Facts]:
    counts = await context.tenants.counts(names, month=month_of(context.api.clock.now_ms()))
    everybody_ms = await context.pauses.everybody_since_ms()
    paused = await context.pauses.since_ms(names) if names else []
    return [_row(context, row, own_ms or everybody_ms) for row, own_ms in zip(counts, paused, strict=True)]


def _row(context: AdminContext, counts: TenantCounts, paused_ms: int | None) -> Facts:
    settings = context.api.settings
    return {
        "tenant": counts.name,
        "queued": counts.queued,
        "queued_limit": settings.tenant_queued_jobs,
        "running": counts.running,
        "running_limit": settings.tenant_running_jobs,
        "month_credits": round(counts.credits, 2),
        "month_credits_limit": settings.tenant_month_credits or None,
        "keys": counts.keys,
        "paused_since": time_of(paused_ms),
    }


async def _say_limits(context: AdminContext) -> None:
    settings = context.api.settings
    budget = f", {settings.tenant_month_credits} credits a month" if settings.tenant_month_credits else ""
    words = (
        f"Each may have {settings.tenant_queued_jobs} jobs queued and {settings.tenant_running_jobs} running{budget}."
    )
    click.echo(words, err=True)
    if since_ms := await context.pauses.everybody_since_ms():
        click.echo(f"Nobody's jobs begin since {time_of(since_ms)}: `reelgate admin resume --all`.", err=True)


async def pause_starts(context: AdminContext, tenant: str, *, as_json: bool) -> None:
    """Let no more of a tenant's jobs begin; `tenant` empty: nobody's."""
    who = await _who(context, tenant)
    changed = await context.pauses.pause(who, audit=context.acts.entry("pause", tenant=tenant or EVERYBODY))
    _say(tenant, "paused", "was paused already", changed=changed, as_json=as_json)


async def resume_starts(context: AdminContext, tenant: str, *, as_json: bool) -> None:
    """Let them begin again."""
    who = await _who(context, tenant)
    changed = await context.pauses.resume(who, audit=context.acts.entry("resume", tenant=tenant or EVERYBODY))
    _say(tenant, "resumed", "was not paused", changed=changed, as_json=as_json)
    if tenant and await context.pauses.everybody_since_ms():
        click.echo("Everybody is paused still: `reelgate admin resume --all`.", err=True)


async def _who(context: AdminContext, tenant: str) -> str:
    if tenant:
        await context.named_or_all(tenant)
    return tenant or EVERYBODY


def _say(tenant: str, done: str, vain: str, *, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"tenant": tenant or None, "changed": changed})
    else:
        click.echo(f"{tenant or 'everybody'} {f'is {done}' if changed else vain}")
