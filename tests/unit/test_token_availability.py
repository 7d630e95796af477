"""Which tokens can still serve, and why a job gets none of them."""

from random import Random

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model.plan import Plan
from core.model.session import Session
from core.model.token import REFUSED_EXPORTS, Token, TokenState
from tests.store_fixture import make_job
from worker.tokens.availability import (
    BALANCES_READ_ANEW,
    TOKENS_LOOKED_AT,
    is_over,
    to_read_anew,
    why_none_fits,
    with_stale_balance,
    with_unread_balance,
)

NOW_MS = 1_000_000
EXPORT = make_job()
SESSION = Session(id="ses_1", tenant="acme", profile="maker-free", created_at_ms=0)


def token(token_id: str = "tok_1", **facts) -> Token:
    known = {
        "kind": "operator",
        "tenant": "",
        "state": TokenState.ACTIVE,
        "expires_ms": None,
        "available": 0,
        "frozen": 0,
        "reserved": 0,
        "in_flight": 0,
        "scopes": "",
        "user_id": None,
        "read_at_ms": NOW_MS,
    }
    return Token(id=token_id, **(known | facts))


def why(*tokens: Token, job=EXPORT, session=SESSION) -> Permanent | Temporary:
    return why_none_fits(job, session, tokens, now_ms=NOW_MS)


def test_a_token_is_over_once_it_was_refused_or_its_time_has_passed():
    assert is_over(token(state=TokenState.EXPIRED), now_ms=NOW_MS)
    assert is_over(token(state=TokenState.REVOKED), now_ms=NOW_MS)
    assert is_over(token(expires_ms=NOW_MS), now_ms=NOW_MS)
    assert not is_over(token(expires_ms=NOW_MS + 1), now_ms=NOW_MS)
    assert not is_over(token(state=TokenState.EXHAUSTED), now_ms=NOW_MS)


def test_balances_are_read_that_were_never_read_or_long_ago_and_none_of_a_token_that_is_over_or_rests():
    unread, stale, fresh = token("a", available=None), token("b", read_at_ms=NOW_MS - 15_001), token("c")
    over = token("d", available=None, read_at_ms=None, state=TokenState.REVOKED)
    rests = token("e", available=None, read_at_ms=None, state=TokenState.RATE_LIMITED, rest_until_ms=NOW_MS + 1)
    assert with_unread_balance([unread, stale, fresh, over, rests]) == [unread]
    assert with_stale_balance([unread, stale, fresh, over, rests], now_ms=NOW_MS) == [stale]


def test_of_many_balances_those_read_longest_ago_are_read_first_and_no_more_than_a_job_may():
    stale = [token(str(n), read_at_ms=NOW_MS - 20_000 - n, available=0) for n in range(2 * TOKENS_LOOKED_AT)]
    assert with_stale_balance(stale, now_ms=NOW_MS) == stale[: TOKENS_LOOKED_AT - 1 : -1]
    unread = [token(str(n), available=None, read_at_ms=None) for n in range(2 * TOKENS_LOOKED_AT)]
    assert len(with_unread_balance(unread)) == TOKENS_LOOKED_AT


def test_whoever_asks_for_credits_has_the_oldest_balances_read_and_some_of_the_others():
    tokens = [token(str(n), read_at_ms=n) for n in range(40)]
    over = token("over", read_at_ms=None, state=TokenState.REVOKED)
    resting = token("resting", state=TokenState.RATE_LIMITED, rest_until_ms=NOW_MS + 1)
    chosen = [t.id for t in to_read_anew([*reversed(tokens), over, resting], Random(1), now_ms=NOW_MS)]
    assert len(set(chosen)) == len(chosen) == BALANCES_READ_ANEW
    assert chosen[: BALANCES_READ_ANEW // 2] == [str(n) for n in range(BALANCES_READ_ANEW // 2)]
    assert {t.id for t in to_read_anew(tokens[:3], Random(1), now_ms=NOW_MS)} == {"0", "1", "2"}


def test_without_credits_a_job_waits_for_credits():
    for reason in (why(), why(token())):
        assert isinstance(reason, Temporary)
        assert reason.reason is WaitReason.NO_CREDITS


def test_where_a_token_rests_a_job_waits_for_the_first_that_does_not():
    resting = [token(str(s), state=TokenState.RATE_LIMITED, rest_until_ms=NOW_MS + s * 1000) for s in (30, 20)]
    reason = why(*resting, token())
    assert isinstance(reason, Temporary)
    assert (reason.reason, reason.delay_s) == (WaitReason.BACKEND_RATE_LIMITED, 20)


def test_a_job_looks_each_minute_whether_another_token_is_free_while_one_rests_for_an_hour():
    resting = token("a", state=TokenState.RATE_LIMITED, rest_until_ms=NOW_MS + 3_600_000)
    for others in ([], [token("b", available=50, reserved=50)]):
        reason = why(resting, *others)
        assert isinstance(reason, Temporary)
        assert (reason.reason, reason.delay_s) == (WaitReason.BACKEND_RATE_LIMITED, 60)


def test_what_no_token_may_do_ends_the_job():
    reason = why(token(scopes="read"))
    assert isinstance(reason, Permanent)
    assert reason.code is Code.SCOPE_MISSING


def test_an_export_that_every_plan_forbids_ends_the_job_and_an_edit_waits():
    blocked = token(state=TokenState.EXPORT_BLOCKED, blocked=REFUSED_EXPORTS)
    reason = why(blocked)
    assert isinstance(reason, Permanent)
    assert reason.code is Code.EXPORT_BLOCKED
    assert isinstance(why(blocked, job=make_job(plan=Plan(message="mute it", action="none"))), Temporary)
    assert isinstance(why(blocked, token("tok_2")), Temporary)


def test_one_refused_export_may_have_been_a_mishap_and_ends_no_job():
    assert isinstance(why(token(state=TokenState.EXPORT_BLOCKED, blocked=REFUSED_EXPORTS - 1)), Temporary)


def test_of_a_session_with_an_edit_only_its_own_token_counts():
    bound = Session(id="ses_1", tenant="acme", profile="p", created_at_ms=0, backend_id="b", token_id="tok_1", edits=1)
    reason = why(token(scopes="read"), token("tok_2"), session=bound)
    assert isinstance(reason, Permanent)
    assert reason.code is Code.SCOPE_MISSING
