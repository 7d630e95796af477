"""A real Chromium without a window, over the DevTools protocol: what a page asks for, complains of, shows and holds.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import itertools
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.until import PATIENCE_S, until

_ALONE = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
#: a page of fewer pixels is a phone
_NARROW = 600
#: nothing that the browser wants for itself, and no name of any host leads anywhere
_SILENT = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@dataclass
class Page:
    """One page. `requests`: the URLs that it asked for; `complaints`: errors, warnings, and what its policy forbade."""

    _browser: "_Browser"
    _session: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.call(method, self._session, **params)

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page and take its value. Raises AssertionError where it throws."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until a script's value is true."""
        return await until(lambda: self.evaluate(script), within_s=PATIENCE_S, every_s=0.1)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(json.dumps(told["entry"]))


class _Browser:
    def __init__(self, tools: ClientConnection) -> None:
        self._tools = tools
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pages: dict[str, Page] = {}

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        await self._tools.send(json.dumps(command))
        async with asyncio.timeout(PATIENCE_S):
            told = await waiting
        assert "error" not in told, (method, told)
        return told["result"]

    async def listen(self) -> None:
        async for frame in self._tools:
            told = json.loads(frame)
            if waiting := self._waiting.pop(told.get("id", 0), None):
                waiting.set_result(told)
            elif page := self.pages.get(told.get("sessionId", "")):
                page.hear(told["method"], told["params"])


@asynccontextmanager
async def open_page(
    chromium: str, profile: Path, *, size: tuple[int, int] = (1280, 900), scheme: str = "light"
) -> AsyncIterator[Page]:
    """Start a browser with one empty page, until the block ends. `scheme`: `light` or `dark`, as its reader likes it."""
    async with _started(chromium, profile) as browser:
        target = await browser.call("Target.createTarget", url="about:blank")
        attached = await browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = browser.pages[attached["sessionId"]] = Page(browser, attached["sessionId"])
        for domain in ("Page", "Network", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        (width, height), phone = size, size[0] < _NARROW
        screen = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        await page.call("Emulation.setDeviceMetricsOverride", **screen)
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        yield page


@asynccontextmanager
async def _started(chromium: str, profile: Path) -> AsyncIterator[_Browser]:
    quiet = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
    options = (*_ALONE, *_SILENT, f"--user-data-dir={profile}")
    process = await asyncio.create_subprocess_exec(chromium, *options, **quiet)
    try:
        port, path = await until(lambda: _address(profile), within_s=PATIENCE_S)
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as tools:
            browser = _Browser(tools)
            listening = asyncio.create_task(browser.listen())
            try:
                yield browser
            finally:
                listening.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _address(profile: Path) -> list[str]:
    """Read what a browser that has started writes down: the port that it chose, and the path of its tools."""
    file = profile / "DevToolsActivePort"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return lines if lines[1:] else []
