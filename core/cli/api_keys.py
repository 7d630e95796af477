"""`reelgate keys`: create, list and revoke API keys."""

import click
import msgspec

from core.cli.acts import doubt_told
from core.cli.arguments import id_of, secret_on_input, tenant_name
from core.cli.context import CliContext, run_with_store, show_table
from core.clock import rfc3339
from core.store.tenants.api_keys import KEYS_PER_TENANT, SCOPES, IssuedKey, TooManyKeys

_DOUBT = (
    "The key may have been made all the same: `reelgate keys list --tenant {tenant}` shows it, without what is secret. Revoke "
    "it there. If no webhook secret of {tenant} was ever shown, POST /v1/webhook:rotate-secret makes one."
)


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
        async with context.acts.announced(context.acts.entry("create key", tenant=tenant)) as act:
            with doubt_told(_DOUBT.format(tenant=tenant)):
                issued = await _create(context, tenant, scopes or SCOPES)
            act.ids, act.outcome = (issued.id,), "done"
            try:
                _show(tenant, issued, as_json=as_json)
            except OSError:
                act.outcome = "revoked: it could not be shown"
                await _take_back(context, issued)
                raise

    run_with_store(command)


async def _create(context: CliContext, tenant: str, scopes: tuple[str, ...]) -> IssuedKey:
    try:
        return await context.api_keys.create(tenant, scopes=scopes)
    except TooManyKeys:
        raise click.ClickException(f"{tenant} has {KEYS_PER_TENANT} keys; revoke some") from None


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
        if tenant and not rows and not await context.tenants.known(tenant):
            click.echo(f"There is no tenant {tenant}.", err=True)

    run_with_store(command)


@keys.command("revoke")
@click.argument("key_id", callback=id_of("key", listed_by="reelgate keys list", or_dash=True))
def revoke_key(key_id: str) -> None:
    """Make a key useless from now on. With - in the place of its id the key itself is read from standard input."""
    secret = secret_on_input("key", example="echo $KEY | reelgate keys revoke -") if key_id == "-" else ""

    async def command(context: CliContext) -> None:
        named = await _id_of(context, secret) if secret else key_id
        async with context.acts.announced(context.acts.entry("revoke key", named)) as act:
            act.outcome = "done" if await context.api_keys.revoke(named) else "unchanged: there is none"
        if act.outcome != "done":
            raise click.ClickException(f"there is no key {named}")
        click.echo(f"{named} is revoked")

    run_with_store(command)


async def _id_of(context: CliContext, secret: str) -> str:
    caller = await context.api_keys.find_caller(secret)
    if caller is None:
        raise click.ClickException("nobody has that key here, or not any more")
    click.echo(f"It is {caller.tenant}'s.", err=True)
    return caller.key_id
