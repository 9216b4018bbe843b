"""The rows that rules judge, made of what the store holds.

Cells that cost something (scope of an address, role and maker from the inventory) stay UNKNOWN
until a condition cannot be decided without them.
"""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec.detect.cards import MAC, held
from otsec.detect.conditions import UNKNOWN
from otsec.detect.fields import CATEGORIES, ROLE_FIELDS, Category
from otsec.detect.ordering import unselected
from otsec.nanoseconds import SECOND_NS
from otsec.sessions.kinds import CHANGING
from otsec.store import Store, judged
from otsec.store.broadcasts import At, broadcasts
from otsec.store.contents import compared
from otsec.store.judged import Carried, Seen

if TYPE_CHECKING:
    from otsec.inventory.assembly import Census, Inventory
    from otsec.inventory.model import Asset

SIDES = ("client", "server")
ASSET_FIELDS = frozenset(f"{side}_{name}" for side in SIDES for name in ROLE_FIELDS)
CENTURIES = ("19", "20")  # cheap to ask first: few values are days
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Source(NamedTuple):
    """Where rows were seen."""

    number: int
    site: str
    group: str
    name: str  # `point` or `point/interface`


@dataclass(slots=True)
class Judged:
    """One row with its cells, in the order of the category's fields."""

    category: Category
    source: Source
    seen: Seen
    cells: list[Any]

    def cell(self, name: str) -> Any:
        """A cell by name; empty where the category has no such field."""
        at = _positions(self.category.name).get(name)
        return "" if at is None else self.cells[at]


@cache
def _positions(category: str) -> Mapping[str, int]:
    return {name: at for at, name in enumerate(CATEGORIES[category].names)}


def blank(category: Category, names: Sequence[str], chosen: Sequence[Any]) -> list[Any]:
    """Cells of which only those that choose are known, and what these tell of the service."""
    cells: list[Any] = [UNKNOWN] * len(category.fields)
    positions = _positions(category.name)
    for name, value in zip(names, chosen, strict=True):
        cells[positions[name]] = value
    if "port_protocol" in positions:
        at = positions["transport"]
        cells[at : at + 3] = _port(str(cells[positions["service"]]))
    return cells


@dataclass
class Rows:
    """Reads rows of a store, and fills in what is asked of them."""

    store: Store
    sources: dict[int, Source] = field(init=False)
    _assets: dict[int, Mapping[str, Any]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.sources = {row[0]: Source(*row) for row in judged.sources(self.store)}

    def combinations(self, category: Category) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns that choose, and what differs in them."""
        if fine := judged.fine_combinations(self.store, category.name):
            return category.coarse + category.fine, fine
        return category.coarse, judged.combinations(self.store, category.name)

    def read(
        self,
        category: Category,
        names: Sequence[str],
        wanted: Sequence[tuple[Any, ...]],
        *,
        all_wanted: bool,
    ) -> Iterator[Judged]:
        """The rows of some combinations of columns, of these names."""
        fine = len(names) > len(category.coarse)
        found = judged.rows(self.store, category.name, wanted, all_wanted=all_wanted, fine=fine)
        if category.name == "identity":
            return self._identities(category, found)
        if category.name == "content":
            return self._contents(category, found)
        if category.name == "lookup":
            replies = judged.arp_replies(self.store)
            found = (
                (seen, (*cells, replies.get((seen.source, cells[1]), 0))) for seen, cells in found
            )
        complete = _COMPLETE.get(category.name, _as_it_is)
        return (
            Judged(category, self.sources[seen.source], seen, complete(category, cells))
            for seen, cells in found
        )

    def fill_counts(self, row: Judged) -> None:
        """Tell how often a point was commanded without its selection, and reads for each change."""
        at = _positions(row.category.name).get("unselected")
        if at is not None:
            row.cells[at] = self._unselected.get((row.source.number, row.seen.number), 0)
        at = _positions(row.category.name).get("reads_per_write")
        if at is not None:
            where = (str(row.cell(name)) for name in ("place", "client", "server", "protocol"))
            row.cells[at] = self._reads.get((row.source.number, *where), -1)

    @cached_property
    def _unselected(self) -> Mapping[tuple[int, int], int]:
        commands, breaks = judged.commands(self.store), judged.breaks(self.store)
        return unselected(commands, breaks, judged.began(self.store))

    @cached_property
    def _reads(self) -> Mapping[tuple[Any, ...], int]:
        return judged.reads_per_write(self.store, CHANGING)

    def fill_scope(self, row: Judged) -> None:
        """Tell where the addresses are."""
        positions = _positions(row.category.name)
        for side in SIDES:
            at = positions.get(f"{side}_scope")
            if at is not None:
                row.cells[at] = self._scope(row, _address(row, side))

    def _scope(self, row: Judged, address: str) -> str:
        source = row.source
        aloud = (source.site, source.group, str(row.cell("place")), address) in self.aloud
        return "group" if aloud else scope(address)

    @cached_property
    def aloud(self) -> frozenset[At]:
        """Broadcast addresses."""
        return broadcasts(self.store)

    def fill_assets(self, row: Judged) -> None:
        """Tell what the inventory knows of both sides; but for their names, see `fill_names`."""
        for side, number in self._sides(row):
            known = _UNKNOWN_ASSET if number is None else self._told(number)
            _fill(row, side, known)

    def fill_names(self, row: Judged) -> None:
        """Tell how the inventory calls both sides: for that all assets must be made."""
        for side, number in self._sides(row):
            name = "" if number is None else self.inventory.assets[number].name
            _fill(row, side, {"name": name})

    def fill(self, row: Judged, names: Iterable[str]) -> None:
        """Tell what some cells hold, whatever it costs; only what they need is looked for."""
        for fill in (self.fill_counts, self.fill_scope, self.fill_assets, self.fill_names):
            if all(row.cell(name) is not UNKNOWN for name in names):
                return
            fill(row)

    @cached_property
    def census(self) -> "Census":
        """Who is there."""
        from otsec.inventory.assembly import census  # noqa: PLC0415 - few rules need it

        return census(self.store)

    @cached_property
    def inventory(self) -> "Inventory":
        """The same, all assets made."""
        from otsec.inventory.assembly import inventory  # noqa: PLC0415 - as above

        return inventory(self.store)

    def _sides(self, row: Judged) -> Iterator[tuple[str, int | None]]:
        """The sides of a row that the inventory is asked of, each with its number in it."""
        from otsec.inventory.model import Node  # noqa: PLC0415 - as above

        positions, where = _positions(row.category.name), (row.source.site, row.source.group)
        for side in SIDES:
            if f"{side}_role" in positions:
                node = Node(*where, str(row.cell("place")), _address(row, side))
                yield side, self.census.find(node)

    def _told(self, number: int) -> Mapping[str, Any]:
        """What is known of an asset: few of a large site are asked for, some again and again."""
        if number not in self._assets:
            self._assets[number] = _of_asset(self.census.asset(number))
        return self._assets[number]

    def _identities(
        self, category: Category, found: Iterable[tuple[Seen, tuple[Any, ...]]]
    ) -> Iterator[Judged]:
        """Facts with the value that was told before, by the same protocol of the same device."""
        told: dict[tuple[Any, ...], dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
        for seen, (attribute, protocol, value, address, device, place) in found:
            told[seen.source, place, address, device, attribute, protocol][value].append(seen)
        shown = {address for _, _, address, _, attribute, _ in told if attribute == MAC}
        sent = judged.carried(self.store, shown)
        holders = held(told, sent)
        for (source, place, address, device, attribute, protocol), values in told.items():
            spans = {value: _span(rows) for value, rows in values.items()}
            alive = {
                value: _last(sent.get((source, place, address, value))) if attribute == MAC else -1
                for value in spans
            }
            before, ended = "", -1
            for value, seen in sorted(spans.items(), key=lambda one: (one[1].first_packet, one[0])):
                cells = blank(category, category.coarse, (attribute, protocol))
                positions = _positions(category.name)
                for name, cell in (
                    *(("value", value), ("before", before), ("address", address)),
                    *(("device", device), ("place", place), ("values", len(values))),
                    *(("returned", ended > seen.first_packet), ("count", seen.times)),
                    ("held_by", holders.get((source, place, address, value), "")),
                    ("passed", _passed(value, seen.last_time)),
                ):
                    cells[positions[name]] = cell
                yield Judged(category, self.sources[source], seen, cells)
                before, ended = value, max(ended, seen.last_packet, alive[value])

    def _contents(
        self, category: Category, found: Iterable[tuple[Seen, tuple[Any, ...]]]
    ) -> Iterator[Judged]:
        """Transfers with what was there before, of the same thing on the same device."""
        rows = [
            {
                **dict(zip(_TRANSFER, cells, strict=True)),
                "source": seen.source,
                "site": self.sources[seen.source].site,
                "point_group": self.sources[seen.source].group,
                "seen": seen,
                "first_packet": seen.first_packet,
                "first_time": seen.first_time,
                "last_packet": seen.last_packet,
                "last_time": seen.last_time,
            }
            for seen, cells in found
        ]
        for row in sorted(compared(rows), key=_sighted):
            seen, before = row["seen"], row["before"]
            other = before not in {"", row["sha256"]}
            changed = bool(row["sha256"]) and (other or row["returned"])
            cells = [*(row[name] for name in _TRANSFER), before, changed, row["returned"]]
            complete = _as_it_is(category, [*cells, seen.times])
            yield Judged(category, self.sources[seen.source], seen, complete)


def _sighted(row: Mapping[str, Any]) -> tuple[Any, ...]:
    seen = row["seen"]
    return seen.source, seen.first_packet, *(row[name] for name in _TRANSFER)


_TRANSFER = (
    *("protocol", "kind", "direction", "client", "server", "service", "place", "device"),
    *("name", "size", "sha256", "reason"),
)  # columns of the store, in the order of the category's fields


def _last(one: Carried | None) -> int:
    return -1 if one is None else one.last_packet


def _passed(value: str, time: int) -> bool:
    """Whether a text is a day (ISO 8601) that lies before that of a time in ns, in UTC."""
    day = value[: len("2026-01-05")]
    if value[:2] not in CENTURIES or _DAY.fullmatch(day) is None:
        return False
    return day < datetime.fromtimestamp(time // SECOND_NS, UTC).date().isoformat()


def _span(rows: Sequence[Seen]) -> Seen:
    """Several sights of one thing as one."""
    first = min(rows, key=lambda one: one.first_packet)
    last = max(rows, key=lambda one: one.last_packet)
    return first._replace(
        times=sum(one.times for one in rows),
        last_time=last.last_time,
        last_packet=last.last_packet,
    )


def _address(row: Judged, side: str) -> str:
    if row.category.name == "identity":
        return str(row.cell("address"))
    return str(row.cell(side))


# ------------------------------------------------------------------------------ completing


def _as_it_is(category: Category, cells: Sequence[Any]) -> list[Any]:
    return [*cells, *[UNKNOWN] * (len(category.fields) - len(cells))]


def _talk(category: Category, cells: Sequence[Any]) -> list[Any]:
    service, protocol, claimed, client, server, place, *counted = cells
    told = [service, protocol, bool(claimed), client, server, place]
    return _as_it_is(category, [*told, *_port(str(service)), *counted])


@lru_cache(4096)  # a plant has few services
def _port(service: str) -> tuple[str, int, str]:
    """Transport and port of a service, and the industrial protocol that the port belongs to."""
    transport, _, port = service.partition("/")
    number = int(port) if port.isdecimal() else -1
    return transport, number, _port_protocols().get(service, "")


_COMPLETE: Mapping[str, Callable[[Category, Sequence[Any]], list[Any]]] = {"conversation": _talk}


@cache
def _port_protocols() -> Mapping[str, str]:
    """The industrial protocol of each service that belongs to one."""
    from otsec.protocols import PROTOCOLS  # noqa: PLC0415 - imports them all

    return {
        f"{transport}/{port}": protocol.name
        for protocol in PROTOCOLS
        if protocol.industrial
        for transport in protocol.transports
        if transport != "ethernet"
        for port in protocol.ports_of(transport)
    }


# addresses of RFC 5737 and 3849 stand for those of the internet; no plant has them inside
_DOCUMENTED = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
    )
)


@lru_cache(65_536)
def scope(address: str) -> str:
    """Where an address is: public, private, link, group, none."""
    if address in ("", "many"):
        return "none"
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "group" if int(address[:2], 16) & 1 else "link"
    if ip.is_multicast or address == "255.255.255.255":
        return "group"
    if ip.is_unspecified:
        return "none"
    if ip.is_link_local or ip.is_loopback:
        return "link"
    return "public" if ip.is_global or any(ip in one for one in _DOCUMENTED) else "private"


# -------------------------------------------------------------------------------- inventory

_UNKNOWN_ASSET: Mapping[str, Any] = {"role": "unknown", "level": -1, "vendor": ""}
SURE = 0.8  # a role below it decides nothing


def _of_asset(asset: "Asset") -> Mapping[str, Any]:
    role = asset.role.role if asset.role.confidence >= SURE else "unknown"
    level = -1 if asset.level is None else asset.level
    return {"role": role, "level": level, "vendor": asset.value("vendor")}


def _fill(row: Judged, side: str, known: Mapping[str, Any]) -> None:
    positions = _positions(row.category.name)
    for name, value in known.items():
        row.cells[positions[f"{side}_{name}"]] = value
