"""One finding: what was seen and expected, why it matters, what to do, its packets and decisions."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.detect.cases import ends, why_again
from otsec.store import Store
from otsec.tui import triage
from otsec.tui.cells import safe, time_text
from otsec.tui.screen import BaseScreen, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.detect.cases import Case

LONG = 4_000  # letters of a paragraph
MOST = 40  # findings of an incident, packets, decisions that are listed
LEVELS = {"critical": "bold red", "high": "bold red", "medium": "bold yellow"}


class Found(NamedTuple):
    """A finding, and what belongs to it."""

    case: "Case"
    story: "Sequence[Case]"  # of its incident, in order of time
    packets: "Sequence[Any]"
    parties: "Sequence[Any]"
    techniques: "Sequence[str]"


class FindingScreen(BaseScreen):
    """All of one finding."""

    NAME = "Finding"
    AUTO_FOCUS = "VerticalScroll"
    CSS = "FindingScreen Static { height: auto; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="back", tooltip="Back to the list"),
        Binding("p", "packets", "Packets", id="packets", tooltip="The packets that show it"),
        *triage.BINDINGS,
        Binding("s", "asset('server')", "Server", show=False, id="finding.server", tooltip="All of the device to which it was done"),
        Binding("i", "asset('client')", "Client", show=False, id="finding.client", tooltip="All of who did it"),
        Binding("w", "talks", "Talks", show=False, id="finding.talks", tooltip="What the two say to each other"),
        Binding("n", "incident", "Incident", show=False, id="finding.incident", tooltip="All findings of the incident"),
        Binding("j", "roll(1)", "Down", show=False, id="finding.down"),
        Binding("k", "roll(-1)", "Up", show=False, id="finding.up"),
    ]  # fmt: skip

    def __init__(self, name: str) -> None:
        super().__init__()
        self.id_of_finding = name
        self.case: Case | None = None

    def body(self) -> ComposeResult:
        """One page."""
        with VerticalScroll():
            yield Static("reading", id="page", markup=False)

    def load(self, *, again: bool = False) -> None:  # noqa: ARG002 - the page is one
        """Ask for all of it."""

        def question(store: Store) -> Found:
            from otsec.cli.finding import _parties, _techniques  # noqa: PLC0415 - in the thread
            from otsec.detect.cases import cases_of, in_incident  # noqa: PLC0415
            from otsec.store.findings import packets  # noqa: PLC0415

            (case,) = cases_of(store, [self.id_of_finding])
            incident = case.finding.incident
            return Found(
                case,
                in_incident(store, incident)[:MOST] if incident else [case],
                packets(store, case.finding.id)[:MOST],
                _parties(case, self.otsec.inventory(store)),
                _techniques(case),
            )

        def failed(told: str) -> None:
            self.query_one("#page", Static).update(Text(safe(told, LONG)))

        self.ask("finding", question, self._tell, failed)

    def _tell(self, found: Found) -> None:
        self.case = found.case
        one, zone, text = found.case.finding, self.otsec.zone, Text()
        text.append(f"{one.level.upper()}", LEVELS.get(one.level, "bold"))
        text.append(f"  {safe(one.title)}\n", "bold")
        owner = f", assigned to {safe(found.case.owner)}" if found.case.owner else ""
        again = f" ({why})" if (why := why_again(found.case)) else ""
        text.append(
            f"finding {one.short}, {found.case.state}{again}{owner}; rule {safe(one.name)}\n", "dim"
        )
        first, last = (time_text(at, zone) for at in (one.first_time, one.last_time))
        when = first if first == last else f"{first} to {last}"
        _head(text, "What was seen", f"{one.seen} {one.times} time{'' if one.times == 1 else 's'}, {when}. {one.doubt}")  # fmt: skip
        for party in found.parties:
            told = ", ".join(str(cell) for cell in party[1:] if cell)
            text.append(f"  {party.part:<3} {safe(told)}\n")
        _head(text, "What was expected", one.expected)
        _head(text, "Why it matters", one.why)
        for line in found.techniques:
            text.append(f"  {safe(line)}\n")
        _head(text, "What else may look so", "; ".join(one.falsepositives))
        _head(text, "What to do next", one.next)
        _heading(text, "Packets (p opens them)")
        for packet, source in found.packets:
            text.append(f"  {time_text(packet.time, zone)}  {safe(source)}:{packet.packet}  {safe(packet.what)}\n")  # fmt: skip
        if len(found.story) > 1:
            _heading(
                text, f"Incident {safe(one.incident)}: {len(found.story)} findings (n lists them)"
            )
            for case in found.story:
                mark = ">" if case.finding.id == one.id else " "
                text.append(f" {mark} {time_text(case.finding.first_time, zone)}  {case.finding.level:<8} {safe(case.finding.title)}  ({safe(case.state)})\n")  # fmt: skip
        if found.case.acts:
            _heading(text, "What was decided")
            for act in found.case.acts[-MOST:]:
                told = act.after if not act.before else f"{act.before} to {act.after}"
                told += f" until {time_text(end, zone)}" if (end := ends(act)) else ""
                why = f": {safe(act.reason, LONG)}" if act.reason else ""
                text.append(f"  {time_text(act.time, zone)}  {safe(act.who)}  {act.kind}  {safe(told, LONG)}{why}\n")  # fmt: skip
        text.rstrip()
        self.query_one("#page", Static).update(text)

    # ---------------------------------------------------------------------------- actions

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_decide(self, kind: str) -> None:
        """Take down what is decided."""
        triage.decide(self, kind, [self.id_of_finding])

    def action_packets(self) -> None:
        """The packets that show it."""
        self.otsec.show_packets([self.id_of_finding])

    def action_asset(self, end: str) -> None:
        """All of one of the two."""
        if self.case is not None and (address := getattr(self.case.finding, end)):
            self.otsec.open_asset(address)

    def action_talks(self) -> None:
        """What the two say to each other."""
        if self.case is not None:
            one = self.case.finding
            ends = ((key, getattr(one, key)) for key in ("client", "server"))
            words = [f"{key}={value}" for key, value in ends if value and value != "several"]
            self.otsec.show("conversations", " ".join(words))

    def action_incident(self) -> None:
        """All findings of its incident."""
        if self.case is not None and self.case.finding.incident:
            self.dismiss()
            self.otsec.show("findings", f"incident={self.case.finding.incident}")

    def action_roll(self, lines: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def words(self) -> Words:
        """States and parts."""
        from otsec.tui.screens.findings import WORDS  # noqa: PLC0415 - of the list

        return [("Words", WORDS)]


def _heading(text: Text, title: str) -> None:
    text.append(f"\n{title}\n", "bold underline")


def _head(text: Text, title: str, told: str) -> None:
    if told.strip():
        _heading(text, title)
        text.append(f"{safe(told.strip(), LONG)}\n")
