"""The reference page in a real browser, on a desk and on a phone: it is whole, tries calls, and asks nobody but us.

Skipped where there is no Chromium.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.openapi.scalar import find_script
from tests.api_fixture import Api, running_api
from tests.browser import Page, open_page
from tests.until import PATIENCE_S, until

LIST_JOBS = "#tag/jobs/GET/v1/jobs"
TRY = "[...document.querySelectorAll('button.show-api-client-button')].find(b => b.innerText.includes('get /v1/jobs)'))"
SEND = "[...document.querySelectorAll('button')].find(b => b.innerText.startsWith('Send\\n') && b.offsetParent)"
SEARCH = "[...document.querySelectorAll('button')].find(b => b.innerText.startsWith('Open Search'))"
FOUND = "[...document.querySelectorAll('[role=option]')].map(o => o.innerText).join()"
BACKGROUND = "Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])"


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if not found:
        pytest.skip("this machine has no Chromium")
    return found


@pytest.fixture
async def api(redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_url, tmp_path / "storage", docs_script=find_script()) as running:
        yield running


def hosts(page: Page) -> set[str]:
    return {f"{url.scheme}://{url.netloc.decode()}" for url in map(httpx.URL, page.requests)}


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desk", "phone"])
async def test_the_plain_page_fits_its_screen(api: Api, chromium: str, tmp_path: Path, size: tuple[int, int]) -> None:
    async with open_page(chromium, tmp_path / "profile", size=size) as page:
        await page.call("Page.navigate", url=f"{api.url}/docs/plain#codes")
        await page.until("document.readyState == 'complete' && !!document.querySelector('#codes')")
        assert await page.evaluate("Math.max(innerWidth, document.documentElement.scrollWidth)") == size[0]
        assert (hosts(page), page.complaints) == ({api.url}, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desk", "phone"])
async def test_the_page_fits_its_screen_as_its_reader_likes_it(
    api: Api, chromium: str, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    async with open_page(chromium, tmp_path / "profile", size=size, scheme=scheme) as page:
        await page.call("Page.navigate", url=f"{api.url}/docs")
        await page.until("!!document.querySelector('button.show-api-client-button')")
        assert await page.evaluate("document.querySelector('h1').innerText.trim()") == "Reelgate"
        assert await page.evaluate("document.title") == "Reelgate"
        assert await page.evaluate("document.querySelector('#until-drawn').offsetParent") is None
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert (await page.evaluate(BACKGROUND) < 128) == (scheme == "dark")
        assert await page.evaluate("document.querySelector('a[href$=\"/docs/plain#codes\"]').offsetParent !== null")
        assert (hosts(page), page.complaints) == ({api.url}, [])


async def test_search_and_a_tried_call_work_and_nobody_else_is_asked(api: Api, chromium: str, tmp_path: Path) -> None:
    async with open_page(chromium, tmp_path / "profile") as page:
        await page.call("Page.navigate", url=f"{api.url}/docs{LIST_JOBS}")
        await page.until(f"!!{TRY}")
        sample = "document.body.innerText"
        assert f"curl {api.url}/v1/jobs \\" in await page.evaluate(sample), "what is optional is left out"
        await page.evaluate("document.querySelector('input[placeholder=Token]').focus()")
        await page.call("Input.insertText", text=api.key)
        await page.evaluate(f"{TRY}.click()")
        await page.until(f"!!{SEND}")
        await page.evaluate(f"{SEND}.click()")
        await page.until("document.body.innerText.includes('200 OK')")
        assert f"{api.url}/v1/jobs" in page.requests
        await page.evaluate("document.querySelector('.app-exit-button').click()")
        await page.evaluate(f"{SEARCH}.click()")
        await page.until("document.activeElement.matches('[role=combobox], [type=search], input')")
        await page.call("Input.insertText", text="idempotency")
        await page.until(f"{FOUND}.includes('/v1/jobs/{{job_id}}/replay')")
        assert (hosts(page), page.complaints) == ({api.url}, [])
        await assert_forgotten(page, api.key)
        await assert_watched(page)


async def assert_forgotten(page: Page, key: str) -> None:
    """The key is in no address and in nothing that outlives the page."""
    assert key not in "".join([*page.requests, await page.evaluate("location.href")])
    for kept in ("JSON.stringify(localStorage)", "JSON.stringify(sessionStorage)", "document.cookie"):
        assert key not in await page.evaluate(kept)
    assert await page.evaluate("indexedDB.databases()") == []


async def assert_watched(page: Page) -> None:
    """What the page must not do would have been seen."""
    await page.evaluate("fetch('https://proxy.scalar.com/').catch(() => null)")

    async def forbidden() -> bool:
        return any("connect-src" in complaint for complaint in page.complaints)

    await until(forbidden, within_s=PATIENCE_S)


async def test_whoever_runs_no_scripts_is_led_to_the_plain_page(api: Api, chromium: str, tmp_path: Path) -> None:
    async with open_page(chromium, tmp_path / "profile") as page:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.call("Page.navigate", url=f"{api.url}/docs")
        await page.until("location.pathname == '/docs/plain' && !!document.querySelector('#codes')")
        assert (hosts(page), page.complaints) == ({api.url}, [])
