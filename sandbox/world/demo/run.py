"""The demo's course: the material, a world, the first skill on an anonymous token, the other four on a registered one.

The world begins without any token of an operator's, so the first job uses the installation's anonymous identity; then
the registered token is added as an operator would add it, and the jobs after that use it.
"""

import asyncio
import shutil
from pathlib import Path

import av
import click
import httpx
from rich.console import Console

from sandbox.ffmpeg import FfmpegFailed
from sandbox.world.announce import receiver_address
from sandbox.world.child_process import ChildFailed, while_alive
from sandbox.world.demo.api_client import DemoFailed, Gateway
from sandbox.world.demo.callbacks import Receiver
from sandbox.world.demo.demo_job import Stage, show
from sandbox.world.demo.material import credits_of, lay_out, missing
from sandbox.world.demo.page import Shown, page_of
from sandbox.world.demo.progress import Display, display_on
from sandbox.world.demo.skills import ASKS
from sandbox.world.demo.table import console, table_of
from sandbox.world.folders import Folders, make_folders
from sandbox.world.identity import Identity
from sandbox.world.settings import cache_folder, callers_environment, without_accounts
from sandbox.world.together import together
from sandbox.world.world import World, WorldSpec, open_world

OUTPUT = Path("demo-output")
PAGE = OUTPUT / "index.html"
THINGS = [thing for ask in ASKS for thing in ask.material]
LIMIT_S = 600
CALL_LIMIT_S = 60

#: what may go wrong in ways that a sentence explains; anything else is a fault of the demo's own
EXPECTED = (ChildFailed, DemoFailed, FfmpegFailed, av.FFmpegError, httpx.HTTPError)


async def demo() -> int:
    """Give 0 when all five jobs came out right, otherwise 1 after a sentence that says what did not."""
    screen, folders = console(), make_folders("demo")
    try:
        async with asyncio.timeout(LIMIT_S):
            films = await _perform(screen, folders)
    except TimeoutError:
        return failed(f"it was not over after {LIMIT_S} s; the logs are in {folders.logs}")
    except EXPECTED as problem:
        return failed(f"{str(problem) or type(problem).__name__}; the logs are in {folders.logs}")
    rows = [film.row for film in films]
    screen.print(table_of(rows))
    wrong = [f"{row.skill} {fault}" for row in rows for fault in row.faults]
    if wrong:
        return failed("; ".join(wrong))
    screen.print("Five films, five callbacks whose signatures hold.", highlight=False)
    screen.print(f"See them, before and after: {PAGE}", highlight=False)
    return 0


def failed(sentence: str) -> int:
    click.echo(f"The demo failed: {sentence}.", err=True)
    return 1


async def _perform(screen: Console, folders: Folders) -> list[Shown]:
    identity, kept = Identity(), cache_folder(callers_environment()) / "clips"
    clear(OUTPUT)
    await _lay_out(screen, folders, kept)
    screen.print("Starting Redis, the backend, a receiver, the API and a worker ...", highlight=False)
    caller = without_accounts(callers_environment())
    async with open_world(WorldSpec(), folders=folders, caller=caller, identity=identity) as world:
        with display_on(screen) as display:
            films = await while_alive(world.children(), _five_jobs(world, display, token=identity.sandbox_token))
    PAGE.write_text(page_of(films, credits_of(THINGS)), encoding="utf-8")
    return films


async def _lay_out(screen: Console, folders: Folders, kept: Path) -> None:
    screen.print("Five jobs; on two cores that is about a minute.", highlight=False)
    if number := missing(THINGS, kept):
        place = f"~/{kept.relative_to(Path.home())}" if kept.is_relative_to(Path.home()) else kept
        words = f"Drawing {number} clips (once, half a minute; kept in {place}) ..."
        screen.print(words, highlight=False, soft_wrap=True)
    await lay_out(THINGS, folders.input, kept)
    await asyncio.to_thread(shutil.copytree, folders.input, OUTPUT / "input")


def clear(output: Path) -> None:
    """Take away what the last demo left; whatever else is there stays."""
    (output / "pictures").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(output / "input", ignore_errors=True)
    for left in (output / "index.html", *(output / f"{ask.skill}.mp4" for ask in ASKS)):
        left.unlink(missing_ok=True)


async def _five_jobs(world: World, display: Display, *, token: str) -> list[Shown]:
    headers = {"Authorization": f"Bearer {world.api_key}"}
    address, receiver = world.apis[0].address, receiver_address(world)
    async with (
        httpx.AsyncClient(base_url=address, headers=headers, timeout=CALL_LIMIT_S, trust_env=False) as to_api,
        httpx.AsyncClient(base_url=receiver, timeout=CALL_LIMIT_S, trust_env=False) as to_receiver,
    ):
        inbox = Receiver(to_receiver, world.webhook_secret)
        stage = Stage(Gateway(to_api), inbox, f"{receiver}/hook", display, world.folders.input, OUTPUT)
        first = await show(ASKS[0], stage)
        await world.command("tokens", "add", stdin=f"{token}\n")
        return [first, *await together(show(ask, stage) for ask in ASKS[1:])]
