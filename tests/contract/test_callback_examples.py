"""`docs/signatures.md`: each way of checking a signature is taken from the page as it stands there, and run."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from core.events.event import Envelope
from core.security.signing import headers, new_secret
from tests.until import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "openapi"
PAGE = (ROOT / "docs" / "signatures.md").read_text()
BODY = '{"type":"job.succeeded","data":{"note":"剪辑 🎬 a\\u2028b"}}'.encode()
EVENT = "evt_019aa2c7-5d1f-7003-9b1e-4c5d6e7f8091"
SENT = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Call(NamedTuple):
    """What came in, and when the receiver looks at it; `now_s` None is now."""

    secret: str
    headers: dict[str, str]
    body: bytes
    now_s: int | None = None


def block(title: str) -> str:
    """Give the code block that begins with this line, e.g. ``python plain``."""
    [code] = re.findall(rf"^```{re.escape(title)}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return code


def judge_by(title: str, call: Call, folder: Path) -> bool:
    """Run the page's code over a call: True where it takes it for ours."""
    missing = [program for program in NEEDED[title] if shutil.which(program) is None]
    if missing:
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    done = JUDGES[title](call, folder)
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.returncode == 0


def run(command: list[str], folder: Path, stdin: bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run it; what is secret comes by the environment, since a command line is everybody's to read."""
    return subprocess.run(
        command, cwd=folder, env=os.environ | env, input=stdin, capture_output=True, timeout=PATIENCE_S, check=False
    )


def as_json(call: Call) -> str:
    return json.dumps({"secret": call.secret, "headers": call.headers, "now_s": call.now_s})


def by_library(call: Call, folder: Path) -> subprocess.CompletedProcess[bytes]:
    driver = """
import json, os, sys
from callback import verified
from standardwebhooks import WebhookVerificationError

call = json.loads(os.environ["CALL"])
try:
    verified(call["secret"], call["headers"], sys.stdin.buffer.read())
except (WebhookVerificationError, ValueError):
    sys.exit(1)
"""
    (folder / "callback.py").write_text(block("python library"))
    return run([sys.executable, "-c", driver], folder, call.body, CALL=as_json(call))


def by_plain_python(call: Call, folder: Path) -> subprocess.CompletedProcess[bytes]:
    driver = """
import json, os, sys
from callback import is_ours

call = json.loads(os.environ["CALL"])
sys.exit(not is_ours(call["secret"], call["headers"], sys.stdin.buffer.read(), now_s=call["now_s"]))
"""
    (folder / "callback.py").write_text(block("python plain"))
    return run([sys.executable, "-c", driver], folder, call.body, CALL=as_json(call))


def by_node(call: Call, folder: Path) -> subprocess.CompletedProcess[bytes]:
    driver = """
import { readFileSync } from "node:fs";
import { isOurs } from "./callback.mjs";

const call = JSON.parse(process.env.CALL);
process.exit(isOurs(call.secret, call.headers, readFileSync(0), call.now_s ?? undefined) ? 0 : 1);
"""
    (folder / "callback.mjs").write_text(block("javascript"))
    (folder / "driver.mjs").write_text(driver)
    return run(["node", "driver.mjs"], folder, call.body, CALL=as_json(call))


def by_go(call: Call, folder: Path) -> subprocess.CompletedProcess[bytes]:
    driver = """package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"time"

	"example.com/receiver/callback"
)

func main() {
	var call struct {
		Secret  string
		Headers map[string]string
		NowS    *int64 `json:"now_s"`
	}
	if json.Unmarshal([]byte(os.Getenv("CALL")), &call) != nil {
		os.Exit(2)
	}
	header, now := http.Header{}, time.Now()
	for name, value := range call.Headers {
		header.Set(name, value)
	}
	if call.NowS != nil {
		now = time.Unix(*call.NowS, 0)
	}
	body, _ := io.ReadAll(os.Stdin)
	if !callback.IsOurs(call.Secret, header, body, now) {
		os.Exit(1)
	}
}
"""
    (folder / "callback").mkdir()
    (folder / "callback" / "callback.go").write_text(block("go"))
    (folder / "main.go").write_text(driver)
    (folder / "go.mod").write_text("module example.com/receiver\n\ngo 1.21\n")
    built = run(["go", "build", "-o", "driver", "."], folder, b"")
    assert built.returncode == 0, built.stderr.decode()
    return run([str(folder / "driver")], folder, call.body, CALL=as_json(call))


def by_shell(call: Call, folder: Path) -> subprocess.CompletedProcess[bytes]:
    (folder / "callback.sh").write_text(block("sh") + '\nis_ours "$SECRET" "$@"\n')
    now = [] if call.now_s is None else [str(call.now_s)]
    given = [call.headers.get(name, "") for name in SENT]
    return run(["sh", "callback.sh", *given, *now], folder, call.body, SECRET=call.secret)


JUDGES: dict[str, Callable[[Call, Path], subprocess.CompletedProcess[bytes]]] = {
    "python library": by_library,
    "python plain": by_plain_python,
    "javascript": by_node,
    "go": by_go,
    "sh": by_shell,
}
NEEDED = {
    "python library": [],
    "python plain": [],
    "javascript": ["node"],
    "go": ["go"],
    "sh": ["sh", "openssl", "od"],
}

in_each_language = pytest.mark.parametrize("title", JUDGES)
#: the library reads the clock itself
where_the_time_is_handed_in = pytest.mark.parametrize("title", [title for title in JUDGES if title != "python library"])


def call_of(*secrets: str, age_s: int = 0, body: bytes = BODY) -> Call:
    """Make a call as the gateway sends it; the receiver knows the first secret."""
    sent = headers(secrets, message_id=EVENT, timestamp_s=int(time.time()) - age_s, body=body)
    return Call(secrets[0], sent, body)


@where_the_time_is_handed_in
def test_the_known_answer_of_the_page_holds(title, tmp_path):
    known = dict(re.findall(r"^\| `?([\w-]+)`? \| `(.+)` \|$", PAGE.partition("## A known answer")[2], re.MULTILINE))
    sent = {name: known[name] for name in SENT}
    call = Call(known["secret"], sent, known["body"].encode(), now_s=int(known["webhook-timestamp"]))
    assert judge_by(title, call, tmp_path)


@in_each_language
def test_what_the_gateway_signs_is_taken(title, tmp_path):
    assert judge_by(title, call_of(new_secret()), tmp_path)


@in_each_language
def test_a_body_that_was_changed_on_the_way_is_refused(title, tmp_path):
    call = call_of(new_secret())
    assert not judge_by(title, call._replace(body=call.body.replace(b"succeeded", b"failed")), tmp_path)


@in_each_language
def test_an_id_that_was_changed_on_the_way_is_refused(title, tmp_path):
    call = call_of(new_secret())
    call.headers["webhook-id"] = EVENT.replace("evt_0", "evt_1")
    assert not judge_by(title, call, tmp_path)


@in_each_language
def test_another_s_secret_is_refused(title, tmp_path):
    assert not judge_by(title, call_of(new_secret())._replace(secret=new_secret()), tmp_path)


@in_each_language
@pytest.mark.parametrize("age_s", [400, -400], ids=["old", "from the future"])
def test_a_call_of_another_time_is_refused(title, age_s, tmp_path):
    assert not judge_by(title, call_of(new_secret(), age_s=age_s), tmp_path)


@in_each_language
def test_a_time_that_is_longer_than_a_number_may_be_is_refused_and_breaks_nothing(title, tmp_path):
    call = call_of(new_secret())
    endless = call.headers | {"webhook-timestamp": "9" * 5000}
    assert not judge_by(title, call._replace(headers=endless), tmp_path)


@in_each_language
def test_a_receiver_with_either_secret_takes_a_call_that_is_signed_with_both(title, tmp_path):
    old, new = new_secret(), new_secret()
    call = call_of(new, old)
    assert [
        judge_by(title, call._replace(secret=each), fresh(tmp_path, name)) for name, each in (("n", new), ("o", old))
    ] == [True] * 2


@in_each_language
@pytest.mark.parametrize("absent", SENT)
def test_a_call_without_a_header_is_refused_and_breaks_nothing(title, absent, tmp_path):
    call = call_of(new_secret())
    del call.headers[absent]
    assert not judge_by(title, call, tmp_path)


def fresh(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_the_example_of_a_body_has_every_field_of_a_callback_and_no_other():
    example = (OPENAPI / "examples" / "job.succeeded.json").read_bytes()
    assert json.loads(msgspec.json.encode(msgspec.json.decode(example, type=Envelope))) == json.loads(example)
