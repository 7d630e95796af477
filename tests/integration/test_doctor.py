"""`reelgate doctor` against the sandbox as it is, and against one that is wrong in the ways that break the gateway."""

import asyncio
import json
import logging
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
import pytest
import redis
from click.testing import CliRunner, Result

from core.cli.tokens import tokens
from core.security.encryption import Encryption
from core.settings import load_settings
from core.store.redis.keys import key
from tests.compat.processes import PROGRAMS, clean_environment, running
from tests.dialects.dialects import Dialect, Film
from tests.dialects.proxy import Conversation
from tests.dialects.proxy_server import running_proxy
from tests.s3_fixture import BUCKET, Unread, access_to, s3
from worker.doctor import findings
from worker.doctor.command import doctor
from worker.doctor.local_checks import check_storage
from worker.doctor.run import private_of

__all__ = ["s3"]

TOKEN, FREE_TOKEN = "nmv_usr_of_the_operator_1", "nmv_usr_that_may_not_export"
SECRET_KEY = "d" * 40
QUERY = "sig=QUERYMARK77"
FAST = {
    "SANDBOX_EDIT_MIN_S": "0.05",
    "SANDBOX_EDIT_MAX_S": "0.2",
    "SANDBOX_TIME_SCALE": "10",
    "SANDBOX_SILENT_RATE": "0",
    "SANDBOX_HEARTBEAT_S": "0.05",
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("doctor")
    with running("sandbox", env=FAST | {"SANDBOX_TOKENS": f"{TOKEN}:5000"}, folder=folder) as sandbox:
        free = {"token": FREE_TOKEN, "credits": 500, "plan": "free"}
        httpx.post(f"{sandbox.url}/_sandbox/tokens", json=free, trust_env=False).raise_for_status()
        yield sandbox.url


class Doctor:
    """Runs the command in this process; `env` adds to a good environment."""

    def __init__(self, backend: str, redis_url: str, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str | None] = {
            "NEMO_API_URL": backend,
            "NEMO_TOKEN": TOKEN,
            "REDIS_URL": redis_url,
            "REELGATE_SECRET_KEYS": SECRET_KEY,
            "REELGATE_STORAGE": str(folder / "storage"),
            "REELGATE_PUBLIC_URL": "https://reelgate.example.com",
            "REELGATE_SETTLE_S": "0.1",
            "REELGATE_RENDER_POLL_S": "0.2",
            "REELGATE_RENDER_POLLS": "100",
        }

    def run(self, *words: str, **env: str) -> Result:
        return CliRunner().invoke(doctor, words, env=self.env | env)

    def report(self, *words: str, **env: str) -> tuple[int, "Report"]:
        result = self.run("--json", *words, **env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, Report(json.loads(result.stdout))


class Report:
    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    def verdict(self, area: str, what: str) -> str:
        found = [row["verdict"] for row in self.told["findings"] if (row["area"], row["what"]) == (area, what)]
        assert len(found) == 1, self.told["findings"]
        return str(found[0])

    def came(self, what: str) -> str:
        return next(str(row["came"]) for row in self.told["findings"] if row["what"] == what)

    def bad(self) -> list[str]:
        return [row["what"] for row in self.told["findings"] if row["verdict"] == "bad"]

    def doubt(self, word: str) -> str | None:
        [found] = [row for row in self.told["doubts"] if word in row["doubt"]]
        return found["finding"]


@pytest.fixture
def checkup(backend: str, redis_url: str, tmp_path: Path) -> Iterator[Doctor]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Doctor(backend, redis_url, tmp_path)
    root.handlers[:] = handlers
    root.setLevel(level)


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def altered(backend: str, alter: Callable[[str, int, bytes], tuple[int, bytes]]) -> Iterator[str]:
    """Stand before the backend, and change what it answers: `alter` gets path, status and body."""

    class Proxy(Quiet):
        def _pass(self) -> None:
            length = int(self.headers.get("content-length", 0))
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
            answer = httpx.request(
                self.command, backend + self.path, content=self.rfile.read(length), headers=kept, trust_env=False
            )
            status, body = alter(self.path, answer.status_code, answer.content)
            self.send_response(status)
            self.send_header("content-type", answer.headers.get("content-type", "text/html"))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _pass  # noqa: N815 - http.server's names

    with serving(Proxy) as url:
        yield url


# --- a good one


def test_without_spending_all_that_is_harmless_is_done_and_the_rest_is_skipped(checkup: Doctor, backend: str):
    charged_before = len(ledger(backend)["messages"])
    status, report = checkup.report()
    assert (status, report.bad(), report.told["works"], report.told["spent"]) == (0, [], True, False)
    order = [row["what"] for row in report.told["findings"] if row["area"] == "backend"]
    assert order == [
        *("balance", "a made-up token", "a made-up session", "session", "a fresh session's state"),
        *("a clip by bytes", "the state after it", "a clip by URL", "message and export"),
    ]
    assert report.verdict("backend", "a clip by URL") == "skipped"
    assert report.verdict("backend", "message and export") == "skipped"
    assert len(ledger(backend)["messages"]) == charged_before
    settled = {row["doubt"] for row in report.told["doubts"] if row["finding"]}
    assert len(report.told["doubts"]) == 10
    assert len(settled) == 3
    assert report.doubt("fresh session") == "it has one"


def ledger(backend: str) -> dict[str, Any]:
    return httpx.get(f"{backend}/_sandbox/ledger", trust_env=False).json()


@pytest.fixture
def clip_url(tmp_path: Path) -> Iterator[str]:
    clip = Path("worker/doctor/clip.mp4")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "clip.mp4").write_bytes(clip.read_bytes())
    with serving(partial(Quiet, directory=str(tmp_path / "media"))) as url:
        yield f"{url}/clip.mp4?{QUERY}"


def test_with_spending_one_message_and_one_film_settle_what_can_be_settled(
    checkup: Doctor, backend: str, clip_url: str
):
    before = ledger(backend)
    status, report = checkup.report("--spend", "--clip-url", clip_url)
    assert (status, report.bad()) == (0, [])
    after = ledger(backend)
    assert len(after["messages"]) - len(before["messages"]) == 1
    assert len(after["renders"]) - len(before["renders"]) == 1
    assert report.verdict("backend", "export") == "ok"
    assert '"type":"text"' in report.came("message") or '"parts"' in report.came("message")
    assert "draft" in str(report.doubt("show an edit at once"))
    assert "taken under our id; the render ended in a film" in str(report.doubt("render ids"))
    assert str(report.doubt("output link")).startswith("the link is on the same host; asked: 200")
    assert report.doubt("uploads by URL") == "shown at the first look"
    assert "credits in all" in str(report.doubt("cost"))
    still_open = [row["doubt"] for row in report.told["doubts"] if row["finding"] is None]
    assert all("renewed anonymous" in doubt or "heartbeats" in doubt for doubt in still_open)


@pytest.mark.parametrize("film", ["other-host", "redirect", "needs-token", "download-redirect"])
def test_where_a_job_would_come_to_its_film_so_does_the_doctor(checkup: Doctor, backend: str, film: Film):
    with running_proxy(backend) as proxy:
        proxy.conversations[TOKEN] = Conversation(Dialect("odd", own_ids=True, film=film))
        checkup.env |= {"NEMO_API_URL": proxy.url, "REELGATE_ALLOW_ADDRESSES": "127.0.0.0/8"}
        checkup.env["REELGATE_ALLOW_HTTP"] = "true"
        status, report = checkup.report("--spend")
        assert not proxy.conversations[TOKEN].leaked
    assert (status, report.bad()) == (0, [])
    assert "an id of its own; the render ended in a film" in str(report.doubt("render ids"))
    assert report.verdict("backend", "the film") in ("ok", "warning")


@pytest.mark.parametrize("name", ["report.json", "report.md"])
def test_a_report_holds_no_token_no_id_and_no_query(checkup: Doctor, backend: str, clip_url: str, name: str):
    known = set(map(str, every_text(ledger(backend))))
    result = checkup.run("--spend", "--clip-url", clip_url, "--report", str(checkup.folder / name))
    assert result.exit_code == 0
    new = {text for text in map(str, every_text(ledger(backend))) if text not in known}
    ids = {text for text in new if len(text) > 8 and any(char.isdigit() for char in text)}
    assert len(ids) >= 2, "the session's and the render's"
    report = (checkup.folder / name).read_text()
    assert "a fresh session's state" in report
    for text in (report, result.output):
        for secret in (TOKEN, SECRET_KEY, QUERY, "QUERYMARK77", "clip.mp4?", str(checkup.env["REDIS_URL"]), *ids):
            assert secret not in text, secret


def every_text(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from every_text(each)
        case list():
            for each in value:
                yield from every_text(each)
        case str():
            yield value


def test_the_table_fits_a_terminal_and_says_in_words_how_it_stands(checkup: Doctor):
    result = checkup.run()
    assert "The gateway works here" in result.output
    assert "still open" in result.output
    assert "Traceback" not in result.output


def test_a_name_of_a_setting_is_shown_whole_however_narrow_the_terminal(checkup: Doctor):
    narrow = checkup.run(REELGATE_ALLOW_HTTP="true", NEMO_API_URL="http://127.0.0.1:9", COLUMNS="80").output
    came = "".join(line.split("│")[-2].strip() for line in narrow.splitlines() if line.count("│") > 1)
    assert "REELGATE_ALLOW_ADDRESSES" in came


def test_a_report_that_cannot_be_written_is_told_before_anything_is_spent(checkup: Doctor, backend: str):
    charged = len(ledger(backend)["messages"])
    result = checkup.run("--spend", "--report", str(checkup.folder / "nowhere" / "report.md"))
    assert (result.exit_code, "No such file or directory" in result.output, "Traceback" in result.output) == (
        2,
        True,
        False,
    )
    assert len(ledger(backend)["messages"]) == charged


def test_what_was_found_is_shown_although_the_disk_of_its_report_is_full(checkup: Doctor):
    result = checkup.run("--report", "/dev/full")
    assert (result.exit_code, "The gateway works here" in result.output) == (1, True)
    assert "Error: /dev/full: No space left on device" in result.output


# --- the backend is wrong


def test_a_wrong_token_is_told_and_nothing_more_is_asked_with_it(checkup: Doctor):
    status, report = checkup.report(NEMO_TOKEN="nmv_usr_nobody")
    assert (status, report.bad()) == (1, ["balance"])
    assert "token_refused" in json.dumps(report.told)
    assert "nobody" not in json.dumps(report.told)


def test_of_two_tokens_the_bad_one_is_found(checkup: Doctor):
    status, report = checkup.report(NEMO_TOKEN=f"{TOKEN},nmv_usr_nobody")
    assert (status, report.bad()) == (1, ["balance"])


def test_an_export_that_the_plan_does_not_allow_is_told(checkup: Doctor):
    status, report = checkup.report("--spend", NEMO_TOKEN=FREE_TOKEN)
    assert (status, report.bad()) == (1, ["export"])
    assert report.doubt("render ids") == (
        "`render_` and digits, `output` with format and quality: refused; the render did not end well"
    )


def test_a_backend_without_any_state_would_not_work_but_a_fresh_session_may_have_none(checkup: Doctor, backend: str):
    reads: list[str] = []

    def never(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return (404, b"<html>") if "/api/state/" in path else (status, body)

    def at_first(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        reads.extend([path] if "/api/state/" in path else [])
        return (404, b"<html>") if "/api/state/" in path and len(reads) < 3 else (status, body)

    with altered(backend, never) as url:
        status, report = checkup.report(NEMO_API_URL=url)
    assert (status, report.bad()) == (1, ["the state after it"])
    with altered(backend, at_first) as url:
        status, report = checkup.report(NEMO_API_URL=url)
    assert (status, report.verdict("backend", "a fresh session's state")) == (0, "warning")
    assert report.doubt("fresh session") == "it has none"


@pytest.mark.parametrize(
    "nothing", [(200, b'{"code":0,"data":null}'), (404, b'{"detail":"Not Found"}'), (400, b'{"detail":"no"}')]
)
def test_a_backend_that_has_a_state_since_the_first_edit_works(
    checkup: Doctor, backend: str, nothing: tuple[int, bytes]
):
    asked: set[str] = set()

    def until_edited(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        asked.add(path)
        return nothing if "/api/state/" in path and "/run_sse" not in asked else (status, body)

    with altered(backend, until_edited) as url:
        status, report = checkup.report("--spend", NEMO_API_URL=url)
    assert (status, report.bad()) == (0, [])
    assert report.verdict("backend", "the state after it") == "warning"
    assert report.verdict("backend", "export") == "ok"


def test_an_upload_that_was_not_applied_is_told(checkup: Doctor, backend: str):
    def unapplied(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(b'"session_state_applied":true', b'"session_state_applied":false')

    with altered(backend, unapplied) as url:
        assert checkup.report(NEMO_API_URL=url)[1].bad() == ["a clip by bytes"]


def test_what_a_page_or_an_odd_key_says_is_in_no_report(checkup: Doctor, backend: str):
    def chatty(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if "balance" in path:
            told = {"SECRETWORD 1": "SECRETWORD", "user_8812345": {"SECRETWORD": "x"}, "name": "SECRETWORD"}
            return 200, json.dumps({"code": 0, "data": {"available": 500, **told}}).encode()
        return (503, b"<html>SECRETWORD</html>") if "with-session" in path else (status, body)

    with altered(backend, chatty) as url:
        status, report = checkup.report(NEMO_API_URL=url)
    assert (status, report.bad()) == (1, ["session"])
    assert "8812345" not in json.dumps(report.told)
    assert report.doubt("frozen") == "the balance has no `frozen`"


def test_a_backend_that_is_not_there_is_told(checkup: Doctor):
    status, report = checkup.report(NEMO_API_URL="http://127.0.0.1:9")
    assert (status, report.bad()) == (1, ["balance"])


def test_without_a_token_the_installations_one_anonymous_identity_is_asked_and_kept(checkup: Doctor):
    status, report = checkup.report(NEMO_TOKEN="")
    assert (status, report.told["account"], report.verdict("backend", "anonymous token")) == (0, "anonymous", "ok")
    with redis.Redis.from_url(str(checkup.env["REDIS_URL"])) as client:
        kept = client.hget(key("anonymous_identity"), "token_id")
        assert kept
        assert checkup.report(NEMO_TOKEN="")[0] == 0
        assert client.hget(key("anonymous_identity"), "token_id") == kept


def test_without_a_setting_the_tokens_of_the_pool_are_looked_at_but_for_those_of_one_tenant(checkup: Doctor):
    for words, secret in (((), TOKEN), ((), "nmv_usr_nobody"), (("--tenant", "acme"), "nmv_usr_acmes_own")):
        added = CliRunner().invoke(tokens, ["add", *words], input=secret, env=checkup.env)
        assert added.exit_code == 0
    status, report = checkup.report(NEMO_TOKEN="")
    assert (status, report.told["account"], report.bad()) == (1, "the pool", ["balance"]), "the second is none"
    balances = [row["verdict"] for row in report.told["findings"] if row["what"] == "balance"]
    assert balances == ["ok", "bad"]
    with redis.Redis.from_url(str(checkup.env["REDIS_URL"])) as client:
        assert not client.exists(key("anonymous_identity")), "nobody is anonymous here"


# --- what is ours is wrong


def test_a_bad_setting_is_a_finding_with_its_name_and_without_its_value(checkup: Doctor):
    status, report = checkup.report(REELGATE_LEASE_S="qwertz")
    assert (status, report.bad()) == (1, ["values"])
    assert "REELGATE_LEASE_S" in json.dumps(report.told)
    assert "qwertz" not in json.dumps(report.told)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("NEMO_TOKENS", "NEMO_TOKEN"), ("REELGTE_STORAGE", "REELGATE_STORAGE"), ("NEMO_QWERTZ", None)],
)
def test_a_name_that_looks_like_a_setting_is_told_with_the_one_that_may_be_meant(
    checkup: Doctor, name: str, meant: str | None
):
    _, report = checkup.report(**{name: "hush"}, NEMO_API_URL="http://127.0.0.1:9")
    told = [row["came"] for row in report.told["findings"] if row["what"] == "names"]
    assert told == [f"{name} is read by nobody" + (f"; {meant} may be meant" if meant else "")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REELGATE_LEASES_S", "REELGATE_LEASE_S may be meant"),
        ("REELGATE_SECRET_KEY", "REELGATE_SECRET_KEYS may be meant"),
        ("REELGATE_QWERTZ", "docs/CONFIGURATION.md has them all"),
    ],
)
def test_a_mistyped_name_of_ours_is_bad_since_no_process_starts_with_it(checkup: Doctor, name: str, hint: str):
    _, report = checkup.report(**{name: "hush"}, NEMO_API_URL="http://127.0.0.1:9")
    told = [(row["verdict"], row["came"]) for row in report.told["findings"] if row["area"] == "settings"]
    assert told == [("bad", f"{name}: there is no such setting; {hint}")]


def test_a_redis_that_forgets_is_a_warning_and_one_of_other_keys_or_none_at_all_is_bad(checkup: Doctor):
    url = str(checkup.env["REDIS_URL"])
    nowhere = {"NEMO_API_URL": "http://127.0.0.1:9"}
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert checkup.report(**nowhere)[1].verdict("redis", "durability") == "warning"
        finally:
            client.config_set("maxmemory-policy", "noeviction")
        client.delete(key("secret_key_seals"))
        client.lpush(key("secret_key_seals"), Encryption(["x" * 40]).lock("reelgate"))
        assert "secret keys" in checkup.report(**nowhere)[1].bad()
        assert checkup.report(REELGATE_CELL="eu2", **nowhere)[1].verdict("redis", "cell") == "warning"
        assert not client.exists(key("cell")), "who looks makes it nobody's"
        client.set(key("cell"), "eu1")
        assert checkup.report(**nowhere)[1].verdict("redis", "cell") == "warning"
        assert "cell" in checkup.report(REELGATE_CELL="eu2", **nowhere)[1].bad()
        assert "connection" in checkup.report(REDIS_URL="redis://127.0.0.1:9/0", **nowhere)[1].bad()


def test_nothing_of_a_redis_that_is_not_ours_is_used_or_written(checkup: Doctor, backend: str):
    """The anonymous identity stands in Redis: of another installation's neither a token is taken nor one put there."""
    asked = len(ledger(backend)["tokens"])
    with redis.Redis.from_url(str(checkup.env["REDIS_URL"])) as client:
        for identity in ({}, {"client_id": "theirs", "token_id": "tok_theirs"}):
            client.flushdb()
            client.lpush(key("secret_key_seals"), Encryption(["x" * 40]).lock("reelgate"))
            if identity:
                client.hset(key("anonymous_identity"), mapping=identity)
                theirs = {"secret": Encryption(["x" * 40]).lock("nmv_usr_theirs"), "kind": "anonymous", "digest": "d"}
                client.hset(
                    key("token", "tok_theirs"), mapping=theirs | {"tenant": "", "state": "active", "scopes": ""}
                )
            status, report = checkup.report(NEMO_TOKEN="")
            assert (status, "secret keys" in report.bad()) == (1, True)
            assert report.verdict("backend", "anonymous token") == "skipped"
            assert client.hgetall(key("anonymous_identity")) == {
                name.encode(): value.encode() for name, value in identity.items()
            }
    assert len(ledger(backend)["tokens"]) == asked


@contextmanager
def redis_user(url: str, *rules: str) -> Iterator[str]:
    """Make a user of Redis, and give the address that logs in as them."""
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "weak", "on", ">word", *rules)
        try:
            yield urlunsplit(urlsplit(url)._replace(netloc=f"weak:word@127.0.0.1:{urlsplit(url).port}"))
        finally:
            client.acl_deluser("weak")


def test_a_redis_user_that_may_not_call_functions_is_told(checkup: Doctor):
    with redis_user(str(checkup.env["REDIS_URL"]), "~*", "&*", "+@all", "-fcall") as weak:
        report = checkup.report(REDIS_URL=weak, NEMO_API_URL="http://127.0.0.1:9")[1]
    assert report.verdict("redis", "functions") == "bad"


def test_a_redis_user_with_the_rights_that_the_configuration_asks_for_is_well(checkup: Doctor):
    """It may not ask what Redis is or keeps, and needs no such thing to run jobs."""
    page = (Path(__file__).parents[2] / "docs" / "CONFIGURATION.md").read_text()
    [rules] = re.findall(r"A user of its own needs `([^`]+)`", page)
    with redis_user(str(checkup.env["REDIS_URL"]), *rules.split()) as weak:
        status, report = checkup.report(REDIS_URL=weak)
    assert (status, report.bad()) == (0, [])
    assert report.verdict("redis", "functions") == "ok"
    assert {report.verdict("redis", what) for what in ("version", "durability")} == {"warning"}, "nobody knows"


@pytest.mark.parametrize("hosts", ["s1:26379,s2", "s1,[fd00::2]:26379"])
def test_no_password_in_an_address_of_sentinels_gets_into_a_report(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    """Of several hosts with brackets the last Pythons' urlsplit takes no whole address."""
    url = f"redis+sentinel://:hush%40redis@{hosts}/mymaster/0?sentinel_password=hush_sentinels"
    for name, value in {"REELGATE_SECRET_KEYS": SECRET_KEY, "REDIS_URL": url, "NEMO_TOKEN": ""}.items():
        monkeypatch.setenv(name, value)
    assert private_of(load_settings()) == {SECRET_KEY, url, "hush%40redis", "hush@redis", "hush_sentinels"}


def test_no_password_behind_the_question_mark_of_an_address_gets_into_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "redis://127.0.0.1:6379/0?username=reelgate&password=hush%23redis+1"
    for name, value in {"REELGATE_SECRET_KEYS": SECRET_KEY, "REDIS_URL": url, "NEMO_TOKEN": ""}.items():
        monkeypatch.setenv(name, value)
    assert private_of(load_settings()) >= {"hush%23redis+1", "hush#redis 1"}


@pytest.mark.parametrize("word", ["works", "warning", "redis", "true"])
def test_a_password_that_is_a_word_of_the_report_leaves_the_report_whole(word: str) -> None:
    """What it says of paid calls would be lost with it."""
    found = findings.Finding("redis", "durability", findings.Verdict.WARNING, "a log", f"it says {word}")
    report = findings.Report(
        version="0.1.0", made_at="now", backend="", account="", spent=True, works=True, findings=(found,), doubts=()
    )
    assert findings.scrub(report, {word}) == msgspec.structs.replace(
        report, findings=(msgspec.structs.replace(found, came="it says …"),)
    )


def test_a_storage_that_takes_no_files_is_told(checkup: Doctor):
    (checkup.folder / "a file").write_text("")
    status, report = checkup.report(REELGATE_STORAGE=str(checkup.folder / "a file" / "below"))
    assert status == 1
    assert "folder" in report.bad()


DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("at", "verdict"), [(b"no request", "ok"), (f"GET /{BUCKET}?".encode(), "warning")])
async def test_a_bucket_that_may_not_be_listed_is_told(
    s3: str, monkeypatch: pytest.MonkeyPatch, at: bytes, verdict: str
) -> None:
    """What a worker that died left of a job is found by its folder, and would stay for good."""
    before = Unread(s3, DENIED, at=at)
    async with await asyncio.start_server(before.serve, "127.0.0.1", 0) as server:
        for name, value in access_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").items():
            monkeypatch.setenv(name, value)
        found = await check_storage(f"s3://{BUCKET}/doctor")
    assert (found.verdict, before.asked.is_set()) == (verdict, verdict == "warning")
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert "<Key>" not in (await anybody.get(f"{s3}/{BUCKET}?list-type=2")).text, "nothing is left of the probe"


async def test_what_is_wrong_with_a_storage_is_told(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    assert (await check_storage(f"s3://{BUCKET}s/doctor")).came == "its bucket is gone"
    (tmp_path / "file").write_text("in the way")
    assert "file" in (await check_storage(str(tmp_path / "file"))).came


async def test_a_bucket_that_keeps_what_is_deleted_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There each film and upload stays that its owner had deleted, and each file that only passed through."""
    for name, value in access_to(s3).items():
        monkeypatch.setenv(name, value)
    async with httpx.AsyncClient(trust_env=False, base_url=s3) as anybody:
        await anybody.put("/versioned")
        before = await check_storage("s3://versioned/doctor")
        kept = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        await anybody.put("/versioned?versioning", content=kept)
    found = await check_storage("s3://versioned/doctor")
    assert (before.verdict, found.verdict) == ("ok", "warning")
    assert "versions" in found.came


# --- the command


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_was_found_is_shown_although_the_terminal_cannot_write_all_of_it(checkup: Doctor, encoding: str):
    env = clean_environment() | {name: str(value) for name, value in checkup.env.items()}
    words = [PROGRAMS / "reelgate", "doctor"]
    done = subprocess.run(words, env=env | {"PYTHONIOENCODING": encoding}, capture_output=True, check=False)
    assert (done.returncode, b"The gateway works here" in done.stdout, done.stderr) == (0, True, b"")


def test_the_command_runs_as_a_process_and_its_help_loads_nothing_heavy(checkup: Doctor):
    env = clean_environment() | {name: str(value) for name, value in checkup.env.items()}
    words = [PROGRAMS / "reelgate", "doctor", "--json"]
    done = subprocess.run(words, env=env, cwd=checkup.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["works"], done.stderr) == (0, True, "")
    look = "import sys, worker.doctor.command; print(*(m for m in ('httpx', 'redis', 'litestar') if m in sys.modules))"
    loaded = subprocess.run([PROGRAMS / "python", "-c", look], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
