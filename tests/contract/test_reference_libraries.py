"""What we sign holds for the reference libraries: PyPI's standardwebhooks and svix, npm's standardwebhooks.

The npm one is fetched into a folder of its own; where npm or its registry is not at hand, its tests are skipped.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from svix import webhooks as svix

from core.events.event import event
from core.security.signing import headers, new_secret, sign
from tests.store_fixture import make_job
from tests.until import PATIENCE_S

NPM_VERSION = "1.1.1"
EVENT = "evt_019aa2c7-5d1f-7003-9b1e-4c5d6e7f8091"
#: the page of the specification gives these
KNOWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN_ID, KNOWN_TIME_S = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
KNOWN_BODY = b'{"test": 2432232314}'
KNOWN_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

#: a library's word on a call: True where it takes it for ours
Verify = Callable[[str, dict[str, str], bytes], bool]

_NODE = """
import { readFileSync } from "node:fs";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
try {
  new Webhook(secret).verify(body, headers);
} catch (refusal) {
  if (!(refusal instanceof WebhookVerificationError)) throw refusal;
  process.exit(3);
}
"""


def by_standardwebhooks(secret: str, sent: dict[str, str], body: bytes) -> bool:
    try:
        standardwebhooks.Webhook(secret).verify(body, sent)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def by_svix(secret: str, sent: dict[str, str], body: bytes) -> bool:
    try:
        svix.Webhook(secret).verify(body, sent)
    except svix.WebhookVerificationError:
        return False
    return True


@pytest.fixture(scope="module")
def npm_folder(tmp_path_factory) -> Path:
    """A folder that has npm's library."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("this machine has no Node.js with npm")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    (folder / "verify.js").write_text(_NODE)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"standardwebhooks@{NPM_VERSION}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer in time")
    if done.returncode:
        pytest.skip("npm cannot install standardwebhooks here")
    return folder


@pytest.fixture(params=["standardwebhooks", "svix", "npm"])
def verify(request) -> Verify:
    if request.param != "npm":
        return by_standardwebhooks if request.param == "standardwebhooks" else by_svix
    folder = request.getfixturevalue("npm_folder")

    def by_npm(secret: str, sent: dict[str, str], body: bytes) -> bool:
        call = json.dumps({"secret": secret, "headers": sent, "body": body.decode()})
        done = subprocess.run(
            ["node", "verify.js"], cwd=folder, input=call.encode(), capture_output=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode in (0, 3), done.stderr.decode()
        return done.returncode == 0

    return by_npm


def signed(secrets: list[str], body: bytes, *, late_s: int = 0) -> dict[str, str]:
    now_s = int(datetime.now(UTC).timestamp()) - late_s
    return headers(secrets, message_id=EVENT, timestamp_s=now_s, body=body)


def a_body(**facts: Any) -> bytes:
    job = make_job(**facts)
    return event(None, job, webhook=None, public_url="https://reelgate.example.com", now_ms=1_795_000_000_000).body


def test_the_known_answer_of_the_specification_comes_out(verify):
    assert sign([KNOWN_SECRET], message_id=KNOWN_ID, timestamp_s=KNOWN_TIME_S, body=KNOWN_BODY) == KNOWN_SIGNATURE
    # its time is long gone, so a library can only be asked about the same words of today
    assert verify(KNOWN_SECRET, signed([KNOWN_SECRET], KNOWN_BODY), KNOWN_BODY)


@pytest.mark.parametrize("prompt", ["trim the first 2 seconds", "剪辑 🎬 \u202e a\u2028b \x00 \u007f", "é" * 10_000])
def test_a_callback_of_any_words_holds(verify, prompt):
    secret, body = new_secret(), a_body(prompt=prompt, metadata={"words": prompt[:1_000]})
    assert verify(secret, signed([secret], body), body)


def test_while_two_secrets_sign_either_holds_and_a_third_does_not(verify):
    new, old, body = new_secret(), new_secret(), a_body()
    sent = signed([new, old], body)
    assert [verify(secret, sent, body) for secret in (new, old, new_secret())] == [True, True, False]


def test_a_changed_body_id_or_time_and_an_old_call_are_refused(verify):
    secret, body = new_secret(), a_body()
    sent = signed([secret], body)
    assert not verify(secret, sent, body + b" ")
    assert not verify(secret, sent | {"webhook-id": "evt_other"}, body)
    assert not verify(secret, sent | {"webhook-timestamp": str(int(sent["webhook-timestamp"]) - 1)}, body)
    assert not verify(secret, signed([secret], body, late_s=600), body)
