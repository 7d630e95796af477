"""A client made by openapi-python-client from the description alone, with no warning: it uploads, submits and follows."""

import importlib
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api_fixture import Api, running_api
from tests.job_ends import VIDEO, succeed
from tests.openapi_check import DOCUMENT
from tests.until import PATIENCE_S

GENERATE = Path(sys.executable).with_name("openapi-python-client")
#: the maker's own flags and defaults, but for the formatting of what it makes
CONFIG = "post_hooks: []\n"
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 5000


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage") as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make the client, and say where it can be imported from."""
    folder = tmp_path_factory.mktemp("client")
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    name = "made_client"
    words = ["generate", "--path", DOCUMENT, "--output-path", folder / name, "--meta", "none", "--config", config]
    words.append("--fail-on-warning")
    done = subprocess.run([GENERATE, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield name


def client_of(made: str, api: Api, key: str) -> Any:
    """Make a client that asks for JSON: it knows no event stream."""
    headers = {"Accept": "application/json"}
    client = importlib.import_module(f"{made}.client").AuthenticatedClient
    return client(base_url=api.url, token=key, headers=headers, httpx_args={"trust_env": False})


async def test_a_generated_client_uploads_submits_and_follows_a_job_to_its_file(api: Api, made: str) -> None:
    async def call(name: str, *ids: str, **named: Any) -> Any:
        answer = await importlib.import_module(f"{made}.api.{name}").asyncio_detailed(*ids, client=client, **named)
        assert answer.status_code < 300, answer.content
        return answer.parsed

    models, types = (importlib.import_module(f"{made}.{name}") for name in ("models", "types"))
    async with client_of(made, api, api.key) as client:
        file = types.File(payload=io.BytesIO(MP4), file_name="clip.mp4", mime_type="video/mp4")
        upload = await call("uploads.upload_file", body=models.UploadForm(file=file))
        ask = models.JobRequest(prompt="trim the first 2 seconds", media=[models.MediaSource(upload_id=upload.id)])
        job = await call("jobs.submit_job", body=ask, idempotency_key='"k1"')
        assert (job.status, job.wait.reason) == ("queued", "queued_behind")
        await succeed(api.context, job.id)
        followed = await call("jobs.follow_job", job.id)
        assert [event.type_ for event in followed.data] == ["job.queued", "job.started", "job.succeeded"]
        assert followed.data[0].timestamp <= followed.data[-1].timestamp < datetime.now(UTC)
        assert (await call("jobs.read_job", job.id)).output.size_bytes == len(VIDEO)
        assert (await call("jobs.read_output", job.id)).payload.read() == VIDEO


async def test_a_generated_client_reads_a_refusal_as_a_problem_document(api: Api, made: str) -> None:
    async with client_of(made, api, "rg_wrong") as client:
        found = await importlib.import_module(f"{made}.api.jobs.read_job").asyncio("job_1", client=client)
    assert (type(found).__name__, found.status, found.code) == ("ProblemDocument", 401, "unauthorized")
