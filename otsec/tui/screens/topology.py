"""Topology: switches with their ports, and what hangs on them; what is inferred is drawn dotted."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli.output import Column
from otsec.inventory.topology import Line
from otsec.store import Store
from otsec.store.filters import Field, Filter
from otsec.tui.listing import ListingScreen
from otsec.tui.rows import Key
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named

TOLD, INFERRED = "\u251c\u2500\u2500 ", "\u2506\u254c\u254c "  # solid, dotted
BESIDE = "\u2502   "


def drawn(line: Line) -> str:
    """The line with its branches."""
    port = line.port if line.port.casefold().startswith("port") else f"port {line.port}"
    shown = f"{line.name} by its {port}" if line.name and line.port else line.name or port
    if not line.depth:
        return shown
    return BESIDE * (line.depth - 1) + (INFERRED if line.how == "inferred" else TOLD) + shown


COLUMNS = (
    Column("picture", "network", about="networks, their switches and routers, ports, and what hangs there", value=drawn),
    Column("how", "how known", about="told: a device says it of itself; inferred: otsec concludes it, dotted"),
    Column("by", "by", about="the protocol that says so, or from which it is inferred"),
    Column("last_time", "last seen", "time", "when it was last said or seen", value=lambda line: line.last_time or None),
    Column("why", "why", about="what was seen, and what follows from it"),
    Column("name", "name", about="the device", detail=True),
    Column("port", "port", about="the port that it names", detail=True),
    Column("site", "site", about="the site's name", detail=True),
)  # fmt: skip
KEYS = {
    "name": "the device",
    "port": "the port that it names",
    "how": "told or inferred",
    "by": "lldp, cdp, stp, ip",
}


class TopologyScreen(ListingScreen):
    """What hangs on what."""

    NAME = "Topology"
    COLUMNS: ClassVar[Sequence[Column]] = COLUMNS
    SHOWN: ClassVar[Sequence[str]] = ("picture", "how", "by", "last_time", "why")
    FIELDS: ClassVar[dict[str, Field]] = {
        **{key: Field((key,)) for key in KEYS},
        "text": Field(("text",), "text"),
    }
    KEYS: ClassVar[dict[str, str]] = KEYS
    KIND = "topology"
    ONE = ("line", "lines")
    ASIDE = INVENTORY = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "packets", "Packets", id="packets", tooltip="The packets that show it"),
        Binding("w", "talks", "Talks", id="topology.talks", tooltip="The conversations of the device"),
    ]  # fmt: skip

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """Networks one after the other, each with what hangs in it."""
        from otsec.inventory.selection import passes  # noqa: PLC0415 - in the thread
        from otsec.inventory.topology import topology  # noqa: PLC0415

        found = topology(store, inventory())
        looked_at = {key: lambda line, key=key: (getattr(line, key),) for key in KEYS}
        return [
            line
            for line in found
            if all(passes(line, one, looked_at, _texts, (0, line.last_time)) for one in filters)
        ]

    def key(self, row: Any) -> Key:
        """What hangs where."""
        return row.site, row.depth, row.name, row.port, row.by, row.source, row.why

    def tone(self, row: Any, column: Column) -> str:
        """What is inferred is quiet as well as dotted."""
        if row.how == "inferred":
            return "quiet"
        return "head" if not row.depth and column.name == "picture" else ""

    def none_text(self) -> str:
        """Nothing hangs anywhere, as far as was heard."""
        return "no device told of its ports (LLDP, CDP, STP), and none is only seen behind a router"

    def shown_by(self, row: Any) -> Sequence[str]:
        """The first and the last packet that say so."""
        return named(row.site, row.source, *row.packets) if row.source else []

    def opened(self, row: Any) -> None:
        """All of the device."""
        if row.asset:
            self.otsec.open_asset(row.asset)
        else:
            super().opened(row)

    def action_talks(self) -> None:
        """The conversations of the device."""
        row = self.table.selected
        if row is not None and row.name:
            self.otsec.show("conversations", f'host="{row.name}"')

    def words(self) -> Words:
        """Columns, signs, and what can be known."""
        return [
            *super().words(),
            (
                "Words",
                [
                    (TOLD.strip(), "told: a switch, a router, or a port that a device names as its own"),
                    (INFERRED.strip(), "inferred: nobody says so; `why` tells from what it follows"),
                    ("told", "LLDP, CDP and STP say who sends and by which port, and never what is at the other end"),
                    ("inferred", "bridges do not forward these, so who is heard is a neighbour of the switch that mirrors; an address that only a router's frames carry is behind it"),
                    ("network", "a group of capture points and a VLAN"),
                ],
            ),
        ]  # fmt: skip


def _texts(line: Line) -> Sequence[str]:
    return line.name, line.port, line.by, line.why, line.how
