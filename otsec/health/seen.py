"""What a source gave, as the checks look at it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from otsec.health.verdict import Packet
from otsec.store import TABLES, Capture, Store, queries
from otsec.store.queries import Conversation, Count, Gap, Lookup, Source

is_device = lru_cache(maxsize=65_536)(
    queries.is_device
)  # asked of the same addresses by all checks


@dataclass(frozen=True, slots=True)
class Station:
    """An address heard, with the MAC address that carried it."""

    place: str
    mac: str
    address: str
    frames: int
    first: Packet


@dataclass(frozen=True, slots=True)
class Seen:
    """One source: all that the store holds of it, nothing merged with other sources."""

    source: Source
    captures: tuple[Capture, ...]  # of all interfaces of its point
    conversations: tuple[Conversation, ...]
    stations: tuple[Station, ...]
    counters: tuple[Count, ...]
    gaps: tuple[Gap, ...]
    lookups: tuple[Lookup, ...]

    @property
    def packets(self) -> int:
        """Packets read, repeats included."""
        return self.source.packets

    def counts(self, name: str) -> tuple[Count, ...]:
        """The counters of a name, one for each detail."""
        return tuple(one for one in self.counters if one.name == name)

    def total(self, name: str) -> int:
        """How often something was counted, over all details."""
        return sum(one.count for one in self.counts(name))

    def at(self, name: str) -> tuple[Packet, ...]:
        """The first and the last packet of a counter."""
        found = self.counts(name)
        if not found:
            return ()
        first = min((one.first_packet, one.first_time) for one in found)
        last = max((one.last_packet, one.last_time) for one in found)
        return tuple(Packet(*moment) for moment in dict.fromkeys((first, last)))

    def tcp(self) -> Iterator[Conversation]:
        """Conversations over TCP between two that are told apart."""
        for talk in self.conversations:
            if talk.service.startswith("tcp/") and is_device(talk.client):
                yield talk


def first_of(row: Conversation | Lookup) -> Packet:
    """The first packet of a row."""
    return Packet(row.first_packet, row.first_time)


def one_sided(talk: Conversation) -> bool:
    """Whether data went one way and the other side was never heard.

    Who sends data over TCP has been answered before; a call alone may find nobody.
    """
    if talk.packets_out and talk.packets_in:
        return False
    return bool(talk.payload_out + talk.payload_in + talk.lost_out + talk.lost_in)


def name_of(source: Source) -> str:
    """How people call a source."""
    return f"{source.point}/{source.interface}" if source.interface else source.point


def look(store: Store, source: Source) -> Seen:
    """Take all that the store holds of a source."""
    of_source = {name: getattr(source, name) for name in ("site", "group", "point", "interface")}

    def cells(table: str) -> Iterator[dict[str, Any]]:
        names = TABLES[table].names
        for row in store.rows(table, source.id):
            found = dict(zip(names, row, strict=True))
            del found["source"]
            found.pop("number", None)
            yield found

    return Seen(
        source,
        tuple(store.point_captures(source.site, source.point)),
        tuple(
            Conversation(**{**of_source, **row, "doubtful": bool(row["doubtful"]), "witnesses": ()})
            for row in cells("conversation")
        ),
        tuple(
            Station(
                row["place"],
                row["mac"],
                row["address"],
                row["frames"],
                Packet(row["first_packet"], row["first_time"]),
            )
            for row in cells("station")
        ),
        tuple(Count(**of_source, **row) for row in cells("counter")),
        tuple(Gap(**of_source, **row) for row in cells("gap")),
        tuple(Lookup(**of_source, **row, witnesses=()) for row in cells("lookup")),
    )


def busiest(counter: Counter[str], most: int = 3) -> str:
    """The most frequent words of a counter, for a sentence; how many more there are."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(word for word, _ in ranked[:most])
    return f"{named} and {len(ranked) - most} more" if len(ranked) > most else named
