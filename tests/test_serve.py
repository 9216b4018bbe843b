"""`otsec serve`: the screens in a browser, for whoever has the link and nobody else."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from browser import Page, browsing, chromium
from conftest import ROOT, Command, PlantStore

from otsec.store import open_store
from otsec.store.acts import every_act

needs_chromium = pytest.mark.skipif(chromium() is None, reason="needs chromium")
PNG = b"\x89PNG\r\n"


class Served:
    """A running `otsec serve`."""

    def __init__(self, path: Path, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "otsec", "serve", "--db", path, "--port", "0", *more],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.link = self.next_link()
        self.port = int(re.findall(r":(\d+)/", self.link)[0])

    def next_link(self) -> str:
        """The link that it told next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer."""
        talk = HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(talk):
            talk.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = talk.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def seat(self) -> str:
        """A cookie, for the link that was told last."""
        status, headers, _ = self.get(self.link[self.link.index("/?") :])
        assert status == 303
        self.link = self.next_link()
        return headers["Set-Cookie"].partition(";")[0]

    def children(self) -> list[int]:
        """Processes that it runs."""
        number = self.process.pid
        told = Path(f"/proc/{number}/task/{number}/children").read_text("utf-8")
        return [int(one) for one in told.split()]

    def settled(self, count: int) -> bool:
        """Whether it runs so many after a while: pages of other tests may just be leaving."""
        end = time.monotonic() + 60
        while len(self.children()) != count and time.monotonic() < end:
            time.sleep(0.05)
        return len(self.children()) == count

    def end(self) -> int:
        """Interrupt it, as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """The plant in a store."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db")


@pytest.fixture(scope="module")
def served(analysed: Path) -> Iterator[Served]:
    """A server that only reads."""
    one = Served(analysed)
    yield one
    assert one.end() == 0


# -------------------------------------------------------------------------------- who comes in


def test_the_link_works_once(served: Served) -> None:
    """The link gives a seat to the first who opens it, and leads away from itself; then another is told."""
    used = served.link[served.link.index("/?") :]
    status, headers, _ = served.get(used)
    served.link = served.next_link()

    assert status == 303
    assert headers["Location"] == "/"
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    assert served.get(used)[0] == 403
    assert not served.link.endswith(used)


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=guess", "/ws", "/static/js/textual.js", "/page.js", "/x", "/download/x"]
)  # fmt: skip
def test_nothing_is_served_without_a_seat(served: Served, path: str) -> None:
    """Without the link's token, or with a wrong one, every address is refused, also unknown ones."""
    assert served.get(path)[0] == 403
    assert served.get(path, Cookie=f"otsec-{served.port}=guess")[0] == 403


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1:1", "127.0.0.1", "127.0.0.2:{port}", ""]
)
def test_another_name_is_refused(served: Served, name: str) -> None:
    """A name that somebody turned to this machine opens nothing, token and seat or not."""
    host = name.format(port=served.port)
    seat = served.seat()

    status, headers, text = served.get("/", Host=host, Cookie=seat)
    assert (status, "names of this machine" in text) == (403, True)
    assert served.get(served.link[served.link.index("/?") :], Host=host)[0] == 403
    assert served.get("/", Host=f"localhost:{served.port}", Cookie=seat)[0] == 200
    assert headers["Server"] == "otsec"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", None])
def test_another_page_is_refused(served: Served, origin: str | None) -> None:
    """A WebSocket of another page, or of none, is refused although the browser sends its cookie."""
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Cookie": served.seat()}
    if origin is not None:
        asked["Origin"] = origin

    assert served.settled(0)
    assert served.get("/ws", **asked)[0] == 403
    assert served.children() == []


def test_the_page_names_nothing_outside(served: Served) -> None:
    """The page and all that it loads name this machine only, and its policy allows nothing else."""
    seat = served.seat()
    _, headers, page = served.get("/", Cookie=seat)

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    named = re.findall(r'(?:src|href|url)="([^"]*)"', page)
    assert named
    assert all(one.startswith(("/", f"ws://127.0.0.1:{served.port}/", "data:")) for one in named)
    for one in (one for one in named if one.startswith("/")):
        status, headers, _ = served.get(one, Cookie=seat)
        assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff")
        assert headers["Content-Security-Policy"] == policy


def test_what_is_no_message_costs_nothing(served: Served) -> None:
    """A page that says nonsense, or wants a huge terminal, goes on; when it goes, so does its process."""
    from aiohttp import ClientSession

    nonsense = ("[]", "{}", "1", "x", '["stdin"]', '["resize"]', '["resize",{"width":1e99}]', '["stdin",7]')  # fmt: skip

    assert served.settled(0)

    async def do() -> None:
        address = f"http://127.0.0.1:{served.port}"
        given = {"Cookie": served.seat(), "Origin": address}
        async with ClientSession() as session:
            asked = f"{address}/ws?width=999999999&height=x"
            async with session.ws_connect(asked, headers=given) as talk:
                for one in nonsense:
                    await talk.send_str(one)
                await talk.send_bytes(b"\xff" * 100)
                await talk.send_json(["ping", 7])
                async for message in talk:
                    if message.data == '["pong", 7]':
                        break
                assert len(served.children()) == 1

    asyncio.run(do())
    assert served.settled(0)


def test_a_port_in_use_is_told(served: Served, analysed: Path, otsec_command: Command) -> None:
    """A port that another program has, a number that is none, and a missing store end in one line."""
    done = otsec_command("serve", "--db", analysed, "--port", str(served.port))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1 + 1)
    assert "say another one with --port" in done.stderr
    assert otsec_command("serve", "--db", analysed, "--port", "70000").returncode == 2
    assert otsec_command("serve", "--db", analysed.with_name("none.db")).returncode == 2


# ---------------------------------------------------------------------------------- in Chromium


async def _shown(page: Page, link: str) -> None:
    await page.open(link)
    await page.until("document.body.classList.contains('-first-byte')")
    await asyncio.sleep(1)


@needs_chromium
def test_a_finding_is_acknowledged_in_a_browser(analysed: Path, tmp_path: Path) -> None:
    """In Chromium the screens are drawn, nothing is loaded from elsewhere, a finding is acknowledged, q leaves."""
    plant = Path(shutil.copy(analysed, tmp_path / "plant.db"))
    served = Served(plant, "--allow-changes", "--by", "ann")

    def acts() -> list[Any]:
        with open_store(plant, readonly=True) as store:
            return every_act(store)

    async def do() -> None:
        from browser import wait

        async with browsing(tmp_path) as page:
            await _shown(page, served.link)
            picture = await page.picture()
            assert picture.startswith(PNG)
            assert await page.value("location.search") == ""
            await page.type("2")
            await asyncio.sleep(1)
            assert await page.picture() != picture
            await page.type("a")
            await wait(acts, "the act")
            await page.call(
                "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path)
            )
            await page.type(":export shown.csv\n")
            await wait((tmp_path / "shown.csv").exists, "the download")
            await page.type("q")
            await page.until("document.body.classList.contains('-closed')")
            own = re.compile(rf"(http|ws)://127\.0\.0\.1:{served.port}/")
            assert [one for one in page.asked if not own.match(one)] == []
            assert [one for one in page.said if "Content Security Policy" in one] == []
            assert await page.value("window.open('http://127.0.0.1:1/')") is None

    try:
        asyncio.run(do())
        assert "S7 controller stopped" in (tmp_path / "shown.csv").read_text("utf-8")
        assert [(act.kind, act.after, act.who) for act in acts()] == [
            ("ack", "acknowledged", "ann")
        ]
    finally:
        assert served.end() == 0


@needs_chromium
def test_a_page_only_reads_unless_asked(analysed: Path, served: Served, tmp_path: Path) -> None:
    """Without --allow-changes an act of a page is refused, and stands nowhere."""

    async def do() -> None:
        async with browsing(tmp_path) as page:
            await _shown(page, served.link)
            served.link = served.next_link()
            await page.type("2")
            await asyncio.sleep(1)
            before = await page.picture()
            await page.type("a")
            await asyncio.sleep(1)
            assert await page.picture() != before  # it says why not

    asyncio.run(do())
    with open_store(analysed, readonly=True) as store:
        assert every_act(store) == []
