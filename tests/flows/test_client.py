"""The Python client against real processes: from a file to a film, refined in a session, and a callback that verifies."""

from pathlib import Path

import httpx
import pytest

from reelgate.client import JobFailed, Reelgate, verify
from tests.gateway_fixture import Gateway, unique_title
from tests.until import PATIENCE_S


@pytest.fixture
def reelgate(gateway: Gateway):
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE_S) as http,
        Reelgate(gateway.world["api"], gateway.world["api_key"], http=http) as client,
    ):
        yield client


@pytest.mark.quick
def test_a_file_becomes_a_film_and_a_session_refines_it(gateway: Gateway, reelgate: Reelgate, tmp_path: Path) -> None:
    title, seen = unique_title(), []
    session = reelgate.sessions.create(profile="trimmer-exe")
    first = reelgate.run(
        f'trim the first 1 second, add a title "{title}"',
        gateway.clip(),
        to=tmp_path / "first.mp4",
        session_id=session.id,
        webhook={"url": gateway.world["receiver"] + "/hook"},
        progress=lambda job: seen.append(job.progress.percent),
    )
    assert (tmp_path / "first.mp4").stat().st_size == first.output.size_bytes
    assert seen == sorted(seen)
    reelgate.run("make it black and white", to=tmp_path / "second.mp4", session_id=session.id)
    assert (tmp_path / "second.mp4").stat().st_size > 0
    assert reelgate.sessions.read(session.id).edits == 2
    assert len(gateway.charged(title)) == 1
    [sent] = gateway.callbacks(first.id)
    event = verify(sent["text"], sent["headers"], gateway.world["webhook_secret"])
    assert (event.type, event.job.id) == ("job.succeeded", first.id)


def test_events_tell_the_way_to_a_failure_that_says_what_to_do(gateway: Gateway, reelgate: Reelgate) -> None:
    job = reelgate.submit(f"[[story:question]] add a title {unique_title()}", gateway.clip())
    events = list(reelgate.events(job.id))
    assert events[-1].type == "job.failed"
    with pytest.raises(JobFailed) as told:
        reelgate.run(f"[[story:question]] add a title {unique_title()}", gateway.clip())
    assert told.value.code == events[-1].job.error.code == "needs_input"
    assert told.value.problem.hint
