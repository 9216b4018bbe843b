"""Protocols: which are spoken, how much of each could be read, and what is done in them."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from otsec.cli import listing, protocols
from otsec.cli.output import Column
from otsec.store import Store, spoken
from otsec.store.filters import Field, Filter
from otsec.store.selects import FIELDS
from otsec.tui.listing import ListingScreen
from otsec.tui.rows import Key
from otsec.tui.screen import Words


class ProtocolsScreen(ListingScreen):
    """What is spoken."""

    NAME = "Protocols"
    COLUMNS: ClassVar[Sequence[Column]] = protocols.COLUMNS
    SHOWN: ClassVar[Sequence[str]] = ("protocol", "conversations", "packets", "payload", "undecoded", "messages", "failures", "malformed", "truncated", "lost", "operations")  # fmt: skip
    FIELDS: ClassVar[dict[str, Field]] = FIELDS["protocols"]
    KEYS: ClassVar[dict[str, str]] = {
        key: listing.FILTERS[key] for key in listing.FOR_CONVERSATIONS
    }
    KIND = "protocols"
    ONE = ("protocol", "protocols")

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], _inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """The protocols, the busiest first."""
        return spoken.protocols(store, filters)

    def key(self, row: Any) -> Key:
        """Site, group and name."""
        return row.site, row.group, row.protocol

    def tone(self, row: Any, column: Column) -> str:
        """What could not be read is told."""
        warned = column.name in {"undecoded", "malformed", "truncated", "lost"}
        return "warn" if warned and column.of(row) else ""

    def opened(self, row: Any) -> None:
        """All of the selected one."""
        self.otsec.show("conversations", f'proto="{row.protocol}"')

    def words(self) -> Words:
        """Columns, and what opaque means."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("undecoded", "payload that belongs to no protocol that otsec reads, or is encrypted: opaque"),
                    ("malformed", "messages that contradict the standard of their protocol"),
                    ("truncated", "messages of which the capture has only the beginning"),
                    ("messages", "a question with its answer counts once"),
                ],
            ),
        ]  # fmt: skip
