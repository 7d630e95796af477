"""The operator's commands: API keys and backend tokens. They talk to Redis alone."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import click
import msgspec

from core.clock import Clock, rfc3339
from core.settings import Settings, load_settings
from core.store.connection import STORE_DOWN, Store, connect
from core.store.tenants import SCOPES, Tenants
from core.store.tokens import Tokens
from core.vault import Vault


@dataclass(frozen=True)
class _Desk:
    tenants: Tenants
    tokens: Tokens


def _at_desk(errand: Callable[[_Desk], Awaitable[None]]) -> None:
    asyncio.run(_open_desk(load_settings(), errand))


async def _open_desk(settings: Settings, errand: Callable[[_Desk], Awaitable[None]]) -> None:
    store = Store(connect(settings.redis_url.get_secret_value(), answer_s=5))
    vault = Vault([key.get_secret_value() for key in settings.secret_keys])
    clock = Clock()
    try:
        await errand(_Desk(Tenants(store, vault, clock), Tokens(store, vault, clock)))
    except STORE_DOWN:
        raise click.ClickException("Redis does not answer at REDIS_URL.") from None
    finally:
        await store.close()


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--tenant", required=True, help="Whose jobs the key may see.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated; all by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def create_key(tenant: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make an API key and print it, this once."""

    async def errand(desk: _Desk) -> None:
        issued = await desk.tenants.create_key(tenant, scopes=scopes or SCOPES)
        row = {"key": issued.secret, "id": issued.id, "tenant": tenant, "scopes": issued.scopes}
        if issued.webhook_secret:
            row["webhook_secret"] = issued.webhook_secret
        if as_json:
            click.echo(msgspec.json.encode(row).decode())
            return
        for name, value in row.items():
            click.echo(f"{name:15} {' '.join(value) if isinstance(value, tuple) else value}")

    if not tenant.replace("-", "").replace("_", "").isalnum() or len(tenant) > 64:  # noqa: PLR2004 - a name's length
        raise click.BadParameter("letters, digits, '-' and '_', at most 64", param_hint="--tenant")
    _at_desk(errand)


@keys.command("list")
@click.option("--tenant", required=True)
def list_keys(tenant: str) -> None:
    """List a tenant's keys, without their secrets."""

    async def errand(desk: _Desk) -> None:
        for row in await desk.tenants.list_keys(tenant):
            click.echo(f"{row.id}  {rfc3339(row.created_at_ms)}  {' '.join(row.scopes)}")

    _at_desk(errand)


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Make a key useless from now on."""

    async def errand(desk: _Desk) -> None:
        if not await desk.tenants.revoke_key(key_id):
            raise click.ClickException(f"there is no key {key_id}")
        click.echo(f"{key_id} is revoked")

    _at_desk(errand)


@click.group()
def tokens() -> None:
    """Add, list and remove backend tokens."""


@tokens.command("add")
@click.option("--tenant", default="", help="Serves this tenant alone; all tenants by default.")
@click.option("--scopes", default="", help="As the backend granted them, e.g. read+write+upload+render.")
def add_token(tenant: str, scopes: str) -> None:
    """Read a token from standard input and put it into the pool, encrypted."""

    async def errand(desk: _Desk) -> None:
        secret = sys.stdin.readline().strip()
        if not secret:
            raise click.ClickException("give the token on standard input: echo $TOKEN | reelgate tokens add")
        click.echo(await desk.tokens.add(secret, kind="operator", tenant=tenant, scopes=scopes))

    _at_desk(errand)


@tokens.command("list")
def list_tokens() -> None:
    """List the pool, without secrets."""

    async def errand(desk: _Desk) -> None:
        for t in await desk.tokens.all():
            expires = rfc3339(t.expires_ms) if t.expires_ms else "-"
            click.echo(f"{t.id}  {t.kind:9} {t.tenant or '(all)':12} {t.state:14} …{t.tail}  {t.available}  {expires}")

    _at_desk(errand)


@tokens.command("remove")
@click.argument("token_id")
def remove_token(token_id: str) -> None:
    """Take a token out of the pool."""

    async def errand(desk: _Desk) -> None:
        if not await desk.tokens.remove(token_id):
            raise click.ClickException(f"there is no token {token_id}")
        click.echo(f"{token_id} is removed")

    _at_desk(errand)
