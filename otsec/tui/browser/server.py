"""The server on loopback: the page, and a process of the application for each visitor."""

import asyncio
import shlex
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from jinja2 import Environment
from textual_serve.app_service import AppService
from textual_serve.server import Server

from otsec.errors import UsageError
from otsec.tui.browser.guard import Guard

HOST = "127.0.0.1"  # never anything else: who is elsewhere comes through ssh
MOST_VISITORS = 8  # each is a process of its own, of some 80 MB
WIDEST, HIGHEST = 500, 300  # of a terminal that a page may ask for
LONGEST = 64 * 1024  # bytes of one message of a page
PATIENCE_S = 5.0  # for the application to leave
PAGE = files("otsec.tui.browser") / "page"
OURS = ("page.css", "page.js")


class Visits(Server):
    """textual-serve behind the guard, with a page of our own."""

    def __init__(self, words: Sequence[str], title: str, guard: Guard, port: int) -> None:
        """``words``: the command that runs the application."""
        super().__init__(f"exec {shlex.join(words)}", host=HOST, port=port, title=title)
        self._guard = guard
        self._running: set[AppService] = set()
        text = (PAGE / "index.html").read_text("utf-8")
        self._page = Environment(autoescape=True).from_string(text)

    async def routes(self) -> web.Application:
        """What is answered, all of it behind the guard."""
        app = web.Application(middlewares=[self._guard.middleware()])
        app.on_response_prepare.append(self._guard.sign)
        app.add_routes(
            [
                web.get("/", self.handle_index),
                web.get("/ws", self.handle_websocket),
                web.get("/download/{key}", self.handle_download),
                *(web.get(f"/{name}", self._ours) for name in OURS),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_shutdown.append(self._leave)
        return app

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page; its WebSocket is on the name under which it was asked for."""
        text = self._page.render(title=self.title, socket=f"ws://{request.host}/ws")
        return web.Response(text=text, content_type="text/html")

    async def _ours(self, request: web.Request) -> web.Response:
        """A file of the page."""
        name = Path(request.path).name
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return web.Response(text=(PAGE / name).read_text("utf-8"), content_type=kind)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A visit: an application of its own, until the page or the application leaves."""
        if len(self._running) >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VISITORS} pages are open already\n")
        talk = web.WebSocketResponse(heartbeat=15, max_msg_size=LONGEST)
        await talk.prepare(request)

        async def close() -> None:
            await talk.close()

        app = AppService(
            self.command,
            write_bytes=talk.send_bytes,
            write_str=talk.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._running.add(app)
        try:
            await app.start(*_size(dict(request.query)))
            await self._process_messages(talk, app)
        finally:
            await _end(app)
            self._running.discard(app)
        return talk

    async def _process_messages(self, talk: web.WebSocketResponse, app: AppService) -> None:
        """Bring what the page says to the application; what is no message of a page is left out."""
        async for message in talk:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                kind, *said = message.json()
            except (ValueError, TypeError):
                continue
            said = said[0] if said else None
            if kind == "stdin" and isinstance(said, str):
                await app.send_bytes(said.encode("utf-8", "replace"))
            elif kind == "resize" and isinstance(said, dict):
                await app.set_terminal_size(*_size(said))
            elif kind == "ping":
                await talk.send_json(["pong", said])
            elif kind in {"blur", "focus"}:
                await app.send_meta({"type": kind})

    async def _leave(self, _: web.Application) -> None:
        await asyncio.gather(*(_end(app) for app in list(self._running)))


def _size(told: dict[str, Any]) -> tuple[int, int]:
    """Columns and lines that a page asks for, as many as make sense."""
    found = []
    for name, usual, most in (("width", 80, WIDEST), ("height", 24, HIGHEST)):
        try:
            found.append(max(1, min(int(told.get(name, usual)), most)))
        except (ValueError, TypeError, OverflowError):
            found.append(usual)
    return found[0], found[1]


async def _end(app: AppService) -> None:
    """Let an application leave; make it, where it does not."""
    process = app._process  # noqa: SLF001 - it has no other name
    if process is None:
        return
    with suppress(TimeoutError, ConnectionError):
        await asyncio.wait_for(app.stop(), PATIENCE_S)
    try:
        await asyncio.wait_for(process.wait(), PATIENCE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def serve(words: Sequence[str], title: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve the application that ``words`` run, until interrupted; ``tell``: is given each link."""
    asyncio.run(_serve(words, title, port, tell))


async def _serve(words: Sequence[str], title: str, port: int, tell: Callable[[str], None]) -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"port {port}: {error.strerror}; say another one with --port"
            ) from error
        port = listening.getsockname()[1]
        guard = Guard(port, tell)
        routes = await Visits(words, title, guard, port).routes()
        runner = web.AppRunner(routes, access_log=None)  # a log would keep the link
        await runner.setup()
        await web.SockSite(runner, listening).start()
        guard.renew()
        ended = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, ended.set)
        try:
            await ended.wait()
        finally:
            await runner.cleanup()
