"""What a source gave, as the checks look at it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from otsec.health.verdict import Packet
from otsec.store import TABLES, Store, checks
from otsec.store.checks import Example, Files, Spoken, Streams, Torn
from otsec.store.queries import Count, Gap, Source

PLACES = 9  # VLANs are named up to one less than so many
WHOLE = Torn(0, 0, "", "", "")  # nothing is torn where there is but one place


@dataclass(frozen=True, slots=True)
class Seen:
    """One source, nothing merged with others: what is little of it; the rest is asked for."""

    store: Store
    source: Source
    files: Files  # of all interfaces of its point
    counters: tuple[Count, ...]
    gaps: tuple[Gap, ...]
    spoken: tuple[Spoken, ...]  # its conversations by protocol
    streams: Streams
    places: tuple[str, ...]  # of its conversations, the first PLACES of them
    torn: Torn

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

    def examples(self, shows: str, most: int, *parameters: object) -> list[Example]:
        """Conversations that show something, a key of `checks.SHOWS`; the worst first."""
        return checks.examples(self.store, self.source.id, shows, most, parameters)


def packets_of(found: Sequence[Example]) -> tuple[Packet, ...]:
    """The first packets of conversations."""
    return tuple(Packet(one.packet, one.time) for one in found)


def name_of(source: Source) -> str:
    """How people call a source."""
    return f"{source.point}/{source.interface}" if source.interface else source.point


def look(store: Store, source: Source) -> Seen:
    """Take what there is little of, and add up the conversations."""
    of_source = {name: getattr(source, name) for name in ("site", "group", "point", "interface")}

    def cells(table: str) -> Iterator[dict[str, Any]]:
        kept = set(TABLES[table].names) - {"source", "number"}
        for row in store.rows(table, source.id):
            named = zip(TABLES[table].names, row, strict=True)
            yield {**of_source, **{name: cell for name, cell in named if name in kept}}

    places = checks.places(store, source.id, PLACES)
    return Seen(
        store=store,
        source=source,
        files=checks.files(store, source.site, source.point),
        counters=tuple(Count(**row) for row in cells("counter")),
        gaps=tuple(Gap(**row) for row in cells("gap")),
        spoken=tuple(checks.spoken(store, source.id)),
        streams=checks.streams(store, source.id),
        places=tuple(places),
        torn=checks.torn(store, source.id) if len(places) > 1 else WHOLE,
    )


def busiest(counter: Counter[str], most: int = 3) -> str:
    """The most frequent words of a counter, for a sentence; how many more there are."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(word for word, _ in ranked[:most])
    return f"{named} and {len(ranked) - most} more" if len(ranked) > most else named
