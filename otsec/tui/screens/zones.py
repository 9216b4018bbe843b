"""Zones: who crosses from which zone to which, by the site's policy; a draft tried on the same store."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.output import Column
from otsec.cli.zones import COLUMNS as CELLS
from otsec.store import Store
from otsec.tui.cells import safe
from otsec.tui.filterline import FilterLine
from otsec.tui.kept import KeptScreen
from otsec.tui.screen import Words
from otsec.tui.table import VirtualTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otsec.policy.matrix import Cell
    from otsec.policy.model import Policy
    from otsec.policy.simulation import Simulation
    from otsec.policy.verdicts import Flow

MOST = 60  # flows told below the list
LONGEST = 400  # letters of a reason
CUT = frozenset({"deny", "unknown_endpoint"})
TONES = {"violated": "bad", "undecoded": "warn", "allowed": "good", "unused": "quiet"}
CHANGED = (
    Column(
        "newly_cut", "cut now", "number", "flows that the draft cuts and the policy lets through"
    ),
    Column("let", "let now", "number", "flows that the draft lets through and the policy cuts"),
)
NOTHING = "no policy: name one in otsec.yaml, or press d for a draft (otsec policy suggest)"


class Crossing(NamedTuple):
    """What goes from one zone to another."""

    cell: "Cell"
    flows: "Sequence[Flow]"  # the worst first
    newly_cut: int
    let: int

    @property
    def key(self) -> tuple[str, str]:
        """Its zones."""
        return self.cell.source, self.cell.target


class Shown(NamedTuple):
    """All of the screen."""

    crossings: "Sequence[Crossing]"
    found: "Simulation | None"


def _column(column: Column) -> Column:
    """A column of a cell, asked of its crossing."""
    return Column(
        column.name, column.title, column.kind, column.about, value=lambda one: column.of(one.cell)
    )


_CELLS = tuple(map(_column, CELLS))
COLUMNS = (*_CELLS[:3], *CHANGED, *_CELLS[3:])


class ZonesScreen(KeptScreen):
    """Zones and what crosses between them."""

    NAME = "Zones"
    COLUMNS = COLUMNS
    KIND = "zones"
    ONE = ("crossing", "crossings")
    CSS = """
    ZonesScreen #judged { height: 1; padding: 0 1; }
    ZonesScreen VirtualTable { height: 1fr; min-height: 5; }
    ZonesScreen VerticalScroll { height: 45%; border-top: solid $panel; padding: 0 1; }
    ZonesScreen #flows { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "draft", "Simulate", id="zones.draft", tooltip="Try a draft on the same store"),
        Binding("tab", "beside", "Flows", id="zones.focus", tooltip="Between zones and flows"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.draft: Path | None = None
        self._found: Simulation | None = None

    def body(self) -> ComposeResult:
        """By what is judged, the crossings, and what goes over the selected one."""
        yield Static(id="judged", markup=False)
        yield FilterLine(self.parsed)
        yield VirtualTable(COLUMNS, tone=_tone, id="rows")
        with VerticalScroll():
            yield Static(id="flows", markup=False)

    def load(self, *, again: bool = False) -> None:
        """Judge the store anew."""
        self.table.zone, self.table.waiting = self.otsec.zone, "judging"
        draft = self.draft

        def use(found: Shown | None) -> None:
            self.none = NOTHING if found is None else "nothing crosses, and nothing may"
            crossings, self._found = found or Shown((), None)
            self._tell_judged()
            self.keep(crossings, lambda one: one.key, again=again)

        self.ask("zones", lambda store: self._judged(store, draft), use, self._wrong)

    def _wrong(self, told: str) -> None:
        """A draft with errors is told, and the policy stays."""
        self.otsec.complain(told)
        if self.draft is not None:
            self.draft = None
            self.load()

    def _judged(self, store: Store, draft: Path | None) -> Shown | None:
        from otsec.baseline.allowed import verdicts  # noqa: PLC0415 - only who looks at zones pays
        from otsec.cli.analyze import site_policy, usable_policy  # noqa: PLC0415

        policy = site_policy(self.otsec.config)
        other = None if draft is None else usable_policy(draft)
        if policy is None and other is None:
            return None
        known = self.otsec.inventory(store)
        before = None if policy is None else verdicts(store, policy, known)
        if other is None:
            return _shown(policy, before or (), None)
        return _shown(other, verdicts(store, other, known), before)

    # ----------------------------------------------------------------------------- telling

    def _tell_judged(self) -> None:
        found = self._found
        text = Text()
        if found is not None:
            cut = f"{len(found.cut)} flows cut" if found.cut else "nothing cut"
            text.append(f"{safe(found.policy.name)}", "bold")
            text.append(f": {cut}, {len(found.unread)} could not be read, ")
            text.append(f"{len(found.unused)} conduits unused")
            if self.draft is not None:
                text.append(f"; draft: {len(found.newly_cut)} newly cut (Esc back)")
        self.query_one("#judged", Static).update(text)

    @on(VirtualTable.Moved)
    def listed(self) -> None:
        """Who crosses, and by what it is judged."""
        from otsec.policy.reasons import called, reason  # noqa: PLC0415 - as above

        chosen: Crossing | None = self.table.selected
        text = Text()
        if chosen is not None:
            text.append(f"{safe(chosen.cell.source)} to {safe(chosen.cell.target)}\n", "bold")
            for flow in chosen.flows[:MOST]:
                text.append(f"{flow.verdict:<17}", _style(flow.verdict))
                ends = f"{called(flow.client)} to {called(flow.server)} by {flow.word} {flow.cls}"
                who = "" if flow.verdict in CUT else f"{ends}: "
                text.append(f"{safe(who + reason(flow), LONGEST)} ({flow.count})\n")
            if len(chosen.flows) > MOST:
                text.append(f"and {len(chosen.flows) - MOST} more: otsec policy judge\n", "dim")
            for name in sorted(chosen.cell.unused):
                text.append(f"{'unused':<17}conduit {safe(name)}\n", "dim")
            text.rstrip()
        self.query_one("#flows", Static).update(text)

    # ----------------------------------------------------------------------------- actions

    def action_draft(self) -> None:
        """Ask for a policy, and judge by it."""
        from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

        def use(line: str | None) -> None:
            if line:
                self.draft = Path(line).expanduser()
                self.load()

        before = "" if self.draft is None else str(self.draft)
        self.app.push_screen(LineDialog("simulate a draft, FILE.yaml:", before), use)

    def action_clear(self) -> None:
        """All crossings; then back to the policy of the site."""
        if self.line.text or self.table.marked or self.draft is None:
            super().action_clear()
        else:
            self.draft = None
            self.load()

    def words(self) -> Words:
        """Columns and words."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("zone", "devices with the same needs of protection, of the site's policy"),
                    ("conduit", "what the policy lets pass from one zone to another"),
                    ("violated", "something went there that the policy denies"),
                    ("undecoded", "a conduit may allow it, but it could not be read"),
                    ("unused", "a conduit that nobody used"),
                    (
                        "draft",
                        "another policy, tried on what was recorded; nothing is changed by it",
                    ),
                ],
            ),
        ]


def _shown(
    policy: "Policy | None", flows: "Sequence[Flow]", before: "Sequence[Flow] | None"
) -> Shown | None:
    """The crossings of what was judged; ``before``: by the policy with which it is compared."""
    from otsec.policy.judging import SEVERITY  # noqa: PLC0415 - as above
    from otsec.policy.matrix import matrix, zones_of  # noqa: PLC0415
    from otsec.policy.simulation import by_weight, is_cut, simulate  # noqa: PLC0415

    if policy is None:
        return None
    found = simulate(policy, flows, before)
    cells = matrix(policy, flows).cells
    by_key: dict[tuple[str, str], list[Flow]] = {key: [] for key in cells}
    for flow in sorted(by_weight(flows), key=lambda one: -SEVERITY[one.verdict]):
        if flow.option.cause != "link":
            by_key.setdefault(zones_of(flow), []).append(flow)
    changes: Mapping[bool, list[tuple[str, str]]] = {True: [], False: []}
    for change in found.changes:
        if is_cut(change.flow.verdict) != is_cut(change.before):
            changes[is_cut(change.flow.verdict)].append(zones_of(change.flow))
    crossings = [
        Crossing(cells[key], by_key[key], changes[True].count(key), changes[False].count(key))
        for key in sorted(cells, key=lambda key: (_worst(cells[key]), key))
        if cells[key].state
    ]
    return Shown(crossings, found)


def _worst(cell: "Cell") -> int:
    return list(TONES).index(cell.state) if cell.state in TONES else len(TONES)


def _style(verdict: str) -> str:
    return {"deny": "bold red", "unknown_endpoint": "bold red", "undecoded": "yellow"}.get(
        verdict, ""
    )


def _tone(crossing: Crossing, column: Column) -> str:
    if column.name == "state":
        return TONES.get(crossing.cell.state, "quiet")
    return "bad" if column.name == "newly_cut" and crossing.newly_cut else ""
