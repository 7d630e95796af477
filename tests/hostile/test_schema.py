"""The whole API tried out from its own description, by schemathesis: each call alone, and one after another by links.

Two processes are asked in turns. No server error, no undescribed status, media type, header or body; what is
well-formed is taken, what is not is refused. What only a worker can bring about (a file, a timeline, a dead callback)
is there beforehand, so that every operation is seen to succeed too.
"""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from core.events import event as events
from core.events.delivery import DeliveryState
from core.store.jobs.submissions import Accepted, Submission
from service.context import ApiContext, open_context
from service.jobs.validation import JobFacts, JobInputs, NewJob, validate
from service.schemas.requests import JobRequest, JobWebhook, MediaSource
from tests.api_fixture import settings_for
from tests.hostile.harness import Harness
from tests.job_ends import succeed
from tests.openapi_check import DOCUMENT, document

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("st")
#: files are kept in a folder here, so nobody gets a place in S3
NEVER = {"presignUpload"}


async def done(context: ApiContext) -> dict[str, str]:
    """Bring a job to its end as a worker would, and let its callback die."""
    made = _new_job(context)
    event = events.event(None, made.job, webhook=None, public_url=context.settings.public_url, now_ms=0)
    kept = await context.submissions.accept(
        [Submission(made.job, made.session, event)], key_id="key_1", idempotency=None
    )
    assert isinstance(kept, Accepted)
    await succeed(context, made.job.id)
    ((delivery, _),) = await context.deliveries.of_job(made.job.id)
    await context.deliveries.record(msgspec.structs.replace(delivery, state=DeliveryState.DEAD, round=1), owner=None)
    return {"DONE_JOB": made.job.id, "DONE_SESSION": made.job.session_id, "DEAD_DELIVERY": delivery.id}


def _new_job(context: ApiContext) -> NewJob:
    url = "https://hooks.example.com/in"
    ask = JobRequest(
        prompt="trim it by 2 seconds", media=[MediaSource(url="https://a.example/a.mp4")], webhook=JobWebhook(url=url)
    )
    return validate(ask, JobInputs(uploads={}), context.settings, JobFacts("acme", context.clock.now_ms()))


async def arranged(harness: Harness) -> dict[str, str]:
    """Arrange it all, and name it as `schemathesis.toml` does."""
    context = open_context(settings_for(harness.redis.url, harness.storage))
    try:
        return {f"REELGATE_{name}": made for name, made in (await done(context)).items()}
    finally:
        await context.store.close()


def succeeded(harness: Harness) -> set[tuple[str, str]]:
    """Read from both processes which operations they have answered with a 2xx or a 3xx."""
    found = set()
    for n in range(len(harness.urls)):
        with harness.client(n) as client:
            text = client.get("/metrics").text
        # a counter is there at 0 before its first call
        counted = r'requests_total\{method="(\w+)",route="([^"]+)",status="[23]..".*\} (?!0\.0\n)'
        for method, route in re.findall(counted, text):
            found.add((method.lower(), route))
    return found


def test_two_processes_do_what_the_description_says(harness: Harness, tmp_path: Path) -> None:
    env = os.environ | {
        "REELGATE_API": harness.urls[0],
        "REELGATE_APIS": ",".join(harness.urls),
        "REELGATE_API_KEY": harness.key,
        "REELGATE_HOOKS": str(HERE / "hooks.py"),
    }
    env |= asyncio.run(arranged(harness))
    words = [SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no tests ran" not in done.stdout.lower()
    all_of_them = {
        (method, path): entry["operationId"]
        for path, methods in document()["paths"].items()
        for method, entry in methods.items()
    }
    reached = succeeded(harness)
    assert {name for call, name in all_of_them.items() if call not in reached} == NEVER
