"""The demo's second look at a callback, against a receiver that runs; and who may look into its inbox."""

import json
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from sandbox.world.demo.api_client import DemoFailed
from sandbox.world.demo.callbacks import Receiver
from sandbox.world.folders import make_folders
from sandbox.world.ports import free_port
from sandbox.world.processes import receiver_part

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@asynccontextmanager
async def an_inbox(tmp_path):
    """Start a receiver and give a client of it."""
    part = receiver_part(free_port(), make_folders("test", root=tmp_path), os.environ, secret=SECRET)
    await part.start()
    try:
        async with httpx.AsyncClient(base_url=part.address, trust_env=False) as client:
            yield client
    finally:
        await part.stop()


async def call_back(client, *, job_id, secret):
    body = json.dumps({"type": "job.succeeded", "timestamp": "", "data": {"job": {"id": job_id}}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    answer = await client.post("/hook", content=body, headers=headers)
    assert answer.status_code == 200


async def test_a_callback_with_a_right_signature_gives_its_type(tmp_path):
    async with an_inbox(tmp_path) as client:
        await call_back(client, job_id="job_1", secret=SECRET)
        assert await Receiver(client, SECRET).end_of("job_1") == "job.succeeded"


async def test_a_callback_that_somebody_else_signed_fails_the_demo(tmp_path):
    async with an_inbox(tmp_path) as client:
        await call_back(client, job_id="job_1", secret=OTHER_SECRET)
        with pytest.raises(DemoFailed, match="signature of the callback for job_1 does not hold"):
            await Receiver(client, SECRET).end_of("job_1")


async def test_what_the_receiver_could_not_verify_fails_the_demo_too(tmp_path):
    async with an_inbox(tmp_path) as client:
        await call_back(client, job_id="job_1", secret=OTHER_SECRET)
        with pytest.raises(DemoFailed, match="could not make sense"):
            await Receiver(client, OTHER_SECRET).end_of("job_1")


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "rebound.example"}])
async def test_no_web_page_reads_or_empties_the_inbox(tmp_path, headers):
    async with an_inbox(tmp_path) as client:
        await call_back(client, job_id="job_1", secret=SECRET)
        assert (await client.get("/_received", headers=headers)).status_code == 403
        assert (await client.delete("/_received", headers=headers)).status_code == 403
        assert len((await client.get("/_received")).json()) == 1
