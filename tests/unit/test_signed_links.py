"""Links to finished files: signed, expiring, fresh in every answer."""

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import rfc3339
from core.events.event import event
from core.model import transitions
from core.model.job import Job, OutputFile
from core.security.encryption import Encryption
from core.security.signed_links import LINK_LIFE_MS, output_link, output_path, sign_path, verify_path, with_link
from tests.store_fixture import PUBLIC_URL, make_job

NOW_MS = 1_795_000_000_000
DAY_MS = 24 * 3600 * 1000
VAULT = Encryption(["s" * 40])
PATH = "/v1/jobs/job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab/output"
KEY = b"k" * 32


def finished(**file: str | None) -> Job:
    output = OutputFile(**({"path": "jobs/1.mp4", "format": "mp4", "expires_at_ms": NOW_MS + 30 * DAY_MS} | file))
    return transitions.succeeded(transitions.started(make_job(), now_ms=NOW_MS), now_ms=NOW_MS, output=output)


def body_of(job: Job) -> bytes:
    return event(None, job, webhook=None, public_url=PUBLIC_URL, now_ms=NOW_MS).body


def opens(url: str, job_id: str, vault: Encryption, *, at_ms: int) -> bool:
    query = parse_qs(urlsplit(url).query)
    return verify_path(
        vault.link_keys,
        path=output_path(job_id),
        expires_at_s=int(query["expires"][0]),
        signature=query["signature"][0],
        now_s=at_ms // 1000,
    )


def test_a_link_works_for_a_day_and_for_its_job_alone() -> None:
    link = output_link(VAULT, "job_1", public_url=PUBLIC_URL, file_expires_at_ms=NOW_MS + 30 * DAY_MS, now_ms=NOW_MS)
    assert link.url.startswith(f"{PUBLIC_URL}/v1/jobs/job_1/output?")
    assert link.expires_at == rfc3339(NOW_MS + LINK_LIFE_MS)
    assert opens(link.url, "job_1", VAULT, at_ms=NOW_MS + DAY_MS - 1000)
    assert not opens(link.url, "job_1", VAULT, at_ms=NOW_MS + DAY_MS)
    assert not opens(link.url, "job_2", VAULT, at_ms=NOW_MS)


def test_a_link_never_outlives_its_file() -> None:
    link = output_link(VAULT, "job_1", public_url=PUBLIC_URL, file_expires_at_ms=NOW_MS + 5000, now_ms=NOW_MS)
    assert link.expires_at == rfc3339(NOW_MS + 5000)
    assert not opens(link.url, "job_1", VAULT, at_ms=NOW_MS + 5000)


def test_a_link_goes_on_after_its_key_was_rotated_and_not_after_it_was_dropped() -> None:
    link = output_link(VAULT, "job_1", public_url=PUBLIC_URL, file_expires_at_ms=NOW_MS + DAY_MS, now_ms=NOW_MS)
    assert opens(link.url, "job_1", Encryption(["n" * 40, "s" * 40]), at_ms=NOW_MS)
    assert not opens(link.url, "job_1", Encryption(["n" * 40]), at_ms=NOW_MS)


def test_a_callback_s_body_gets_a_fresh_link_at_every_attempt() -> None:
    job = finished()
    body = body_of(job)
    assert msgspec.json.decode(body)["data"]["job"]["output"]["url"] is None
    late_ms = NOW_MS + 3 * DAY_MS
    sent = msgspec.json.decode(with_link(body, VAULT, public_url=PUBLIC_URL, now_ms=late_ms))
    output = sent["data"]["job"]["output"]
    assert opens(output["url"], job.id, VAULT, at_ms=late_ms)
    assert output["expires_at"] == rfc3339(late_ms + LINK_LIFE_MS)
    assert output["format"] == "mp4"


def test_nothing_is_put_into_a_body_that_leads_elsewhere_or_nowhere() -> None:
    for job in (make_job(), finished(path=None, backend_url="https://backend.example.com/1.mp4")):
        body = body_of(job)
        assert with_link(body, VAULT, public_url=PUBLIC_URL, now_ms=NOW_MS) == body


# --- the signature itself


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
