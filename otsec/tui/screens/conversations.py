"""Conversations: who talks to whom, as a table or drawn by Purdue level."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli import conversations, listing
from otsec.cli.output import Column
from otsec.store.filters import Field
from otsec.store.selects import FIELDS
from otsec.tui.paged import PagedScreen
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named, source_of

QUERY = "conversations"


class ConversationsScreen(PagedScreen):
    """Who talks to whom."""

    NAME = "Conversations"
    COLUMNS: ClassVar[Sequence[Column]] = conversations.OF_STORE
    FIELDS: ClassVar[dict[str, Field]] = FIELDS[QUERY]
    KEYS: ClassVar[dict[str, str]] = {
        key: listing.FILTERS[key] for key in listing.FOR_CONVERSATIONS
    }
    SHOWN: ClassVar[Sequence[str]] = ("client", "server", "service", "protocol", "packets_out", "packets_in", "last_time", "bytes_out", "bytes_in", "connections", "place")  # fmt: skip
    KIND = QUERY
    ONE = ("conversation", "conversations")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "graph", "Graph", id="conversations.graph", tooltip="Draw who talks to whom by Purdue level"),
        Binding("p", "packets", "Packets", id="packets", tooltip="Its first and last packet"),
        Binding("a", "asset", "Server", show=False, id="conversations.asset", tooltip="All of the server"),
    ]  # fmt: skip

    def tone(self, row: Any, column: Column) -> str:
        """What was not recognised is quiet, what is doubtful is told."""
        if row.doubtful and column.name in {"protocol", "doubtful"}:
            return "warn"
        return "quiet" if not row.protocol and column.name == "service" else ""

    def opened(self, row: Any) -> None:
        """All of the selected one."""
        from otsec.tui.screens.conversation import (  # noqa: PLC0415 - only who asks pays
            ConversationScreen,
        )

        self.app.push_screen(ConversationScreen(row))

    def shown_by(self, row: Any) -> Sequence[str]:
        """Its first and last packet."""
        return named(row.site, source_of(row), row.first_packet, row.last_packet)

    def action_asset(self) -> None:
        """All of the server."""
        if (row := self.table.selected) is not None:
            self.otsec.open_asset(row.server)

    def action_graph(self) -> None:
        """Draw it."""
        from otsec.tui.screens.graph import GraphScreen  # noqa: PLC0415 - only who asks pays

        self.app.push_screen(GraphScreen())

    def words(self) -> Words:
        """Columns, filters, and what a conversation is."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("conversation", "all connections of one client with one server by one service, folded into one row"),
                    ("client", "who asks; server: who answers. Which is which is told from who opened the connection, else from what they say"),
                    ("service", "transport and port of the server, or the ethertype of frames without IP"),
                    ("witnesses", "other capture points that saw the same; nothing is counted twice"),
                ],
            ),
        ]  # fmt: skip
