"""Small stores for tests of the inventory, and the inventory of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store_rows import new, row, write

from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.model import Asset
from otsec.inventory.people import Word
from otsec.store import Store
from otsec.store.acts import Act, record

SECOND = 10**9
WORD = Word("ann", 1_700_000_000 * SECOND, "walked the hall")


@dataclass
class Tap:
    """Rows of one source, given one after the other."""

    store: Store
    number: int
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    talked: dict[tuple[str, ...], int] = field(default_factory=dict)

    def heard(
        self,
        mac: str,
        *ips: str,
        place: str = "",
        frames: int = 10,
        at: int = 0,
        stack: str = "",
        ttl: int = 0,
    ) -> None:
        """A MAC address that carried IP addresses; without one, frames of its own."""
        for ip in ips or ("",):
            self._add(
                "station",
                number=len(self.rows.get("station", [])),
                mac=mac,
                address=ip,
                place=place,
                frames=frames,
                stack=stack,
                ttl=ttl,
                **seen(at, at + 60),
            )

    def talks(
        self,
        client: str,
        server: str,
        protocol: str,
        service: str = "",
        place: str = "",
        **other: Any,
    ) -> int:
        """A conversation in which the server answers; its number."""
        key = (place, client, server, service or "tcp/1", protocol)
        if key not in self.talked:
            self.talked[key] = len(self.talked)
            cells: dict[str, Any] = {
                **dict(zip(("place", "client", "server", "service", "protocol"), key, strict=True)),
                "claimed_by": "content" if protocol else "",
                "packets_out": 5,
                "packets_in": 5,
                "payload_in": 9,
                **seen(0, 60),
                **other,
            }
            self._add("conversation", number=self.talked[key], **cells)
        return self.talked[key]

    def says(
        self,
        about: str,
        protocol: str,
        *,
        device: str = "",
        place: str = "",
        at: int = 0,
        until: int | None = None,
        count: int = 1,
        **facts: str,
    ) -> None:
        """Facts of one address."""
        nobody = "224.0.0.9"  # so that the conversation itself shows no device
        conversation = self.talks(nobody, nobody, protocol, "udp/1", place)
        for attribute, value in facts.items():
            self._add(
                "fact",
                conversation=conversation,
                device=device,
                attribute=attribute,
                value=value,
                about=about,
                protocol=protocol,
                count=count,
                **seen(at, at if until is None else until),
            )

    def comes_in(self, client: str, server: str, protocol: str, **facts: str) -> None:
        """What a client says of itself to a server."""
        conversation = self.talks(client, server, protocol)
        for attribute, value in facts.items():
            cells = {"attribute": attribute, "value": value, "about": "client", "count": 1}
            self._add("fact", conversation=conversation, protocol=protocol, **cells, **seen(0, 0))

    def does(
        self, client: str, server: str, protocol: str, cls: str, *, device: str = "", **other: Any
    ) -> None:
        """What a client does with a server; it succeeds."""
        self._add(
            "behaviour",
            number=len(self.rows.get("behaviour", [])),
            conversation=self.talks(client, server, protocol),
            **{
                "protocol": protocol,
                "device": device,
                "class": cls,
                "operation": cls,
                "object": "holding 1",
                "outcome": "ok",
                "count": 3,
                **seen(0, 60),
                **other,
            },
        )

    def connects(
        self, client: str, server: str, protocol: str, number: int, first: int, last: int,
        **other: Any,
    ) -> None:  # fmt: skip
        """A connection of a conversation, in seconds."""
        cells = {"connections": 1, "opened": 1, **seen(first, last), **other}
        conversation = self.talks(client, server, protocol)
        self._add("connection", number=number, conversation=conversation, **cells)

    def event(self, behaviour: int, at: int, connection: int = -1) -> None:
        """One occurrence of a behaviour, kept by itself."""
        self._add(
            "event",
            packet=at,
            time=at * SECOND,
            kind="operation",
            count=1,
            behaviour=behaviour,
            conversation=self.rows["behaviour"][behaviour][2],
            connection=connection,
        )

    def shows(self, *addresses: str, place: str = "") -> None:
        """Addresses that ARP shows to be there."""
        for address in addresses:
            self._add("lookup", place=place, address=address, asked=1, answered=1)

    def _add(self, table: str, **cells: Any) -> None:
        self.rows.setdefault(table, []).append(row(table, source=self.number, **cells))

    def write(self) -> None:
        """Put the rows into the store."""
        write(self.store, clock=[row("clock", source=self.number, packets=10_000)], **self.rows)


def seen(first: int, last: int) -> dict[str, int]:
    """Columns of a span in seconds; a packet a second."""
    times = {"first_time": first * SECOND, "last_time": last * SECOND}
    return {**times, "first_packet": first, "last_packet": last}


def tap(store: Store, group: str = "net", point: str = "", site: str = "plant") -> Tap:
    """A new source of a store."""
    return Tap(store, store.source(site, point or f"tap of {group}", group, ""))


def new_store(folder: Path) -> Store:
    """An empty store."""
    return new(folder / "inventory.db")


def taken(*taps: Tap) -> Inventory:
    """The inventory of what taps saw."""
    for one in taps:
        one.write()
    return inventory(taps[0].store)


def say(store: Store, *acts: Act) -> Inventory:
    """The inventory after people's acts."""
    record(store, acts)
    return inventory(store)


def sets(found: Inventory) -> list[tuple[str, ...]]:
    """The addresses of each asset."""
    return [tuple(one.text for one in asset.addresses) for asset in found.assets]


def of(found: Inventory, address: str) -> Asset:
    """The only asset with an address."""
    (asset,) = [one for one in found.assets if address in (*one.ips, *one.macs)]
    return asset


def reasons(assets: Iterable[Asset]) -> Sequence[str]:
    """All reasons of joins."""
    return [join.reason for asset in assets for join in asset.joins]
