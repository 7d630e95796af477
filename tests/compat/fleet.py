"""Two releases on one Redis: processes of either, replaced in turn as a rolling deploy does it, and callers meanwhile.

Every call carries an Idempotency-Key and is made again until it is answered, at whichever API is there: as a caller
behind a load balancer does. What a caller was told, and what the backend's ledger says, is compared at the end.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.compat.last_release import command
from tests.compat.processes import Process, running
from tests.gateway_fixture import unique_title
from tests.until import PATIENCE_S, wait_until

ENDS = {"succeeded", "failed", "canceled", "expired"}


class Fleet:
    """The APIs and workers that run now, each of the release whose checkout it was started from."""

    def __init__(self, stack: ExitStack, folder: Path, env: Mapping[str, str]) -> None:
        self._stack = stack
        self._folder = folder
        self._env = env
        self._running: dict[str, Process] = {}
        self._started = 0
        self.logs: dict[str, Path] = {}

    def start(self, place: str, checkout: Path) -> Process:
        """Run ``api-1`` or ``worker-2`` from a checkout, and only then stop the one that was there: that is a roll."""
        before = self._running.get(place)
        self._started += 1
        kind, name = place.partition("-")[0], f"{place}-{self._started}"
        env = {**self._env, "PYTHONPATH": str(checkout)}
        process = running(kind, env=env, folder=self._folder, reelgate=command(checkout), name=name)
        self._running[place] = self._stack.enter_context(process)
        self.logs[name] = self._running[place].log
        if before:
            before.end()
        return self._running[place]

    def apis(self) -> list[str]:
        """Where APIs answer now."""
        return [process.url for place, process in self._running.items() if place.startswith("api")]


@dataclass
class Accepted:
    """A job that got a 202: what was asked, and the bytes of the answer."""

    id: str
    title: str
    key: str
    asked: dict[str, Any]
    answer: bytes
    #: as the API showed it at its end
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def edits(self) -> bool:
        """Whether a message goes to the backend for it."""
        return "output" in self.asked

    @property
    def exports(self) -> bool:
        return self.edits and self.asked["output"]["export"]


class Caller:
    """One program that submits a job, waits for its end and submits the next one, in a session of its own."""

    def __init__(self, fleet: Fleet, api_key: str, hook: str, clip: bytes) -> None:
        self._fleet = fleet
        self._http = httpx.Client(headers={"Authorization": f"Bearer {api_key}"}, timeout=PATIENCE_S, trust_env=False)
        self._hook = hook
        self._clip = clip
        self._session_id: str | None = None
        self.accepted: list[Accepted] = []

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call one of the APIs, and another one where that one goes just now."""

        def answer() -> list[httpx.Response]:
            with suppress(httpx.TransportError):
                found = self._http.request(method, random.choice(self._fleet.apis()) + path, **options)
                return [found] if found.status_code != 503 else []
            return []

        [answered] = wait_until(
            answer, within_s=PATIENCE_S, every_s=0.05, told=lambda: f"nobody answered {method} {path}"
        )
        return answered

    def run(self, n: int) -> None:
        """Submit the n-th kind of job and wait for its end."""
        job = self._submit(n)
        self.accepted.append(job)

        def ended() -> bool:
            job.shown = self.job(job.id)
            return job.shown["status"] in ENDS

        wait_until(ended, within_s=PATIENCE_S, every_s=0.1, told=lambda: job.shown)

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, (job_id, answer.text)
        return dict(answer.json())

    def _submit(self, n: int) -> Accepted:
        title, key = unique_title(), unique_title()
        asked = KINDS[n % len(KINDS)](title)
        if asked.pop("in_session", False):
            asked["session_id"] = self.session()
        if asked.pop("with_clip", True):
            asked["media"] = [{"upload_id": self.upload()}]
        asked["webhook"] = {"url": self._hook, "events": ["job.queued", "job.started", "job.succeeded", "job.failed"]}
        answer = self.repeat(key, asked)
        assert answer.status_code == 202, answer.text
        return Accepted(answer.json()["id"], title, key, asked, answer.content)

    def repeat(self, key: str, asked: dict[str, Any]) -> httpx.Response:
        """Make the call of this key, for the first time or again."""
        return self.call("POST", "/v1/jobs", json=asked, headers={"Idempotency-Key": key})

    def session(self) -> str:
        if self._session_id is None:
            answer = self.call("POST", "/v1/sessions", json={}, headers={"Idempotency-Key": unique_title()})
            assert answer.status_code == 201, answer.text
            self._session_id = answer.json()["id"]
        return self._session_id

    def upload(self) -> str:
        headers = {"Idempotency-Key": unique_title()}
        answer = self.call("POST", "/v1/uploads?filename=clip.mp4", content=self._clip, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def close(self) -> None:
        self._http.close()


def _edit(title: str, **fields: Any) -> dict[str, Any]:
    return {"prompt": f'add the title "{title}"', "output": {"export": False}} | fields


#: what is submitted, in turn; each says to the API in full what it was promised, in values that are the defaults of today
KINDS: Sequence[Callable[[str], dict[str, Any]]] = (
    lambda title: _edit(title, output={"export": True, "resolution": "360p"}),
    lambda title: _edit(f"{title} [[story:silent]]", in_session=True),
    lambda title: _edit(f"{title} [[story:slow]]", timeout_s=1800, retention_s=2_592_000, priority=0),
    lambda title: _edit(f"{title} [[story:drop-stream]]", start_timeout_s=3600, max_credits=200),
    lambda title: {"prompt": "how many credits do I have left?", "with_clip": False, "metadata": {"title": title}},
    lambda title: _edit(f"{title} [[story:two-stage]]", in_session=True, output={"export": True, "resolution": "360p"}),
    lambda title: _edit(f"{title} [[story:rate-limited]]", priority=3),
)


class Load:
    """Callers side by side until they are stopped; each ends the job that it has begun."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = callers
        self._stop = threading.Event()
        self._ended = threading.Condition()
        self.count = 0
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(n, each)) for n, each in enumerate(callers)]

    def _run(self, n: int, caller: Caller) -> None:
        try:
            while not self._stop.is_set():
                caller.run(n)
                n += 1
                with self._ended:
                    self.count += 1
                    self._ended.notify_all()
        except BaseException as failure:  # noqa: BLE001 - it is raised where the load is stopped
            with self._ended:
                self.failures.append(failure)
                self._ended.notify_all()

    def wait_for(self, more: int) -> None:
        """Wait until so many more jobs have ended."""
        with self._ended:
            goal = self.count + more
            assert self._ended.wait_for(lambda: self.count >= goal or self.failures, timeout=PATIENCE_S)
        if self.failures:
            raise self.failures[0]

    @property
    def accepted(self) -> list[Accepted]:
        return [job for caller in self._callers for job in caller.accepted]

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()


@contextmanager
def running_load(callers: Sequence[Caller]) -> Iterator[Load]:
    load = Load(callers)
    load.start()
    try:
        yield load
    finally:
        load.stop()
