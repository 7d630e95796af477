"""A callback has less than 20 kB, whatever a job holds; a short one is whole."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Code
from core.events.event import event
from core.ids import new_id
from core.model.job import OutputFile
from core.model.plan import Plan
from core.model.transitions import failed, started, succeeded
from core.security.encryption import Encryption
from core.security.signed_links import output_path, with_link
from tests.store_fixture import make_job

URL = "https://reelgate.example.com/gateways/one"
LIMIT_BYTES = 20_000
VAULT = Encryption(["s" * 40])
FILE = OutputFile(path="outputs/x.mp4", format="mp4", expires_at_ms=1_799_000_000_000)
METADATA = {"order": "m" * 4_080}


def sent(job):
    """Make the body as it goes out, with its link."""
    body = event(None, job, webhook=None, public_url=URL, now_ms=1_795_000_000_000).body
    return with_link(body, VAULT, public_url=URL, now_ms=1_795_000_000_000)


def big_job(sign="剪", **facts):
    prompt = sign * 10_000
    job = make_job(prompt=prompt, plan=Plan(message=prompt, action="export"), metadata=METADATA, hints=(prompt,))
    job = succeeded(started(job, now_ms=1), now_ms=2, output=FILE)
    edits = tuple(f"Title {number} added: {sign * 40}" for number in range(50))
    return msgspec.structs.replace(job, reply=sign * 1_300, changes=edits, timeline=sign * 5_000, **facts)


def test_a_job_of_the_longest_kind_fits_and_says_what_was_cut():
    body = sent(big_job())
    assert len(body) < LIMIT_BYTES
    data = msgspec.json.decode(body)["data"]
    assert data["job"]["metadata"] == METADATA
    assert data["job"]["reply"] == "剪" * 1_300
    assert data["job"]["output"]["url"].startswith(URL)
    assert data["job"]["plan"]["message"].endswith("…")
    assert {"plan.message", "timeline"} <= set(data["truncated"])


def test_a_usual_job_is_whole():
    job = make_job(metadata={"order": "7"})
    data = msgspec.json.decode(sent(job))["data"]
    assert set(data) == {"job"}
    assert data["job"]["plan"]["message"] == job.plan.message


def test_signs_that_grow_in_json_fit_too():
    assert len(sent(big_job("\x01", claim_url="https://x/" + "\x02" * 5_000))) < LIMIT_BYTES


def test_a_long_error_and_a_result_of_many_tracks_fit():
    tracks = {"tracks": [{"name": "x" * 100}] * 1_000}
    job = msgspec.structs.replace(big_job(result=tracks), status="running")
    over = failed(job, now_ms=3, code=Code.RENDER_FAILED, detail="d" * 30_000, hint="\n" * 30_000)
    body = sent(over)
    assert len(body) < LIMIT_BYTES
    assert msgspec.json.decode(body)["data"]["job"]["result"] is None


@given(st.text(max_size=4_000), st.lists(st.text(max_size=400), max_size=50), st.text(max_size=4_000))
def test_no_text_makes_a_callback_too_long_or_breaks_it(text, changes, timeline):
    job = msgspec.structs.replace(big_job(), reply=text, changes=tuple(changes), timeline=timeline)
    body = sent(job)
    assert len(body) < LIMIT_BYTES
    assert msgspec.json.decode(body)["data"]["job"]["id"] == job.id


def batch_event(*, cell: str, jobs: int = 100) -> bytes:
    """Make the event of a batch as its last commit writes it: outputs are paths."""
    ids = [new_id("job", cell) for _ in range(jobs)]
    rows = [{"id": each, "status": "succeeded", "output": output_path(each)} for each in ids]
    batch = {"id": new_id("bat", cell), "status": "completed", "jobs": rows, "counts": {"succeeded": jobs}}
    return msgspec.json.encode({"type": "batch.completed", "timestamp": "", "data": {"batch": batch}})


def test_a_batch_of_the_most_jobs_in_a_cell_at_a_long_address_fits_and_says_what_was_cut():
    body = with_link(batch_event(cell="europewest1"), VAULT, public_url=URL, now_ms=1)
    assert len(body) < LIMIT_BYTES
    data = msgspec.json.decode(body)["data"]
    assert {job["output"] for job in data["batch"]["jobs"]} == {None}
    assert data["truncated"] == ["jobs.output"]


def test_a_usual_batch_is_whole():
    data = msgspec.json.decode(with_link(batch_event(cell=""), VAULT, public_url="https://a.example", now_ms=1))["data"]
    assert set(data) == {"batch"}
    assert all(job["output"] == f"https://a.example{output_path(job['id'])}" for job in data["batch"]["jobs"])
