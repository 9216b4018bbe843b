"""Packets behind a row: as otsec reads them, as tshark does, and their bytes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.output import Column, duration_text
from otsec.cli.show import FIELDS, HEX, LOWER, TITLES, VALUES, hex_dump
from otsec.store import Store
from otsec.tui.cells import safe, time_text
from otsec.tui.rows import Listed
from otsec.tui.screen import BaseScreen, Words
from otsec.tui.table import VirtualTable

if TYPE_CHECKING:
    from otsec.evidence.view import Heard, View

COLUMNS = (
    Column("time", "time", "time", "by the capture's clock"),
    Column("source", "from", about="address and port of who sent it"),
    Column("target", "to", about="address and port of who it was for"),
    Column(
        "operations",
        "otsec reads",
        "list",
        "the operations that otsec reads in it",
        value=lambda row: tuple(dict.fromkeys(one.said.message.operation for one in row.heard)),
    ),
    Column("why", "why", "list", "why it is shown: named, or what it has to do with what is named"),
    Column("id", "packet", about="capture point, and its place among all packets of it, from 0"),
    Column("wire", "length", "bytes", "bytes on the wire"),
    Column("frame", "frame", "number", "number in its file, as Wireshark counts"),
    Column("capture", "capture", about="the file it is from"),
)


class Found(NamedTuple):
    """Packets, and what is to say of them."""

    rows: "Sequence[View]"
    note: str


def named(site: str, source: str, *packets: int) -> list[str]:
    """Packets of a source by their ordinals, as `otsec show` takes them."""
    return [f"{site}/{source}:{packet}" for packet in dict.fromkeys(packets) if packet >= 0]


def source_of(row: Any) -> str:
    """The source of a row: its point, and its interface where it has a name."""
    return f"{row.point}/{row.interface}" if getattr(row, "interface", "") else str(row.point)


class PacketsScreen(BaseScreen):
    """The packets that show something."""

    NAME = "Packets"
    AUTO_FOCUS = "VirtualTable"
    CSS = """
    PacketsScreen #note { height: auto; max-height: 4; padding: 0 1; }
    PacketsScreen VirtualTable { height: 40%; }
    PacketsScreen VerticalScroll { height: 1fr; border-top: solid $panel; padding: 0 1; }
    PacketsScreen #packet { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="back", tooltip="Back to where it was opened"),
        Binding("tab", "app.focus_next", "Packet or list", id="packets.focus", tooltip="Between list and packet"),
        Binding("b", "bytes", "Bytes", id="packets.bytes", tooltip="Show the bytes, or hide them"),
        Binding("x", "write", "Write pcapng", id="packets.write", tooltip="Write these packets as a capture with hashes"),
    ]  # fmt: skip

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__()
        self.ids = list(ids)
        self._bytes = False

    def body(self) -> ComposeResult:
        """What is to say; the packets; one of them."""
        yield Static(id="note", markup=False)
        yield VirtualTable(COLUMNS, id="rows")
        with VerticalScroll():
            yield Static(id="packet", markup=False)

    def load(self, *, again: bool = False) -> None:
        """Find the packets, then have them taken apart."""
        if again:
            return  # packets of a capture do not change
        table = self.query_one(VirtualTable)
        table.zone, table.waiting = self.otsec.zone, "looking for the packets"

        def use(found: Found) -> None:
            self.query_one("#note", Static).update(Text(safe(found.note, 1000), "bold yellow"))
            table.waiting = "no packets"
            shown = [row for row in found.rows if row.telling] or list(found.rows)
            rest = [row for row in found.rows if row not in shown]
            first = not len(table.rows)
            table.show(Listed([*shown, *rest], lambda row: row.id), again=not first)
            self._tell_packet()

        def failed(told: str) -> None:
            table.waiting = "no packets"
            self.query_one("#note", Static).update(Text(safe(told, 1000), "bold red"))
            table.refresh()

        self.ask_on("packets", self._find, use, failed)

    def _find(self, store: Store) -> Iterator[Found]:
        from otsec.evidence import view  # noqa: PLC0415 - in the thread
        from otsec.evidence.captures import Library  # noqa: PLC0415
        from otsec.evidence.gather import Rule, gather  # noqa: PLC0415
        from otsec.evidence.references import resolve  # noqa: PLC0415

        library = Library(store)
        gathered = gather(library, resolve(store, self.ids), Rule())
        rows = view.views(library, gathered)
        notes = [note for one in gathered for note in one.notes]
        yield Found(rows, "; ".join(notes))
        rows, deep = view.dissected(rows, gathered)
        yield Found(
            rows, "; ".join([*notes, *(text for text in (deep.problem, deep.note) if text)])
        )

    # ---------------------------------------------------------------------------- packet

    @on(VirtualTable.Moved)
    def _tell_packet(self) -> None:
        row: View | None = self.query_one(VirtualTable).selected
        if row is not None:
            self.query_one("#packet", Static).update(self._packet(row))

    def _packet(self, row: "View") -> Text:
        text = Text()
        text.append(f"{safe(row.source)} to {safe(row.target)}  {row.transport}  {time_text(row.time, self.otsec.zone)}\n", "bold")  # fmt: skip
        cut = "" if row.captured == row.wire else f", of which {row.captured} were captured"
        text.append(f"{row.wire} bytes{cut}; frame {row.frame} of {safe(row.capture)}; {safe('; '.join(row.why))}\n", "dim")  # fmt: skip
        if row.problem:
            text.append(f"{row.problem}\n", "bold yellow")
        for heard in row.heard:
            _heard(text, heard)
        layers = row.layers or ()
        for layer in [one for one in layers if one.name not in LOWER] or layers[-1:]:
            text.append(f"tshark  {safe(TITLES.get(layer.name, layer.name))}\n", "bold")
            for _, shown in layer.fields[:FIELDS]:
                text.append(f"    {safe(shown)}\n")
        if self._bytes or not (row.heard or layers):
            for line in hex_dump(row.data[:HEX], row.payload):
                text.append(f"{line}\n", "dim")
        text.rstrip()
        return text

    # ---------------------------------------------------------------------------- actions

    def action_bytes(self) -> None:
        """Bytes, or none."""
        self._bytes = not self._bytes
        self._tell_packet()

    def action_back(self) -> None:
        """Back to where it was opened."""
        self.dismiss()

    def action_write(self) -> None:
        """Write the packets as a capture."""
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

        def use(line: str | None) -> None:
            if line:
                self.otsec.attempt(lambda: self._write(line))

        self.app.push_screen(
            LineDialog("write the packets to FILE.pcapng:", "evidence.pcapng"), use
        )

    def _write(self, name: str) -> None:
        from otsec.tui.export import PACKETS, target  # noqa: PLC0415 - only who asks pays

        self.otsec.write_packets(target(name, [PACKETS], self.otsec.outbox()), self.ids)

    def words(self) -> Words:
        """Columns."""
        return [
            ("Columns", [(one.title, one.about) for one in COLUMNS]),
            (
                "Words",
                [
                    ("otsec", "what otsec itself reads in the packet: operation, class, object, outcome"),
                    ("tshark", "what Wireshark's program reads in it; it runs without rights and without a network"),
                    ("pcapng", "a capture file that Wireshark opens; each packet has a comment that says why it is there"),
                ],
            ),
        ]  # fmt: skip


def _heard(text: Text, heard: "Heard") -> None:
    said, message = heard.said, heard.said.message
    told = [
        f"{said.protocol} {heard.part}: {message.operation} ({message.cls})",
        message.object,
        message.device,
        message.outcome and f"outcome {message.outcome}",
    ]
    text.append("otsec   ", "bold")
    text.append(f"{safe(', '.join(filter(None, told)))}\n")
    if heard.other:
        way = "answered by" if heard.part == "request" else "answers"
        text.append(f"    {way} {safe(heard.other)}, {duration_text(said.took_ns // 1000)}\n")
    if said.values:
        text.append(f"    values {' '.join(f'{value:.6g}' for value in said.values[:VALUES])}\n")
    for fact in message.facts:
        text.append(f"    {safe(fact.attribute)}: {safe(fact.value)}\n")
