"""Which token pays for a job: anonymous and registered ones, as they run out, expire, are refused or taken away.

One world for all tenants, each with tokens of its own, and two where anonymous tokens expire. What was spent, on which
token, the backend's ledger tells.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from core.clock import Clock
from core.security.encryption import Encryption
from core.store.redis.client import Store, connect
from core.store.tenants.api_keys import ApiKeys
from core.store.tokens.tokens import Tokens
from tests.gateway_fixture import Gateway, running_gateway, unique_title
from tests.until import PATIENCE_S

SECRET_KEY = "k" * 40
EDIT_ONLY = {"export": False}
EXPORT = {"export": True, "resolution": "360p"}
#: so long does a job in these tests wait for credits that nobody brings
NO_CREDITS_S = 8
DAY_MS = 86_400_000


class Office:
    """A world, and what its operator does: tenants and their tokens."""

    def __init__(self, gateway: Gateway, callers: ExitStack) -> None:
        self.gateway = gateway
        self._callers = callers

    def tenant(self, name: str) -> Gateway:
        """Make a tenant and the caller that it sends."""
        issued = self._with_store(lambda api_keys, _: api_keys.create(name))
        caller = Gateway(self.gateway.world | {"api_key": issued.secret}, self.gateway.folder)
        return self._callers.enter_context(closing(caller))

    def give(self, tenant: str, secret: str, *, first: bool = False, scopes: str = "") -> str:
        """Put a token into the pool; the one that expires first is taken first."""
        expires_ms = Clock().now_ms() + DAY_MS if first else None
        return self._with_store(
            lambda _, tokens: tokens.add(secret, kind="operator", tenant=tenant, expires_ms=expires_ms, scopes=scopes)
        )

    def take_away(self, token_id: str) -> None:
        assert self._with_store(lambda _, tokens: tokens.remove(token_id))

    def state(self, token_id: str) -> str:
        return self._with_store(lambda _, tokens: tokens.get(token_id)).state

    def account(self, credits_: int, **facts: object) -> str:
        """Open an account at the backend and return its token."""
        answer = self.gateway.sandbox.post("/_sandbox/tokens", json={"credits": credits_} | facts)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def spent(self, secret: str) -> int:
        return self.row(secret)["spent"]

    def row(self, secret: str) -> dict:
        return next(row for row in self.gateway.ledger()["tokens"] if row["token_id"] == backend_id(secret))

    def refused_messages(self, secret: str) -> int:
        rows = self.gateway.ledger()["messages"]
        return sum(row["token_id"] == backend_id(secret) and row["status"] == "refused" for row in rows)

    def _with_store(self, call):
        async def opened():
            store, vault = (
                Store(connect(self.gateway.world["redis_url"], answer_s=PATIENCE_S)),
                Encryption([SECRET_KEY]),
            )
            try:
                return await call(ApiKeys(store, vault, Clock()), Tokens(store, vault, Clock()))
            finally:
                await store.close()

        return asyncio.run(opened())


def backend_id(secret: str) -> str:
    """Name a token as the ledger does."""
    return "tok_" + hashlib.sha256(secret.encode()).hexdigest()[:12]


def edit(title: str | None = None, *, story: str = "") -> str:
    return f'{story}add a title "{title or unique_title()}"'


def code_of(job: dict) -> str | None:
    return job["error"]["code"] if job["error"] else None


@contextmanager
def open_office(folder, *arguments: str, **environment: str) -> Iterator[Office]:
    """Run a world without an operator's token: who has none of its own is anonymous."""
    fixed = {"SANDBOX_TOKENS": "", "REELGATE_SECRET_KEYS": SECRET_KEY}
    with running_gateway(folder, *arguments, **(fixed | environment)) as gateway, ExitStack() as callers:
        yield Office(gateway, callers)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    with open_office(tmp_path_factory.mktemp("office"), "--workers", "2") as office:
        yield office


@pytest.fixture(scope="module")
def crowd(office):
    """Submit twenty anonymous jobs, and fifty of a tenant with two edits' worth of credits, all at once."""
    anonymous, many = office.gateway, office.tenant("crowd")
    secret = office.account(100)
    office.give("crowd", secret)
    short = {"output": EDIT_ONLY, "start_timeout_s": NO_CREDITS_S + 7}
    clips = {caller: caller.upload(anonymous.clip()) for caller in (anonymous, many)}
    jobs = [many.submit(edit(), upload=clips[many], **short)["id"] for _ in range(50)]
    alone = [anonymous.submit(edit(), upload=clips[anonymous], **short)["id"] for _ in range(20)]
    return many, secret, jobs, alone


@pytest.fixture(scope="module")
def dry(office, crowd):
    """Let two sessions wait for credits of their own token, and top one of them up; the others need not wait for it."""
    waits = {}
    for name in ("topped up", "left dry"):
        caller, secret = office.tenant(name.replace(" ", "-")), office.account(50)
        office.give(name.replace(" ", "-"), secret, first=True)
        office.give(name.replace(" ", "-"), office.account(1000))
        first = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY)
        assert first["status"] == "succeeded", first["error"]
        title, patience_s = unique_title(), NO_CREDITS_S if name == "left dry" else 60
        job = caller.submit(edit(title), session_id=first["session_id"], output=EDIT_ONLY, start_timeout_s=patience_s)
        waits[name] = (caller, secret, job["id"], title)
    caller, secret, job_id, _ = waits["topped up"]
    reasons = ((event["data"]["job"]["wait"] or {}).get("reason") for _, event in caller.events(job_id))
    assert next(reason for reason in reasons if reason == "no_credits")
    office.account(500, token=secret)
    return waits


def test_a_session_s_token_that_ran_dry_is_waited_for_and_goes_on_when_it_is_topped_up(dry):
    caller, secret, job_id, title = dry["topped up"]
    job = caller.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(secret)]


def test_a_session_s_token_that_stays_dry_ends_the_job_with_what_to_do(office, dry):
    caller, secret, job_id, _ = dry["left dry"]
    job = caller.ended(job_id)
    assert (job["status"], code_of(job), job["credits_used"]) == ("failed", "credits_exhausted", 0)
    assert job["error"]["hint"].startswith("Top up credits in your account")
    assert office.spent(secret) == 50


def test_a_job_leaves_a_token_that_has_too_little_and_brings_its_uploads_along(office, crowd):
    caller, poor, rich = office.tenant("moves"), office.account(60), office.account(1000)
    office.give("moves", poor, first=True)
    office.give("moves", rich)
    title = unique_title()
    job = caller.run(edit(title, story="[[story:no-credits]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith("Video added") for change in job["changes"])
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(rich)]
    uploads = [row["token_id"] for row in office.gateway.ledger()["uploads"]]
    assert (uploads.count(backend_id(poor)), uploads.count(backend_id(rich))) == (1, 1)


def test_a_session_without_an_edit_moves_before_it_waits(office, crowd):
    caller, poor, rich = office.tenant("asks"), office.account(50), office.account(1000)
    office.give("asks", poor, first=True)
    office.give("asks", rich)
    asked = caller.run(edit(story="[[story:question]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert code_of(asked) == "needs_input"
    title = unique_title()
    job = caller.run(edit(title), session_id=asked["session_id"], output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(rich)]
    assert (office.refused_messages(poor), office.spent(poor)) == (0, 50)


def test_a_token_that_may_not_render_edits_and_leaves_exports_to_another(office, crowd):
    caller, limited, full = office.tenant("scoped"), office.account(1000, scopes=["read", "write", "upload"]), None
    office.give("scoped", limited, first=True, scopes="read+write+upload")
    prompt, clip = unique_title(), caller.upload(caller.clip())
    job = caller.run(edit(prompt), upload=clip, output=EXPORT)
    assert (job["status"], code_of(job)) == ("failed", "scope_missing")
    assert caller.charged(prompt) == [], "it is refused before it costs anything"
    full = office.account(1000)
    office.give("scoped", full)
    edited, exported = unique_title(), unique_title()
    assert caller.run(edit(edited), upload=clip, output=EDIT_ONLY)["status"] == "succeeded"
    assert caller.run(edit(exported), upload=clip, output=EXPORT)["status"] == "succeeded"
    assert [row["token_id"] for row in caller.charged(edited)] == [backend_id(limited)]
    assert [row["token_id"] for row in caller.charged(exported)] == [backend_id(full)]


@pytest.mark.parametrize(
    ("name", "facts", "code"),
    [
        ("free", {"plan": "free"}, "export_blocked"),
        ("unscoped", {"scopes": ["read", "write", "upload"]}, "scope_missing"),
    ],
)
def test_after_a_refused_export_the_next_one_takes_another_token(office, crowd, name, facts, code):
    caller, bad, good = office.tenant(name), office.account(1000, **facts), office.account(1000)
    bad_id = office.give(name, bad, first=True)
    office.give(name, good)
    clip = caller.upload(caller.clip())
    refused = caller.run(edit(), upload=clip, output=EXPORT)
    assert (refused["status"], code_of(refused), refused["credits_used"]) == ("failed", code, 50)
    assert office.state(bad_id) == "export_blocked"
    title = unique_title()
    job = caller.run(edit(title), upload=clip, output=EXPORT)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(good)]


@pytest.mark.parametrize("tokens", [1, 2])
def test_a_registered_token_that_is_refused_once_in_the_middle_goes_on(office, crowd, tokens):
    name = f"once{tokens}"
    caller, secrets = office.tenant(name), [office.account(1000) for _ in range(tokens)]
    for secret in secrets:
        office.give(name, secret)
    title = unique_title()
    job = caller.run(edit(title, story="[[story:token-expired]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert len(caller.charged(title)) == 1
    assert sorted(map(office.spent, secrets)) == [0, 50][-tokens:]


def test_a_token_that_the_backend_does_not_know_is_never_taken_again(office, crowd):
    caller, good = office.tenant("unknown"), office.account(1000)
    bad_id = office.give("unknown", "nmv_usr_nobody", first=True)
    office.give("unknown", good)
    job = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert (office.state(bad_id), office.spent(good)) == ("revoked", 50)


def test_a_removed_token_loses_its_sessions_and_new_jobs_take_another(office, crowd):
    caller, first, second = office.tenant("removed"), office.account(1000), office.account(1000)
    token_id = office.give("removed", first, first=True)
    office.give("removed", second)
    clip = caller.upload(caller.clip())
    before = caller.run(edit(), upload=clip, output=EDIT_ONLY)
    title, slow = unique_title(), None
    slow = caller.submit(edit(title, story="[[story:slow]]"), upload=clip, output=EDIT_ONLY)["id"]
    for _, event in caller.events(slow):
        if event["data"]["job"]["stage"] == "editing" and office.spent(first) == 50:
            office.take_away(token_id)
            break
    assert code_of(caller.ended(slow)) == "session_lost"
    after = caller.run(edit(), session_id=before["session_id"], output=EDIT_ONLY)
    assert (after["status"], code_of(after)) == ("failed", "session_lost")
    fresh = unique_title()
    assert caller.run(edit(fresh), upload=clip, output=EDIT_ONLY)["status"] == "succeeded"
    assert [row["token_id"] for row in caller.charged(fresh)] == [backend_id(second)]
    assert len([row for row in caller.ledger()["messages"] if title in row["text"]]) == 1, "it is never sent again"


def test_max_credits_is_kept_before_anything_is_sent(office, crowd):
    caller = office.tenant("careful")
    office.give("careful", office.account(1000))
    title = unique_title()
    job = caller.run(edit(title), upload=caller.clip(), output=EDIT_ONLY, max_credits=49)
    assert (job["status"], code_of(job), job["credits_used"]) == ("failed", "budget_exceeded", 0)
    assert [row for row in caller.ledger()["messages"] if title in row["text"]] == []


def test_fifty_jobs_at_once_never_overspend_a_token_nor_try_to(office, crowd):
    many, secret, jobs, _ = crowd
    ends = [many.ended(job_id) for job_id in jobs]
    assert sorted(code_of(job) or "" for job in ends) == [""] * 2 + ["credits_exhausted"] * 48
    assert (office.spent(secret), office.refused_messages(secret)) == (100, 0)


def test_twenty_anonymous_jobs_share_one_token_and_the_rest_hear_where_to_register(office, crowd):
    jobs = [office.gateway.ended(job_id) for job_id in crowd[3]]
    assert [job["status"] for job in jobs].count("succeeded") == 2
    refused = [job for job in jobs if job["status"] == "failed"]
    assert {code_of(job) for job in refused} == {"credits_exhausted"}
    issued = [row for row in office.gateway.ledger()["tokens"] if row["anonymous"]]
    assert [(row["spent"], row["available"]) for row in issued] == [(100, 0)]
    assert {job["error"]["hint"] for job in refused} == {
        f"Register at https://nemovideo.com/register?bind={issued[0]['user_id']} to get more credits."
    }


def test_a_tenant_s_tokens_pay_for_that_tenant_alone(office, crowd):
    for job_id in crowd[3]:
        office.gateway.ended(job_id)
    caller = office.tenant("guest")
    job = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY, start_timeout_s=1)
    assert code_of(job) == "credits_exhausted", "others have plenty, and what is anonymous is spent"


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory):
    """Run a world where each tenant may spend 300 credits a month, and where successors see no old sessions."""
    with open_office(tmp_path_factory.mktemp("thrifty"), REELGATE_TENANT_MONTH_CREDITS="300") as office:
        yield office


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    with open_office(tmp_path_factory.mktemp("seeing"), SANDBOX_SUCCESSOR_SEES_SESSIONS="true") as office:
        yield office


def test_a_month_s_budget_holds_over_many_jobs_at_once(thrifty):
    caller, secret = thrifty.tenant("many"), thrifty.account(1000)
    thrifty.give("many", secret)
    clip = caller.upload(caller.clip())
    jobs = [caller.submit(edit(), upload=clip, output=EDIT_ONLY)["id"] for _ in range(9)]
    ends = [code_of(caller.ended(job_id)) or "" for job_id in jobs]
    assert sorted(ends) == [""] * 6 + ["budget_exceeded"] * 3
    assert (thrifty.spent(secret), thrifty.refused_messages(secret)) == (300, 0)


def test_edits_that_are_cancelled_half_way_count_in_the_month_s_budget(thrifty):
    caller, secret = thrifty.tenant("cancels"), thrifty.account(1000)
    thrifty.give("cancels", secret)
    clip = caller.upload(caller.clip())
    jobs = [caller.submit(edit(story="[[story:slow]]"), upload=clip, output=EDIT_ONLY)["id"] for _ in range(6)]
    for job_id in jobs:
        stages = (event["data"]["job"]["stage"] for _, event in caller.events(job_id))
        assert next(stage for stage in stages if stage == "editing")
        caller.http.post(f"/v1/jobs/{job_id}/cancel")
    ends = [caller.ended(job_id) for job_id in jobs]
    assert {job["status"] for job in ends} == {"canceled"}
    assert sum(job["credits_used"] for job in ends) >= thrifty.spent(secret)
    asked = {"prompt": edit(), "media": [{"upload_id": clip}], "output": EDIT_ONLY}
    refused = caller.http.post("/v1/jobs", json=asked).json()
    assert refused["code"] == "budget_exceeded"
    usage = caller.http.get("/v1/usage").json()
    assert usage["credits"] == 300
    assert usage["credits_estimated"] == sum(job["credits_used"] for job in ends if not job["credits_exact"])


@pytest.mark.parametrize(("world", "end"), [("thrifty", ("failed", "session_lost")), ("seeing", ("succeeded", None))])
def test_an_expired_anonymous_token_has_a_successor_that_sees_its_sessions_or_not(request, world, end):
    caller = request.getfixturevalue(world).gateway
    clip = caller.upload(caller.clip())
    old = caller.run(edit(), upload=clip, output=EDIT_ONLY)
    assert old["status"] == "succeeded", old["error"]
    expires = caller.run(edit(story="[[story:token-expired]]"), upload=clip, output=EDIT_ONLY)
    assert expires["status"] == "succeeded", expires["error"]
    later = caller.run(edit(), session_id=old["session_id"], output=EDIT_ONLY)
    assert (later["status"], code_of(later)) == end
    issued = [row for row in caller.ledger()["tokens"] if row["anonymous"]]
    assert len(issued) == 2
    assert len({row["user_id"] for row in issued}) == 1
