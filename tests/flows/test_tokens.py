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
from tests.until import PATIENCE_S, wait_until

SECRET_KEY = "k" * 40
EDIT_ONLY = {"export": False}
EXPORT = {"export": True, "resolution": "360p"}
#: so long does a job in these tests wait for credits that nobody brings
NO_CREDITS_S = 8
DAY_MS = 86_400_000


class Operator:
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
def open_operated_world(folder, *arguments: str, **environment: str) -> Iterator[Operator]:
    """Run a world without an operator's token: who has none of its own is anonymous."""
    fixed = {"SANDBOX_TOKENS": "", "REELGATE_SECRET_KEYS": SECRET_KEY}
    with running_gateway(folder, *arguments, **(fixed | environment)) as gateway, ExitStack() as callers:
        yield Operator(gateway, callers)


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    with open_operated_world(tmp_path_factory.mktemp("operator"), "--workers", "2") as operator:
        yield operator


@pytest.fixture(scope="module")
def crowd(operator):
    """Submit twenty anonymous jobs, and fifty of a tenant with two edits' worth of credits, all at once."""
    anonymous, many = operator.gateway, operator.tenant("crowd")
    secret = operator.account(100)
    operator.give("crowd", secret)
    short = {"output": EDIT_ONLY, "start_timeout_s": NO_CREDITS_S + 7}
    clips = {caller: caller.upload(anonymous.clip()) for caller in (anonymous, many)}
    jobs = [many.submit(edit(), upload=clips[many], **short)["id"] for _ in range(50)]
    alone = [anonymous.submit(edit(), upload=clips[anonymous], **short)["id"] for _ in range(20)]
    return many, secret, jobs, alone


@pytest.fixture(scope="module")
def dry(operator, crowd):
    """Let two sessions wait for credits of their own token, and top one of them up; the others need not wait for it."""
    waits = {}
    for name in ("topped up", "left dry"):
        caller, secret = operator.tenant(name.replace(" ", "-")), operator.account(50)
        operator.give(name.replace(" ", "-"), secret, first=True)
        operator.give(name.replace(" ", "-"), operator.account(1000))
        first = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY)
        assert first["status"] == "succeeded", first["error"]
        title, patience_s = unique_title(), NO_CREDITS_S if name == "left dry" else 60
        job = caller.submit(edit(title), session_id=first["session_id"], output=EDIT_ONLY, start_timeout_s=patience_s)
        waits[name] = (caller, secret, job["id"], title)
    caller, secret, job_id, _ = waits["topped up"]
    reasons = ((event["data"]["job"]["wait"] or {}).get("reason") for _, event in caller.events(job_id))
    assert next(reason for reason in reasons if reason == "no_credits")
    operator.account(500, token=secret)
    return waits


def test_a_session_s_token_that_ran_dry_is_waited_for_and_goes_on_when_it_is_topped_up(dry):
    caller, secret, job_id, title = dry["topped up"]
    job = caller.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(secret)]


def test_a_session_s_token_that_stays_dry_ends_the_job_with_what_to_do(operator, dry):
    caller, secret, job_id, _ = dry["left dry"]
    job = caller.ended(job_id)
    assert (job["status"], code_of(job), job["credits_used"]) == ("failed", "credits_exhausted", 0)
    assert job["error"]["hint"].startswith("Top up credits in your account")
    assert operator.spent(secret) == 50


def test_a_job_leaves_a_token_that_has_too_little_and_brings_its_uploads_along(operator, crowd):
    caller, poor, rich = operator.tenant("moves"), operator.account(60), operator.account(1000)
    operator.give("moves", poor, first=True)
    operator.give("moves", rich)
    title = unique_title()
    job = caller.run(edit(title, story="[[story:no-credits]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert any(change.startswith("Video added") for change in job["changes"])
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(rich)]
    uploads = [row["token_id"] for row in operator.gateway.ledger()["uploads"]]
    assert (uploads.count(backend_id(poor)), uploads.count(backend_id(rich))) == (1, 1)


def test_a_session_without_an_edit_moves_before_it_waits(operator, crowd):
    caller, poor, rich = operator.tenant("asks"), operator.account(50), operator.account(1000)
    operator.give("asks", poor, first=True)
    operator.give("asks", rich)
    asked = caller.run(edit(story="[[story:question]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert code_of(asked) == "needs_input"
    title = unique_title()
    job = caller.run(edit(title), session_id=asked["session_id"], output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(rich)]
    assert (operator.refused_messages(poor), operator.spent(poor)) == (0, 50)


def test_a_token_that_may_not_render_edits_and_leaves_exports_to_another(operator, crowd):
    caller, limited, full = operator.tenant("scoped"), operator.account(1000, scopes=["read", "write", "upload"]), None
    operator.give("scoped", limited, first=True, scopes="read+write+upload")
    prompt, clip = unique_title(), caller.upload(caller.clip())
    job = caller.run(edit(prompt), upload=clip, output=EXPORT)
    assert (job["status"], code_of(job)) == ("failed", "scope_missing")
    assert caller.charged(prompt) == [], "it is refused before it costs anything"
    full = operator.account(1000)
    operator.give("scoped", full)
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
def test_after_a_refused_export_the_next_one_takes_another_token(operator, crowd, name, facts, code):
    caller, bad, good = operator.tenant(name), operator.account(1000, **facts), operator.account(1000)
    bad_id = operator.give(name, bad, first=True)
    operator.give(name, good)
    clip = caller.upload(caller.clip())
    refused = caller.run(edit(), upload=clip, output=EXPORT)
    assert (refused["status"], code_of(refused), refused["credits_used"]) == ("failed", code, 50)
    assert operator.state(bad_id) == "export_blocked"
    title = unique_title()
    job = caller.run(edit(title), upload=clip, output=EXPORT)
    assert job["status"] == "succeeded", job["error"]
    assert [row["token_id"] for row in caller.charged(title)] == [backend_id(good)]


@pytest.mark.parametrize("tokens", [1, 2])
def test_a_registered_token_that_is_refused_once_in_the_middle_goes_on(operator, crowd, tokens):
    name = f"once{tokens}"
    caller, secrets = operator.tenant(name), [operator.account(1000) for _ in range(tokens)]
    for secret in secrets:
        operator.give(name, secret)
    title = unique_title()
    job = caller.run(edit(title, story="[[story:token-expired]]"), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert len(caller.charged(title)) == 1
    assert sorted(map(operator.spent, secrets)) == [0, 50][-tokens:]


def test_a_token_that_the_backend_does_not_know_is_never_taken_again(operator, crowd):
    caller, good = operator.tenant("unknown"), operator.account(1000)
    bad_id = operator.give("unknown", "nmv_usr_nobody", first=True)
    operator.give("unknown", good)
    job = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY)
    assert job["status"] == "succeeded", job["error"]
    assert (operator.state(bad_id), operator.spent(good)) == ("revoked", 50)


def test_a_login_that_refuses_a_good_token_for_seconds_costs_no_session_and_no_job(operator, crowd):
    caller, secret = operator.tenant("login"), operator.account(1000)
    token_id = operator.give("login", secret)
    clip = caller.upload(caller.clip())
    before = caller.run(edit(), upload=clip, output=EDIT_ONLY)
    operator.account(0, token=secret, expires_in_s=0)
    title, fresh = unique_title(), unique_title()
    inside = caller.submit(edit(title), session_id=before["session_id"], output=EDIT_ONLY)["id"]
    outside = caller.submit(edit(fresh), upload=clip, output=EDIT_ONLY)["id"]
    wait_until(lambda: operator.state(token_id) == "revoked", within_s=PATIENCE_S)
    operator.account(1000, token=secret)
    assert [caller.ended(job_id)["status"] for job_id in (inside, outside)] == ["succeeded"] * 2
    assert [len(caller.charged(prompt)) for prompt in (title, fresh)] == [1, 1]
    assert operator.state(token_id) == "active"


def test_a_removed_token_loses_its_sessions_and_new_jobs_take_another(operator, crowd):
    caller, first, second = operator.tenant("removed"), operator.account(1000), operator.account(1000)
    token_id = operator.give("removed", first, first=True)
    operator.give("removed", second)
    clip = caller.upload(caller.clip())
    before = caller.run(edit(), upload=clip, output=EDIT_ONLY)
    title, slow = unique_title(), None
    slow = caller.submit(edit(title, story="[[story:slow]]"), upload=clip, output=EDIT_ONLY)["id"]
    for _, event in caller.events(slow):
        if event["data"]["job"]["stage"] == "editing" and operator.spent(first) == 50:
            operator.take_away(token_id)
            break
    assert code_of(caller.ended(slow)) == "session_lost"
    after = caller.run(edit(), session_id=before["session_id"], output=EDIT_ONLY)
    assert (after["status"], code_of(after)) == ("failed", "session_lost")
    fresh = unique_title()
    assert caller.run(edit(fresh), upload=clip, output=EDIT_ONLY)["status"] == "succeeded"
    assert [row["token_id"] for row in caller.charged(fresh)] == [backend_id(second)]
    assert len([row for row in caller.ledger()["messages"] if title in row["text"]]) == 1, "it is never sent again"


def test_max_credits_is_kept_before_anything_is_sent(operator, crowd):
    caller = operator.tenant("careful")
    operator.give("careful", operator.account(1000))
    title = unique_title()
    job = caller.run(edit(title), upload=caller.clip(), output=EDIT_ONLY, max_credits=49)
    assert (job["status"], code_of(job), job["credits_used"]) == ("failed", "budget_exceeded", 0)
    assert [row for row in caller.ledger()["messages"] if title in row["text"]] == []


def test_fifty_jobs_at_once_never_overspend_a_token_nor_try_to(operator, crowd):
    many, secret, jobs, _ = crowd
    ends = [many.ended(job_id) for job_id in jobs]
    assert sorted(code_of(job) or "" for job in ends) == [""] * 2 + ["credits_exhausted"] * 48
    assert (operator.spent(secret), operator.refused_messages(secret)) == (100, 0)


def test_twenty_anonymous_jobs_share_one_token_and_the_rest_hear_where_to_register(operator, crowd):
    jobs = [operator.gateway.ended(job_id) for job_id in crowd[3]]
    assert [job["status"] for job in jobs].count("succeeded") == 2
    refused = [job for job in jobs if job["status"] == "failed"]
    assert {code_of(job) for job in refused} == {"credits_exhausted"}
    issued = [row for row in operator.gateway.ledger()["tokens"] if row["anonymous"]]
    assert [(row["spent"], row["available"]) for row in issued] == [(100, 0)]
    assert {job["error"]["hint"] for job in refused} == {
        f"Register at https://nemovideo.com/register?bind={issued[0]['user_id']} to get more credits."
    }


def test_a_tenant_s_tokens_pay_for_that_tenant_alone(operator, crowd):
    for job_id in crowd[3]:
        operator.gateway.ended(job_id)
    caller = operator.tenant("guest")
    job = caller.run(edit(), upload=caller.clip(), output=EDIT_ONLY, start_timeout_s=1)
    assert code_of(job) == "credits_exhausted", "others have plenty, and what is anonymous is spent"


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory):
    """Run a world where each tenant may spend 300 credits a month, and where successors see no old sessions."""
    with open_operated_world(tmp_path_factory.mktemp("thrifty"), REELGATE_TENANT_MONTH_CREDITS="300") as operator:
        yield operator


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    with open_operated_world(tmp_path_factory.mktemp("seeing"), SANDBOX_SUCCESSOR_SEES_SESSIONS="true") as operator:
        yield operator


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


def test_a_job_without_credits_keeps_the_only_place_of_the_only_worker_from_nobody(tmp_path):
    with open_operated_world(tmp_path, "--workers", "1", REELGATE_WORKER_JOBS="1") as operator:
        poor, rich = operator.tenant("poor"), operator.tenant("rich")
        operator.give("poor", operator.account(0))
        operator.give("rich", operator.account(100))
        from_text = {"profile": "free-video-generation-automatic", "output": EDIT_ONLY}
        waits = poor.submit(edit(), **from_text)["id"]
        wait_until(lambda: (poor.job(waits)["wait"] or {}).get("reason") == "no_credits", within_s=PATIENCE_S)
        assert rich.run(edit(), **from_text)["status"] == "succeeded"
        assert poor.job(waits)["wait"]["reason"] == "no_credits"
