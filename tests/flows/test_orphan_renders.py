"""Renders that outlive their job, at a backend that takes back only what is pending: each is followed to its end."""

import pytest

from tests.gateway_fixture import Gateway, running_gateway, unique_title
from tests.until import wait_until

RENDER_S = 8
LONGEST_S = 60


@pytest.fixture(scope="module")
def stubborn(tmp_path_factory):
    environment = {"SANDBOX_CANCELS_PROCESSING": "false", "SANDBOX_RENDER_S": str(RENDER_S)}
    with running_gateway(tmp_path_factory.mktemp("stubborn"), **environment) as gateway:
        yield gateway


def render_of(gateway: Gateway, title: str) -> dict:
    rows = gateway.renders(title)
    return rows[-1] if rows else {}


def seen_as(gateway: Gateway, title: str, **facts: object) -> dict:
    """Wait until a job's render is as wanted, and return it. Raises TimeoutError."""

    def look() -> dict:
        row = render_of(gateway, title)
        return row if facts.items() <= row.items() else {}

    return wait_until(look, within_s=LONGEST_S, every_s=0.1)


def exporting(gateway: Gateway, **fields: object) -> tuple[str, str]:
    """Submit a job, wait until the backend makes its film, and give the job's id and title."""
    title, output = unique_title(), {"export": True, "resolution": "360p"}
    prompt = f'add a title "{title}"'
    job_id = gateway.submit(prompt, upload=gateway.upload(gateway.clip()), output=output, **fields)["id"]
    seen_as(gateway, title, status="processing")
    return job_id, title


def test_a_canceled_jobs_render_that_cannot_be_cancelled_is_followed_to_its_end(stubborn):
    job_id, title = exporting(stubborn)
    assert stubborn.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    assert stubborn.ended(job_id)["status"] == "canceled"
    assert render_of(stubborn, title)["status"] == "processing", "its caller need not wait for it"
    assert seen_as(stubborn, title, fetched=True)["status"] == "completed"


def test_a_late_jobs_render_is_followed_although_the_backend_was_away_when_it_ended(stubborn):
    job_id, title = exporting(stubborn, timeout_s=6)
    stubborn.sandbox.post("/_sandbox/faults", json={"down_s": 8})
    job = stubborn.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    assert seen_as(stubborn, title, fetched=True)["status"] == "completed"
