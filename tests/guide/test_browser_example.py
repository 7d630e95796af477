"""`docs/examples/browser`: the server that a page talks to in place of the API, over HTTP and in a real browser."""

import asyncio
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from sandbox.world.ports import free_port
from tests.browser import open_page
from tests.gateway_fixture import Gateway, running_gateway
from tests.guide.page import DOCS
from tests.scripted_api import gives, scripted_api
from tests.until import PATIENCE_S, wait_until

EXAMPLE = DOCS / "examples" / "browser"
PROMPT = "trim the first second and export in 360p"
ENDS = {"succeeded", "failed", "canceled", "expired"}


class Server:
    """The example as a process of its own, and what it logs."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        """Open the page as somebody new."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False) as client:
            assert client.get("/").status_code == 200
            yield client


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="module")
def server(gateway: Gateway) -> Iterator[Server]:
    port, log = free_port(), gateway.folder / "server.log"
    env = {
        "PATH": os.environ["PATH"],
        "REELGATE_API": gateway.world["api"],
        "REELGATE_API_KEY": gateway.world["api_key"],
        "COOKIE_SECRET": "of this test",
        "PORT": str(port),
    }
    with (
        log.open("wb") as said,
        _running([sys.executable, str(EXAMPLE / "server.py")], env=env, stderr=said, stdout=said),
    ):
        wait_until(lambda: "Uvicorn running" in log.read_text(), within_s=PATIENCE_S, told=log.read_text)
        yield Server(f"http://127.0.0.1:{port}", log)


@contextmanager
def _running(command: list[str], **how: Any) -> Iterator[None]:
    with subprocess.Popen(command, **how) as process:
        try:
            yield
        finally:
            process.terminate()


def submit(visitor: httpx.Client, clip: Path, *, wish: str | None = None, prompt: str = PROMPT) -> httpx.Response:
    form = {"id": wish or uuid4().hex, "prompt": prompt}
    return visitor.post("/jobs", data=form, files={"clip": (clip.name, clip.read_bytes())})


def follow(visitor: httpx.Client, job_id: str, last: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Read a job's events to their end, each with its id."""
    text = visitor.get(f"/jobs/{job_id}/events", headers={} if last is None else {"Last-Event-ID": last}).text
    return [
        (event_id, json.loads(data)) for event_id, data in re.findall(r"^id: (.+)\ndata: (.+)$", text, re.MULTILINE)
    ]


@pytest.fixture(scope="module")
def film(server: Server, gateway: Gateway) -> Iterator[tuple[httpx.Client, str]]:
    """Somebody whose film is there."""
    with server.visitor() as visitor:
        job_id = submit(visitor, gateway.clip()).json()["id"]
        assert follow(visitor, job_id)[-1][1]["status"] == "succeeded"
        yield visitor, job_id


@pytest.mark.quick
def test_a_visitor_sees_progress_that_never_goes_back_and_then_the_end(server: Server, gateway: Gateway) -> None:
    with server.visitor() as visitor:
        accepted = submit(visitor, gateway.clip())
        assert (accepted.status_code, accepted.json()["status"]) == (202, "queued")
        told = [job for _, job in follow(visitor, accepted.json()["id"])]
    percents = [job["percent"] for job in told]
    assert percents == sorted(percents)
    assert told[-1] == {"id": accepted.json()["id"], "status": "succeeded", "percent": 100, "message": "Done"}


def test_a_prompt_with_odd_breaks_of_lines_breaks_no_events(server: Server, gateway: Gateway) -> None:
    with server.visitor() as visitor:
        accepted = submit(visitor, gateway.clip(), prompt=f"{PROMPT}\u2028\u2029\x85please")
        assert follow(visitor, accepted.json()["id"])[-1][1]["status"] == "succeeded"


def test_a_browser_that_comes_back_goes_on_and_stays_away_after_the_end(server: Server, gateway: Gateway) -> None:
    with server.visitor() as visitor:
        job_id = submit(visitor, gateway.clip()).json()["id"]
        seen = [event_id for event_id, _ in follow(visitor, job_id)]
        middle = len(seen) // 2
        assert [event_id for event_id, _ in follow(visitor, job_id, seen[middle])] == seen[middle + 1 :]
        again = visitor.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": seen[-1]})
        assert (again.status_code, again.content) == (204, b"")


def test_a_wish_that_is_sent_twice_is_one_job_and_each_visitors_own(server: Server, gateway: Gateway) -> None:
    clip = gateway.clip()
    with server.visitor() as one, server.visitor() as other:
        first, again, others = (submit(visitor, clip, wish="1").json()["id"] for visitor in (one, one, other))
    assert first == again
    assert others != first


def test_a_film_is_played_from_anywhere_in_it(film: tuple[httpx.Client, str]) -> None:
    visitor, job_id = film
    whole = visitor.get(f"/jobs/{job_id}/film")
    assert (whole.status_code, whole.headers["content-type"], whole.content[4:8]) == (200, "video/mp4", b"ftyp")
    part = visitor.get(f"/jobs/{job_id}/film", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    beyond = visitor.get(f"/jobs/{job_id}/film", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize("what", ["events", "film"])
def test_another_visitors_job_is_not_there(server: Server, film: tuple[httpx.Client, str], what: str) -> None:
    owner, job_id = film
    with server.visitor() as stranger:
        theirs = stranger.get(f"/jobs/{job_id}/{what}")
        never = stranger.get(f"/jobs/job_019a3c1e-7b2f-7c3d-9e4f-0123456789ab/{what}")
    assert (theirs.status_code, theirs.json()) == (never.status_code, never.json())
    assert theirs.status_code == 404
    assert owner.cookies["visitor"] not in theirs.text


@pytest.mark.parametrize("cookie", [None, "", "somebody", "somebody.", "somebody." + "0" * 64, "sömebody.ö"])
def test_who_has_no_cookie_of_this_servers_gets_nothing(server: Server, film: tuple[httpx.Client, str], cookie) -> None:
    headers = {} if cookie is None else {"Cookie": f"visitor={cookie}".encode()}
    with httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE_S, trust_env=False) as nobody:
        assert nobody.get(f"/jobs/{film[1]}/film").status_code == 401
        assert nobody.get(f"/jobs/{film[1]}/events").status_code == 401
        assert nobody.post("/jobs", data={"prompt": PROMPT}, files={"clip": ("a.mp4", b"x")}).status_code == 401


def test_a_stranger_is_refused_before_their_file_is_read(server: Server) -> None:
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000000\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as stranger:
        stranger.sendall(head)
        assert stranger.recv(100).startswith(b"HTTP/1.1 401")


def test_a_browser_whose_last_event_is_not_known_is_told_where_the_job_stands(film: tuple[httpx.Client, str]) -> None:
    visitor, job_id = film
    for last in ("evt_of another time", b"\xff\xfe"):
        answer = visitor.get(f"/jobs/{job_id}/events", headers=[(b"Last-Event-ID", last)])
        assert answer.status_code == 200
        assert re.findall('"status": "([a-z]+)"', answer.text) == ["succeeded"]


def test_a_range_that_is_none_is_the_apis_to_judge(film: tuple[httpx.Client, str]) -> None:
    visitor, job_id = film
    assert visitor.get(f"/jobs/{job_id}/film", headers=[(b"Range", b"bytes=\xe9")]).status_code == 200


def test_no_cache_on_the_way_keeps_a_cookie_or_a_film_for_others(
    server: Server, film: tuple[httpx.Client, str]
) -> None:
    visitor, job_id = film
    assert httpx.get(server.url, trust_env=False).headers["cache-control"] == "no-store"
    assert "private" in visitor.get(f"/jobs/{job_id}/film").headers["cache-control"]


@pytest.mark.parametrize("job_id", ["..", "job_1%2F..%2F..", "job_1%3Fexpires=1", "ses_1", "job_%0d%0a"])
def test_an_id_leads_to_no_other_place_of_the_api(server: Server, job_id: str) -> None:
    with server.visitor() as visitor:
        assert visitor.get(f"/jobs/{job_id}/film").status_code == 404


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    plain = httpx.get(server.url, trust_env=False).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "samesite=strict" in plain.lower()
    behind_tls = httpx.get(server.url, headers={"X-Forwarded-Proto": "https"}, trust_env=False)
    assert "Secure" in behind_tls.headers["set-cookie"]


def test_a_file_that_is_no_film_is_refused_in_words_for_the_visitor(server: Server, tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("Dear diary")
    with server.visitor() as visitor:
        refused = submit(visitor, diary)
    assert refused.status_code == 415
    assert "mp4" in refused.json()["detail"]


def test_neither_the_key_nor_what_gives_a_session_away_leaves_the_server(
    server: Server, gateway: Gateway, film: tuple[httpx.Client, str]
) -> None:
    visitor, job_id = film
    answers = [visitor.get(path) for path in (f"/jobs/{job_id}/events", f"/jobs/{job_id}/film", "/nowhere")]
    told = "".join(f"{answer.headers}{answer.content!r}" for answer in answers) + server.log.read_text()
    claim_url = gateway.job(job_id)["claim_url"]
    assert claim_url
    for secret in (gateway.world["api_key"], claim_url, "signature=", "of this test", PROMPT):
        assert secret not in told


def test_the_api_itself_lets_no_page_in(gateway: Gateway) -> None:
    asked = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST"}
    answers = [gateway.http.options("/v1/jobs", headers=asked), gateway.http.get("/v1/jobs", headers=asked)]
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]


async def test_the_page_works_in_a_browser(server: Server, gateway: Gateway, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("this machine has no Chromium")
    clip = await asyncio.to_thread(gateway.clip)
    async with open_page(chromium, tmp_path) as page:
        await page.call("Page.navigate", url=server.url)
        await page.until("document.readyState == 'complete' && !!document.forms[0]")
        told = await page.evaluate(_USE.replace("CLIP", base64.b64encode(clip.read_bytes()).decode()))
        hosts = {urlsplit(url).netloc for url in page.requests if not url.startswith("data:")}
    assert told == {"bar": 100, "line": "Done", "plays": True, "backwards": False, "cookie": ""}
    assert hosts == {urlsplit(server.url).netloc}, "it needs nobody but its own server"


async def test_the_page_sees_the_end_although_its_server_refused_it_for_a_while(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("this machine has no Chromium")
    end = b'data: {"id": "job_1", "status": "failed", "percent": 40, "message": "The file is broken."}\n\n'
    with scripted_api() as site:
        site.replies = {
            "/": [gives(200, (EXAMPLE / "page.html").read_bytes(), content_type="text/html")],
            "/jobs": [gives(202, {"id": "job_1"})],
            "/jobs/job_1/events": [gives(502, {"detail": "away"}), gives(200, end, content_type="text/event-stream")],
        }
        async with open_page(chromium, tmp_path) as page:
            await page.call("Page.navigate", url=site.url)
            await page.until("document.readyState == 'complete' && !!document.forms[0]")
            await page.evaluate("document.forms[0].dispatchEvent(new Event('submit'))")
            await page.until("document.querySelector('p').textContent === 'The file is broken.'")


#: choose a file, press the button, and wait until the film can be played
_USE = """
(async () => {
  const bytes = Uint8Array.from(atob("CLIP"), (letter) => letter.charCodeAt(0));
  const chosen = new DataTransfer();
  chosen.items.add(new File([bytes], "clip.mp4"));
  document.querySelector("input[type=file]").files = chosen.files;
  const bar = document.querySelector("progress"), video = document.querySelector("video");
  const values = [];
  new MutationObserver(() => values.push(bar.value)).observe(bar, { attributes: true });
  const ready = new Promise((tell) => ["loadedmetadata", "error"].forEach((name) => video.addEventListener(name, tell)));
  document.querySelector("button").click();
  await ready;
  return {
    bar: bar.value,
    line: document.querySelector("p").textContent,
    plays: video.duration > 2 || video.error.message,
    backwards: values.some((value, index) => value < values[index - 1]),
    cookie: document.cookie,
  };
})()
"""
