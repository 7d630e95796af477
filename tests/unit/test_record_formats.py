"""Record formats: who may start, what is read and what is written, and that no write loses what a newer release wrote."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Code, WaitReason
from core.events.batch import Batch
from core.events.delivery import Attempt, Delivery
from core.model.formats import Mark, Release, format_to_write, is_readable, refusal
from core.model.job import Job, MediaRef, Problem, Record, Recovery, Render, Sent, Wait, Webhook
from core.model.plan import Output, Plan
from core.model.session import Session
from core.model.tombstone import tombstone_of
from core.model.transitions import failed, started
from core.model.upload import Upload
from core.model.webhook import TenantWebhook
from core.store.redis.codec import Unreadable, pack, unpack

OLD, NOW, NEXT = Release(1, 1, 1), Release(2, 1, 1), Release(3, 2, 3)


# --- who may start


@pytest.mark.parametrize(
    ("release", "mark", "words"),
    [
        (OLD, Mark(2, 1), None),
        (NOW, Mark(1, 1), None),
        (NOW, Mark(2, 1), None),
        (NOW, Mark(3, 2), None),
        (NOW, Mark(3, 3), "too old"),
        (NEXT, Mark(3, 3), None),
        (NEXT, Mark(2, 1), None),
        (NEXT, Mark(1, 1), "too new"),
    ],
)
def test_a_release_serves_a_redis_that_it_reads_and_says_why_it_does_not(
    release: Release, mark: Mark, words: str | None
):
    said = refusal(release, mark)
    assert (said is None) if words is None else (words in (said or ""))


@pytest.mark.parametrize(
    ("release", "mark", "fmt", "readable"),
    [
        (NOW, Mark(1, 1), 1, True),
        (NOW, Mark(1, 1), 2, True),
        (NOW, Mark(1, 1), 3, False),
        (NOW, Mark(3, 2), 3, True),
        (NOW, Mark(3, 3), 3, False),
        (NEXT, Mark(2, 1), 1, False),
        (NOW, Mark(9, 1), 0, False),
    ],
)
def test_a_newer_record_is_read_only_where_the_mark_says_that_it_can_be(
    release: Release, mark: Mark, fmt: int, readable: bool
):
    assert is_readable(release, mark, fmt) is readable


def test_the_last_format_is_written_until_the_mark_says_more_and_never_one_of_a_newer_release():
    assert [format_to_write(NOW, Mark(written, 1)) for written in (1, 2, 3)] == [1, 2, 2]


# --- what is not known is kept

WHOLE = Job(
    id="job_1",
    tenant="acme",
    prompt="trim it",
    profile="p",
    media=(MediaRef(name="a.mp4"), MediaRef(name="b.mp4", url="https://a.example/b.mp4")),
    session_id="ses_1",
    output_ask=Output(),
    plan=Plan(message="trim it", action="export"),
    webhook=Webhook(url="https://a.example/hook"),
    created_at_ms=1,
    wait=Wait(reason=WaitReason.NO_CREDITS, until_ms=2),
    sent=Sent(at_ms=1, before="b"),
    recovery=Recovery(since_ms=1),
    render=Render(id="render_1", attempt=1, started_at_ms=1),
    result={"available": 5},
    error=Problem(code=Code.INTERNAL, detail="d", hint="h", retryable=True),
)
RECORDS: list[Record] = [
    WHOLE,
    Session(id="ses_1", tenant="acme", profile="p", created_at_ms=1, media=WHOLE.media, settling=WHOLE.sent),
    Delivery(id="dlv_1", tenant="acme", job_id="job_1", type="t", created_at_ms=1, attempts=(Attempt(at_ms=1),)),
    Upload(id="upl_1", tenant="acme", filename="f", format="mp4", size_bytes=1, path="p", created_at_ms=1),
    Batch(id="bat_1", tenant="acme", job_ids=("job_1",), created_at_ms=1),
    TenantWebhook(url="https://a.example/hook"),
]
#: whatever msgpack can say, and a newer release may say
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def objects_in(told: Any) -> list[dict[str, Any]]:
    """List every object of a packed record that is one of ours, and not what the backend or a caller says."""
    if isinstance(told, list):
        return [found for each in told for found in objects_in(each)]
    if not isinstance(told, dict):
        return []
    inside = [objects_in(value) for name, value in told.items() if name not in ("result", "metadata", "tries")]
    return [told, *(found for each in inside for found in each)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
@given(data=st.data())
def test_unknown_fields_survive_reading_and_writing_wherever_they_are(record: Record, data: st.DataObject):
    told = msgspec.msgpack.decode(pack(record))
    places = objects_in(told)
    for place in data.draw(st.lists(st.integers(0, len(places) - 1), min_size=1, unique=True)):
        places[place]["of_a_newer_release"] = data.draw(VALUES)
    again = pack(unpack(msgspec.msgpack.encode(told), type(record)))
    assert msgspec.msgpack.decode(again) == told


def test_they_survive_a_change_of_what_they_stand_in_and_go_with_it():
    told = msgspec.msgpack.decode(pack(WHOLE))
    for name in ("render", "wait"):
        told[name]["codec"] = name
    job = unpack(msgspec.msgpack.encode(told), Job)
    assert job.render
    looked = msgspec.structs.replace(job, render=msgspec.structs.replace(job.render, polls=7), wait=None)
    told["render"]["polls"] = 7
    del told["wait"]
    assert msgspec.msgpack.decode(pack(looked)) == told
    again = msgspec.structs.replace(job, render=Render(id="render_2", attempt=2, started_at_ms=9))
    assert "codec" not in msgspec.msgpack.decode(pack(again))["render"], "that was told of the one before"


def test_what_is_unknown_of_a_deleted_job_goes_with_its_words():
    told = msgspec.msgpack.decode(pack(WHOLE)) | {"notes": "trim it, please", "error": None}
    told["plan"]["words"] = "trim it"
    job = unpack(msgspec.msgpack.encode(told), Job)
    over = failed(started(job, now_ms=1), now_ms=2, code=Code.INTERNAL)
    assert b"trim it" not in pack(tombstone_of(over))


@given(text=st.text())
def test_a_caller_s_metadata_is_never_taken_for_unknown_fields(text: str):
    job = msgspec.structs.replace(WHOLE, metadata={"~beyond": text, text: "~beyond"})
    assert unpack(pack(job), Job) == job


# --- what was promised is written

PROMISES = {"timeout_s", "start_timeout_s", "retention_s", "priority", "max_credits", "language", "webhook"}


def test_what_a_caller_was_promised_is_written_also_where_it_is_todays_default():
    asked = Job(
        id="j",
        tenant="t",
        prompt="p",
        profile="p",
        session_id="s",
        created_at_ms=1,
        output_ask=Output(),
        plan=Plan(message=None, action="none"),
    )
    told = msgspec.msgpack.decode(pack(asked))
    assert told.keys() >= PROMISES
    assert told["output_ask"].keys() == set(Output.__struct_fields__)
    assert "events" in msgspec.msgpack.decode(pack(Webhook(url="u")))


def test_a_record_that_does_not_say_means_what_the_first_format_meant():
    told = msgspec.msgpack.decode(pack(WHOLE))
    for name in PROMISES:
        del told[name]
    job = unpack(msgspec.msgpack.encode(told), Job)
    assert (job.timeout_s, job.start_timeout_s, job.retention_s) == (1800, 3600, 2_592_000)
    assert (job.priority, job.max_credits, job.webhook) == (0, None, None)


# --- a name in records stays, whatever the code calls it


def test_an_upload_in_doubt_is_in_doubt_under_the_name_that_every_release_writes():
    doubted = msgspec.structs.replace(WHOLE, upload_in_doubt=True)
    assert msgspec.msgpack.decode(pack(doubted))["upload_doubt"] is True
    assert unpack(pack(doubted), Job).upload_in_doubt


# --- what cannot be read


@pytest.mark.parametrize("raw", [b"", b"x", b"\xc1", b"\xdf\xff\xff\xff\xff", pack(WHOLE)[:-1], pack(RECORDS[1])])
def test_what_is_no_job_is_unreadable_and_nothing_else(raw: bytes):
    with pytest.raises(Unreadable):
        unpack(raw, Job)


def test_the_log_says_what_cannot_be_read_once_and_without_its_content(caplog: pytest.LogCaptureFixture):
    told = msgspec.msgpack.decode(pack(WHOLE)) | {"status": "a secret word"}
    for _ in range(2):
        with pytest.raises(Unreadable) as refused:
            unpack(msgspec.msgpack.encode(told), Job, item_id="job_of_this_test")
    assert "secret" not in caplog.text + str(refused.value)
    assert len([each for each in caplog.records if "job_of_this_test" in each.getMessage() + str(each.msg)]) == 1
