"""One asset: facts with rivals and packets, modules, peers, writers, what happened, what is missing."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from otsec.cli import asset as cli
from otsec.cli.output import Column
from otsec.errors import UsageError
from otsec.store import Store
from otsec.tui.cells import safe, time_text
from otsec.tui.filterline import FilterLine
from otsec.tui.kept import KeptScreen
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named, source_of
from otsec.tui.table import VirtualTable

if TYPE_CHECKING:
    from otsec.inventory.model import Asset

REASONS = 3  # of a role that are shown


class Section(NamedTuple):
    """One table of the detail."""

    title: str
    columns: Sequence[Column]
    about: str
    shown: tuple[str, ...] = ()  # columns in the order of their importance


SECTIONS: dict[str, Section] = {
    "facts": Section("Facts", cli.FACTS, "what is known, who says so and which packet shows it; rival values are kept", ("attribute", "value", "said_by", "standing", "confidence", "packet", "device", "last_time", "source", "times")),
    "addresses": Section("Addresses", cli.ADDRESSES, "addresses of the device, and where each was seen"),
    "modules": Section("Behind it", cli.MODULES, "modules of its rack, units behind its address"),
    "peers": Section("Peers", cli.PEERS, "whom it talks to"),
    "writers": Section("Writers", cli.WRITERS, "who wrote to it; second writers first"),
    "timeline": Section("Timeline", cli.TIMELINE, "what happened to it, the latest first"),
    "attributes": Section("Completeness", cli.CISA, "the 14 attributes that CISA asks an inventory for"),
    "roles": Section("Roles", cli.GUESSES, "what it may be, and what speaks for it"),
}  # fmt: skip


class AssetScreen(KeptScreen):
    """All of one device."""

    NAME = "Asset"
    CSS = """
    AssetScreen #about { height: auto; max-height: 8; padding: 0 1; }
    AssetScreen #sections { height: 1; background: $panel; text-wrap: nowrap; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="back", tooltip="Back to the list"),
        Binding("tab,right_square_bracket", "turn(1)", "Next part", id="asset.next", tooltip="The next table"),
        Binding("shift+tab,left_square_bracket", "turn(-1)", "Part before", show=False, id="asset.before", tooltip="The table before"),
        Binding("e", "edit", "Edit", id="asset.edit", tooltip="Say what only people know"),
        Binding("p", "packets", "Packets", id="packets", tooltip="Packets that show the row"),
        Binding("w", "talks", "Talks", id="asset.talks", tooltip="Its conversations"),
    ]  # fmt: skip

    def __init__(self, name: str) -> None:
        super().__init__()
        self.asked = name  # as a person says it, then its id
        self._section = "facts"
        self.asset: Asset | None = None
        self._parts: Mapping[str, Sequence[Any]] = {}

    def body(self) -> ComposeResult:
        """What it is; below it one table of several."""
        yield Static("reading", id="about", markup=False)
        yield Static(id="sections", markup=False)
        yield FilterLine(self.parsed)
        yield VirtualTable((), tone=_tone, id="rows")

    # ---------------------------------------------------------------------------- reading

    @property
    def columns(self) -> Sequence[Column]:
        """Those of the table that is shown."""
        return SECTIONS[self._section].columns

    @property
    def kind(self) -> str:
        """The table that is shown."""
        return self._section

    def load(self, *, again: bool = False) -> None:
        """Ask for all of it."""

        def question(store: Store) -> "tuple[Asset, dict[str, Sequence[Any]]]":
            from otsec.inventory import detail  # noqa: PLC0415 - in the thread
            from otsec.inventory.selection import find  # noqa: PLC0415 - as above

            found = self.otsec.inventory(store)
            asset = find(found, self.asked)
            return asset, {
                "facts": asset.known,
                "addresses": asset.addresses,
                "modules": asset.modules,
                "peers": detail.peers(found, asset),
                "writers": detail.writers(store, asset),
                "timeline": detail.timeline(store, asset)[::-1],
                "attributes": asset.attributes,
                "roles": asset.guesses,
            }

        def use(found: "tuple[Asset, dict[str, Sequence[Any]]]") -> None:
            self.asset, self._parts = found
            self.asked = self.asset.id
            self._tell_about()
            self._tell_section(again=again)

        def failed(told: str) -> None:
            self.query_one("#about", Static).update(Text(safe(told, 1000)))

        self.ask("asset", question, use, failed)

    def _tell_about(self) -> None:
        asset, zone = self.asset, self.otsec.zone
        if asset is None:
            return
        text = Text()
        text.append(f"{safe(asset.name)}\n", "bold")
        level = "" if asset.level is None else f", Purdue level {asset.level:g}"
        text.append(f"{asset.role.role} (sure {asset.role.confidence:g}){level}; {asset.reach}; {asset.filled} of 14 attributes known; id {asset.id}\n")  # fmt: skip
        said = [
            f"{key} {safe(asset.value(key))}"
            for key in ("owner", "criticality", "location", "tags", "asset_number")
            if asset.value(key)
        ]
        if said:
            text.append(f"{', '.join(said)}\n")
        first, last = (time_text(at, zone) for at in (asset.first_time, asset.last_time))
        text.append(f"seen {first} to {last}, {asset.packets} packets sent\n", "dim")
        for reason in (*asset.role.evidence[:REASONS], *asset.notes[:2]):
            text.append(f"- {safe(reason)}\n", "dim")
        text.rstrip()
        self.query_one("#about", Static).update(text)

    def _tell_section(self, *, again: bool = False) -> None:
        line = Text(no_wrap=True)
        for name, section in SECTIONS.items():
            count = len(self._parts.get(name, ()))
            style = "reverse bold" if name == self._section else "" if count else "dim"
            line.append(f" {section.title} {count} ", style)
        self.query_one("#sections", Static).update(line)
        table, self.none = self.table, "nothing is known"
        table.zone = self.otsec.zone
        section = SECTIONS[self._section]
        table.set_columns(section.columns, section.shown)
        rows = self._parts.get(self._section, ())
        self.keep(rows, KEYS.get(self._section, _whole), again=again)

    # ---------------------------------------------------------------------------- actions

    def action_turn(self, step: int) -> None:
        """Another of its tables."""
        names = list(SECTIONS)
        self._section = names[(names.index(self._section) + step) % len(names)]
        self.line.begin("")
        self._tell_section()

    def action_back(self) -> None:
        """All rows; then back to where it was opened."""
        if self.line.text:
            self.action_clear()
        else:
            self.dismiss()

    def action_edit(self) -> None:
        """Say what only people know."""
        if self.asset is not None:
            from otsec.tui.edit import edit  # noqa: PLC0415 - only who asks pays

            edit(self, [self.asset])

    def action_talks(self) -> None:
        """Its conversations."""
        if self.asset is not None:
            self.otsec.show("conversations", f"host={self.asset.addresses[0].text}")

    def shown_by(self, row: Any) -> Sequence[str]:
        """Packets that show a row."""
        found = SHOWN_BY.get(self._section, _nothing)(row)
        site = "" if self.asset is None else self.asset.site
        return [id_ for source, *at in found if source for id_ in named(site, source, *at)]

    def opened(self, row: Any) -> None:
        """A peer is an asset as well; of another row its packets are shown."""
        other = getattr(row, "asset", "")
        if self._section in SHOWN_BY:
            self.action_packets()
        elif self._section == "peers" and other:
            try:
                self.otsec.open_asset(other)
            except UsageError as error:
                self.otsec.complain(str(error))

    def words(self) -> Words:
        """The tables and their columns."""
        told: Words = [("Parts", [(one.title, one.about) for one in SECTIONS.values()])]
        section = SECTIONS[self._section]
        told.append((f"Columns of {section.title}", [(c.title, c.about or WORDS.get(c.name, "")) for c in section.columns]))  # fmt: skip
        told += super().words()[1:]
        told.append(
            (
                "Words",
                [
                    ("standing", "best: what holds; also: holds beside it; rival: somebody says otherwise; replaced: held before"),
                    ("sure", "how sure otsec is, 0 to 1; a person's word is 1"),
                    ("packet", "its place among all packets of its capture point, from 0"),
                ],
            )
        )  # fmt: skip
        return told


WORDS = {  # of columns that need no word on the command line
    "address": "its address",
    "packets": "packets between the two",
    "last_time": "when last",
    "client": "address of who wrote",
    "device": "the device behind the address",
    "object": "what was written",
    "operation": "the protocol's own word",
    "second_writer": "another client had written it before",
    "count": "how often",
    "last_packet": "packet of the last write",
    "time": "when it happened",
    "what": "what happened",
    "who": "who did it, or said it",
    "packet": "the packet that shows it",
    "source": "the capture point of the packet",
    "name": "the attribute as CISA's guidance names it",
    "value": "what is known of it",
    "said_by": "who says so",
    "confidence": "how sure, 0 to 1",
    "role": "what it may be",
    "evidence": "what speaks for it",
    "text": "the address",
    "place": "the VLAN in which it was seen",
    "group": "the point group in which it was seen",
    "frames": "packets sent from it",
    "routed": "the router behind which it was seen",
    "told_by": "the protocol that told of it; it was never heard itself",
    "first_time": "when first",
    "facts": "what is known of it",
}


def _whole(row: Any) -> Any:
    return row


KEYS: dict[str, Callable[[Any], Any]] = {
    "facts": lambda one: (one.attribute, one.value, one.device, one.said_by),
    "addresses": lambda one: one.node,
    "modules": lambda one: one.device,
    "peers": lambda one: (one.address, one.way, one.protocol),
    "writers": lambda one: (one.client, one.device, one.object, one.operation, one.outcome, one.server, one.place),
    "timeline": lambda one: (one.time, one.source, one.packet, one.what),
    "attributes": lambda one: one.name,
    "roles": lambda one: one.role,
}  # fmt: skip
Shown = list[tuple[Any, ...]]  # source, and packets of it


def _nothing(_: Any) -> Shown:
    return []


def _sights(row: Any) -> Shown:
    return [(sight.source, sight.packet) for sight in (row.first, row.last)]


SHOWN_BY: dict[str, Callable[[Any], Shown]] = {  # packets behind the rows of each table
    "facts": _sights,
    "addresses": _sights,
    "writers": lambda row: [(source_of(row), row.first_packet, row.last_packet)],
    "timeline": lambda row: [] if row.packet is None else [(row.source, row.packet)],
}
STANDINGS = {"rival": "warn", "replaced": "quiet"}


def _tone(row: Any, column: Column) -> str:
    if getattr(row, "second_writer", False) and column.name == "second_writer":
        return "warn"
    if column.name == "value" and not getattr(row, "value", "x"):
        return "quiet"
    return STANDINGS.get(getattr(row, "standing", ""), "")
