"""A page in headless Chromium, driven over its debugging protocol: open, type, look, take a picture."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, WSMsgType

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}


def chromium() -> str | None:
    """The program, where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers = socket, count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.asked: list[str] = []  # every address that it asked for
        self.said: list[str] = []  # errors and refusals that it told in its console
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type != WSMsgType.TEXT:
                continue
            told = message.json()
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
                continue
            kind, params = told.get("method"), told.get("params", {})
            if kind == "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
            elif kind == "Network.webSocketCreated":
                self.asked.append(params["url"])
            elif kind == "Log.entryAdded":
                self.said.append(params["entry"]["text"])
            elif kind == "Runtime.exceptionThrown":
                self.said.append(params["exceptionDetails"]["text"])

    async def call(self, method: str, **params: Any) -> Any:
        """Have the browser do something."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await asyncio.wait_for(future, PATIENCE_S)
        assert "error" not in told, told
        return told["result"]

    async def value(self, script: str) -> Any:
        """What a script gives on the page."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True)
        return told["result"].get("value")

    async def open(self, address: str) -> None:
        """Go to an address."""
        await self.call("Page.navigate", url=address)

    async def type(self, text: str) -> None:
        """Press the keys of a text; a line's end is Enter."""
        for letter in text:
            key = ENTER if letter == "\n" else {"key": letter, "text": letter}
            await self.call("Input.dispatchKeyEvent", type="keyDown", **key)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **{**key, "text": ""})
            await asyncio.sleep(0.15)

    async def until(self, script: str) -> None:
        """Wait until a script gives something true."""
        await wait(lambda: self.value(script), script)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        told = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(told["data"])


async def wait(true: Callable[[], Any], what: str) -> None:
    """Wait until something is true; it may be a coroutine's result."""
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while asyncio.get_running_loop().time() < end:
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it never came: {what}")


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Page]:
    """A browser with one page; of all names it knows this machine's only."""
    program = chromium()
    assert program is not None
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--window-size=1200,800",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = profile / "DevToolsActivePort"
        await wait(lambda: told.exists() and told.read_text("utf-8").count("\n"), "the browser")
        port = told.read_text("utf-8").split("\n")[0]
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=2**26) as socket:
                page = Page(socket)
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await page.call(f"{domain}.enable")
                yield page
    finally:
        process.terminate()
        await process.wait()
