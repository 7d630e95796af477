"""The reference pages over HTTP: what they may do in a browser, how Scalar's script is sent, and what stands in for it."""

import hashlib
import html
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.openapi.docs_page import docs_page
from service.openapi.scalar import find_script
from tests.api_fixture import Api, running_api
from tests.openapi_check import document

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCRIPT = find_script()


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path, docs_script=SCRIPT) as running:
        yield running


@pytest.fixture
async def reader(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """One without a key, who takes no packed answers."""
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, headers={"Accept-Encoding": "identity"}) as http:
        yield http


async def script_url(reader: httpx.AsyncClient) -> str:
    found = re.search(r'src="([^"]+)"', (await reader.get("/docs")).text)
    assert found
    return found[1]


def policy_of(answer: httpx.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, _, sources in parts}


def test_what_was_installed_is_the_file_that_was_pinned() -> None:
    pinned = tomllib.loads(PROJECT.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    assert SCRIPT is not None, "./run setup installs it"
    assert hashlib.sha256(SCRIPT.read_bytes()).hexdigest() == pinned["sha256"]
    assert SCRIPT.name == f"scalar.{pinned['sha256'][:16]}.js"


async def test_the_page_may_ask_its_own_server_alone_and_has_no_script_inside(reader: httpx.AsyncClient) -> None:
    page = await reader.get("/docs")
    policy = policy_of(page)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["font-src"] == "'self'"
    assert "unsafe" not in "".join(sources for name, sources in policy.items() if name != "style-src")
    assert not re.findall(r"<script[^>]*>[^<]+", page.text)
    assert page.headers["cache-control"] == "no-cache", "it names the script of this very release"
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_the_plain_page_may_ask_nobody_and_has_a_style_alone(reader: httpx.AsyncClient) -> None:
    page = await reader.get("/docs/plain")
    assert page.text == docs_page(document())
    assert policy_of(page)["default-src"] == "'none'"
    assert policy_of(page)["style-src"].startswith("'sha256-")
    assert "script-src" not in policy_of(page)


async def test_behind_a_balancers_path_all_that_the_pages_ask_for_and_try_is_under_it(
    redis_url: str, tmp_path: Path
) -> None:
    outside = "https://media.example.com/films"
    async with running_api(redis_url, tmp_path, docs_script=SCRIPT, public_url=outside) as api:
        told = (await api.http.get("/openapi.json")).json()
        pages = [html.unescape((await api.http.get(path)).text) for path in ("/docs", "/docs/plain")]
    assert told["servers"][0]["url"] == "/films", "with a key of the reader's, nobody else may be asked"
    assert "](/films/docs/plain#codes)" in told["info"]["description"]
    asked = [url for page in pages for url in re.findall(r'(?:href="|src="|url=|"url": ")(/[^"]+)', page)]
    assert len(asked) >= 5
    assert not [url for url in asked if not url.startswith("/films/")]


async def test_the_script_is_kept_for_good_under_its_digest(reader: httpx.AsyncClient) -> None:
    url = await script_url(reader)
    answer = await reader.get(url)
    assert hashlib.sha256(answer.content).hexdigest().startswith(url.split(".")[1])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("asked", ["gzip", "br;q=1.0, GZIP;q=0.5", "deflate,gzip ; q=0.01"])
async def test_the_script_is_packed_for_whoever_takes_that(reader: httpx.AsyncClient, asked: str) -> None:
    url = await script_url(reader)
    plain, packed = await reader.get(url), await reader.get(url, headers={"Accept-Encoding": asked})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert packed.content == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("asked", ["identity", "gzip;q=0", "br, gzip; q=0.000", ""])
async def test_the_script_is_not_packed_for_others(reader: httpx.AsyncClient, asked: str) -> None:
    answer = await reader.get(await script_url(reader), headers={"Accept-Encoding": asked})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("asked", ["gzip", "identity"])
async def test_the_script_answers_head_and_a_known_tag_without_a_body(reader: httpx.AsyncClient, asked: str) -> None:
    url, headers = await script_url(reader), {"Accept-Encoding": asked}
    whole, head = await reader.get(url, headers=headers), await reader.head(url, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    fresh = {"date", "x-request-id"}
    assert {n: v for n, v in head.headers.items() if n not in fresh} == {
        n: v for n, v in whole.headers.items() if n not in fresh
    }
    known = await reader.get(url, headers=headers | {"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert known.headers["cache-control"] == whole.headers["cache-control"]


@pytest.mark.parametrize("name", ["scalar.0123456789abcdef.js", "scalar.js", "..%2Fpyproject.toml", "nothing"])
async def test_no_other_file_is_there(reader: httpx.AsyncClient, name: str) -> None:
    answer = await reader.get(f"/docs/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    packed = await reader.get(f"{await script_url(reader)}.gz")
    assert packed.status_code == 404


async def test_where_the_script_was_not_installed_the_plain_page_is_shown(redis_url: str, tmp_path: Path) -> None:
    async with running_api(redis_url, tmp_path, docs_script=None) as api:
        page, plain = await api.http.get("/docs"), await api.http.get("/docs/plain")
        assert page.status_code == 200
        assert page.text == plain.text
        assert policy_of(page) == policy_of(plain)
        assert (await api.http.get("/docs/scalar.0123456789abcdef.js")).status_code == 404
