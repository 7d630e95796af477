"""The client takes the callbacks that we sign, and no others."""

import msgspec
import pytest

from core.clock import Clock
from core.security.signing import headers, new_secret
from reelgate.client import BadSignature, verify

BODY = b'{"type":"job.succeeded","timestamp":"2026-11-26T12:00:00.000Z","data":{"job":{"id":"job_1","status":"succeeded"}}}'


def signed(*secrets: str, body: bytes = BODY, ago_s: int = 0) -> dict[str, str]:
    at_s = Clock().now_ms() // 1000 - ago_s
    return headers(secrets, message_id="evt_1", timestamp_s=at_s, body=body)


def test_a_callback_of_ours_is_read():
    secret = new_secret()
    event = verify(BODY, signed(secret), secret)
    assert (event.id, event.type, event.job.id, event.job.ended) == ("evt_1", "job.succeeded", "job_1", True)


def test_header_names_may_come_in_any_case():
    secret = new_secret()
    assert verify(BODY, {name.title(): value for name, value in signed(secret).items()}, secret).id == "evt_1"


def test_while_secrets_change_either_is_good():
    old, new = new_secret(), new_secret()
    assert verify(BODY, signed(old), [new, old]).id == "evt_1"
    assert verify(BODY, signed(old, new), new).id == "evt_1"


def test_what_is_not_ours_changed_or_old_is_refused():
    secret = new_secret()
    for body, sent in (
        (BODY, signed(new_secret())),
        (BODY + b" ", signed(secret)),
        (BODY, signed(secret, ago_s=600)),
        (BODY, {}),
    ):
        with pytest.raises(BadSignature):
            verify(body, sent, secret)


@pytest.mark.parametrize("parsed", [msgspec.json.decode(BODY), None])
def test_a_body_that_was_parsed_already_is_the_callers_mistake_in_words(parsed):
    secret = new_secret()
    with pytest.raises(TypeError, match="as they came"):
        verify(parsed, signed(secret), secret)


def test_a_batch_and_a_test_are_read_too():
    secret = new_secret()
    for data in ({"batch": {"id": "bat_1", "status": "completed"}}, {"words": "hello"}):
        body = msgspec.json.encode({"type": "x", "timestamp": "2026-11-26T12:00:00Z", "data": data})
        assert verify(body, signed(secret, body=body), secret).job is None


@pytest.mark.parametrize("odd", ["v1", "v1,", "v1,!!!", "v1,abc", "v1,a,b", "v2;x", "", "v1a,AAAA", "v1,\u00e4=="])
def test_signatures_that_are_none_are_passed_over_and_a_good_one_beside_them_counts(odd):
    secret = new_secret()
    sent = signed(secret)
    good = sent["webhook-signature"]
    assert verify(BODY, sent | {"webhook-signature": f"{odd} {good}"}, secret).id == "evt_1"
    with pytest.raises(BadSignature):
        verify(BODY, sent | {"webhook-signature": odd}, secret)


@pytest.mark.parametrize("at", ["", "nan", "inf", "-1", "9" * 40, "soon", "\u0663"])
def test_a_time_that_is_none_is_refused(at):
    secret = new_secret()
    with pytest.raises(BadSignature):
        verify(BODY, signed(secret) | {"webhook-timestamp": at}, secret)


def test_a_body_that_nobody_can_have_signed_is_refused_and_breaks_nothing():
    with pytest.raises(BadSignature):
        verify(b"\xff\xfe", signed(new_secret()), new_secret())
    secret = new_secret()
    assert verify(BODY.decode(), signed(secret), secret).id == "evt_1"
