"""Edits on a token that others use at the same time: nobody gets another job's edit, whatever the others do.

What was sent and charged, the backend's ledger tells. The other jobs hang in their uploads, or are being worked on.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.gateway_fixture import Gateway, running_gateway, unique_title
from tests.until import PATIENCE_S

EDIT_ONLY = {"export": False}
SECOND_STAGE_S = 5


class _Hangs(BaseHTTPRequestHandler):
    """A media server that does not answer until it is let go."""

    released = threading.Event()

    def do_GET(self) -> None:
        self.released.wait(PATIENCE_S)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def hanging_media() -> Iterator[str]:
    """Serve a clip that does not come."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hangs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/clip.mp4"
        finally:
            _Hangs.released.set()
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[Gateway]:
    waits = {"REELGATE_SETTLE_S": "0.6", "REELGATE_UNSEEN_EDIT_S": "8", "REELGATE_STREAM_LIMIT_S": "60"}
    waits["REELGATE_STREAM_QUIET_S"] = "30"
    sandbox = {"SANDBOX_SECOND_STAGE_S": str(SECOND_STAGE_S), "SANDBOX_SILENT_RATE": "0", "SANDBOX_SLOW_S": "9"}
    with running_gateway(tmp_path_factory.mktemp("busy"), **waits, **sandbox) as running:
        yield running


def wait_for_stage(gateway: Gateway, job_id: str, stage: str) -> None:
    for _, event in gateway.events(job_id):
        if event["data"]["job"]["stage"] == stage:
            return


def edits_in_turn(gateway: Gateway) -> None:
    """Edit in two stages, the second of which comes when nobody listens any more, and once more in the same session."""
    first_title, second_title = unique_title(), unique_title()
    clip = gateway.upload(gateway.clip())
    first = gateway.submit(f'[[story:two-stage]] add a title "{first_title}"', upload=clip, output=EDIT_ONLY)
    second = gateway.submit(f'add a title "{second_title}"', session_id=first["session_id"], output=EDIT_ONLY, media=[])
    first, second = gateway.ended(first["id"]), gateway.ended(second["id"])
    assert (first["status"], second["status"]) == ("succeeded", "succeeded"), (first["error"], second["error"])
    assert any(first_title in change for change in first["changes"]), "its own second stage"
    assert any(second_title in change for change in second["changes"])
    assert not any(first_title in change for change in second["changes"]), "another job's edit"


def test_jobs_that_are_still_uploading_hide_no_frozen_credits(gateway):
    with hanging_media() as url:
        hanging = [
            gateway.submit(f'add a title "{unique_title()}"', media=[{"url": url}], output=EDIT_ONLY) for _ in range(3)
        ]
        for job in hanging:
            wait_for_stage(gateway, job["id"], "uploading")
        edits_in_turn(gateway)
        for job in hanging:
            gateway.http.post(f"/v1/jobs/{job['id']}/cancel")
    for job in hanging:
        gateway.ended(job["id"])


def test_messages_that_are_being_worked_on_hide_no_frozen_credits(gateway):
    clip = gateway.upload(gateway.clip())
    others = [
        gateway.submit(f'[[story:slow]] add a title "{unique_title()}"', upload=clip, output=EDIT_ONLY)
        for _ in range(3)
    ]
    for job in others:
        wait_for_stage(gateway, job["id"], "editing")
    edits_in_turn(gateway)
    for job in others:
        assert gateway.ended(job["id"])["status"] == "succeeded"
