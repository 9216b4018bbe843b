"""How quick the screens are on a store: `otsec bench --tui`.

The application runs as it does on a terminal, only that nobody looks: its driver draws into
nothing. A key's repaint is the time until the application has nothing more to do; what a thread
asks the store for meanwhile is measured by itself.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec import processes
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
    cpu: float | None = (
        None  # of this process meanwhile, in the same unit: what others do is not in it
    )

    @property
    def kept(self) -> bool:
        """Whether it is as small as it should be."""
        return self.wanted is None or self.value <= self.wanted


class Watch:
    """Time, by the clock and of the processor, since it was made."""

    def __init__(self) -> None:
        self._begin, self._cpu = perf_counter(), process_time()

    def figure(self, name: str, wanted: float | None = None) -> Figure:
        """What went by."""
        cpu = process_time() - self._cpu
        return Figure(name, (perf_counter() - self._begin) * 1000, "ms", wanted, cpu * 1000)


def measure(config: "Config", tell: Callable[[str], None]) -> list[Figure]:
    """All figures of a store."""
    watch = Watch()
    from otsec.tui.app import OtsecApp  # noqa: PLC0415 - its import is measured
    from otsec.tui.screens import overview  # noqa: F401, PLC0415 - the first screen

    figures = [_command(config.store), watch.figure("imports")]
    figures += asyncio.run(_screens(OtsecApp(config), tell))
    figures.append(Figure("resident with every screen open", resident_bytes() / 1e6, "MB", 200))
    figures += _queries(config.store, tell)
    return figures


def _command(store: Path) -> Figure:
    """From the command to the first paint, in a process of its own."""
    begin = perf_counter()
    words = processes.words("otsec.tui.measure", str(store))
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:  # noqa: S603 - otsec itself
        told = child.stdout.readline() if child.stdout else b""
        took = perf_counter() - begin
    return Figure("command to first paint", took * 1000, "ms", 1000, float(told or 0))


def paint(store: Path) -> None:
    """Start as the command does, and say how much CPU it took until the first paint."""
    from otsec.cli import main  # noqa: F401, PLC0415 - what a command imports first
    from otsec.config import Config  # noqa: PLC0415
    from otsec.tui.app import OtsecApp  # noqa: PLC0415

    async def begun() -> None:
        app = OtsecApp(Config(store=store))
        async with app.run_test(size=SIZE):
            sys.stdout.write(f"{process_time() * 1000}\n")
            sys.stdout.flush()

    asyncio.run(begun())


async def _screens(app: Any, tell: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    watch = Watch()
    async with app.run_test(size=SIZE) as pilot:
        figures.append(watch.figure("first paint after imports", 300))
        await _settled(pilot)
        figures.append(watch.figure("overview complete"))
        for name in SCREENS:
            tell(f"screen {name}")
            watch = Watch()
            app.show(name)
            await _rows(pilot, app)
            figures.append(watch.figure(f"{name}: first rows"))
            await _settled(pilot)
            figures.append(watch.figure(f"{name}: all counted", 2000))
            figures += _repaint(name, await _keys(pilot))
        figures.append(
            Figure("resident with long listings open", resident_bytes() / 1e6, "MB", 200)
        )
        figures.append(await _live())
        figures += await _assets(pilot, app, tell)
        figures.append(Figure("resident with assets open", resident_bytes() / 1e6, "MB", 200))
        for name in ("sensors", "values", "protocols", "sessions", "topology"):
            tell(f"screen {name}")
            watch = Watch()
            app.show(name)
            await pilot.pause(0.01)
            await _settled(pilot)
            figures.append(watch.figure(f"{name}: complete"))
    return figures


async def _assets(pilot: Any, app: Any, tell: Callable[[str], None]) -> list[Figure]:
    """The inventory of a large store is made by a child; keys must not wait for it, nor filters."""
    tell("screen assets")
    watch = Watch()
    app.show("assets")
    await pilot.pause(0.01)
    figures = [watch.figure("assets: shown, counting", 300)]
    figures += _repaint("assets, counting", await _keys(pilot))
    await _settled(pilot, LONG_S)
    figures.append(watch.figure("assets: complete"))
    figures += _repaint("assets", await _keys(pilot))
    for text in ("host:10.0.7.0/24", "text", ""):
        tell(f"assets {text}")
        watch = Watch()
        app.listing().filter_by(text)
        await pilot.pause(0.25)  # until typing is over
        await _settled(pilot)
        told = f"assets: filtered by {text}" if text else "assets: all again"
        figures.append(watch.figure(told, 2000))
    watch = Watch()
    app.listing().table.sort_by("name")
    await pilot.pause(0.01)
    await _settled(pilot)
    return [*figures, watch.figure("assets: by name", 2000)]


def _repaint(name: str, times: Sequence[tuple[float, float]]) -> list[Figure]:
    """Of so many keys the 95th per cent, by the clock and of the processor."""
    clock, cpu = (quantiles(column, n=20)[18] * 1000 for column in zip(*times, strict=True))
    return [Figure(f"{name}: repaint of a key, 95 %", clock, "ms", 50, cpu)]


async def _keys(pilot: Any) -> list[tuple[float, float]]:
    times = []
    for key in KEYS * ROUNDS:
        begin, cpu = perf_counter(), thread_time()
        pilot.app.simulate_key(key)
        await pilot._wait_for_screen()  # noqa: SLF001 - until every message is worked off
        table = pilot.app.listing().table
        for y in range(table.size.height):
            table.render_line(y)
        times.append((perf_counter() - begin, thread_time() - cpu))
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
            watch = Watch()
            keys = paging.order_of(store, query, filters, sort, descending=True)
            figures.append(watch.figure(f"query: {name} ({len(keys):,} rows)", wanted))
            watch = Watch()
            paging.page(store, query, keys[:128])
            figures.append(watch.figure("  a page of it", 50))
    return figures


if __name__ == "__main__":
    paint(Path(sys.argv[1]))
