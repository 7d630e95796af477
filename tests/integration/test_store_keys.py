"""`core.store.redis.keys` says what is in Redis: every key has a shape there, and every field of a hash its name."""

import re
from collections import defaultdict

from core.errors import Code, WaitReason
from core.events.batch import Batch, completion
from core.events.delivery import Delivery, DeliveryState
from core.events.event import JOB_EVENTS
from core.ids import new_id
from core.model import session as sessions
from core.model import transitions
from core.model.formats import FIRST_FORMAT, Mark
from core.model.job import OutputFile, Sent, Webhook
from core.model.token import Scope, TokenState
from core.model.upload import Upload
from core.model.webhook import TenantWebhook
from core.store.audit import AuditEntry
from core.store.formats import Membership
from core.store.idempotency import Hold, Idempotency
from core.store.jobs.removal import JobRemoval
from core.store.jobs.submissions import BatchStart
from core.store.pauses import Pauses
from core.store.redis.keys import _SHAPES, FIELDS, key
from tests.store_fixture import PUBLIC_URL, Core, core

__all__ = ["core"]

BY_ID = {
    *("workers", "processes", "token_reservations", "token_sent", "message_costs", "token_entries", "token_sums"),
    *("token_shares", "owner_sums"),
    *("backlog_counts", "backlog_sums", "gauges", "secret_keys_used", "retired_hash_keys", "job_outcomes"),
}


def shape_of(name: str) -> str:
    """Name the shape of a key: the one with the most words of its own."""
    fitting = [
        shape for shape, text in _SHAPES.items() if re.fullmatch(re.escape(text).replace(r"\{\}", "[^:]+"), name)
    ]
    assert fitting, f"{name} has no shape"
    return max(fitting, key=lambda shape: len(_SHAPES[shape].replace("{}", "")))


async def fields_in_redis(core: Core) -> dict[str, set[str]]:
    found = defaultdict(set)
    for name, value in (await core.everything()).items():
        if isinstance(value, dict) and shape_of(name) not in BY_ID:
            found[shape_of(name)] |= {re.sub("^(end|out):.*", r"\1:{}", field.decode()) for field in value}
    return dict(found)


async def a_job_that_runs_with_all_that_can_be_beside_it(core: Core) -> None:
    token = await core.tokens.add("secret", kind="operator", available=500, expires_ms=10**14, user_id="u")
    await core.token_use.note_balance(token, available=500, frozen=10)
    await core.tokens.note_export_refused(token)
    await core.tokens.note_denied(token, Scope.RENDER)
    assert not await core.tokens.note_refusal(token, "refused")
    for scope in Scope:
        assert not await core.tokens.note_refusal(token, f"scope {scope}", by="job_1")
    claim = await core.begin(await core.submit(webhook=Webhook(url="https://a.example/hook", events=JOB_EVENTS)))
    for state in (TokenState.REVOKED, TokenState.ACTIVE):
        await core.tokens.mark(token, state)
    assert await core.tokens.take(
        tenant="acme", job_id=claim.job.id, cost=60, until_ms=0, needs=[Scope.WRITE], only=None, anonymous=False
    )
    taken = transitions.token_taken(claim.job, token_id=token)
    new = transitions.sending(taken, sent=Sent(at_ms=1, before="d", cost=50))
    session = sessions.of_user(claim.session, "usr_1")
    await core.write(claim, new, session=session, fields={"before": b"{}", "tracks": b"[]"})
    await a_message_by_another_token_of_the_account(core)
    core.clock.turn(by_s=60)
    successor = await core.jobs.claim(claim.job.id, owner="w:successor")
    assert successor is not None
    await core.jobs.hand_back({claim.job.id: successor.owner})
    (delivery, _), *_ = await core.deliveries.of_job(claim.job.id)
    assert await core.deliveries.claim(delivery.id, owner="w:1", lease_ms=1000)
    await core.deliveries.record(delivery, owner="w:1", unwanted="gone")


async def a_message_by_another_token_of_the_account(core: Core) -> None:
    token = await core.tokens.add("another secret", kind="operator")
    claim = await core.begin(await core.submit())
    sent = Sent(at_ms=1, before="d", cost=50)
    new = transitions.sending(transitions.token_taken(claim.job, token_id=token), sent=sent)
    await core.write(claim, new, session=sessions.of_user(claim.session, "usr_1"))


async def a_batch_of_which_nobody_wants_to_hear(core: Core) -> None:
    job = core.new_job(batch_id="bat_2")
    batch = Batch(id="bat_2", tenant="acme", job_ids=(job.id,), created_at_ms=core.clock.now_ms())
    start = BatchStart(batch, completion(batch, url=None), wanted=False)
    await core.intake.accept([core.submission(job)], key_id="key_1", idempotency=None, batch=start)


async def a_batch_whose_jobs_end_in_every_way(core: Core) -> None:
    now_ms = core.clock.now_ms()
    jobs = [core.new_job(batch_id="bat_1") for _ in range(4)]
    batch = Batch(id="bat_1", tenant="acme", job_ids=tuple(job.id for job in jobs), created_at_ms=now_ms)
    told = Delivery(id=new_id("dlv"), tenant="acme", job_id="bat_1", type="batch.completed", created_at_ms=0)
    submissions = [core.submission(job) for job in jobs]
    call = Idempotency("hash", "body", b"answer")
    await core.intake.accept(submissions, key_id="key_1", idempotency=call, batch=BatchStart(batch, told))
    await core.run(jobs[0], Code.RENDER_FAILED)
    claim = await core.begin(jobs[1])
    file = OutputFile(path="a", format="mp4", duration_s=60, expires_at_ms=0)
    await core.write(claim, transitions.succeeded(claim.job, now_ms=now_ms, credits_used=3, output=file))
    await core.cancel(jobs[2])
    stored = await core.read(jobs[3])
    await core.jobs.commit(stored, transitions.expired(stored, now_ms=now_ms), owner=None)


async def a_delivery_that_was_taken_over_and_handed_back(core: Core) -> None:
    (delivery, _), *_ = await core.deliveries.page("acme", DeliveryState.PENDING, after=None, limit=1)
    for owner in ("w:1", "w:2"):
        assert await core.deliveries.claim(delivery.id, owner=owner, lease_ms=1000)
        core.clock.turn(by_s=2)
    await core.jobs.hand_back({delivery.id: "w:2"})


async def a_session_and_an_upload(core: Core) -> None:
    session = (await core.submit()).session_id
    found = await core.sessions.load(session)
    assert found is not None
    await core.sessions.close(found)
    upload = {"tenant": "acme", "filename": "a.mp4", "format": "mp4", "size_bytes": 1, "path": "a", "created_at_ms": 0}
    expected = Upload(id=new_id("upl"), **upload)
    await core.uploads.expect(expected)
    await core.uploads.withdraw(expected)


async def a_job_whose_data_is_removed_while_another_runs_in_its_session(core: Core) -> None:
    first = await core.submit()
    second = await core.submit(session_id=first.session_id, new_session=False)
    over = await core.run(first)
    await core.begin(second)
    await JobRemoval(core.store, public_url=PUBLIC_URL).remove(over)


async def a_mark_that_has_risen_and_fallen(core: Core) -> None:
    for settle_s in (0, 0, 600):
        member = {"kind": "worker", "process_id": "w:9", "secret_key_names": core.vault.key_names}
        await Membership(core.store, core.clock, **member, lease_s=1, settle_s=settle_s).note()
        if core.store.mark.written > FIRST_FORMAT:
            await core.slots(10)  # of a worker that is not known here


async def sessions_of_older_releases_that_have_an_end(core: Core) -> None:
    core.store.mark = Mark(core.store.release.format)
    await core.sessions.schedule_unscheduled(idle_s=60)


async def a_job_that_cannot_be_read(core: Core) -> None:
    job = await core.submit()
    await core.redis.hset(key("job", job.id), "rec", b"x")
    assert await core.jobs.claim(job.id, owner="w:1") is None


async def a_job_that_was_put_back_by_a_pause(core: Core) -> None:
    job = await core.submit("paused")
    pauses, by = Pauses(core.store, core.settings, core.clock), AuditEntry(user="root", host="console", action="pause")
    await pauses.pause("paused", audit=by)
    assert await core.jobs.claim(job.id, owner="w:1") is None
    await pauses.resume("paused", audit=by)


async def test_every_field_of_a_hash_is_named_and_every_named_one_is_used(core: Core) -> None:
    await a_mark_that_has_risen_and_fallen(core)
    await core.api_keys.create("acme")
    await core.webhooks.set_default("acme", TenantWebhook(url="https://a.example/default"))
    await core.identities.read(fresh_client_id="c")
    facts = {"token_id": "tok_1", "user_id": "anon_1", "rest_until_ms": 0, "rest_reason": WaitReason.NO_CREDITS}
    await core.identities.write(**facts, refusals=1)
    await a_session_and_an_upload(core)
    await a_job_that_runs_with_all_that_can_be_beside_it(core)
    await a_batch_whose_jobs_end_in_every_way(core)
    await a_batch_of_which_nobody_wants_to_hear(core)
    await a_delivery_that_was_taken_over_and_handed_back(core)
    await a_job_whose_data_is_removed_while_another_runs_in_its_session(core)
    await a_job_that_cannot_be_read(core)
    await a_job_that_was_put_back_by_a_pause(core)
    await sessions_of_older_releases_that_have_an_end(core)
    await core.answers.open(Hold("acme", "of a call under way", by="one"), "body")
    assert await fields_in_redis(core) == FIELDS
