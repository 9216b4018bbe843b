"""Assets: every device, what it is and what is known of it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from textual.binding import Binding, BindingType

from otsec.cli import assets
from otsec.cli.output import Column
from otsec.store import Store
from otsec.store.filters import Field
from otsec.store.paging import Keyed
from otsec.tui.listing import Ask, ListingScreen
from otsec.tui.rows import Listed, Paged, Rows, arranged
from otsec.tui.screen import Words

if TYPE_CHECKING:
    from otsec.columns import I64
    from otsec.inventory.assembly import Inventory
    from otsec.inventory.shelf import Shelf

SURE = 0.8  # a role below it places nobody in a group of the policy
_MATCH = {"host": Field(("host",), "address"), "level": Field(("level",), "number")}
FIELDS = {
    **{key: _MATCH.get(key, Field((key,))) for key in assets.FILTERS},
    "since": Field(("last_time",), "since"),
    "until": Field(("first_time",), "until"),
    "text": Field(("text",), "text"),
}


def shelved(found: "Shelf", ask: Ask) -> Paged:
    """The rows of an inventory on disk."""
    ids = found.ids

    def fetch(keys: "Sequence[int] | I64") -> list[Keyed]:
        wanted = np.asarray(keys, np.int64)
        places = by_id[np.searchsorted(ids, wanted, sorter=by_id)]
        return [
            Keyed(int(key), found.assets[int(at)]) for key, at in zip(wanted, places, strict=True)
        ]

    by_id = np.argsort(ids, kind="stable")
    return Paged(ids[found.order(ask.filters, ask.sort, descending=ask.descending)], fetch)


class AssetsScreen(ListingScreen):
    """Every device."""

    NAME = "Assets"
    COLUMNS: ClassVar[Sequence[Column]] = assets.COLUMNS
    FIELDS: ClassVar[dict[str, Field]] = FIELDS
    KEYS: ClassVar[dict[str, str]] = assets.FILTERS
    SHOWN: ClassVar[Sequence[str]] = ("name", "role", "ips", "vendor", "model", "answers", "asks", "level", "filled", "last_time", "revision", "macs")  # fmt: skip
    KIND = "assets"
    ONE = ("asset", "assets")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", id="asset.edit", tooltip="Say what only people know"),
        Binding("w", "talks", "Talks", id="asset.talks", tooltip="Its conversations"),
    ]

    def find(self, store: Store, ask: Ask) -> Iterator[Rows]:
        """What was known last, where all of it takes long; then what is known now."""
        from otsec.inventory.shelf import Shelf  # noqa: PLC0415 - in the thread

        known = self.otsec.known
        if isinstance(known, Shelf):
            yield shelved(known, ask)
        found = self.otsec.inventory(store)
        if not isinstance(found, Shelf):
            yield from self._listed(found, ask)
        elif found is not known:
            yield shelved(found, ask)

    def _listed(self, found: "Inventory", ask: Ask) -> Iterator[Rows]:
        from otsec.inventory.selection import chosen  # noqa: PLC0415 - in the thread

        rows = chosen(found.assets, ask.filters)
        ordered = arranged(rows, self.COLUMNS, ask.sort, descending=ask.descending)
        yield Listed(ordered, lambda row: int(row.id, 16))

    def action_clear(self) -> None:
        """All rows again; while all are being made, no more of that."""
        if not self.otsec.stop_counting():
            super().action_clear()

    def none_text(self) -> str:
        """What is said where there are no rows."""
        counting = (
            "counting: who is there is told when every conversation was looked at; Esc ends it"
        )
        return counting if self.otsec.shelving.busy else super().none_text()

    def tone(self, row: Any, column: Column) -> str:
        """What is not sure is quiet."""
        return "quiet" if column.name == "role" and row.role.confidence < SURE else ""

    def opened(self, row: Any) -> None:
        """All of the selected one."""
        self.otsec.open_asset(row.id)

    def action_edit(self) -> None:
        """Say what only people know of the asset."""
        if self.table.selected is not None:
            from otsec.tui.edit import edit  # noqa: PLC0415 - only who asks pays

            edit(self, self.table.chosen)

    def action_talks(self) -> None:
        """Its conversations."""
        if (asset := self.table.selected) is not None:
            self.otsec.show("conversations", f"host={asset.addresses[0].text}")

    def words(self) -> Words:
        """Columns and filters, and what an asset is."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("asset", "one physical device; units behind a gateway and modules of a rack belong to it"),
                    ("level", "Purdue level: 0 sensors and drives, 1 controllers, 2 operator stations, 3 servers of the site, 3.5 the zone between, 4 and 5 the office"),
                    ("role", "what it is, told from what it does; quiet where otsec is not sure"),
                    ("known", "how many of the 14 attributes that CISA asks an inventory for are known"),
                    ("on link", "its own network card was heard; routed: only ever behind a router"),
                ],
            ),
        ]  # fmt: skip
