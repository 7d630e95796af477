"""Signatures of callbacks, held against the published example and the library."""

import base64
import time

from standardwebhooks import Webhook

from core.security.signing import headers, new_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


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
