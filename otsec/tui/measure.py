"""How quick the screens are on a store: `otsec bench --tui`.

The application runs as it does on a terminal, only that nobody looks: its driver draws into
nothing. A key's repaint is the time until the application has nothing more to do; what a thread
asks the store for meanwhile is measured by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec.memory import resident_bytes

if TYPE_CHECKING:
    from otsec.config import Config

SIZE = (160, 45)
KEYS = ("down", "down", "pagedown", "up", "pagedown", "end", "up", "home", "pagedown", "left")
ROUNDS = 6  # of the keys, on each screen
SCREENS = ("findings", "conversations")
PATIENCE_S = 60.0  # for a screen; what takes longer is told as that
LONG_S = 900.0  # for a hundred thousand assets
LIVE_S = 5.0  # how long a store that is written is followed


class Figure(NamedTuple):
    """One measured thing."""

    name: str
    value: float
    unit: str
    wanted: float | None = None  # at most

    @property
    def kept(self) -> bool:
        """Whether it is as small as it should be."""
        return self.wanted is None or self.value <= self.wanted


def measure(config: "Config", tell: Callable[[str], None]) -> list[Figure]:
    """All figures of a store."""
    begin = perf_counter()
    from otsec.tui.app import OtsecApp  # noqa: PLC0415 - its import is measured

    imported = perf_counter() - begin
    figures = [Figure("imports", imported * 1000, "ms")]
    figures += asyncio.run(_screens(OtsecApp(config), tell))
    figures.append(Figure("resident with every screen open", resident_bytes() / 1e6, "MB", 200))
    figures += _queries(config.store, tell)
    return figures


async def _screens(app: Any, tell: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    begin = perf_counter()
    painted: list[float] = []
    async with app.run_test(size=SIZE) as pilot:
        painted.append(perf_counter() - begin)
        figures.append(Figure("first paint after imports", painted[0] * 1000, "ms", 300))
        await _settled(pilot)
        figures.append(Figure("overview complete", (perf_counter() - begin) * 1000, "ms"))
        for name in SCREENS:
            tell(f"screen {name}")
            begin = perf_counter()
            app.show(name)
            await _rows(pilot, app)
            figures.append(Figure(f"{name}: first rows", (perf_counter() - begin) * 1000, "ms"))
            await _settled(pilot)
            figures.append(
                Figure(f"{name}: all counted", (perf_counter() - begin) * 1000, "ms", 2000)
            )
            figures.append(_repaint(name, await _keys(pilot)))
        figures.append(
            Figure("resident with long listings open", resident_bytes() / 1e6, "MB", 200)
        )
        figures.append(await _live())
        figures += await _assets(pilot, app, tell)
        figures.append(Figure("resident with assets open", resident_bytes() / 1e6, "MB", 200))
        for name in ("sensors", "values", "protocols", "sessions", "topology"):
            tell(f"screen {name}")
            begin = perf_counter()
            app.show(name)
            await pilot.pause(0.01)
            await _settled(pilot)
            figures.append(Figure(f"{name}: complete", (perf_counter() - begin) * 1000, "ms"))
    return figures


async def _assets(pilot: Any, app: Any, tell: Callable[[str], None]) -> list[Figure]:
    """The inventory of a large store is made by a child; keys must not wait for it, nor filters."""
    tell("screen assets")
    begin = perf_counter()
    app.show("assets")
    await pilot.pause(0.01)
    figures = [Figure("assets: shown, counting", (perf_counter() - begin) * 1000, "ms", 300)]
    figures.append(_repaint("assets, counting", await _keys(pilot)))
    await _settled(pilot, LONG_S)
    figures.append(Figure("assets: complete", (perf_counter() - begin) * 1000, "ms"))
    figures.append(_repaint("assets", await _keys(pilot)))
    for text in ("host:10.0.7.0/24", "text", ""):
        tell(f"assets {text}")
        begin = perf_counter()
        app.listing().filter_by(text)
        await pilot.pause(0.25)  # until typing is over
        await _settled(pilot)
        told = f"assets: filtered by {text}" if text else "assets: all again"
        figures.append(Figure(told, (perf_counter() - begin) * 1000, "ms", 2000))
    begin = perf_counter()
    app.listing().table.sort_by("name")
    await pilot.pause(0.01)
    await _settled(pilot)
    return [*figures, Figure("assets: by name", (perf_counter() - begin) * 1000, "ms", 2000)]


def _repaint(name: str, times: Sequence[float]) -> Figure:
    return Figure(f"{name}: repaint of a key, 95 %", quantiles(times, n=20)[18] * 1000, "ms", 50)


async def _keys(pilot: Any) -> list[float]:
    times = []
    for key in KEYS * ROUNDS:
        begin = perf_counter()
        pilot.app.simulate_key(key)
        await pilot._wait_for_screen()  # noqa: SLF001 - until every message is worked off
        table = pilot.app.listing().table
        for y in range(table.size.height):
            table.render_line(y)
        times.append(perf_counter() - begin)
    return times


async def _rows(pilot: Any, app: Any) -> None:
    await pilot.pause()
    while not len(app.listing().table.rows) and app.screen.busy:
        await pilot.pause(0.005)


async def _settled(pilot: Any, patience_s: float = PATIENCE_S) -> None:
    await pilot.pause()
    end = perf_counter() + patience_s
    while getattr(pilot.app.screen, "busy", None) and perf_counter() < end:
        await pilot.pause(0.01)


async def _live() -> Figure:
    """CPU that following a store takes where nothing was written; what is written costs a query."""
    begin, cpu = perf_counter(), process_time()
    await asyncio.sleep(LIVE_S)
    return Figure(
        "CPU of following at 5 Hz",
        100 * (process_time() - cpu) / (perf_counter() - begin),
        "%",
        5,
    )


def _queries(path: Path, tell: Callable[[str], None]) -> list[Figure]:
    from otsec.store import open_store, paging  # noqa: PLC0415 - as the screens import them
    from otsec.store.filters import Filter  # noqa: PLC0415

    figures = []
    with open_store(path, readonly=True) as store:
        for name, query, filters, sort, wanted in (
            ("conversations of one server", "conversations", [Filter("server", "10.0.0.9")], "", 300),
            ("conversations, one protocol", "conversations", [Filter("proto", "modbus*")], "", 2000),
            ("conversations of a network", "conversations", [Filter("host", "10.0.7.0/24")], "", 2000),
            ("conversations by last seen", "conversations", [], "last_time", 2000),
            ("conversations by address", "conversations", [], "client", 2000),
            ("findings, level>=high", "findings", [Filter("level", "high", sign=">=")], "", 2000),
            ("findings, a text anywhere", "findings", [Filter("text", "kind 7")], "", 2000),
        ):  # fmt: skip
            tell(name)
            begin = perf_counter()
            keys = paging.order_of(store, query, filters, sort, descending=True)
            took = (perf_counter() - begin) * 1000
            figures.append(Figure(f"query: {name} ({len(keys):,} rows)", took, "ms", wanted))
            begin = perf_counter()
            paging.page(store, query, keys[:128])
            figures.append(Figure("  a page of it", (perf_counter() - begin) * 1000, "ms", 50))
    return figures
