"""Values and writers: who wrote which object, and what registers, coils and points held."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli import listing, values, writers
from otsec.cli.output import Column
from otsec.store import Store, queries
from otsec.store.filters import Field, Filter
from otsec.store.selects import FIELDS
from otsec.tui.listing import ListingScreen
from otsec.tui.rows import Key
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named, source_of


class ValuesScreen(ListingScreen):
    """Who wrote what; and, by one key, what everything held."""

    NAME = "Writers"
    COLUMNS: ClassVar[Sequence[Column]] = writers.COLUMNS
    SHOWN: ClassVar[Sequence[str]] = ("server", "object", "client", "second_writer", "operation", "last", "count", "outcome", "last_time", "device", "minimum", "maximum")  # fmt: skip
    FIELDS: ClassVar[dict[str, Field]] = FIELDS["writers"]
    KEYS: ClassVar[dict[str, str]] = {key: listing.FILTERS[key] for key in listing.FOR_BEHAVIOURS}
    KIND = "writers"
    ONE = ("write", "writes")
    ASIDE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "other", "Values", id="values.other", tooltip="Values that were held, or who wrote"),
        Binding("p", "packets", "Packets", id="packets", tooltip="The first and the last packet"),
        Binding("a", "asset", "Device", id="values.asset", tooltip="All of the device"),
    ]  # fmt: skip

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], _inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """The writes, second writers first."""
        return queries.writers(store, filters)

    def key(self, row: Any) -> Key:
        """What makes a write the same."""
        return (row.site, row.group, row.place, row.client, row.server, row.device, row.object, row.operation, row.outcome, row.protocol)  # fmt: skip

    def tone(self, row: Any, column: Column) -> str:
        """A second writer is told."""
        if column.name == "second_writer" and row.second_writer:
            return "warn"
        return ""

    def action_other(self) -> None:
        """Values, with the same filter."""
        self.app.push_screen(HeldScreen(self.line.text))

    def shown_by(self, row: Any) -> Sequence[str]:
        """The first and the last packet."""
        return named(row.site, source_of(row), row.first_packet, row.last_packet)

    def action_asset(self) -> None:
        """All of the device."""
        if (row := self.table.selected) is not None:
            self.otsec.open_asset(row.server)

    def words(self) -> Words:
        """Columns, and what a second writer is."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("second writer", "a client that wrote an element that another client had written before"),
                    ("object", "what was written: holding 100-109 are ten registers, DB10.DBX0.0 a bit of a Siemens block"),
                    ("space", "which numbered things: coils and inputs are bits, holding and input registers are words"),
                ],
            ),
        ]  # fmt: skip


class HeldScreen(ValuesScreen):
    """What everything held."""

    NAME = "Values"
    COLUMNS: ClassVar[Sequence[Column]] = values.COLUMNS
    SHOWN: ClassVar[Sequence[str]] = ("server", "device", "object", "last", "minimum", "maximum", "reads", "writes", "last_time", "first")  # fmt: skip
    FIELDS: ClassVar[dict[str, Field]] = FIELDS["values"]
    KIND = "values"
    ONE = ("value", "values")

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], _inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """The values by device and element."""
        return queries.values(store, filters)

    def key(self, row: Any) -> Key:
        """What makes an element the same."""
        return (row.site, row.group, row.place, row.server, row.device, row.protocol, row.object, isinstance(row.last, float))  # fmt: skip

    def tone(self, row: Any, column: Column) -> str:
        """What changed stands out from what never did."""
        return (
            "quiet" if row.minimum == row.maximum and column.name in {"minimum", "maximum"} else ""
        )

    def action_other(self) -> None:
        """Back to who wrote."""
        self.dismiss()

    def action_clear(self) -> None:
        """All rows; then back to who wrote."""
        if self.line.text or self.table.marked:
            super().action_clear()
        else:
            self.dismiss()
