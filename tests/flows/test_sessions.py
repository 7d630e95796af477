"""Sessions, uploads, messages and renders when something goes wrong: what is begun again, what is waited for, what ends.

What was sent, charged and rendered, the backend's ledger tells. Nothing is ever sent a second time that may have arrived.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.gateway_fixture import Gateway, running_gateway, unique_title

EDIT_ONLY = {"export": False}
EXPORT = {"export": True, "resolution": "360p"}
ENDED_RENDERS = ("failed", "cancelled")


def edit(title: str, *stories: str) -> str:
    return "".join(f"[[story:{name}]] " for name in stories) + f'add a title "{title}"'


def code_of(job: dict) -> str | None:
    return job["error"]["code"] if job["error"] else None


def sent(gateway: Gateway, title: str) -> list[dict]:
    return [row for row in gateway.ledger()["messages"] if title in row["text"]]


def cancel_at(gateway: Gateway, job_id: str, stage: str) -> dict:
    """Cancel a job when it is in a stage, and wait for its end."""
    for _, event in gateway.events(job_id):
        job = event["data"]["job"]
        if job["stage"] == stage and job["status"] == "running":
            assert gateway.http.post(f"/v1/jobs/{job_id}/cancel").status_code in (200, 202)
    return gateway.job(job_id)


@contextmanager
def slowed(gateway: Gateway) -> Iterator[None]:
    """Let each call of the backend take so long that no stage is over before somebody has seen it."""
    gateway.sandbox.post("/_sandbox/faults", json={"latency_s": 0.4}).raise_for_status()
    yield
    gateway.sandbox.delete("/_sandbox/faults").raise_for_status()


class _Media(BaseHTTPRequestHandler):
    """A media server that gives its clip only to whoever asks for it as it is, as the gateway does."""

    clip = b""

    def do_GET(self) -> None:
        if self.path == "/words.mp4":
            return self._answer(b"just words, no film")
        ours = self.headers.get("accept-encoding") == "identity"
        known = self.path.startswith("/public") or (self.path.startswith("/picky") and ours)
        return self._answer(self.clip) if known else self.send_error(403)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        if "named" in self.path:
            self.send_header("content-disposition", "attachment; filename=x; filename*=UTF-8''%C3%BCber%zz.php")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def media_url(gateway) -> Iterator[str]:
    _Media.clip = gateway.clip().read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Media) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def hard(tmp_path_factory) -> Iterator[Gateway]:
    """Run a world where streams are listened to for a short time, a first look comes late, and files must be small."""
    waits = {"REELGATE_STREAM_LIMIT_S": "2.5", "REELGATE_STREAM_QUIET_S": "30", "REELGATE_RECOVER_FIRST_S": "2.5"}
    sandbox = {"SANDBOX_SLOW_S": "4", "SANDBOX_UPLOAD_BYTES": "1000000"}
    with running_gateway(tmp_path_factory.mktemp("hard"), **waits, **sandbox) as running:
        yield running


def test_a_session_lost_after_a_confirmed_edit_ends_its_jobs(gateway):
    first = gateway.run(edit(unique_title()), upload=gateway.clip(), output=EDIT_ONLY)
    assert first["status"] == "succeeded", first["error"]
    loses, waits = unique_title(), unique_title()
    jobs = [
        gateway.submit(prompt, session_id=first["session_id"], output=EDIT_ONLY)["id"]
        for prompt in (edit(loses, "session-lost"), edit(waits))
    ]
    assert [code_of(gateway.ended(job_id)) for job_id in jobs] == ["session_lost"] * 2
    assert (len(sent(gateway, loses)), len(sent(gateway, waits))) == (1, 0)


def test_a_session_lost_before_the_first_edit_is_opened_again_with_its_uploads(gateway):
    title, before = unique_title(), len(gateway.ledger()["uploads"])
    job = gateway.run(edit(title, "session-lost"), upload=gateway.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith("Video added") for change in job["changes"])
    assert len({row["session_id"] for row in sent(gateway, title)}) == 2
    assert len(gateway.ledger()["uploads"]) >= before + 2


def test_the_caller_of_a_long_edit_hears_that_it_still_works(gateway):
    hook = {"url": gateway.world["receiver"] + "/hook", "events": ["job.progress", "job.succeeded"]}
    job = gateway.submit(edit(unique_title(), "slow"), upload=gateway.clip(), output=EDIT_ONLY, webhook=hook)
    told = [event["data"]["job"]["progress"]["message"] for _, event in gateway.events(job["id"])]
    assert "⏳ Still working..." in told
    for kind in hook["events"]:
        wanted = {"job_id": job["id"], "type": kind, "at_least": 1, "wait_s": 30}
        assert gateway.receiver.get("/_received", params=wanted).json(), f"no callback for {kind}"


def test_a_generation_is_done_when_its_second_stage_is(gateway):
    title = unique_title()
    job = gateway.run(
        f'[[story:two-stage]] generate a 4-second video about bread with upbeat music and the title "{title}"',
        profile="free-video-generation-automatic",
        output=EDIT_ONLY,
    )
    assert job["status"] == "succeeded", job["error"]
    assert title in job["timeline"], "the title came two seconds after the stream had closed"
    assert (len(sent(gateway, title)), job["credits_used"]) == (1, 100)


@pytest.mark.parametrize("shape", ["adk", "adk-partial"])
def test_a_dropped_stream_is_read_not_repeated(gateway, shape):
    title = unique_title()
    job = gateway.run(edit(title, "drop-stream", shape), upload=gateway.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(title in change for change in job["changes"])
    assert len(sent(gateway, title)) == 1


@pytest.mark.parametrize("stage", ["preparing", "uploading", "editing", "rendering", "storing"])
def test_a_cancel_ends_the_job_wherever_it_is_unless_the_backend_was_faster(gateway, stage):
    title = unique_title()
    with slowed(gateway):
        job_id = gateway.submit(edit(title, "slow"), upload=gateway.clip(), output=EXPORT)["id"]
        job = cancel_at(gateway, job_id, stage)
    assert job["status"] in (
        {"canceled"} if stage in ("preparing", "uploading", "editing") else {"canceled", "succeeded"}
    )
    assert [c["type"] for c in gateway.callbacks(job_id)] == [f"job.{job['status']}"]
    assert len(gateway.charged(title)) <= 1
    finished = [row for row in gateway.renders(title) if row["status"] not in ENDED_RENDERS]
    assert all(row["fetched"] for row in finished)


def test_a_queued_job_is_canceled_at_once_and_costs_nothing(gateway):
    first = gateway.submit(edit(unique_title(), "slow"), upload=gateway.clip(), output=EDIT_ONLY)
    title = unique_title()
    second = gateway.submit(edit(title), session_id=first["session_id"], output=EDIT_ONLY)
    answer = gateway.http.post(f"/v1/jobs/{second['id']}/cancel").json()
    assert answer["status"] == "canceled"
    assert gateway.ended(first["id"])["status"] == "succeeded"
    assert sent(gateway, title) == []


def test_a_stuck_render_is_cancelled_with_its_job(gateway):
    title = unique_title()
    job_id = gateway.submit(edit(title, "render-stuck"), upload=gateway.clip(), output=EXPORT)["id"]
    for _, event in gateway.events(job_id):
        job = event["data"]["job"]
        if job["stage"] == "rendering" and job["progress"]["percent"] > 60 and job["status"] == "running":
            gateway.http.post(f"/v1/jobs/{job_id}/cancel")
    assert gateway.job(job_id)["status"] == "canceled"
    assert [row["status"] for row in gateway.renders(title)] == ["cancelled"]


def test_what_a_canceled_message_still_does_is_not_taken_for_the_next_job_s(gateway):
    late, own = unique_title(), unique_title()
    first = gateway.submit(edit(late, "drop-stream"), upload=gateway.clip(), output=EDIT_ONLY)
    second = gateway.submit(edit(own), session_id=first["session_id"], output=EDIT_ONLY)
    canceled = cancel_at(gateway, first["id"], "recovering")
    assert (canceled["status"], canceled["credits_used"]) == ("canceled", 50)
    job = gateway.ended(second["id"])
    assert job["status"] == "succeeded", job["error"]
    assert any(own in change for change in job["changes"])
    assert not any(late in change for change in job["changes"])


DEADLINES = {
    "editing": ("slow", 1),
    "recovering": ("drop-stream-lost", 2),
    "rendering": ("render-stuck", 6),
}


@pytest.fixture(scope="module")
def late(gateway):
    """Submit jobs that cannot be done in time; one session has a job that waits for what is late."""
    clip = gateway.upload(gateway.clip())
    jobs = {}
    for stage, (story, timeout_s) in DEADLINES.items():
        title = unique_title()
        prompt = edit(title, story)
        jobs[stage] = (title, gateway.submit(prompt, upload=clip, output=EXPORT, timeout_s=timeout_s))
    return jobs


@pytest.mark.parametrize("stage", DEADLINES)
def test_the_deadline_ends_a_job_at_every_stage(gateway, late, stage):
    title, submitted = late[stage]
    job = gateway.ended(submitted["id"])
    # a message whose effect nobody saw is told by that, since it may have been charged
    code = "edit_unconfirmed" if stage == "recovering" else "deadline_exceeded"
    assert (job["status"], code_of(job)) == ("failed", code)
    assert len(sent(gateway, title)) <= 1
    assert {row["status"] for row in gateway.renders(title)} <= {"cancelled"}


def test_what_comes_after_the_deadline_is_not_taken_for_the_next_job_s(gateway, late):
    title, submitted = late["editing"]
    own = unique_title()
    job = gateway.run(edit(own), session_id=submitted["session_id"], output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(own in change for change in job["changes"])
    assert not any(title in change for change in job["changes"])


def test_a_url_that_the_backend_cannot_fetch_is_fetched_by_us(gateway, media_url):
    media = [{"url": f"{media_url}/picky.mp4"}]
    job = gateway.run(edit(unique_title()), media=media, output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith("Video added") for change in job["changes"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("public/dl?id=7", "dl"),
        ("public/clip.mp4;v=2", "clip"),
        ("picky/v1.2", "v1.2"),
        ("picky/file.php?f=clip.mp4", "file.php"),
        ("picky/get?id=2", "get"),
        ("picky/clip.mp4.download", "clip"),
        ("picky/named?id=3", "\u00fcber%zz.php"),
    ],
)
def test_a_url_that_says_nothing_of_its_file_is_brought_under_a_name_that_does(gateway, media_url, path, name):
    """The backend takes a file by the ending of its name alone, and shows it without."""
    job = gateway.run(edit(unique_title()), media=[{"url": f"{media_url}/{path}"}], output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith(f"Video added: {name} (") for change in job["changes"]), job["changes"]


def test_an_upload_without_an_ending_is_brought_under_a_name_that_has_one(gateway):
    blob = gateway.http.post("/v1/uploads?filename=blob", content=gateway.clip().read_bytes()).json()
    assert (blob["filename"], blob["format"]) == ("blob", "mp4")
    job = gateway.run(edit(unique_title()), media=[{"upload_id": blob["id"]}], output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith("Video added: blob (") for change in job["changes"]), job["changes"]


@pytest.mark.parametrize(("path", "code"), [("nobody.mp4", "media_unreachable"), ("words.mp4", "unsupported_media")])
def test_media_that_nobody_can_use_end_the_job_before_it_costs_anything(gateway, media_url, path, code):
    title = unique_title()
    job = gateway.run(edit(title), media=[{"url": f"{media_url}/{path}"}], output=EDIT_ONLY)
    assert (job["status"], code_of(job), job["credits_used"]) == ("failed", code, 0)
    assert sent(gateway, title) == []


def test_a_file_above_the_backend_s_limit_is_told_with_what_to_do(hard):
    path = hard.folder / "large.mp4"
    path.write_bytes(hard.clip().read_bytes() + bytes(1_000_000))
    job = hard.run(edit(unique_title()), upload=path, output=EDIT_ONLY)
    assert (job["status"], code_of(job)) == ("failed", "media_too_large")
    assert "trim" in job["error"]["hint"]


def test_a_stream_that_will_not_end_is_left_and_its_edit_found_by_reading(hard):
    title = unique_title()
    job_id = hard.submit(edit(title, "slow"), upload=hard.clip(), output=EDIT_ONLY)["id"]
    stages = {event["data"]["job"]["stage"] for _, event in hard.events(job_id)}
    job = hard.job(job_id)
    assert job["status"] == "succeeded", job["error"]
    assert "recovering" in stages
    assert len(hard.charged(title)) == 1


def test_an_edit_that_came_before_the_first_look_is_found_at_once(hard):
    title = unique_title()
    job = hard.run(edit(title, "drop-stream"), upload=hard.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert len(hard.charged(title)) == 1


def test_a_backend_that_is_away_for_good_ends_the_job_at_its_deadline(hard):
    clip = hard.upload(hard.clip())
    hard.sandbox.post("/_sandbox/faults", json={"down_s": 600}).raise_for_status()
    try:
        job = hard.run(edit(unique_title()), upload=clip, output=EDIT_ONLY, timeout_s=3)
        canceled = hard.submit(edit(unique_title()), upload=clip, output=EDIT_ONLY)["id"]
        ended = cancel_at(hard, canceled, "preparing")
    finally:
        hard.sandbox.delete("/_sandbox/faults").raise_for_status()
    assert (job["status"], code_of(job)) == ("failed", "backend_unavailable")
    assert ended["status"] == "canceled"
