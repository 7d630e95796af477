"""`reelgate tokens`: add, list, compare and remove backend tokens."""

from contextlib import suppress

import click

from core.cli.arguments import id_of, secret_on_input, tenant_name, time_ms
from core.cli.context import CliContext, run_with_store, show_table
from core.clock import Clock, rfc3339
from core.model.token import OVER, Scope, Token, TokenState
from core.security.encryption import Undecryptable, token_fingerprint
from core.store.redis.codec import Unreadable

_TITLES = (
    "ID",
    "KIND",
    "TENANT",
    "STATE",
    "AVAILABLE",
    "FROZEN",
    "RESERVED",
    "JOBS",
    "EXPIRES",
    "SCOPES",
)

_NO_OTHER_SOON = (
    "it was the anonymous identity's, and nobody can read it again. Before its time is over the backend gives no other one: without a "
    "token of yours jobs wait until then (at most 7 days), and sessions that were on it are lost."
)


def _scopes(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value and not set(value.split("+")) <= {*Scope, "*"}:
        raise click.BadParameter(f"of {', '.join(Scope)} and *, joined by +")
    return value


@click.group()
def tokens() -> None:
    """Add, list, compare and remove backend tokens."""


@tokens.command("add")
@click.option("--tenant", callback=tenant_name, help="Serves this tenant alone; all tenants by default.")
@click.option("--scopes", callback=_scopes, help="As the backend granted them, e.g. read+write+upload.")
@click.option("--expires", "expires_ms", callback=time_ms, help="When it expires, e.g. 2026-12-01T00:00:00Z.")
def add_token(tenant: str | None, scopes: str | None, expires_ms: int | None) -> None:
    """Read a token from standard input and put it into the pool, encrypted. One that was given up serves again.

    Of one that is there already, whom it serves and its scopes stay as they were unless they are given.
    """
    secret = secret_on_input("token", example="echo $TOKEN | reelgate tokens add")

    async def command(context: CliContext) -> None:
        async with context.acts.announced(context.acts.entry("add token", tenant=tenant or "")) as act:
            token_id = await context.tokens.add(
                secret, kind="operator", tenant=tenant, scopes=scopes, expires_ms=expires_ms, anew=True
            )
            act.ids, act.outcome = (token_id,), "done"
        click.echo(token_id)
        if expires_ms and expires_ms <= Clock().now_ms():
            click.echo(
                f"Warning: its time was over at {rfc3339(expires_ms)}, so no new session begins on it.", err=True
            )
        await _say_whose(context, token_id, tenant)

    run_with_store(command)


async def _say_whose(context: CliContext, token_id: str, tenant: str | None) -> None:
    token = await context.tokens.get(token_id)
    if token and tenant is None and token.tenant:
        words = f"It was there already, and serves {token.tenant} alone, as before (--tenant '' has it serve all)."
        click.echo(words, err=True)
    if tenant and not await context.tenants.known(tenant):
        click.echo(f"Warning: there is no tenant {tenant} yet, and it serves nobody else.", err=True)


@tokens.command("list")
def list_tokens() -> None:
    """List the pool, without secrets; credits as they were last read, and as jobs have reserved them."""

    async def command(context: CliContext) -> None:
        show_table(_TITLES, map(_row, await context.tokens.all()))

    run_with_store(command)


@tokens.command("fingerprints")
def show_fingerprints() -> None:
    """Print each token's fingerprint and id. A fingerprint that two cells print is of a token that both use."""

    async def command(context: CliContext) -> None:
        for token in await context.tokens.all():
            if token.kind != "anonymous" and (secret := await _opened(context, token.id)):
                click.echo(f"{token_fingerprint(secret)} {token.id}")

    run_with_store(command)


async def _opened(context: CliContext, token_id: str) -> str | None:
    try:
        return await context.tokens.secret_of(token_id)
    except Undecryptable:
        raise click.ClickException(f"{token_id} was written under a key that is not in REELGATE_SECRET_KEYS") from None


def _row(token: Token) -> tuple[object, ...]:
    expires = rfc3339(token.expires_ms) if token.expires_ms else None
    denied = "".join(f" -{scope}" for scope in sorted(token.denied))
    credits_ = (token.available, token.frozen, token.reserved)
    who = (token.id, token.kind, token.tenant or "(all)", _state_of(token))
    return (*who, *credits_, token.in_flight, expires, f"{token.scopes}{denied}".strip())


def _state_of(token: Token) -> TokenState:
    """Say what a token is good for: one whose time has passed has expired, though nobody wrote that."""
    is_past = token.expires_ms is not None and token.expires_ms <= Clock().now_ms()
    return TokenState.EXPIRED if is_past and token.state not in OVER else token.state


@tokens.command("remove")
@click.argument("token_id", callback=id_of("tok", listed_by="reelgate tokens list"))
def remove_token(token_id: str) -> None:
    """Take a token out of the pool."""

    async def command(context: CliContext) -> None:
        was_serving = await _is_living_anonymous(context, token_id)
        async with context.acts.announced(context.acts.entry("remove token", token_id)) as act:
            act.outcome = "done" if await context.tokens.remove(token_id) else "unchanged: there is none"
        if act.outcome != "done":
            raise click.ClickException(f"there is no token {token_id}")
        click.echo(f"{token_id} is removed")
        if was_serving:
            click.echo(f"Warning: {_NO_OTHER_SOON}", err=True)

    run_with_store(command)


async def _is_living_anonymous(context: CliContext, token_id: str) -> bool:
    with suppress(Unreadable):
        token = await context.tokens.get(token_id)
        return token is not None and token.kind == "anonymous" and _state_of(token) not in OVER
    return False
