"""One job of the demo, from its material to its row in the table."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from sandbox.world.demo.api_client import ENDS, DemoFailed, Gateway
from sandbox.world.demo.callbacks import Receiver
from sandbox.world.demo.film import faults, length_s, probe
from sandbox.world.demo.page import Shown
from sandbox.world.demo.progress import Display
from sandbox.world.demo.sheets import make_poster, make_sheets, make_wave, moments
from sandbox.world.demo.skills import Ask
from sandbox.world.demo.table import Row

LOOK_EVERY_S = 0.3


class Stage(NamedTuple):
    """What every job of the demo needs."""

    gateway: Gateway
    receiver: Receiver
    hook_url: str
    display: Display
    input: Path
    output: Path

    def given(self, ask: Ask) -> list[Path]:
        return [self.input / thing.name for thing in ask.material]

    @property
    def pictures(self) -> Path:
        return self.output / "pictures"


async def show(ask: Ask, stage: Stage) -> Shown:
    """Upload, submit, follow, check the callback, fetch, probe and picture. Raises DemoFailed when a job comes to a bad end."""
    uploads = [await stage.gateway.upload(path) for path in stage.given(ask)]
    began_at = monotonic()
    accepted = await stage.gateway.submit(job_of(ask, uploads, stage.hook_url))
    job = await _follow(accepted, ask, stage)
    took_s = monotonic() - began_at
    callback = await stage.receiver.end_of(job["id"])
    if job["status"] != "succeeded":
        raise DemoFailed(f"{ask.skill}: the job ended as {job['status']}: {reason_of(job)}")
    path = stage.output / f"{ask.skill}.mp4"
    await stage.gateway.download(job["output"]["url"], path)
    row = _row(
        ask, job, path, before_s=sum(length_s(path) for path in stage.given(ask)), took_s=took_s, callback=callback
    )
    return await _pictured(row, ask, stage)


async def _pictured(row: Row, ask: Ask, stage: Stage) -> Shown:
    """Make the pictures that the page shows beside a film."""
    film, before = stage.output / f"{ask.skill}.mp4", moments(stage.given(ask))
    await make_sheets(before, stage.pictures, f"{ask.skill}-before")
    await make_sheets(moments([film]), stage.pictures, f"{ask.skill}-after")
    await make_wave([film], stage.pictures / f"{ask.skill}-after-sound.png")
    if row.before_s:
        await make_wave(stage.given(ask), stage.pictures / f"{ask.skill}-before-sound.png")
    await make_poster(film, stage.pictures / f"{ask.skill}-poster.jpg")
    return Shown(ask.prompt, row, tuple(thing.name for thing in ask.material), len(before))


def job_of(ask: Ask, uploads: list[str], hook_url: str) -> dict[str, Any]:
    return {
        "profile": ask.skill,
        "prompt": ask.prompt,
        "media": [{"upload_id": upload} for upload in uploads],
        "webhook": {"url": hook_url},
        "metadata": {"demo": ask.skill},
    }


async def _follow(job: dict[str, Any], ask: Ask, stage: Stage) -> dict[str, Any]:
    while job["status"] not in ENDS:
        stage.display.show(ask.skill, job)
        await asyncio.sleep(LOOK_EVERY_S)
        job = await stage.gateway.job(job["id"])
    stage.display.show(ask.skill, job)
    return job


def reason_of(job: dict[str, Any]) -> str:
    error = job.get("error") or {}
    return f"{error.get('code', 'no code')}: {error.get('detail', 'no reason given')}"


def _row(ask: Ask, job: dict[str, Any], path: Path, *, before_s: float, took_s: float, callback: str) -> Row:
    film = probe(path)
    wrong = faults(film, ask)
    if callback != "job.succeeded":
        wrong.append(f"was called back as {callback}")
    return Row(
        ask.skill,
        job["id"],
        took_s,
        before_s,
        film.duration_s,
        f"{film.width}x{film.height}",
        tuple(job["changes"]) or (job["reply"] or "",),
        f"{callback}, verified",
        tuple(wrong),
    )
