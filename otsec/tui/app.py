"""The application: screens by their keys, the clock of the store, what every screen can do."""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widget import AwaitMount

from otsec.config import Config
from otsec.errors import OtsecError, StorageError, UsageError
from otsec.store import Store, open_store, paging, queries, sightings
from otsec.tui import commands
from otsec.tui.cells import time_text
from otsec.tui.jumps import Jumps
from otsec.tui.keystrokes import Keystrokes
from otsec.tui.places import EVERY, FIRST, PLACES, keys_of, opened
from otsec.tui.screen import BaseScreen
from otsec.tui.shelving import STOPPED, Shelving
from otsec.tui.state import Filters
from otsec.tui.themes import THEMES

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from otsec.inventory.assembly import Inventory
    from otsec.tui.tables import TableScreen

LOOK_S = 0.2  # between looks at whether the store was written: 5 Hz at most
LARGE = (5_000, 50_000)  # stations or conversations of which a child makes the inventory
REST = 3  # times as long as the last reading took there is no other


class OtsecApp(App[None]):
    """The terminal UI over one store."""

    TITLE = "otsec"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, Any]] = {one.name: opened(one) for one in (*EVERY, FIRST)}
    CSS = """
    BaseScreen { background: $background; color: $foreground; }
    Footer { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.key, f"show('{one.name}')", one.title, show=False, id=f"screen.{one.name}")
            for one in PLACES
        ),
        Binding(
            "g", "go", "Go", show=False, id="go", tooltip="Go to any screen; g g: to the first row"
        ),
        Binding(
            "left_curly_bracket,ctrl+o,alt+left",
            "jump('back')",
            "Back",
            show=False,
            id="jump.back",
            tooltip="Where you were before",
        ),
        Binding(
            "right_curly_bracket,alt+right",
            "jump('forward')",
            "Forward",
            show=False,
            id="jump.forward",
            tooltip="Forward again",
        ),
        Binding("colon", "command", "Command", id="command", tooltip="Type a command"),
        Binding("space", "pause", "Pause", id="pause", tooltip="Stop following the store"),
        Binding("u", "zone", "UTC", show=False, id="zone", tooltip="UTC, or the site's zone"),
        Binding("D", "next_theme", "Theme", show=False, id="theme", tooltip="Other colours"),
        Binding("q", "quit", "Quit", id="quit", tooltip="Leave"),
    ]

    def __init__(self, config: Config, *, readonly: bool = False, who: str = "") -> None:
        super().__init__()
        self.config, self.path = config, config.store
        self.readonly, self.who = readonly, who
        self.revision = 0  # grows whenever the store was written
        self.paused, self.utc = False, False
        self.newest = 0  # time of the last packet, ns
        self.packets = 0
        self.commands = commands.commands([(one.name, one.title) for one in EVERY])
        self.filters = Filters()
        self.jumps = Jumps(self)
        self._keystrokes = Keystrokes(self, super().on_event)
        self._store: Store | None = None
        self._version = -1
        self._inventory: tuple[int, Inventory] | None = None
        self._counting = Lock()
        self._stopped = -1  # revision of which no inventory is wanted
        self.shelving = Shelving(self.path)
        self._server = os.getppid()  # where pages of a browser are served
        self._outbox: TemporaryDirectory[str] | None = None

    # ----------------------------------------------------------------------------- start

    def on_mount(self) -> None:
        """Open the store, show the first screen, follow what is written."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[3].name if self.no_color else THEMES[0].name
        self.set_keymap(dict(self.config.keys))
        self._open()
        self.switch_mode("overview" if self.packets else "first")
        self.set_interval(LOOK_S, self.follow)

    def _open(self) -> None:
        """Open the store to read; without one there is nothing to read yet."""
        try:
            self._store = open_store(self.path, readonly=True)
        except StorageError as error:
            self._store = None
            self.trouble = str(error)
        else:
            self.trouble = ""
            self.look()

    trouble = ""  # why the store cannot be read
    reading = ""  # what a process of ours reads into it
    stop_reading: Callable[[], None] | None = None  # ends that process

    def reopen(self) -> None:
        """Look at the store, which may have been made only now."""
        if self._store is None:
            self._open()
        else:
            self.look()

    @property
    def store(self) -> Store:
        """The connection of the screen's own thread: for the rows that are looked at."""
        if self._store is None:
            self._open()
        if self._store is None:
            raise StorageError(self.trouble)
        return self._store

    # ---------------------------------------------------------------------------- follow

    async def follow(self) -> None:
        """Look whether the store was written; renew what is shown, not too often."""
        await self._keystrokes.hurry()
        if self.is_web and os.getppid() != self._server:
            self.exit()  # the server is gone, and with it whoever looks
        if self.is_running:  # else it is being left, and its screens are taken apart
            self._follow()

    def _follow(self) -> None:
        if self._store is None:
            if self.path.exists():
                self._open()
            if self.packets and self.current_mode == "first":
                self.show("overview")
            return
        if self.paused or not self._written():
            return
        screen = self.screen
        if isinstance(screen, BaseScreen):
            screen.tell()

    def _written(self) -> bool:
        store = self.store
        version = paging.revision(store)
        if version != self._version:
            self._version = version
            self.revision += 1
            self._clock()
        screen = self.screen
        if not isinstance(screen, BaseScreen) or screen.seen == self.revision or screen.busy:
            return False
        if self.current_mode == "first" and self.packets:
            self.show("overview")
            return False
        if screen.seen >= 0 and self._rested(screen):
            screen.load(again=True)
            return True
        return False

    def _rested(self, screen: BaseScreen) -> bool:
        """Whether the screen was read long enough ago."""
        from time import monotonic  # noqa: PLC0415 - beside its use

        now = monotonic()
        if now - screen.read_at < max(LOOK_S, REST * screen.took_s):
            return False
        screen.read_at = now
        return True

    def look(self) -> None:
        """Take the store as it is now."""
        self._stopped = -1
        self._version = paging.revision(self.store)
        self.revision += 1
        self._clock()

    def _clock(self) -> None:
        found = queries.sources(self.store)
        self.newest = max((one.last_time for one in found), default=0)
        self.packets = sum(one.packets for one in found)

    def inventory(self, store: Store) -> "Inventory":
        """All assets, made once for each state of the store; called in threads."""
        from otsec.inventory.assembly import inventory  # noqa: PLC0415 - not at the start

        with self._counting:
            revision = self.revision
            if self._inventory is None or self._inventory[0] != revision:
                if self._stopped == revision:
                    raise UsageError(STOPPED)
                made = self.shelving.made() if self.large(store) else inventory(store)
                self._inventory = (revision, made)
            return self._inventory[1]

    def large(self, store: Store) -> bool:
        """Whether children find what takes long, and a thread would not do."""
        return sightings.many(store, *LARGE)

    @property
    def known(self) -> "Inventory | None":
        """The last inventory that was made, be it of now or not."""
        return None if self._inventory is None else self._inventory[1]

    def stop_counting(self) -> bool:
        """End what makes an inventory, until it is asked for again; gives whether something did."""
        if not self.shelving.busy:
            return False
        self._stopped = self.revision
        self.shelving.stop()
        return True

    def stop_asking(self) -> bool:
        """End what the screen asks of the store; gives whether it asked anything."""
        counted = self.stop_counting()
        return self._asking().stop() or counted

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self.shelving.stop(for_good=True)
        if self._outbox is not None:
            self._outbox.cleanup()
        store, self._store = self._store, None
        if store is not None:
            store.close()

    # ---------------------------------------------------------------------------- lookup

    @property
    def zone(self) -> tzinfo:
        """The zone in which times are shown."""
        return UTC if self.utc else self.config.zone()

    @property
    def tabs(self) -> list[tuple[str, str, str]]:
        """Key, title and short title of the screens."""
        return [(one.key, one.title, one.short) for one in PLACES]

    @property
    def here(self) -> str:
        """Title of the screen that is shown, or from which it was opened."""
        return next((one.title for one in EVERY if one.name == self.current_mode), "")

    @property
    def state(self) -> str:
        """What is looked at, in a line."""
        parts = ["PAUSED (space goes on)"] if self.paused else []
        parts += [self.config.site, str(self.path)]
        if self.reading:
            parts.append(f"reading {self.reading}")
        if self.newest:
            parts.append(f"last packet {time_text(self.newest, self.zone)}")
        parts.append("UTC" if self.utc else self.config.time_zone)
        if self.readonly:
            parts.append("read only")
        return "  |  ".join(parts)

    def listing(self) -> "TableScreen":
        """The listing that is shown. Raises UsageError if none is."""
        from otsec.tui.tables import TableScreen  # noqa: PLC0415 - imported with a screen

        for screen in reversed(self.screen_stack):
            if isinstance(screen, TableScreen):
                return screen
        raise UsageError("this screen has no rows to filter or sort")

    # --------------------------------------------------------------------------- actions

    async def on_event(self, event: events.Event) -> None:
        """Keys one after the other, however quickly they were typed."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._keystrokes.put(event)
        else:
            await super().on_event(event)

    def show(self, name: str, text: str | None = None) -> None:
        """Show a screen by name, filtered by a text if there is one."""
        self.switch_mode(name)
        if text is not None:
            self.listing().filter_by(text)

    def switch_mode(self, mode: str) -> AwaitMount:
        """Show a screen; where one was is remembered."""
        if self.current_mode != mode:
            self.jumps.leave()
        return super().switch_mode(mode)

    def push_screen(self, screen: Any, *given: Any, **named: Any) -> Any:
        """Show something above the screen; where one was is remembered."""
        if isinstance(screen, BaseScreen):
            self.jumps.leave()
        return super().push_screen(screen, *given, **named)

    def action_jump(self, way: str) -> None:
        """Go where one was before, or forward again."""
        if not isinstance(self.screen, BaseScreen):
            return
        if not (self.jumps.back() if way == "back" else self.jumps.forward()):
            self.notify(
                "no place before this one" if way == "back" else "this is the last place", timeout=2
            )

    def action_show(self, name: str) -> None:
        """Show a screen."""
        if self.packets or name == "first":
            self.show(name)

    def action_go(self) -> None:
        """Ask where to go: a screen, or with `g` once more the first row."""
        from otsec.tui.dialogs import GoDialog  # noqa: PLC0415 - only who asks pays

        def go(name: str | None) -> None:
            if name == "":
                self.first_row()
            elif name is not None:
                self.action_show(name)

        self.push_screen(GoDialog([(one.key, one.name, one.title) for one in EVERY]), go)

    def first_row(self) -> None:
        """Select the first row, where there are rows."""
        from otsec.tui.table import VirtualTable  # noqa: PLC0415 - imported with a screen

        if isinstance(self.screen.focused, VirtualTable):
            self.screen.focused.action_first()

    def action_pause(self) -> None:
        """Stop following what is written, or go on."""
        self.paused = not self.paused
        self.renew()

    def action_zone(self) -> None:
        """UTC, or the site's zone."""
        self.utc = not self.utc
        self.renew(redraw=True)

    def renew(self, *, redraw: bool = False) -> None:
        """Tell the screen that what it shows at the top, or all of it, is shown otherwise."""
        for screen in self.screen_stack:
            if isinstance(screen, BaseScreen):
                screen.tell()
                if redraw:
                    screen.load(again=True)

    def action_next_theme(self) -> None:
        """Other colours."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.notify(f"theme {self.theme}; `:theme NAME` has more", timeout=2)

    def action_command(self) -> None:
        """Ask for a command."""
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

        def use(line: str | None) -> None:
            if line:
                self.run_command(line)

        self.push_screen(
            LineDialog(
                ": command (Tab or right completes, :help explains)",
                words=lambda before: commands.completions(self, self.commands, before),
            ),
            use,
        )

    def run_command(self, line: str) -> None:
        """Do what a line says, or tell why not."""
        self.attempt(lambda: commands.run(self, self.commands, line))

    def attempt(self, what: Callable[[], None]) -> None:
        """Do something, or tell why not."""
        try:
            what()
        except OtsecError as error:
            self.complain(str(error))

    def action_explain(self) -> None:
        """Explain the screen: its keys and every word on it."""
        from otsec.tui.dialogs import HelpScreen  # noqa: PLC0415 - only who asks pays

        screen = self.screen
        if not isinstance(screen, BaseScreen):
            return
        keys: dict[str, str] = {}
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and not binding.system:
                told = self.get_key_display(binding)
                about = binding.tooltip or binding.description
                keys[about] = f"{keys[about]} {told}" if about in keys else told
        words = [*screen.words(), ("Commands, after :", [(c.name, c.about) for c in self.commands.values()])]  # fmt: skip
        self.push_screen(
            HelpScreen(screen.NAME, [(key, about) for about, key in keys.items()], words)
        )

    def action_export(self) -> None:
        """Ask for a file, and write what is shown to it."""
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

        try:
            kind = self._asking().exported()[0].replace(" ", "_")
        except UsageError as error:
            self.complain(str(error))
            return

        def use(line: str | None) -> None:
            if line:
                self.run_command(f"export {line}")

        title = "export to FILE.csv, .json, .jsonl, or its packets to FILE.pcapng:"
        self.push_screen(LineDialog(title, f"{kind}.csv"), use)

    def export_to(self, name: str) -> None:
        """Write what is shown to a file, in a thread; an existing file stays."""
        from otsec.tui.export import FORMATS, PACKETS, export, target  # noqa: PLC0415 - as above

        path, shown = target(name, [*FORMATS, PACKETS], self.outbox()), self._asking()
        if path.suffix.lower() == PACKETS:
            self.write_packets(path, shown.shown_by_all())
            return
        zone, (kind, columns, rows) = self.zone, shown.exported()
        shown.ask(
            "export",
            lambda store: export(path, kind, columns, rows(store), zone),
            lambda count: self.hand_over(path, f"{count} rows"),
        )

    def write_packets(self, path: Path, ids: Sequence[str]) -> None:
        """Write packets as a capture with hashes, in a thread."""
        from otsec.tui.export import packed, write_packets  # noqa: PLC0415 - as above

        def write(store: Store) -> tuple[Path, int]:
            count = write_packets(path, store, ids)
            return packed(path) if self.is_web else path, count

        self.notify("gathering the packets", timeout=2)
        self._asking().ask(
            "export",
            write,
            lambda made: self.hand_over(made[0], f"{made[1]} packets with hashes"),
        )

    def _asking(self) -> BaseScreen:
        """The screen that is shown, or the one below a dialog."""
        return next(one for one in reversed(self.screen_stack) if isinstance(one, BaseScreen))

    def outbox(self) -> Path | None:
        """Where files are written that a browser then takes; None: where a person says."""
        if not self.is_web:
            return None
        from tempfile import TemporaryDirectory, mkdtemp  # noqa: PLC0415 - only who asks pays

        if self._outbox is None:
            self._outbox = TemporaryDirectory(prefix="otsec-")  # goes when this process does
        return Path(mkdtemp(dir=self._outbox.name))

    def hand_over(self, path: Path, told: str) -> None:
        """Say where a file is; in a browser it is a download, and stays nowhere else."""
        if not self.is_web:
            self.notify(f"{told} written to {path}", markup=False)
            return
        from shutil import rmtree  # noqa: PLC0415 - only who asks pays

        self.deliver_binary(path)  # it is open by now
        rmtree(path.parent, ignore_errors=True)
        self.notify(f"{told} handed to the browser", markup=False)

    def open_asset(self, name: str) -> None:
        """Show all of one asset, by name, id or address."""
        from otsec.tui.screens.asset import AssetScreen  # noqa: PLC0415 - only who asks pays

        if not name:
            raise UsageError("asset: say its name, id, IP or MAC address")
        self.push_screen(AssetScreen(name))

    def show_packets(self, ids: Sequence[str]) -> None:
        """Show packets, named as `otsec show` takes them."""
        from otsec.tui.screens.packets import PacketsScreen  # noqa: PLC0415 - only who asks pays

        if ids:
            self.push_screen(PacketsScreen(ids))
        else:
            self.notify("no packet shows this")

    # --------------------------------------------------------------------------- filters

    def saved_filters(self) -> dict[str, str]:
        """Filters that were kept for the listing that is shown, by name."""
        return self.filters.of(self.listing().kind)

    def save_filter(self, name: str) -> None:
        """Keep the filter of the listing that is shown."""
        listing = self.listing()
        if not name or not listing.line.text.strip():
            raise UsageError("save: filter the rows first, then say :save NAME")
        self.filters.keep(listing.kind, name, listing.line.text)
        self.notify(f"filter {name} kept; `:use {name}` filters by it")

    def use_filter(self, name: str) -> None:
        """Filter by what was kept."""
        known = self.saved_filters()
        if name not in known:
            raise UsageError(
                f"no filter {name!a} was kept; there are: {', '.join(known) or 'none'}"
            )
        self.listing().filter_by(known[name])

    def forget_filter(self, name: str) -> None:
        """Keep a filter no longer."""
        self.filters.forget(self.listing().kind, name)

    # ----------------------------------------------------------------------------- words

    def complain(self, text: str) -> None:
        """Tell what went wrong."""
        self.notify(text, severity="error", timeout=8, markup=False)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers: screens and actions."""
        for one in EVERY:
            yield SystemCommand(one.title, f"Show {one.title} (keys {keys_of(one)})", lambda n=one.name: self.show(n))  # fmt: skip
        for title, about, action in (
            ("Explain this screen", "Keys and words (key ?)", self.action_explain),
            ("UTC or site zone", "Zone of all times (key u)", self.action_zone),
            ("Pause", "Stop following the store (key space)", self.action_pause),
            ("Theme", "Other colours (key D)", self.action_next_theme),
            ("Command", "Type a command (key :)", self.action_command),
            ("Quit", "Leave (key q)", self.exit),
        ):
            yield SystemCommand(title, about, action)
        _ = screen
