"""Quick, batch and iterative; and the prompts that need no edit."""

import asyncio

import pytest

from sandbox.clips import make_talk_clip
from tests.gateway_fixture import unique_title


def session_of(gateway, **fields):
    answer = gateway.http.post("/v1/sessions", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_quick_one_upload_one_prompt_one_film(gateway):
    job = gateway.run("trim the first second and export in 360p", upload=gateway.clip())
    assert job["status"] == "succeeded", job["error"]
    assert job["output"]["duration_s"] == pytest.approx(3.0, abs=0.2)
    assert job["claim_url"].startswith("https://nemovideo.com/workspace/claim?ct=clm_")


def test_batch_several_files_in_one_session_each_with_its_own_render(gateway):
    session = session_of(gateway)
    jobs = []
    for number, length_s in enumerate((3.0, 5.0, 4.0)):
        path = gateway.folder / f"batch{number}.mp4"
        asyncio.run(make_talk_clip(path, scenes=1, duration_s=length_s, silences=(), size=(320, 180)))
        prompt = "trim the first second and export in 360p"
        jobs.append(gateway.submit(prompt, upload=path, session_id=session)["id"])
    ended = [gateway.ended(job_id) for job_id in jobs]
    assert [job["status"] for job in ended] == ["succeeded"] * 3, [job["error"] for job in ended]
    assert [round(job["output"]["duration_s"]) for job in ended] == [2, 4, 3]
    starts = [job["started_at"] for job in ended]
    ends = [job["finished_at"] for job in ended]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False)), "they ran one at a time, in order"


def test_iterative_a_second_job_refines_the_first_ones_timeline(gateway):
    first = gateway.run("trim the first second", upload=gateway.clip(), output={"export": False})
    assert (first["status"], first["output"]) == ("succeeded", None)
    title = unique_title()
    second = gateway.run(f'add a title "{title}" and export in 360p', session_id=first["session_id"])
    assert second["status"] == "succeeded", second["error"]
    assert second["output"]["duration_s"] == pytest.approx(3.0, abs=0.2)
    assert not any(change.startswith("Video added") for change in second["changes"])
    timeline = gateway.http.get(f"/v1/sessions/{first['session_id']}/timeline", headers={"Accept": "text/plain"}).text
    assert title in timeline


def test_the_next_job_of_a_session_runs_also_when_one_failed(gateway):
    session = session_of(gateway)
    asked = gateway.submit("[[story:question]] trim the first second", upload=gateway.clip(), session_id=session)
    after = gateway.submit("trim the first second and export in 360p", session_id=session)
    assert after["wait"]["reason"] in ("session_busy", "queued_behind")
    assert gateway.ended(asked["id"])["error"]["code"] == "needs_input"
    assert gateway.ended(after["id"])["status"] == "succeeded"


def test_export_alone_puts_the_media_on_the_timeline_unchanged(gateway):
    job = gateway.run("export 360p MP4", upload=gateway.clip())
    assert job["status"] == "succeeded", job["error"]
    assert job["output"]["duration_s"] == pytest.approx(4.0, abs=0.2)


def test_a_prompt_for_credits_is_answered_without_a_message(gateway):
    before = len(gateway.ledger()["messages"])
    job = gateway.run("how many credits do I have left?")
    assert job["status"] == "succeeded", job["error"]
    assert set(job["result"]["credits"]) == {"available", "frozen", "total"}
    assert len(gateway.ledger()["messages"]) == before


def test_a_prompt_for_the_status_shows_the_tracks(gateway):
    first = gateway.run("trim the first second", upload=gateway.clip(), output={"export": False})
    job = gateway.run("status", session_id=first["session_id"])
    assert job["result"]["timeline"].startswith("Timeline (")
    path = f"/v1/jobs/{job['id']}/timeline"
    assert gateway.http.get(path).json() == job["result"]["tracks"] != []
    assert gateway.http.get(path, headers={"Accept": "text/plain"}).text == job["result"]["timeline"]


def test_a_prompt_that_only_uploads_uploads(gateway):
    job = gateway.run("upload this", upload=gateway.clip())
    assert job["status"] == "succeeded", job["error"]
    assert job["result"] == {"uploaded": ["clip.mp4"]}


def test_dont_export_is_understood(gateway):
    job = gateway.run("trim the first second but don't export it yet", upload=gateway.clip())
    assert (job["status"], job["output"]) == ("succeeded", None)


def test_media_by_url_are_fetched_by_the_backend(gateway):
    source = gateway.run("export 360p MP4", upload=gateway.clip())
    job = gateway.run("trim the first second and export in 360p", media=[{"url": source["output"]["url"]}])
    assert job["status"] == "succeeded", job["error"]


def test_a_canceled_job_says_so_and_leaves_no_render_behind(gateway):
    title = unique_title()
    job = gateway.submit(f'[[story:slow]] add a title "{title}"', upload=gateway.clip())
    for kind, event in gateway.events(job["id"]):
        if kind == "job.progress" and event["data"]["job"]["stage"] == "editing":
            assert gateway.http.post(f"/v1/jobs/{job['id']}/cancel").status_code in (200, 202)
    ended = gateway.job(job["id"])
    assert ended["status"] == "canceled"
    assert [c["type"] for c in gateway.callbacks(job["id"])] == ["job.canceled"]
    assert gateway.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200


def test_the_callers_trace_goes_on_to_the_callback(gateway):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    body = {"prompt": "status", "webhook": {"url": gateway.world["receiver"]}}
    job = gateway.http.post("/v1/jobs", json=body, headers={"traceparent": trace}).json()
    gateway.ended(job["id"])
    assert [c["headers"]["traceparent"] for c in gateway.callbacks(job["id"])] == [trace]
