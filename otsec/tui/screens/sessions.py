"""Sessions: who worked on what machine, through which others, and what was done."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec.cli import sessions
from otsec.cli.output import Column
from otsec.store import Store
from otsec.store.filters import Field, Filter
from otsec.tui.listing import ListingScreen
from otsec.tui.rows import Key
from otsec.tui.screen import Words
from otsec.tui.screens.packets import named

ADDRESSES = ("client", "server", "host")
FIELDS = {
    **{key: Field((key,), "address" if key in ADDRESSES else "word") for key in sessions.FILTERS},
    "since": Field(("last_time",), "since"),
    "until": Field(("first_time",), "until"),
    "text": Field(("text",), "text"),
}


class SessionsScreen(ListingScreen):
    """Who worked on what machine."""

    NAME = "Sessions"
    COLUMNS: ClassVar[Sequence[Column]] = tuple(
        one
        for one in sessions._columns({}, table=True)  # noqa: SLF001 - its columns
        if one.name != "findings"
    )
    SHOWN: ClassVar[Sequence[str]] = ("first_time", "kind", "client", "server", "protocol", "deeds", "account", "authentication", "duration_us", "outcome", "active", "chain", "chain_confidence", "bytes")  # fmt: skip
    FIELDS: ClassVar[dict[str, Field]] = FIELDS
    KEYS: ClassVar[dict[str, str]] = sessions.FILTERS
    KIND = "sessions"
    ONE = ("session", "sessions")
    ASIDE = INVENTORY = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "packets", "Packets", id="packets", tooltip="Its first and last packet"),
        Binding("a", "asset('server')", "Server", id="sessions.server", tooltip="All of who was worked on"),
        Binding("i", "asset('client')", "Client", id="sessions.client", tooltip="All of who began it"),
    ]  # fmt: skip

    @staticmethod
    def made(
        store: Store, filters: Sequence[Filter], inventory: Callable[[], Any]
    ) -> Sequence[Any]:
        """The sessions, the oldest first."""
        return sessions.query(store, filters, found=inventory())

    def key(self, row: Any) -> Key:
        """A session's id."""
        return row.id  # type: ignore[no-any-return]

    def tone(self, row: Any, column: Column) -> str:
        """Who came from outside, and passwords in clear text, are told."""
        if column.name == "authentication" and row.authentication in {"none", "clear"}:
            return "warn"
        return "bad" if column.name == "client" and row.client.outside else ""

    def shown_by(self, row: Any) -> Sequence[str]:
        """Its first and last packet."""
        return named(row.site, row.point, row.first_packet, row.last_packet)

    def action_asset(self, end: str) -> None:
        """All of one of the two."""
        if (row := self.table.selected) is not None:
            self.otsec.open_asset(getattr(row, end).address)

    def words(self) -> Words:
        """Columns, and kinds."""
        return [
            *super().words(),
            (
                "Words",
                [
                    ("interactive", "a person works on another machine: SSH, Telnet, RDP, VNC"),
                    ("tunnel", "a connection that carries others"),
                    ("engineering", "programs, modes, firmware, configuration or files of a device are changed"),
                    ("operating", "values are written, commands are given"),
                    ("chain", "the way from who began, as thought: a session that began on a host while another was open to it"),
                    ("clear", "the password could be read by everybody on the way"),
                ],
            ),
        ]  # fmt: skip
