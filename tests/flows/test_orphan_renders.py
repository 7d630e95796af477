"""Renders that outlive their job, at a backend that takes back only what is pending: each is followed to its end."""

import asyncio

import pytest

from tests.gateway_fixture import Gateway, running_gateway, unique_title
from tests.until import until

RENDER_S = 8
LONGEST_S = 60


@pytest.fixture(scope="module")
def stubborn(tmp_path_factory):
    environment = {"SANDBOX_CANCELS_PROCESSING": "false", "SANDBOX_RENDER_S": str(RENDER_S)}
    with running_gateway(tmp_path_factory.mktemp("stubborn"), **environment) as gateway:
        yield gateway


def render_of(gateway: Gateway, job_id: str) -> dict:
    rows = [row for row in gateway.ledger()["renders"] if job_id.removeprefix("job_") in row["id"]]
    return rows[-1] if rows else {}


def seen_as(gateway: Gateway, job_id: str, **facts: object) -> dict:
    """Wait until a job's render is as wanted, and return it. Raises TimeoutError."""

    async def look() -> dict:
        row = render_of(gateway, job_id)
        return row if facts.items() <= row.items() else {}

    return asyncio.run(until(look, within_s=LONGEST_S, every_s=0.1))


def exporting(gateway: Gateway, **fields: object) -> str:
    """Submit a job and wait until the backend makes its film."""
    prompt, output = f'add a title "{unique_title()}"', {"export": True, "resolution": "360p"}
    job_id = gateway.submit(prompt, upload=gateway.upload(gateway.clip()), output=output, **fields)["id"]
    seen_as(gateway, job_id, status="processing")
    return job_id


def test_a_canceled_jobs_render_that_cannot_be_cancelled_is_followed_to_its_end(stubborn):
    job_id = exporting(stubborn)
    assert stubborn.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202
    assert stubborn.ended(job_id)["status"] == "canceled"
    assert render_of(stubborn, job_id)["status"] == "processing", "its caller need not wait for it"
    assert seen_as(stubborn, job_id, fetched=True)["status"] == "completed"


def test_a_late_jobs_render_is_followed_although_the_backend_was_away_when_it_ended(stubborn):
    job_id = exporting(stubborn, timeout_s=6)
    stubborn.sandbox.post("/_sandbox/faults", json={"down_s": 8})
    job = stubborn.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    assert seen_as(stubborn, job_id, fetched=True)["status"] == "completed"
