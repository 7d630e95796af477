"""Uploads that lie about what they are, and readers of files that ask for nonsense. What is refused leaves nothing."""

import io
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import httpx
import pytest

from service.problems import ApiError
from service.uploads.receive import UploadPace
from tests.api_fixture import Api, running_api
from tests.hostile.harness import Harness
from tests.job_ends import VIDEO, succeed

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 5000
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 5000
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def part(name: str, body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(["--b", f"Content-Disposition: form-data; {name}", *fields, "", ""])
    return head.encode() + body + b"\r\n"


FILE = part('name="f"; filename="a.mp4"', MP4)
LIES = [
    ("?filename=a.mp4", {}, PNG, 415),
    ("?filename=a.png", {}, MP4, 415),
    ("?filename=a.mp4", {}, b"", 415),
    ("?filename=a.mp4", {}, b"\0", 415),
    ("?filename=a.mp4", {}, b"#!/bin/sh\nexit\n" * 500, 415),
    ("?filename=a.mp4.exe", {}, MP4, 415),
    ("?filename=/", {}, MP4, 415),
    ("?filename=%00", {}, MP4, 415),
    ("?filename=a.mp4%00.exe", {}, MP4, 415),
    ("?filename=" + "a" * 252 + ".mp4", {}, MP4, 422),
    ("", {}, MP4, 422),
    ("?filename=a.pdf", {}, MP4, 415),
    ("?filename=a.flac", {}, MP4, 415),
    ("?filename=a", {}, b"#!/bin/sh", 415),
    ("", FORM, b"", 400),
    ("", FORM, b"--b--", 400),
    ("", FORM, FILE, 400),
    ("", FORM, FILE[:-2], 400),
    ("", FORM, b"no form at all", 400),
    ("", FORM, part('name="f"', MP4) + b"--b--", 400),
    ("", FORM, FILE + FILE + b"--b--", 400),
    ("", FORM, part('name="f"; filename=""', b"") + b"--b--", 400),
    ("", FORM, part('name="f"; filename="' + "a" * 252 + '.mp4"', MP4) + b"--b--", 422),
    ("", FORM, part('name="x"', b"1") * 10_000 + b"--b--", 400),
    ("", FORM, FILE + part('name="x"', b"1") * 10_000 + b"--b--", 400),
    ("", FORM, part('name="f"; filename="a.mp4"', MP4, *["X-Many: 1"] * 10_000) + b"--b--", 400),
    ("", FORM, part('name="f"; filename="' + "a" * 1_000_000 + '.mp4"', MP4) + b"--b--", 400),
    ("", {"Content-Type": "multipart/form-data; boundary=" + "b" * 10_000}, FILE + b"--b--", 400),
    ("", {"Content-Type": 'multipart/form-data; boundary="'}, FILE + b"--b--", 400),
]


@pytest.fixture
def client(harness: Harness) -> httpx.Client:
    with harness.client() as made:
        yield made


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_an_upload_that_lies_is_refused_and_leaves_nothing(
    harness: Harness, client: httpx.Client, lie: tuple[str, dict[str, str], bytes, int]
) -> None:
    query, fields, body, status = lie
    files, keys = harness.kept_files(), harness.kept_keys("*upl*")
    answer = client.post(f"/v1/uploads{query}", content=body, headers=fields)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    harness.wait_until(lambda: (harness.kept_files(), harness.kept_keys("*upl*")) == (files, keys))


NAMES = [
    ("../../../etc/passwd.mp4", "passwd.mp4"),
    ("..\\..\\windows\\a.mp4", "a.mp4"),
    ("/abs/a.mp4", "a.mp4"),
    ("C:\\a.mp4", "a.mp4"),
    ("a\r\nX-Evil: 1.mp4", "aX-Evil: 1.mp4"),
    ("\u202e4pm.a\u202c.mp4", "4pm.a.mp4"),
    ("\U0001f3ac.mp4", "\U0001f3ac.mp4"),
    ("a" * 251 + ".mp4", "a" * 251 + ".mp4"),
    ("\0a.mp4", "a.mp4"),
    ("\U0001f469\u200d\U0001f467.mp4", "\U0001f469\u200d\U0001f467.mp4"),
    ("\u0645\u06cc\u200c\u062e.mp4", "\u0645\u06cc\u200c\u062e.mp4"),
    ('at 3.15\u202fPM;v=2 (1) "x" 100%41.mp4', 'at 3.15\u202fPM;v=2 (1) "x" 100%41.mp4'),
]


@pytest.mark.parametrize(("name", "kept"), NAMES, ids=range(len(NAMES)))
def test_a_name_is_only_a_name(harness: Harness, client: httpx.Client, name: str, kept: str) -> None:
    files = harness.kept_files()
    answer = client.post("/v1/uploads", params={"filename": name}, content=MP4)
    assert (answer.status_code, answer.json()["filename"]) == (201, kept)
    assert "x-evil" not in answer.headers
    (file,) = set(harness.kept_files()) - set(files)
    assert file == harness.storage / "uploads" / f"{answer.json()['id']}.mp4"
    assert client.delete(f"/v1/uploads/{answer.json()['id']}").status_code == 204
    assert harness.kept_files() == files


def test_a_name_in_a_form_is_only_a_name_too(harness: Harness, client: httpx.Client) -> None:
    answer = client.post("/v1/uploads", files={"f": ("../../x/a.mp4", io.BytesIO(MP4))})
    assert (answer.status_code, answer.json()["filename"]) == (201, "a.mp4")
    assert client.delete(f"/v1/uploads/{answer.json()['id']}").status_code == 204


@pytest.mark.parametrize(
    ("bytes_each", "wait_s", "slow"),
    [(1, 0.9, False), (1, 1.1, True), (29_000, 29, False), (28_000, 31, True), (500_000, 29, False)],
)
def test_an_upload_may_rest_but_not_drip_however_fast_it_was_before(bytes_each: int, wait_s: float, slow: bool) -> None:
    pace = UploadPace()
    pace.note(400_000_000, waited_s=10.0)
    with pytest.raises(ApiError, match="1000 bytes a second") if slow else nullcontext():
        for _ in range(60):
            pace.note(bytes_each, waited_s=wait_s)


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path) as running:
        yield running


N = len(VIDEO)
RANGES = [
    ("bytes=0-0", 206, VIDEO[:1]),
    ("bytes=-1", 206, VIDEO[-1:]),
    (f"bytes=-{N * 2}", 206, VIDEO),
    (f"bytes={N - 1}-{N * 9}", 206, VIDEO[-1:]),
    (f"bytes={N}-", 416, None),
    ("bytes=-0", 416, None),
    ("bytes=" + "9" * 80 + "-", 416, None),
    ("bytes=0-" + "9" * 80, 206, VIDEO),
    ("bytes=" + "9" * 4000 + "-", 200, VIDEO),
    ("bytes=5-1", 200, VIDEO),
    ("bytes=-", 200, VIDEO),
    ("bytes=a-b", 200, VIDEO),
    ("bytes=--1", 200, VIDEO),
    ("bytes=0x0-0x1", 200, VIDEO),
    ("bytes=\u00b2-", 200, VIDEO),
    ("bytes=0-1," * 1000 + "2-3", 200, VIDEO),
    ("lines=0-1", 200, VIDEO),
    ("", 200, VIDEO),
]


async def test_any_range_gets_bytes_of_the_file_or_a_refusal(api: Api) -> None:
    job = await api.submit()
    await succeed(api.context, job["id"])
    for said, status, wanted in RANGES:
        answer = await api.http.get(f"/v1/jobs/{job['id']}/output", headers=[(b"Range", said.encode("latin-1"))])
        assert answer.status_code == status, said
        assert wanted is None or answer.content == wanted, said
