"""`reelgate keys`: create, list and revoke API keys."""

import click
import msgspec

from core.cli.arguments import tenant_name
from core.cli.context import CliContext, run_with_store, show_table
from core.clock import rfc3339
from core.store.tenants.api_keys import KEYS_PER_TENANT, SCOPES, IssuedKey, TooManyKeys


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--tenant", required=True, callback=tenant_name, help="Whose jobs the key may see.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated; all by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def create_key(tenant: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make an API key and print it, this once."""
    if not tenant:
        raise click.BadParameter("a tenant has a name", param_hint="--tenant")

    async def command(context: CliContext) -> None:
        try:
            issued = await context.api_keys.create(tenant, scopes=scopes or SCOPES)
        except TooManyKeys:
            raise click.ClickException(f"{tenant} has {KEYS_PER_TENANT} keys; revoke some") from None
        try:
            _show(tenant, issued, as_json=as_json)
        except OSError:
            await _take_back(context, issued)
            raise

    run_with_store(command)


async def _take_back(context: CliContext, issued: IssuedKey) -> None:
    """Revoke a key that nobody could read."""
    await context.api_keys.revoke(issued.id)
    words = f"The key {issued.id} could not be shown, and is revoked."
    if issued.webhook_secret:
        words += " Nor could the webhook secret: POST /v1/webhook:rotate-secret makes another one."
    click.echo(words, err=True)


def _show(tenant: str, issued: IssuedKey, *, as_json: bool) -> None:
    row = {"key": issued.secret, "id": issued.id, "tenant": tenant, "scopes": issued.scopes}
    if issued.webhook_secret:
        row["webhook_secret"] = issued.webhook_secret
    if as_json:
        click.echo(msgspec.json.encode(row).decode())
        return
    for name, value in row.items():
        click.echo(f"{name:15} {' '.join(value) if isinstance(value, tuple) else value}")


@keys.command("list")
@click.option("--tenant", default="", callback=tenant_name, help="This tenant's alone; everybody's by default.")
def list_keys(tenant: str) -> None:
    """List API keys, without their secrets."""

    async def command(context: CliContext) -> None:
        rows = [
            (row.id, name, rfc3339(row.created_at_ms), " ".join(row.scopes))
            for name in ([tenant] if tenant else await context.tenants.names())
            for row in await context.api_keys.of_tenant(name)
        ]
        show_table(("ID", "TENANT", "CREATED", "SCOPES"), rows)

    run_with_store(command)


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Make a key useless from now on."""

    async def command(context: CliContext) -> None:
        if not await context.api_keys.revoke(key_id):
            raise click.ClickException(f"there is no key {key_id}")
        click.echo(f"{key_id} is revoked")

    run_with_store(command)
