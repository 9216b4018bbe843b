"""Which packets show a row of the store: what evidence asks of behaviours, events, facts, ...

A packet is named by source and ordinal; its time stands beside it wherever the store keeps one.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from otsec.store.database import Store
from otsec.store.schema import TABLES

MOST = 256  # rows or packets that one name may stand for; who wants more asks for less at a time


class Shown(NamedTuple):
    """One packet that shows a row."""

    source: int
    packet: int  # ordinal within the source
    time: int | None  # ns, None where the store does not keep it
    what: str  # what the row says


class Tap(NamedTuple):
    """A source, by the words that people name it with."""

    id: int
    site: str
    point: str
    interface: str

    @property
    def name(self) -> str:
        """Its point, and its interface where it has a name."""
        return f"{self.point}/{self.interface}" if self.interface else self.point


def taps(store: Store) -> list[Tap]:
    """All sources in order of their ids."""
    rows = store.all("SELECT id, site, point, interface FROM site_source ORDER BY id")
    return [Tap(*row) for row in rows]


def packets_of(store: Store, source: int) -> int:
    """How many packets of a source were read."""
    found = store.all("SELECT packets FROM clock WHERE source = ?", (source,))
    return int(found[0][0]) if found else 0


def behaviour(store: Store, number: int, source: int | None) -> list[Shown]:
    """First, last, and a few packets between of the behaviours of that number."""
    where, bound = _at(number, source)
    rows = store.all(
        "SELECT source, operation, object, outcome, first_packet, first_time, last_packet, "  # noqa: S608 - text of this file
        f"last_time, packets, count FROM behaviour WHERE {where} ORDER BY source LIMIT {MOST}",
        bound,
    )
    shown: list[Shown] = []
    for tap, operation, what, outcome, first, first_time, last, last_time, packets, count in rows:
        said = " ".join(filter(None, (operation, what, outcome)))
        times = {int(first): int(first_time), int(last): int(last_time)}
        some = sorted({*times, *map(int, json.loads(packets))})
        told = said if count == 1 else f"{said} (one of {count})"
        shown += [Shown(tap, one, times.get(one), told) for one in some]
    return shown


def conversation(store: Store, number: int, source: int | None) -> list[Shown]:
    """First and last packet of the conversations of that number."""
    where, bound = _at(number, source)
    rows = store.all(
        "SELECT source, client, server, service, first_packet, first_time, last_packet, "  # noqa: S608 - text of this file
        f"last_time FROM conversation WHERE {where} ORDER BY source LIMIT {MOST}",
        bound,
    )
    shown: list[Shown] = []
    for tap, client, server, service, first, first_time, last, last_time in rows:
        said = f"{client} to {server}, {service}"
        ends = {int(first): (int(first_time), "first"), int(last): (int(last_time), "last")}
        shown += [Shown(tap, at, t, f"{word} packet of {said}") for at, (t, word) in ends.items()]
    return shown


def event(store: Store, packet: int, source: int | None) -> list[Shown]:
    """The notable things that a packet shows."""
    rows = store.all(
        "SELECT e.source, e.time, e.kind, COALESCE(b.operation, ''), COALESCE(b.object, ''), "
        "COALESCE(b.outcome, '') FROM event AS e "
        "LEFT JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour "
        "WHERE e.packet = ? AND (? IS NULL OR e.source = ?) "
        "ORDER BY e.source, e.part, e.kind LIMIT ?",
        (packet, source, source, MOST),
    )
    return [
        Shown(tap, packet, int(time), " ".join(filter(None, (f"{kind}:", *said))))
        for tap, time, kind, *said in rows
    ]


def fact(store: Store, address: str, attribute: str, value: str | None) -> list[Shown]:
    """First and last packet of what was said of an address; without a value all rivals."""
    rows = store.all(
        "SELECT f.source, f.attribute, f.value, f.protocol, f.first_packet, f.first_time, "
        "f.last_packet, f.last_time FROM fact AS f JOIN conversation AS c "
        "ON c.source = f.source AND c.number = f.conversation "
        "WHERE CASE f.about WHEN 'client' THEN c.client WHEN 'server' THEN c.server "
        "ELSE f.about END = ? AND f.attribute = ? AND (? IS NULL OR f.value = ?) "
        "ORDER BY f.source, f.first_packet, f.value LIMIT ?",
        (address, attribute, value, value, MOST),
    )
    shown: list[Shown] = []
    for tap, name, said, protocol, first, first_time, last, last_time in rows:
        times = {int(first): int(first_time), int(last): int(last_time)}
        shown += [Shown(tap, at, t, f"{protocol} says {name} {said}") for at, t in times.items()]
    return shown


def finding(store: Store, name: str) -> list[Shown]:
    """The packets of a finding by its whole id."""
    if not {"finding", "finding_packet"} <= set(TABLES):
        return []
    rows = store.all(
        "SELECT p.source, p.packet, p.time, f.title, p.what FROM finding_packet AS p "
        "JOIN finding AS f ON f.id = p.finding WHERE f.id = ? "
        "ORDER BY p.source, p.packet, p.what LIMIT ?",
        (name, MOST),
    )
    return [
        Shown(source, int(packet), int(time), f"{title}: {what}" if what else str(title))
        for source, packet, time, title, what in rows
    ]


NAMES = (  # attributes of facts that name someone or something of the site, not its make
    *("hostname", "name", "netbios_name", "netbios_domain", "domain", "user", "certificate_name"),
    *("application", "application_uri", "endpoint", "endpoint_url", "http_realm", "description"),
    *("server_id", "dataset", "snmp_community", "serial", "contact", "location", "station_name"),
    *("account", "user_identity", "system_name"),
)


def names(store: Store, sources: Sequence[int]) -> list[str]:
    """Names, users and serial numbers that messages of some sources, or people, told; each once."""
    found: set[str] = set()
    for source in sources:
        rows = store.all(
            f"SELECT DISTINCT value FROM fact WHERE source = ? AND attribute IN ({_quoted(NAMES)})",  # noqa: S608 - text of this file
            (source,),
        )
        found.update(str(row[0]) for row in rows)
    said = store.all(
        "SELECT DISTINCT after FROM act WHERE attribute IN ('name', 'hostname', 'owner', 'location')"
    )
    found.update(str(row[0]) for row in said)
    return sorted(found - {""})


def addresses(store: Store, sources: Sequence[int]) -> list[str]:
    """Addresses (IP and MAC) that some sources saw as sender, each once."""
    found: set[str] = set()
    for source in sources:
        for mac, address in store.all(
            "SELECT DISTINCT mac, address FROM station WHERE source = ?", (source,)
        ):
            found.update((str(mac), str(address)))
    return sorted(found - {""})


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _at(number: int, source: int | None) -> tuple[str, tuple[int, ...]]:
    if source is None:
        return "number = ?", (number,)
    return "number = ? AND source = ?", (number, source)
