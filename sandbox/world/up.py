"""`./run up`: a world that stays until Ctrl-C. A part that dies meanwhile is named, and the others go on without it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sandbox.world.announce import as_json, as_text
from sandbox.world.child_process import Child, ChildFailed
from sandbox.world.folders import make_folders
from sandbox.world.settings import callers_environment, new_sandbox_token, with_sandbox_account
from sandbox.world.world import World, WorldSpec, open_world


async def up(spec: WorldSpec, *, json_line: bool) -> int:
    """Run the world until it is cancelled; give 1 after a sentence when a part does not start."""
    token = new_sandbox_token()
    caller = callers_environment()
    if spec.backend is None:
        caller = with_sandbox_account(caller, token=token)
    try:
        async with open_world(spec, folders=make_folders("up"), caller=caller, sandbox_token=token) as world:
            with _key_kept(world):
                click.echo(as_json(world) if json_line else as_text(world))
                await asyncio.gather(*(name_end(child) for child in world.children()))
                await asyncio.Event().wait()
    except ChildFailed as failed:
        click.echo(failed, err=True)
    return 1


@contextmanager
def _key_kept(world: World) -> Iterator[None]:
    """Keep the API key where the printed curl line reads it, while it may be called."""
    file = world.folders.authorization
    file.touch(mode=0o600)
    file.write_text(f"Authorization: Bearer {world.api_key}\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


async def name_end(child: Child) -> None:
    click.echo(await child.end(), err=True)
