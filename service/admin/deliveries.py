"""Callbacks of all tenants: listed, and sent again."""

from contextlib import suppress

import click

from core.events.delivery import DeliveryState
from core.store.redis.codec import Unreadable
from service.admin.context import AdminContext, refusals_written, require_id
from service.admin.facts import delivery_facts, time_of
from service.admin.formatting import show_page
from service.admin.jobs import default_url
from service.cli.terminal import print_json
from service.jobs.redelivery import send_again, send_range_again

_COLUMNS = {
    "ID": "id",
    "STATE": "status",
    "TYPE": "type",
    "TENANT": "tenant",
    "HOST": "host",
    "TRIES": "attempts",
    "LAST": "last_status",
    "CREATED": "created_at",
    "JOB": "job_id",
    "WHY": "words",
}


async def show_deliveries(
    context: AdminContext, state: DeliveryState, *, tenant: str, after: str | None, limit: int, as_json: bool
) -> None:
    """List the deliveries in one state, newest first, with no more of their URLs than the host."""
    if after:
        require_id(context, after, "dlv")
    tenants = await context.named_or_all(tenant)
    found = [d for d, _ in await context.api.deliveries.page_of_all(tenants, state, after=after, limit=limit + 1)]
    page = found[:limit]
    defaults = {each: await default_url(context, each) for each in {d.tenant for d in page if d.url is None}}
    rows = [delivery_facts(d, defaults.get(d.tenant)) for d in page]
    if not as_json:
        rows = [row | {"words": row["why"] or row["last_error"]} for row in rows]
    show_page(rows, _COLUMNS, next_after=page[-1].id if len(found) > limit else None, as_json=as_json)


async def redeliver_one(context: AdminContext, delivery_id: str, *, as_json: bool) -> None:
    """Send a callback again, as its caller would."""
    require_id(context, delivery_id, "dlv")
    delivery = await context.api.deliveries.load(delivery_id)
    if delivery is None:
        raise click.ClickException(f"there is no delivery {delivery_id}")
    entry = context.acts.entry("redeliver", delivery.id, delivery.job_id, tenant=delivery.tenant)
    async with refusals_written(context, entry):
        again = await send_again(context.api, delivery, audit=entry)
    if delivery.url is None:
        await _warn_of_disabled(context, delivery.tenant)
    if as_json:
        print_json({"id": again.id, "status": str(again.state)})
    else:
        click.echo(f"{again.id} is {again.state}")


async def redeliver_dead(
    context: AdminContext, tenant: str, *, since_ms: int, until_ms: int | None, as_json: bool
) -> None:
    """Send again what was given up of a tenant's callbacks that were made in a time range, newest first."""
    await context.named_or_all(tenant)
    until_ms = until_ms - 1 if until_ms else context.api.clock.now_ms()  # `--until` says "before", the range "up to"
    entry = context.acts.entry("redeliver dead", f"{time_of(since_ms)}/{time_of(until_ms)}", tenant=tenant)
    async with context.acts.announced(entry) as act:
        act.outcome = "broken off: some may be on their way"
        done = await send_range_again(context.api, tenant, DeliveryState.DEAD, since_ms=since_ms, until_ms=until_ms)
        act.outcome = f"done: {done.sent} sent"
    await _warn_of_disabled(context, tenant)
    if not done.sent:
        words = "that were made then was given up: what is, after ten attempts, was made up to a week before"
        click.echo(f"None of {tenant}'s callbacks {words}.", err=True)
    if as_json:
        print_json({"sent": done.sent, "has_more": done.has_more})
    else:
        more = "; there are more: run it again" if done.has_more else ""
        click.echo(f"{done.sent} are on their way again{more}")


async def _warn_of_disabled(context: AdminContext, tenant: str) -> None:
    """Say that what goes to the tenant's default URL comes back at once."""
    with suppress(Unreadable):
        webhook = await context.api.webhooks.default(tenant)
        if webhook and webhook.state == "disabled":
            words = f"Warning: {tenant}'s default webhook is disabled, and what goes there is given up at once: first {tenant} "
            click.echo(f"{words}mends it and calls POST /v1/webhook:enable.", err=True)
