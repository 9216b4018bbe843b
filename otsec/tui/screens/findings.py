"""Findings: what is wrong, worst first, and what is decided of it, one by one or many at once."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli import findings
from otsec.cli.output import Column
from otsec.detect.cases import Case
from otsec.store import Store, paging
from otsec.store.filters import Field
from otsec.tui import triage
from otsec.tui.paged import PagedScreen
from otsec.tui.screen import Words

TONES = {"critical": "bad", "high": "bad", "medium": "warn", "informational": "quiet"}
WORDS = [
    ("level", "how bad: informational, low, medium, high, critical"),
    ("new", "nobody has decided yet; reopened: it was resolved and was seen again, it was accepted for a time that is over, or somebody took that back"),
    ("acknowledged", "somebody is looking at it"),
    ("resolved", "it is dealt with; it opens again if it is seen again"),
    ("false positive", "it is not what the rule takes it for"),
    ("accepted", "the risk is known and taken, for good or until a moment; expected: it is how the plant is meant to work"),
    ("incident", "findings that hang together: one device, one time"),
    ("ATT&CK", "MITRE's list of what attackers of industrial systems do"),
]  # fmt: skip


def case_of(row: paging.Decided) -> Case:
    """A row of the listing as the findings of the command line are."""
    return Case(row.finding, row.state, row.owner, (), row.change)


class FindingsScreen(PagedScreen):
    """What is wrong."""

    NAME = "Findings"
    COLUMNS: ClassVar[Sequence[Column]] = findings.COLUMNS
    SHOWN: ClassVar[Sequence[str]] = (
        *("level", "state", "title", "client", "server", "last_time", "count", "owner"),
        *("device", "outcomes", "incident", "short"),
    )
    FIELDS: ClassVar[dict[str, Field]] = paging.FINDING_FIELDS
    KEYS: ClassVar[dict[str, str]] = findings.FILTERS
    KIND = "findings"
    ONE = ("finding", "findings")
    BINDINGS: ClassVar[list[BindingType]] = [
        *triage.BINDINGS,
        Binding("p", "packets", "Packets", id="packets", tooltip="The packets that show it"),
        Binding("o", "open_only", "Open", show=False, id="findings.open", tooltip="Only what is still to be decided, or all"),
    ]  # fmt: skip

    @classmethod
    def fetched(cls, store: Store, keys: Any) -> list[paging.Keyed]:
        """Some findings by their keys."""
        return [one._replace(row=case_of(one.row)) for one in super().fetched(store, keys)]

    def tone(self, row: Any, column: Column) -> str:
        """The level by its colour, too; what is decided is quiet."""
        if not row.open:
            return "quiet"
        return TONES.get(row.finding.level, "") if column.name == "level" else ""

    def opened(self, row: Any) -> None:
        """All of one finding."""
        from otsec.tui.screens.finding import FindingScreen  # noqa: PLC0415 - only who asks pays

        self.app.push_screen(FindingScreen(row.finding.id))

    def shown_by(self, row: Any) -> Sequence[str]:
        """Those that the finding names."""
        return [f"finding:{row.finding.id}"]

    def action_decide(self, kind: str) -> None:
        """Take down what is decided of the marked findings, else of the selected one."""
        triage.decide(self, kind, [row.finding.id for row in self.table.chosen])

    def action_open_only(self) -> None:
        """Only what is still to be decided, or all."""
        words = self.line.text.split()
        kept = [word for word in words if word != "state:open"]
        self.filter_by(" ".join(kept if len(kept) < len(words) else [*words, "state:open"]))

    def words(self) -> Words:
        """Columns, filters, states."""
        return [*super().words(), ("Words", WORDS)]
