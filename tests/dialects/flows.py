"""Every flow of a caller's, from POST to end, as a function from a case to its jobs; and what is compared of an end.

A flow says how many messages it sends: so many are charged, whatever the dialect. One that is cancelled while it is
worked on may come to nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from sandbox.clips import make_image, make_talk_clip
from tests.dialects.harness import Case
from tests.until import wait_until

Job = dict[str, Any]
Files = Mapping[str, Path]

#: no job's end may come from its own deadline, however slow the machine: who waits for it sees whether it goes on
TIMEOUT_S = 7200
_TITLE = "HELLO"
_COMMON = {"timeout_s": TIMEOUT_S, "start_timeout_s": TIMEOUT_S, "output": {"resolution": "360p"}}


@dataclass(frozen=True)
class Flow:
    run: Callable[[Case, Files], list[Job]]
    messages: int = 1
    #: whether that many are charged, or so many at most
    all_charged: bool = True
    #: how each job of it ends
    statuses: tuple[str, ...] = ("succeeded",)

    def allows_charges(self, charged: int) -> bool:
        return charged == self.messages or (not self.all_charged and charged < self.messages)


@dataclass(frozen=True)
class End:
    """What must be the same in every dialect."""

    status: str
    code: str | None
    changes: tuple[str, ...]
    #: seconds to the tenth, width and height of the decoded film
    film: tuple[float, int, int] | None


def make_files(folder: Path) -> Files:
    """Make the input of all flows: short and small."""
    asyncio.run(_make(folder))
    return {path.stem: path for path in folder.iterdir() if path.suffix in (".mp4", ".png")}


async def _make(folder: Path) -> None:
    clips: dict[str, tuple[float, tuple[tuple[float, float], ...]]]
    clips = {"two": (2.0, ()), "three": (3.0, ()), "talk": (4.0, ((1.5, 2.5),))}
    for name, (length_s, silences) in clips.items():
        path = folder / f"{name}.mp4"
        await make_talk_clip(path, scenes=1, duration_s=length_s, silences=silences, size=(160, 90))
    await make_image(folder / "still.png", label="a", size=(160, 90))


def end_of(case: Case, job: Job) -> End:
    """Say how a job ended, its film decoded."""
    film = _measured(case.gateway.download(job)) if job["output"] else None
    return End(job["status"], (job["error"] or {}).get("code"), tuple(job["changes"] or ()), film)


def _measured(path: Path) -> tuple[float, int, int] | None:
    """Decode every frame: a length that only the container tells is no length. None: there is no picture in it."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        return round(frames / float(video.average_rate or 1), 1), video.width, video.height


def _submit(case: Case, prompt: str, *files: Path, **fields: Any) -> Job:
    media = [{"upload_id": case.gateway.upload(path)} for path in files]
    asked = _COMMON | {"prompt": prompt, "media": media} | fields
    answer = case.gateway.http.post("/v1/jobs", json=asked)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def _run(case: Case, prompt: str, *files: Path, **fields: Any) -> Job:
    return case.gateway.ended(_submit(case, prompt, *files, **fields)["id"])


def _quick(case: Case, files: Files) -> list[Job]:
    return [_run(case, "trim the first second and export", files["two"])]


def _replay(case: Case, files: Files) -> list[Job]:
    (first,) = _quick(case, files)
    answer = case.gateway.http.post(f"/v1/jobs/{first['id']}/replay", json={"from": "render"})
    again = [case.gateway.ended(answer.json()["id"])] if answer.status_code == 202 else []
    return [first, *again]


def _batch(case: Case, files: Files) -> list[Job]:
    session = case.gateway.http.post("/v1/sessions", json={}).json()["id"]
    asked = [
        _submit(case, "trim the first second and export", files[name], session_id=session)["id"]
        for name in ("two", "three", "two")
    ]
    return [case.gateway.ended(job_id) for job_id in asked]


def _iterative(case: Case, files: Files) -> list[Job]:
    first = _run(case, "trim the first second but don't export it yet", files["three"])
    second = _run(case, f'add a title "{_TITLE}" and export', session_id=first["session_id"])
    return [first, second]


def _silent(case: Case, files: Files) -> list[Job]:
    return [_run(case, f'[[story:silent]] add a title "{_TITLE}" and export', files["two"])]


def _cancel(case: Case, files: Files) -> list[Job]:
    """Cancel while the backend works on the message."""
    job = _submit(case, f'[[story:slow]] add a title "{_TITLE}"', files["two"])
    return _canceled(case, job["id"], once=lambda: case.conversation.calls["message"] > 0)


def _cancel_render(case: Case, files: Files) -> list[Job]:
    """Cancel when the gateway has looked at a render under way."""
    job = _submit(case, "[[story:render-stuck]] trim the first second and export", files["two"])
    return _canceled(case, job["id"], once=lambda: case.conversation.calls["status"] > 0)


def _canceled(case: Case, job_id: str, *, once: Callable[[], bool]) -> list[Job]:
    def seen() -> bool:
        return once() or case.gateway.job(job_id)["finished_at"] is not None

    wait_until(seen, within_s=TIMEOUT_S + 15, every_s=0.1)
    case.gateway.http.post(f"/v1/jobs/{job_id}/cancel")
    return [case.gateway.ended(job_id)]


def _skill(name: str, prompt: str, *media: str) -> Flow:
    return Flow(lambda case, files: [_run(case, prompt, *(files[medium] for medium in media), profile=name)])


FLOWS: dict[str, Flow] = {
    "free-video-fast": _skill("free-video-fast", "trim, add transitions, and export a clean video for free", "talk"),
    "ai-video-pro-online": _skill("ai-video-pro-online", "cut the pauses, add background music, and export", "talk"),
    "trimmer-exe": _skill("trimmer-exe", "trim the silent pauses and cut the intro down to 2 seconds", "talk"),
    "maker-free": _skill(
        "maker-free", "turn my clips into a finished video with music and transitions", "two", "three"
    ),
    "free-video-generation-automatic": _skill(
        "free-video-generation-automatic",
        "generate a 4-second promotional video from my text and images automatically. Text: Harbour Bakery.",
        "still",
    ),
    "quick": Flow(_quick),
    "batch": Flow(_batch, messages=3, statuses=("succeeded",) * 3),
    "iterative": Flow(_iterative, messages=2, statuses=("succeeded",) * 2),
    "silent": Flow(_silent),
    "cancel": Flow(_cancel, all_charged=False, statuses=("canceled",)),
    "cancel-render": Flow(_cancel_render, statuses=("canceled",)),
    "replay": Flow(_replay, statuses=("succeeded",) * 2),
}
