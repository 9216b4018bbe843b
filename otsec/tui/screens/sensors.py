"""Sensors and capture health: each source, how good it is, what it hides and what to change."""

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.output import Column
from otsec.health import Report, Severity, judge
from otsec.store import Store, queries
from otsec.store.views import Gap
from otsec.tui.cells import safe, time_text
from otsec.tui.filterline import FilterLine
from otsec.tui.kept import KeptScreen
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named
from otsec.tui.table import VirtualTable

if TYPE_CHECKING:
    from collections.abc import Sequence

GAPS = 12  # that are listed of a source
COLUMNS = (
    Column("severity", "state", about="the worst that is to say of it: bad, warn, good or unknown", value=lambda one: one.severity.name.lower()),
    Column("name", "source", about="capture point, and its interface where it has a name"),
    Column("sentence", "verdict", about="what it can be used for, in a sentence"),
    Column("packets", "packets", "number", "packets read from it", value=lambda one: one.source.packets),
    Column("gaps", "gaps", "number", "spans in which it was blind", value=lambda one: one.source.gaps),
    Column("last", "last packet", "time", "time of its last packet", value=lambda one: one.source.last_time or None),
    Column("first", "first packet", "time", "time of its first packet", value=lambda one: one.source.first_time or None),
    Column("captures", "files", "number", "captures read", value=lambda one: one.source.captures),
    Column("incomplete", "unread", "number", "captures not read to their end", value=lambda one: one.source.incomplete),
    Column("damaged", "damaged", "number", "captures that are damaged", value=lambda one: one.source.damaged),
    Column("group", "group", about="point group: sources that see the same network", value=lambda one: one.source.group),
    Column("site", "site", about="the site", value=lambda one: one.source.site),
)  # fmt: skip
TONES = {Severity.BAD: "bad", Severity.WARN: "warn", Severity.GOOD: "good"}
STYLES = {Severity.BAD: "bold red", Severity.WARN: "bold yellow", Severity.GOOD: "green"}


class SensorsScreen(KeptScreen):
    """How well the network is heard."""

    NAME = "Sensors"
    COLUMNS = COLUMNS
    KIND = "sources"
    ONE = ("source", "sources")
    CSS = """
    SensorsScreen VirtualTable { height: 30%; min-height: 4; }
    SensorsScreen VerticalScroll { height: 1fr; border-top: solid $panel; padding: 0 1; }
    SensorsScreen #verdicts { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "beside", "Verdicts", id="sensors.focus", tooltip="Between sources and verdicts"),
        Binding("p", "packets", "Packets", id="packets", tooltip="Packets that show the worst verdict"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._gaps: Sequence[Gap] = ()

    def body(self) -> ComposeResult:
        """Sources; below them what is to say of the selected one."""
        yield FilterLine(self.parsed)
        yield VirtualTable(COLUMNS, tone=_tone, id="rows")
        with VerticalScroll():
            yield Static(id="verdicts", markup=False)

    def load(self, *, again: bool = False) -> None:
        """Ask how good each source is."""
        self.table.zone, self.table.waiting = self.otsec.zone, "judging"

        def question(store: Store) -> tuple[list[Report], list[Gap]]:
            return judge(store, engine=True), queries.gaps(store)

        def use(found: tuple[list[Report], list[Gap]]) -> None:
            reports, self._gaps = found
            self.keep(reports, lambda one: one.source.id, again=again)

        self.ask("health", question, use)

    @on(VirtualTable.Moved)
    def listed(self) -> None:
        """What is to say of the selected source."""
        report: Report | None = self.table.selected
        text = Text()
        if report is None:
            self.query_one("#verdicts", Static).update(text)
            return
        text.append(f"{safe(report.name)}: {safe(report.sentence)}\n", "bold")
        for one in report.verdicts:
            text.append(f"\n{one.severity.name:<8}", STYLES.get(one.severity, "dim"))
            text.append(f"{one.check}: {safe(one.figure, 600)}\n")
            for label, said in (("likely cause", one.cause), ("to change", one.advice)):
                if said and one.severity in {Severity.BAD, Severity.WARN}:
                    text.append(f"        {label}: {safe(said, 600)}\n", "dim")
        self._tell_gaps(text, report)
        text.rstrip()
        self.query_one("#verdicts", Static).update(text)

    def _tell_gaps(self, text: Text, report: Report) -> None:
        mine = [
            gap
            for gap in self._gaps
            if (gap.site, gap.point, gap.interface)
            == (report.source.site, report.source.point, report.source.interface)
        ]
        text.append(f"\nGaps: {len(mine)}\n" if mine else "\nno gaps\n", "bold")
        for gap in mine[-GAPS:]:
            begin, end = (time_text(at, self.otsec.zone) for at in (gap.begin_time, gap.end_time))
            text.append(f"  {begin} to {end}  {safe(gap.kind)}  packet {gap.packet}  {safe(gap.detail)}\n")  # fmt: skip
        if len(mine) > GAPS:
            text.append(f"  and {len(mine) - GAPS} before these\n")

    def action_packets(self) -> None:
        """Packets that show the worst verdict that has some."""
        report: Report | None = self.table.selected
        shown = [one for one in (report.verdicts if report else ()) if one.evidence]
        if report is None or not shown:
            self.notify("no packet shows a verdict of this source")
            return
        ids = named(report.source.site, report.name, *(one.ordinal for one in shown[0].evidence))
        self.otsec.show_packets(ids)

    def words(self) -> Words:
        """Columns and words."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("source", "one tap or mirror port with one clock"),
                    ("bad", "something that the capture should show cannot be told from it"),
                    ("warn", "what is told has a hole, or the capture costs more than it need"),
                    ("gap", "a span in which the capture was blind; nothing is said of it"),
                    ("mirror", "the port of a switch that copies what others send and receive"),
                ],
            ),
        ]


def _tone(report: Report, column: Column) -> str:
    return TONES.get(report.severity, "quiet") if column.name == "severity" else ""
