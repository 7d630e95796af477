"""Signatures of callbacks, held against the published example and the library; links that expire."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from core.security.signing import headers, new_secret, sign, sign_path, verify_path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = "/v1/jobs/job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab/output"
KEY = b"k" * 32


def test_the_known_answer_comes_out():
    signature = sign(
        [SECRET],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp_s=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_secrets_sign_while_one_is_being_rotated_and_either_verifies():
    old, new = new_secret(), new_secret()
    body = '{"type":"job.succeeded","note":"剪辑 🎬"}'.encode()
    sent = headers([new, old], message_id="evt_1", timestamp_s=int(time.time()), body=body)
    assert len(sent["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(body, sent)["type"] == "job.succeeded"


def test_the_headers_carry_the_event_s_id_and_the_attempt_s_time():
    sent = headers([SECRET], message_id="evt_1", timestamp_s=1614265330, body=b"{}")
    assert sent["webhook-id"] == "evt_1"
    assert sent["webhook-timestamp"] == "1614265330"
    assert sent["content-type"] == "application/json"


def test_a_new_secret_is_32_random_bytes_with_the_usual_prefix():
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


def signed(key=KEY, path=PATH, expires_at_s=2_000):
    query = dict(
        part.split("=", 1) for part in sign_path(key, path=path, expires_at_s=expires_at_s).split("?")[1].split("&")
    )
    return query["signature"]


def test_a_link_holds_until_it_expires():
    link = sign_path(KEY, path=PATH, expires_at_s=2_000)
    assert link.startswith(f"{PATH}?expires=2000&signature=")
    assert verify_path([KEY], path=PATH, expires_at_s=2_000, signature=signed(), now_s=1_999)
    assert not verify_path([KEY], path=PATH, expires_at_s=2_000, signature=signed(), now_s=2_000)


def test_a_link_with_a_later_expiry_or_another_path_does_not_hold():
    assert not verify_path([KEY], path=PATH, expires_at_s=2_001, signature=signed(), now_s=1_000)
    assert not verify_path([KEY], path=PATH + "x", expires_at_s=2_000, signature=signed(), now_s=1_000)


def test_a_link_made_before_the_key_was_rotated_still_holds_while_the_old_key_is_read():
    assert verify_path([b"n" * 32, KEY], path=PATH, expires_at_s=2_000, signature=signed(), now_s=1_000)
    assert not verify_path([b"n" * 32], path=PATH, expires_at_s=2_000, signature=signed(), now_s=1_000)


@given(st.text())
def test_no_made_up_signature_holds_or_breaks_the_check(signature):
    assert not verify_path([KEY], path=PATH, expires_at_s=2_000, signature=signature, now_s=1_000)


@pytest.mark.parametrize("cut", [0, 1, 42])
def test_a_cut_signature_does_not_hold(cut):
    assert not verify_path([KEY], path=PATH, expires_at_s=2_000, signature=signed()[:cut], now_s=1_000)
