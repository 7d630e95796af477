"""What is told when a job changes, and to whom."""

import msgspec
import pytest

from core.errors import Code
from core.events.event import END_EVENTS, JOB_EVENTS, JOB_LIMIT_BYTES, EventType, event, event_type, progress_event
from core.ids import is_id
from core.model import transitions
from core.model.job import Job, Stage, Webhook
from core.model.job_view import view
from core.model.plan import Plan
from core.model.webhook import TenantWebhook
from core.store.events import event_argument, stream_id
from tests.store_fixture import PUBLIC_URL, make_job

NOW_MS = 1_795_000_000_000
OWN = "https://hooks.example.com/own"
DEFAULT = TenantWebhook(url="https://hooks.example.com/default")

queued = make_job(created_at_ms=NOW_MS)
begun = transitions.started(queued, now_ms=NOW_MS)
canceling = transitions.cancel_asked(begun, now_ms=NOW_MS)

CHANGES: list[tuple[Job | None, Job, EventType]] = [
    (None, queued, "job.queued"),
    (queued, begun, "job.started"),
    (begun, transitions.moved(begun, Stage.UPLOADING), "job.progress"),
    (begun, canceling, "job.progress"),
    (begun, transitions.succeeded(begun, now_ms=NOW_MS), "job.succeeded"),
    (begun, transitions.failed(begun, now_ms=NOW_MS, code=Code.INTERNAL), "job.failed"),
    (canceling, transitions.canceled(canceling, now_ms=NOW_MS), "job.canceled"),
    (queued, transitions.cancel_asked(queued, now_ms=NOW_MS), "job.canceled"),
    (queued, transitions.expired(queued, now_ms=NOW_MS), "job.expired"),
]


def told(old: Job | None, new: Job, webhook: TenantWebhook | None = None) -> list[str | None]:
    """The targets of the deliveries of a change; None is the tenant's default."""
    return [d.url for d in event(old, new, webhook=webhook, public_url=PUBLIC_URL, now_ms=NOW_MS).deliveries]


def hooked(job: Job | None, *events: str) -> Job | None:
    return msgspec.structs.replace(job, webhook=Webhook(url=OWN, events=events)) if job else None


@pytest.mark.parametrize(("old", "new", "name"), CHANGES)
def test_a_change_has_a_name(old: Job | None, new: Job, name: EventType) -> None:
    assert event_type(old, new) == name


@pytest.mark.parametrize(("old", "new", "name"), CHANGES)
def test_a_body_says_what_when_and_the_whole_job(old: Job | None, new: Job, name: EventType) -> None:
    made = event(old, new, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS)
    body = msgspec.json.decode(made.body)
    assert (body["type"], body["timestamp"]) == (name, "2026-11-18T11:06:40.000Z")
    assert (body["data"]["job"]["id"], body["data"]["job"]["status"]) == (new.id, new.status)
    assert body["data"]["job"]["links"]["self"] == f"{PUBLIC_URL}/v1/jobs/{new.id}"


@pytest.mark.parametrize(("old", "new", "name"), CHANGES)
def test_without_a_choice_a_webhook_hears_of_the_four_ends(old: Job | None, new: Job, name: EventType) -> None:
    mine = hooked(new)
    assert mine is not None
    assert told(hooked(old), mine) == ([OWN] if name in END_EVENTS else [])
    assert told(old, new, DEFAULT) == ([None] if name in END_EVENTS else [])


@pytest.mark.parametrize(("old", "new", "name"), CHANGES)
def test_a_job_s_own_webhook_replaces_the_default_and_hears_what_it_asked_for(
    old: Job | None, new: Job, name: EventType
) -> None:
    mine = hooked(new, "job.queued", "job.failed")
    assert mine is not None
    assert told(hooked(old), mine, DEFAULT) == ([OWN] if name in {"job.queued", "job.failed"} else [])


def test_a_disabled_default_hears_nothing() -> None:
    off = msgspec.structs.replace(DEFAULT, state="disabled")
    assert told(begun, transitions.succeeded(begun, now_ms=NOW_MS), off) == []


def test_progress_is_called_back_only_when_it_is_spoken_and_asked_for() -> None:
    mine = hooked(begun, *JOB_EVENTS)
    assert mine is not None
    assert told(mine, transitions.moved(mine, Stage.EDITING)) == []
    news = progress_event(
        transitions.progress_noted(mine, "⏳ Still working..."), webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS
    )
    assert [d.url for d in news.deliveries] == [OWN]
    assert progress_event(begun, webhook=DEFAULT, public_url=PUBLIC_URL, now_ms=NOW_MS).deliveries == ()


def test_the_longest_job_makes_a_callback_under_twenty_kilobytes() -> None:
    job = make_job(metadata={f"key{n}": "v" * 90 for n in range(40)}, hints=("h" * 100,) * 5)
    long = transitions.answered(transitions.started(job, now_ms=NOW_MS), reply="剪" * 3000)
    edited = transitions.edited(long, changes=("Title added: " + "x" * 60,) * 20, timeline="t" * 1000)
    made = event(long, transitions.succeeded(edited, now_ms=NOW_MS), webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS)
    assert len(made.body) < 20_000


def test_only_what_can_be_subscribed_to_goes_into_the_feed() -> None:
    for old, new, name in CHANGES:
        row = event_argument(event(old, new, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS), new)
        assert row["in_feed"] is (name != "job.progress")


def test_the_tail_that_a_script_gets_completes_an_event_id() -> None:
    row = event_argument(event(None, queued, webhook=DEFAULT, public_url=PUBLIC_URL, now_ms=NOW_MS), queued)
    made = f"evt_019a3c1e-7b2f-7003-{row['random']}"
    assert is_id(made, "evt")
    assert stream_id(made) == f"{0x019A3C1E7B2F}-3"


def test_a_view_that_is_written_already_goes_into_the_body_as_it_is() -> None:
    written = msgspec.json.encode(view(queued, public_url=PUBLIC_URL))
    made = event(None, queued, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS, view_json=written)
    assert made.body == event(None, queued, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS).body
    assert written in made.body


def test_a_view_that_is_too_long_for_a_callback_is_cut_also_where_it_was_written_already() -> None:
    long = msgspec.structs.replace(queued, plan=Plan(message="m" * JOB_LIMIT_BYTES, action="export"))
    written = msgspec.json.encode(view(long, public_url=PUBLIC_URL))
    made = event(None, long, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS, view_json=written)
    assert msgspec.json.decode(made.body)["data"]["truncated"] == ["plan.message"]
    assert len(made.body) < 20_000
