"""What the world's processes find in their environment."""

from sandbox.world.identity import Identity
from sandbox.world.settings import (
    SANDBOX_PACE,
    gateway_environment,
    sandbox_environment,
    with_sandbox_account,
    without_accounts,
)


def gateway(caller, **changes):
    parts = {
        "redis_url": "redis://127.0.0.1:1/0",
        "backend": "http://127.0.0.1:2",
        "public_url": "http://127.0.0.1:3",
        "storage": "/tmp/s",
        "secret_key": "s" * 43,
        "pace": SANDBOX_PACE,
    }
    return gateway_environment(caller, **{**parts, **changes})


def test_the_callers_settings_win_over_the_worlds_choices():
    assert gateway({"REELGATE_RENDER_POLL_S": "7"})["REELGATE_RENDER_POLL_S"] == "7"
    assert gateway({"REELGATE_SECRET_KEYS": "k" * 32})["REELGATE_SECRET_KEYS"] == "k" * 32


def test_the_addresses_of_the_parts_win_over_the_callers():
    made = gateway({"REDIS_URL": "redis://elsewhere", "NEMO_API_URL": "https://elsewhere"})
    assert made["REDIS_URL"] == "redis://127.0.0.1:1/0"
    assert made["NEMO_API_URL"] == "http://127.0.0.1:2"


def test_every_world_has_keys_of_its_own():
    one, other = Identity(), Identity()
    assert one.secret_key != other.secret_key
    assert len(one.secret_key) >= 32
    assert gateway({}, secret_key=one.secret_key)["REELGATE_SECRET_KEYS"] == one.secret_key


def test_a_real_backend_is_not_asked_at_the_sandboxes_pace():
    assert "REELGATE_RENDER_POLL_S" not in gateway({}, pace={})


def test_the_sandbox_knows_the_token_that_the_workers_use():
    caller = with_sandbox_account({}, token="nmv_usr_x")
    assert caller["NEMO_TOKEN"] == "nmv_usr_x"
    assert sandbox_environment(caller, token="nmv_usr_x")["SANDBOX_TOKENS"] == "nmv_usr_x:25000"


def test_tokens_that_the_caller_named_are_left_alone():
    assert with_sandbox_account({"NEMO_TOKEN": ""}, token="nmv_usr_x") == {"NEMO_TOKEN": ""}
    chosen = {"SANDBOX_TOKENS": "nmv_usr_a:50"}
    assert with_sandbox_account(chosen, token="nmv_usr_x") == chosen
    assert sandbox_environment(chosen, token="nmv_usr_x")["SANDBOX_TOKENS"] == "nmv_usr_a:50"


def test_the_demo_never_shows_a_callers_token_to_the_sandbox():
    assert without_accounts({"NEMO_TOKEN": "nmv_usr_real", "PATH": "/bin"}) == {"PATH": "/bin"}
