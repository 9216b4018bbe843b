"""One conversation: what the client does with the server, and how well it was heard."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from otsec.cli import behaviours
from otsec.cli.output import Column, bytes_text
from otsec.health.verdict import counted
from otsec.store import queries
from otsec.store.filters import Filter
from otsec.store.views import Conversation
from otsec.tui.cells import safe, time_text
from otsec.tui.filterline import FilterLine
from otsec.tui.kept import KeptScreen
from otsec.tui.screens.packets import named, source_of
from otsec.tui.table import VirtualTable

HIDDEN = {"client", "server", "protocol"}  # columns that are the same in all rows
COLUMNS = tuple(one._replace(detail=one.detail or one.name in HIDDEN) for one in behaviours.COLUMNS)
GOOD = frozenset({"", "ok", "open"})


class ConversationScreen(KeptScreen):
    """All of one conversation."""

    NAME = "Conversation"
    COLUMNS = COLUMNS
    KIND = "behaviours"
    CSS = "ConversationScreen #about { height: auto; max-height: 8; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="back", tooltip="Back to the list"),
        Binding("p", "packets", "Packets", id="packets", tooltip="A few packets that show it"),
        Binding("a", "asset('server')", "Server", id="conversation.server", tooltip="All of the server"),
        Binding("i", "asset('client')", "Client", id="conversation.client", tooltip="All of the client"),
    ]  # fmt: skip

    def __init__(self, row: Conversation) -> None:
        super().__init__()
        self.row = row

    def body(self) -> ComposeResult:
        """What it is; below it what is done."""
        yield Static(id="about", markup=False)
        yield FilterLine(self.parsed)
        yield VirtualTable(COLUMNS, tone=_tone, id="rows")

    def load(self, *, again: bool = False) -> None:
        """Ask what is done."""
        self._tell_about()
        row, table = self.row, self.table
        table.zone, table.waiting = self.otsec.zone, "reading"
        filters = [
            Filter(key, getattr(row, name))
            for key, name in (
                *(("site", "site"), ("group", "group"), ("vlan", "place"), ("client", "client")),
                *(("server", "server"), ("service", "service")),
            )
        ]

        def use(found: Sequence[Any]) -> None:
            self.none = "nothing that otsec can read asks for or sets anything here"
            self.keep(found, lambda one: (one.source, one.number), again=again)

        self.ask("done", lambda store: queries.behaviours(store, filters), use)

    def _tell_about(self) -> None:
        row, zone = self.row, self.otsec.zone
        text = Text()
        text.append(f"{safe(row.client)} to {safe(row.server)}  {safe(row.service)}  {safe(row.protocol) or 'no protocol recognised'}\n", "bold")  # fmt: skip
        vlan = f"VLAN {safe(row.place)}; " if row.place else ""
        text.append(f"{vlan}{counted(row.connections, 'connection')}, {row.packets_out} packets out and {row.packets_in} in, {bytes_text(row.bytes_out)} out and {bytes_text(row.bytes_in)} in\n")  # fmt: skip
        text.append(f"seen {time_text(row.first_time, zone)} to {time_text(row.last_time, zone)} at {safe(row.point)}, packets {row.first_packet} to {row.last_packet}\n", "dim")  # fmt: skip
        holes = [
            f"{bytes_text(out + into)} {word}"
            for out, into, word in (
                (row.lost_out, row.lost_in, "never seen"),
                (row.undecoded_out, row.undecoded_in, "not decoded"),
                (row.resent_out, row.resent_in, "sent again"),
            )
            if out + into
        ]
        holes += [f"{count} {word}" for count, word in ((row.malformed, "malformed"), (row.truncated, "cut")) if count]  # fmt: skip
        text.append("; ".join(holes) or "heard whole, decoded whole", "bold yellow" if holes else "dim")  # fmt: skip
        self.query_one("#about", Static).update(text)

    def action_back(self) -> None:
        """All rows; then back to the list."""
        if self.line.text:
            self.action_clear()
        else:
            self.dismiss()

    def shown_by(self, row: Any) -> Sequence[str]:
        """A few packets that show what was done."""
        return named(self.row.site, source_of(row), *row.packets)

    def action_packets(self) -> None:
        """A few packets that show what is selected, or the conversation."""
        if self.table.selected is not None:
            super().action_packets()
        else:
            row = self.row
            self.otsec.show_packets(
                named(row.site, source_of(row), row.first_packet, row.last_packet)
            )

    def opened(self, row: Any) -> None:  # noqa: ARG002 - it is the selected one
        """The packets that show it."""
        self.action_packets()

    def action_asset(self, end: str) -> None:
        """All of one of the two."""
        self.otsec.open_asset(getattr(self.row, end))


def _tone(row: Any, column: Column) -> str:
    if column.name == "outcome" and row.outcome not in GOOD:
        return "warn"
    return "bad" if column.name == "class" and row.cls in {"program", "mode", "firmware"} else ""
