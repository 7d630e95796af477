"""`./run up`: a world that stays until Ctrl-C. A part that dies meanwhile is named, and the others go on without it.

A kept one is the same at its next start: its addresses, its key, its jobs and films. What its backend knew is forgotten, as
the real one forgets sessions, too.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from sandbox.world.announce import as_json, as_text
from sandbox.world.child_process import Child, ChildFailed
from sandbox.world.folders import ROOT, Folders, make_folders
from sandbox.world.identity import Identity
from sandbox.world.kept import CannotStart, KeptWorld, hold
from sandbox.world.ports import is_taken
from sandbox.world.settings import callers_environment, with_sandbox_account
from sandbox.world.world import World, WorldSpec, open_world

FIRST_API = "api-1"
#: what the system refuses where a file is written or locked, and names none
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOLCK)


class UpOptions(NamedTuple):
    """How a world is run. Without a `folder` nothing of it is kept."""

    json_line: bool
    folder: Path | None
    #: throw away what was kept
    fresh: bool = False
    #: where the first API shall listen
    port: int | None = None


async def up(spec: WorldSpec, options: UpOptions) -> int:
    """Run the world until it is cancelled; give 1 after a sentence when it does not start."""
    try:
        if options.folder is None:
            await _run(spec, options, make_folders("up"), Identity())
        else:
            async with hold(options.folder) as kept:
                await _run_kept(spec, options, kept)
    except (ChildFailed, CannotStart) as failed:
        click.echo(failed, err=True)
    except BrokenPipeError:  # who started it reads no more
        raise
    except OSError as error:
        click.echo(told_of(error, options.folder or ROOT), err=True)
    except UnicodeEncodeError:
        click.echo(_cannot_hold(options.folder or ROOT, "its whole path has to be UTF-8"), err=True)
    return 1


def told_of(error: OSError, folder: Path) -> str:
    """Say of the world's folder that it can hold none, and of all else what the system said of it."""
    why = error.strerror or str(error)
    if error.filename is None:
        return _cannot_hold(folder, why) if error.errno in _OF_A_DISK else f"The world had to end: {why}."
    place = Path(os.fsdecode(error.filename)).absolute()
    own = folder.absolute()
    if place.is_relative_to(own) or own.is_relative_to(place):
        return _cannot_hold(error.filename, why)
    return f"The world had to end: {place}: {why}."


def _cannot_hold(place: object, why: str) -> str:
    return (
        f"{os.fsencode(str(place)).decode(errors='replace')} can't hold a world: {why}. Name another with --data-dir."
    )


async def _run_kept(spec: WorldSpec, options: UpOptions, kept: KeptWorld) -> None:
    if options.fresh:
        gone = kept.throw_away()
        click.echo(f"Thrown away from {options.folder}: {', '.join(gone) or 'nothing, it was empty'}.", err=True)
    before = kept.identity()
    identity = before or Identity()
    kept.put_logs_aside()
    try:
        await _run(spec, options, kept.folders, identity, kept=kept)
    except ChildFailed:
        if before:
            hint = f"If what was kept in {options.folder} is the reason: ./run up --fresh throws it away."
            click.echo(hint, err=True)
        raise


async def _run(
    spec: WorldSpec, options: UpOptions, folders: Folders, identity: Identity, *, kept: KeptWorld | None = None
) -> None:
    caller = callers_environment()
    if spec.backend is None:
        caller = with_sandbox_account(caller, token=identity.sandbox_token)
    settle_ports(identity, port=options.port)
    async with _opened(spec, folders, caller, identity, kept) as world:
        with _key_kept(world):
            click.echo(as_json(world) if options.json_line else as_text(world, kept=kept is not None))
            await asyncio.gather(*(name_end(child) for child in world.children()))
            await asyncio.Event().wait()


def settle_ports(identity: Identity, *, port: int | None) -> None:
    """Leave ports to the programs that took them meanwhile, and say where the API is then. Raises CannotStart."""
    if port is not None:
        if is_taken(port):
            raise CannotStart(
                f"Port {port} is taken by another program, or not yours to take: name another with --port."
            )
        identity.ports = {part: own for part, own in identity.ports.items() if own != port} | {FIRST_API: port}
    for part, own in list(identity.ports.items()):
        if is_taken(own):
            identity.move(part)
            click.echo(
                f"Port {own}, this world's {part}, is taken by another program: now {identity.ports[part]}.", err=True
            )


@asynccontextmanager
async def _opened(
    spec: WorldSpec, folders: Folders, caller: dict[str, str], identity: Identity, kept: KeptWorld | None
) -> AsyncIterator[World]:
    """Open it; what it is known by is kept before anything is written with it, and again with what its start added."""
    save = kept.save if kept else _forget
    save(identity)
    key_before = identity.api_key
    try:
        async with open_world(spec, folders=folders, caller=caller, identity=identity) as world:
            save(identity)
            if key_before not in {"", identity.api_key}:
                click.echo("The key that was kept is not known to this Redis any more; there is a new one.", err=True)
            yield world
    finally:
        save(identity)


def _forget(identity: Identity) -> None:
    """Keep nothing."""


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
