"""Assets: every device, what it is and what is known of it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli import assets
from otsec.cli.output import Column
from otsec.store import Store
from otsec.store.filters import Field, Filter
from otsec.tui.listing import ListingScreen
from otsec.tui.rows import Key
from otsec.tui.screen import Words

SURE = 0.8  # a role below it places nobody in a group of the policy
_MATCH = {"host": Field(("host",), "address"), "level": Field(("level",), "number")}
FIELDS = {
    **{key: _MATCH.get(key, Field((key,))) for key in assets.FILTERS},
    "since": Field(("last_time",), "since"),
    "until": Field(("first_time",), "until"),
    "text": Field(("text",), "text"),
}


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

    def rows(self, store: Store, filters: Sequence[Filter]) -> Sequence[Any]:
        """The assets that the filters leave, by address."""
        from otsec.inventory.selection import chosen  # noqa: PLC0415 - in the thread

        return chosen(self.otsec.inventory(store).assets, filters)

    def key(self, row: Any) -> Key:
        """An asset's id stays the same."""
        return row.id  # type: ignore[no-any-return]

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
