"""A whole Reelgate for flow tests: the real processes of `./run up`, driven over HTTP as a caller would.

Waits are for things, never for time: a job's end is read from its event stream, a callback from the receiver.
"""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from sandbox.clips import make_talk_clip
from tests.loopback import NO_TLS
from tests.repeating import RepeatingTransport
from tests.until import PATIENCE_S

ENDS = ("job.succeeded", "job.failed", "job.canceled", "job.expired")

#: every wait of the gateway's, shortened; the sandbox's clocks keep their pace unless a test says otherwise
FAST = {
    "REELGATE_RENDER_POLL_S": "0.2",
    "REELGATE_RENDER_POLLS": "75",
    "REELGATE_RECOVER_FIRST_S": "0.5",
    "REELGATE_RECOVER_EVERY_S": "0.7",
    "REELGATE_UNSEEN_EDIT_S": "2.5",
    "REELGATE_SETTLE_S": "1.2",
    "REELGATE_RATE_LIMITED_S": "0.3",
    "REELGATE_BACKOFF_S": "0.1",
    "REELGATE_STILL_WORKING_S": "0.5",
    "REELGATE_STREAM_QUIET_S": "3",
    "REELGATE_STREAM_LIMIT_S": "20",
    "REELGATE_SWEEP_S": "0.3",
    "REELGATE_LEASE_S": "2",
    "REELGATE_SUBMITS_PER_MINUTE": "100000",
    "REELGATE_CALLBACK_STEP_SCALE": "0.01",
    "SANDBOX_EDIT_MIN_S": "0.05",
    "SANDBOX_EDIT_MAX_S": "0.2",
    "SANDBOX_GENERATE_S": "1",
    "SANDBOX_SLOW_S": "2",
    "SANDBOX_HEARTBEAT_S": "0.3",
    "SANDBOX_DROP_S": "1",
    "SANDBOX_SECOND_STAGE_S": "1",
}


class Gateway:
    """What a caller can do, and what only a test may look at: the sandbox's ledger and the receiver's log."""

    def __init__(self, world: dict[str, Any], folder: Path) -> None:
        self.world = world
        self.folder = folder
        headers = {"Authorization": f"Bearer {world['api_key']}"}
        self.http = _client(base_url=world["api"], headers=headers)
        self.sandbox = httpx.Client(base_url=world["backend"], timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)
        self.receiver = httpx.Client(base_url=world["receiver"], timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)

    def close(self) -> None:
        for client in (self.http, self.sandbox, self.receiver):
            client.close()

    def clip(
        self, name: str = "clip.mp4", *, duration_s: float = 4.0, silences: tuple[tuple[float, float], ...] = ()
    ) -> Path:
        """Make a small talk clip, once per name."""
        path = self.folder / name
        if not path.exists():
            size = (320, 180)
            asyncio.run(make_talk_clip(path, scenes=2, duration_s=duration_s, silences=silences, size=size))
        return path

    def upload(self, path: Path) -> str:
        """Send a file and return its upload id."""
        answer = self.http.post("/v1/uploads", params={"filename": path.name}, content=path.read_bytes())
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def submit(self, prompt: str, *, upload: Path | str | None = None, **fields: Any) -> dict[str, Any]:
        """Post a job with a callback; `upload` is a file or an upload id."""
        if upload is not None:
            upload_id = upload if isinstance(upload, str) else self.upload(upload)
            fields.setdefault("media", [{"upload_id": upload_id}])
        fields.setdefault("webhook", {"url": self.world["receiver"] + "/hook"})
        answer = self.http.post("/v1/jobs", json={"prompt": prompt} | fields)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Follow a job's events until its end closes the stream."""
        headers = {"Accept": "text/event-stream"}
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as stream:
            kind = ""
            for line in stream.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    kind = value
                elif field == "data" and kind:
                    yield kind, json.loads(value)

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for a job's end and read it."""
        for _ in self.events(job_id):
            pass
        return self.job(job_id)

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/jobs/{job_id}").json())

    def run(self, prompt: str, **fields: Any) -> dict[str, Any]:
        """Submit a job and wait for its end."""
        return self.ended(self.submit(prompt, **fields)["id"])

    def callbacks(self, job_id: str, *, at_least: int = 1) -> list[dict[str, Any]]:
        """Wait for a job's callbacks at the receiver."""
        params = {"job_id": job_id, "at_least": at_least, "wait_s": 30}
        return list(self.receiver.get("/_received", params=params).json())

    def ledger(self) -> dict[str, Any]:
        """Read everything that happened at the backend."""
        return dict(self.sandbox.get("/_sandbox/ledger").json())

    def charged(self, title: str) -> list[dict[str, Any]]:
        """List the charged messages that hold a title: more than one is a double charge."""
        return [row for row in self.ledger()["messages"] if title in row["text"] and row["charged"]]

    def renders(self, title: str) -> list[dict[str, Any]]:
        """List the renders in the backend sessions to which a message with this title was sent."""
        ledger = self.ledger()
        sessions = {row["session_id"] for row in ledger["messages"] if title in row["text"]}
        return [row for row in ledger["renders"] if row["session_id"] in sessions]

    def download(self, job: dict[str, Any]) -> Path:
        """Fetch a job's video by its signed link alone."""
        path = self.folder / f"{job['id']}.mp4"
        with _client() as anyone:
            answer = anyone.get(job["output"]["url"])
        assert answer.status_code == 200, answer.text
        path.write_bytes(answer.content)
        return path


def _client(**options: Any) -> httpx.Client:
    return httpx.Client(transport=RepeatingTransport(verify=NO_TLS), timeout=PATIENCE_S, trust_env=False, **options)


def unique_title() -> str:
    """Make a title that only one prompt of all holds."""
    return f"T{uuid.uuid4().hex[:12]}"


@contextmanager
def running_gateway(folder: Path, *arguments: str, **environment: str) -> Iterator[Gateway]:
    """Start `up` as a program would, with every wait shortened, and end it afterwards."""
    mine = {n: v for n, v in os.environ.items() if not n.startswith(("NEMO_", "REELGATE_", "SANDBOX_"))}
    command = [sys.executable, "-m", "sandbox.world", "up", "--json", *arguments]
    with subprocess.Popen(command, cwd=folder, env=mine | FAST | environment, stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout is not None
            line = up.stdout.readline()
            assert line, "the world ended before it was ready"
            with closing(Gateway(json.loads(line), folder)) as gateway:
                yield gateway
        finally:
            up.terminate()
            up.wait(PATIENCE_S)
