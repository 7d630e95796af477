"""Credits, registered tokens from a setting, and who gets an anonymous one."""

import pytest

from sandbox.backend.clock import Clock
from sandbox.backend.refusals import Refused
from sandbox.backend.settings import BadSetting, Settings
from sandbox.backend.tokens import CreditAccount, Tokens, registered

WEEK_S = 604_800


class Hands(Clock):
    """A clock that a test turns."""

    at_s = 1_795_000_000.0

    def now_s(self):
        return self.at_s


@pytest.fixture
def hands():
    return Hands()


def refusal(call, *args):
    with pytest.raises(Refused) as caught:
        call(*args)
    return caught.value.status, caught.value.code


def bearer(token):
    return {"authorization": f"Bearer {token.value}"}


def test_credits_freeze_and_are_spent_or_thaw():
    credit_account = CreditAccount(available=120)
    credit_account.freeze(50)
    credit_account.freeze(50)
    assert credit_account.balance() == {"available": 20, "frozen": 100, "total": 120}

    credit_account.spend(50)
    credit_account.thaw(50)
    assert credit_account.balance() == {"available": 70, "frozen": 0, "total": 70}


def test_a_purse_never_freezes_more_than_it_has():
    assert refusal(CreditAccount(available=49).freeze, 50) == (200, 2001)


def test_the_setting_gives_credits_plan_and_scopes():
    rich, poor = registered("nmv_usr_a:25000, nmv_usr_b:50:free:read+write+upload", 0)

    assert (rich.credit_account.available, rich.plan, rich.scopes) == (25_000, "pro", {"*"})
    assert (poor.credit_account.available, poor.plan, poor.scopes) == (50, "free", {"read", "write", "upload"})


@pytest.mark.parametrize("bad", ["secret", "secret:many", "secret:5:pro:fly", "secret:5:pro:read:more", ":5"])
def test_a_bad_setting_is_refused_without_showing_it(bad):
    with pytest.raises(BadSetting) as caught:
        registered(bad, 0)

    assert "secret" not in str(caught.value)


def test_a_tokens_id_and_repr_do_not_show_it():
    (token,) = registered("nmv_usr_hidden:1", 0)

    assert token.id.startswith("tok_")
    assert "nmv_usr_hidden" not in repr(token) + token.id


def test_missing_unknown_and_unscoped_tokens_are_told_apart(hands):
    tokens = Tokens(Settings(tokens="nmv_usr_b:50:free:read"), hands)

    assert refusal(tokens.caller, {}, "read") == (401, 401)
    assert refusal(tokens.caller, {"authorization": "Bearer nmv_usr_z"}, "read") == (401, 1011)
    assert refusal(tokens.caller, {"authorization": "Bearer nmv_usr_b"}, "render") == (403, 403)
    assert tokens.caller({"authorization": "bearer nmv_usr_b"}, "read").plan == "free"


def test_a_client_gets_one_token_a_week_and_the_next_one_after_it(hands):
    tokens = Tokens(Settings(), hands)
    first = tokens.issue("client", "127.0.0.1")
    assert refusal(tokens.issue, "client", "127.0.0.1") == (429, 429)

    hands.at_s += WEEK_S
    assert refusal(tokens.caller, bearer(first), "read") == (200, 1001)
    assert tokens.issue("client", "127.0.0.1").credit_account.available == 100


def test_the_week_is_shorter_where_clocks_run_faster():
    fast = Hands(scale=1000)
    token = Tokens(Settings(), fast).issue("client", "127.0.0.1")

    assert token.expires_at_s == pytest.approx(fast.at_s + WEEK_S / 1000)


def test_an_address_gets_ten_in_a_week_and_again_when_it_is_over(hands):
    tokens = Tokens(Settings(), hands)
    for number in range(10):
        tokens.issue(f"client-{number}", "10.0.0.1")

    assert refusal(tokens.issue, "one more", "10.0.0.1") == (429, 429)
    assert tokens.issue("one more", "10.0.0.2")
    hands.at_s += WEEK_S
    assert tokens.issue("another", "10.0.0.1")


@pytest.mark.parametrize("inherits", [True, False])
def test_a_successor_sees_the_old_sessions_only_where_the_setting_says_so(hands, inherits):
    tokens = Tokens(Settings(successor_sees_sessions=inherits), hands)
    first = tokens.issue("client", "127.0.0.1")
    hands.at_s += WEEK_S

    assert (tokens.issue("client", "127.0.0.1").account == first.account) is inherits


def test_an_expired_anonymous_token_frees_its_client_but_a_registered_one_stays(hands):
    tokens = Tokens(Settings(tokens="nmv_usr_a:1"), hands)
    anonymous, registered_ = tokens.issue("client", "127.0.0.1"), next(iter(tokens))
    tokens.expire(anonymous)
    tokens.expire(registered_)

    assert tokens.issue("client", "127.0.0.1").value != anonymous.value
    assert tokens.caller(bearer(registered_), "read") is registered_
