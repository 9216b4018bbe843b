"""What the store shows, as things that can be normal.

An address stands for its asset: of the addresses of one device the anchor is written down, so that
a device which changes its address is not a new one. Hosts of the internet are named, where a name
is known.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from ipaddress import ip_address

from otsec.baseline import orders, timing
from otsec.baseline.model import CHANGING, Key, Scope, Sight, Thing
from otsec.baseline.orders import Stream
from otsec.baseline.presence import presence
from otsec.baseline.spans import Spans
from otsec.baseline.timing import Timed
from otsec.detect.rows import scope as scope_of_address
from otsec.inventory.assembly import Inventory
from otsec.inventory.knowledge import MAC_PREFIX
from otsec.inventory.model import Asset, Node, is_mac
from otsec.store import NONE, Store
from otsec.store import baseline as kept
from otsec.store.judged import Occurrence, occurrences
from otsec.store.orders import steps
from otsec.store.queries import (
    NOT_REFUSED,
    Behaviour,
    Conversation,
    is_device,
    sources,
)
from otsec.store.timing import newest_hour

DAY_S = 86_400
SHOWN = 8  # packets that a thing is kept with
LOST = "unknown"  # the capture began too late to tell which device, or which object
UNASKED = frozenset({"unasked", "duplicate"})  # an answer alone: it was not seen who asked what
CALLING = frozenset({"arp", "0x0806"})
MANY = "many"  # the stand-in for what had no room
# What says who a device is; a value that changes is another device, another program or a swap.
IDENTITY = (
    *("vendor", "vendor_id", "product_code", "product_name", "model", "model_name"),
    *("order_number", "device_type", "serial", "revision", "hardware_revision", "build"),
    *("application_version", "configuration_revision", "user_application", "module_type"),
    *("object_id", "program_hash", "certificate_sha1"),
)
NAMED = ("hostname", "name")

CHANGING_IT = CHANGING - {"time", "file"}  # whom an office asks for the time changes nothing

At = tuple[str, str, str]  # site, group, place
Pair = tuple[str, ...]  # site, group, place, two addresses, service


@dataclass(frozen=True)
class Shown:
    """All that a store shows."""

    things: tuple[Thing, ...]
    values: tuple[Thing, ...]  # what was written, by each client and as each source saw it
    inventory: Inventory
    spans: Spans
    canonical: Callable[[At, str], str]
    timed: Callable[[int], Timed]  # what was measured in so many hours, up to the last one
    events: Callable[[int, Sequence[int]], list[Occurrence]]  # of behaviours of a source
    scope: Callable[[At, str, str], Scope]  # whose learning a client and a server belong to
    ordered: Callable[[int], list[Stream]]  # the order of messages in so many hours
    either: frozenset[Pair]  # of whom only the first packet tells who asks whom

    @cached_property
    def by_key(self) -> Mapping[Key, Thing]:
        """The things by what makes them the same."""
        return {thing.key: thing for thing in self.things}


def shown(store: Store, found: Inventory, until: int | None = None) -> Shown:
    """What a store shows: devices, conversations and what is done in them.

    ``until``: ns; of time only what was measured by then.
    """
    canonical = _canonical(found)
    spans = Spans.of(store)
    numbers = {
        (one.site, f"{one.point}/{one.interface}" if one.interface else one.point): one.id
        for one in sources(store)
    }
    maker = _Maker(canonical, numbers, frozenset(map(_scope_of, _devices(found))))
    talks = [one for one in kept.talks(store) if _counts(one)]
    acts = [one for one in kept.deeds(store) if _counts(one)]
    values = tuple(maker.values(store))
    rows: list[Thing] = []
    rows += maker.devices(found, spans, acts)
    rows += maker.conversations(talks, spans)
    rows += maker.operations(acts)
    rows += values
    rows += timing.things(store, canonical, maker.scope, spans, until)
    made = steps(store)
    rows += orders.things(store, canonical, maker.scope, until, made)
    timed, events = partial(Timed.of, store, canonical), partial(occurrences, store)

    def ordered(back: int) -> list[Stream]:
        return orders.streams(store, canonical, newest_hour(store) - back, made)

    return Shown(
        *(tuple(_merged(rows)), values, found, spans, canonical, timed, events, maker.scope),
        ordered,
        frozenset(maker.either(one) for one in talks if _either_way(one)),
    )


def _devices(found: Inventory) -> Iterator[Asset]:
    """The assets of the site that were heard."""
    for asset in found.assets:
        inside = scope_of_address(asset.anchor.address) in {"private", "link"}
        if inside and any(not one.told_by for one in asset.addresses):
            yield asset


def _scope_of(asset: Asset) -> Scope:
    return Scope(*asset.anchor)


def _counts(one: Conversation | Behaviour) -> bool:
    """Whether it tells of two parties; ARP and the like only tell that there are devices."""
    if isinstance(one, Behaviour) and (one.device == LOST or _is_alone(one.outcome)):
        return False
    if one.protocol in CALLING or one.service in CALLING or MANY in {one.server, one.service}:
        return False
    return is_device(one.client)


def _is_alone(outcome: str) -> bool:
    """Whether it is an answer that nobody was heard asking for; it may say how that is, too."""
    return outcome.rpartition(", ")[2] in UNASKED


def pair(key: Key) -> Pair:
    """Between whom something is, and by which service."""
    return (*key[1:4], *sorted((key.client, key.server)), key.service)


def _either_way(one: Conversation) -> bool:
    """Whether only the packet that came first, or the only side that was heard, tells the client.

    Who sends to everybody on IP is the client, whatever was heard of others.
    """
    if one.client_reason == "publisher" and not one.service.startswith("0x"):
        return False
    alone = one.service.startswith("udp/") and not (one.packets_out and one.packets_in)
    return (alone or one.client_reason in {"unknown", "publisher"}) and is_device(one.server)


def _canonical(found: Inventory) -> Callable[[At, str], str]:
    @lru_cache(65_536)
    def name(at: At, address: str) -> str:
        asset = found.at(Node(*at, address))
        if asset is None:
            return address
        if scope_of_address(address) == "public":
            return _called(asset) or address
        anchor = asset.anchor
        return anchor.address if (anchor.site, anchor.group, anchor.place) == at else address

    return name


def _called(asset: Asset) -> str:
    """How a host of the internet is called: by a name, else by a certificate that others signed.

    What looks like an address is no name: it would stand for whoever has that address.
    """
    names = [asset.value(*NAMED)]
    if asset.value("certificate_self_signed") == "no":
        names.append(asset.value("certificate").partition("CN=")[2].partition(", ")[0])
        names += sorted(one.value for one in asset.known if one.attribute == "certificate_name")
    return next((name for name in names if name and not _is_address(name)), "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return is_mac(text) or text == MANY
    return True


@dataclass
class _Maker:
    canonical: Callable[[At, str], str]
    numbers: Mapping[tuple[str, str], int]  # of sources by site and name
    devices_at: frozenset[Scope]  # that were heard, by the address that stands for them

    def scope(self, at: At, client: str, server: str) -> Scope:
        """Whose learning a conversation belongs to: the server's, else the client's.

        Of what goes to a group, to the internet or to nobody it is the client's.
        """
        for address in (server, client):
            scope = Scope(*at, self.canonical(at, address))
            if scope in self.devices_at:
                return scope
        return Scope(*at[:2])

    def _between(self, one: Conversation | Behaviour) -> Key:
        at = (one.site, one.group, one.place)
        client, server = self.canonical(at, one.client), self.canonical(at, one.server)
        return Key("conversation", *at, client, server, one.service, one.protocol)

    def either(self, one: Conversation) -> Pair:
        """Between whom a conversation is, whoever asks whom."""
        return pair(self._between(one))

    def _source(self, site: str, point: str) -> int:
        return self.numbers.get((site, point), NONE)

    # ---------------------------------------------------------------------------- devices

    def devices(self, found: Inventory, spans: Spans, acts: Sequence[Behaviour]) -> Iterator[Thing]:
        """Each device, what it says it is, and when it is there."""
        silences = _silences(acts, self.canonical)
        for asset in _devices(found):
            scope = _scope_of(asset)
            key = Key("device", *scope[:3], server=scope.address)
            seen = self._heard(asset)
            yield Thing(key, scope.network, seen, server=scope.address)
            told = presence(asset, spans.of_group(scope.network), silences.get(scope, 0))
            detail = json.dumps([told.name, told.silence_s, told.because])
            here = key._replace(kind="presence")
            yield Thing(here, scope, seen, (key,), detail, server=scope.address)
            yield from self._identity(asset, scope, key)

    def _heard(self, asset: Asset) -> Sight:
        heard = [one for one in asset.addresses if not one.told_by]
        first = min(heard, key=lambda one: one.first.time).first
        last = max(heard, key=lambda one: one.last.time).last
        packets = (first.packet, last.packet) if first.source == last.source else (last.packet,)
        return Sight(
            *(asset.packets, self._source(asset.site, last.source), last.source),
            *(first.time, packets[0], last.time, last.packet),
            tuple(dict.fromkeys(packets)),
        )

    def _identity(self, asset: Asset, scope: Scope, parent: Key) -> Iterator[Thing]:
        for one in asset.known:
            point = one.last.source
            if one.attribute not in IDENTITY or not point or one.said_by == MAC_PREFIX:
                continue
            if one.standing == "replaced":
                continue
            key = parent._replace(
                kind="identity",
                protocol=one.said_by,
                device=one.device,
                operation=one.attribute,
                object=one.value,
            )
            seen = Sight(
                *(one.times, self._source(scope.site, point), point),
                *(one.first.time, one.first.packet, one.last.time, one.last.packet),
                tuple(dict.fromkeys((one.first.packet, one.last.packet))),
            )
            yield Thing(key, scope, seen, (parent,), server=scope.address)

    # ---------------------------------------------------------------------- conversations

    def conversations(self, talks: Iterable[Conversation], spans: Spans) -> Iterator[Thing]:
        """Who talks to whom by what, and how much."""
        for one in talks:
            key = self._between(one)
            at = (one.site, one.group, one.place)
            scope = self.scope(at, one.client, one.server)
            parents = tuple(
                Key("device", *at, server=name)
                for name in (key.client, key.server)
                if name != scope.address
            )
            point = _point(one)
            seen = Sight(
                *(one.packets_out + one.packets_in, self._source(one.site, point), point),
                *(one.first_time, one.first_packet, one.last_time, one.last_packet),
                tuple(dict.fromkeys((one.first_packet, one.last_packet))),
            )
            yield Thing(key, scope, seen, parents, "", one.client, one.server)
            days = spans.of_group(scope.network).seconds / DAY_S
            if days > 0:
                volume = [round(size / days) for size in (one.bytes_out, one.bytes_in)]
                much = key._replace(kind="volume")
                told = json.dumps(volume)
                yield Thing(much, scope, seen, (key,), told, one.client, one.server)

    # ------------------------------------------------------------------------- operations

    def operations(self, acts: Iterable[Behaviour]) -> Iterator[Thing]:
        """What is done, to which objects, and who changes something."""
        for one in acts:
            if one.doubtful:
                continue
            talk = self._between(one)
            scope = self.scope((one.site, one.group, one.place), one.client, one.server)
            seen = Sight(
                *(one.count, one.source, _point(one)),
                *(one.first_time, one.first_packet, one.last_time, one.last_packet),
                tuple(
                    dict.fromkeys((one.first_packet, *one.packets[: SHOWN - 2], one.last_packet))
                ),
            )
            parties = (one.client, one.server, (one.outcome,))
            done = talk._replace(
                kind="operation", device=one.device, operation=one.operation, cls=one.cls
            )
            yield Thing(done, scope, seen, (talk,), json.dumps([one.outcome]), *parties)
            industrial = one.protocol in _industrial()
            if (
                one.object not in {"", LOST} and industrial
            ):  # names that people look up say nothing of machines
                what = done._replace(kind="object", object=one.object)
                yield Thing(what, scope, seen, (talk, done), "", *parties)
            changing = CHANGING if industrial else CHANGING_IT
            if one.cls in changing and one.outcome in NOT_REFUSED and is_device(one.server):
                writer = done._replace(kind="writer", service="", operation="")
                yield Thing(writer, scope, seen, (), "", *parties)

    def values(self, store: Store) -> Iterator[Thing]:
        """Between which values each element was written, whoever wrote it."""
        for one in kept.written(store):
            if one.device == LOST:
                continue
            at = (one.site, one.group, one.place)
            client, server = self.canonical(at, one.client), self.canonical(at, one.server)
            key = Key(
                *("value", *at, "", server, "", one.protocol, one.device, "", one.cls, one.object)
            )
            writer = key._replace(kind="writer", client=client, object="")
            seen = Sight(
                *(one.times, self._source(one.site, one.point), one.point),
                *(one.first_time, one.first_packet, one.last_time, one.last_packet),
                tuple(dict.fromkeys((one.first_packet, one.last_packet))),
            )
            detail = json.dumps([one.low, one.high, one.first])
            scope = self.scope(at, one.client, one.server)
            told = (detail, one.client, one.server, (), one.number, (), tuple(_extremes(one)))
            yield Thing(key, scope, seen, (writer,), *told)


def _extremes(one: kept.Written) -> Iterator[tuple[float, int, int]]:
    """Least, greatest and last value with packet and time, as far as they are kept."""
    for value, seen in ((one.low, one.low_seen), (one.high, one.high_seen)):
        if seen is not None:
            yield value, seen[1], seen[0]
    if one.last is not None:
        yield one.last, one.last_packet, one.last_time


def _point(one: Conversation | Behaviour) -> str:
    return f"{one.point}/{one.interface}" if one.interface else one.point


@cache
def _industrial() -> frozenset[str]:
    from otsec.protocols import PROTOCOLS  # noqa: PLC0415 - imports them all

    return frozenset(one.name for one in PROTOCOLS if one.industrial)


def _silences(
    acts: Iterable[Behaviour], canonical: Callable[[At, str], str]
) -> Mapping[Scope, int]:
    """The longest silence of each device, microseconds: that of what it does most steadily."""
    found: dict[Scope, int] = {}
    for one in acts:
        for address in {one.client, one.server}:
            speaks = address == one.client or one.outcome in {"", "ok", "late"}
            if speaks and one.interval_count:
                at = (one.site, one.group, one.place)
                scope = Scope(*at, canonical(at, address))
                span_us = (one.last_time - one.first_time) // 1000
                if one.interval_sum_us * 10 >= span_us * 9:
                    known = found.get(scope)
                    if known is None or one.interval_max_us < known:
                        found[scope] = one.interval_max_us
    return found


def _merged(rows: Iterable[Thing]) -> Iterator[Thing]:
    """Things that are the same as one: addresses of one device, outcomes of one operation."""
    groups: dict[Key, list[Thing]] = defaultdict(list)
    for thing in rows:
        groups[thing.key].append(thing)
    for same in groups.values():
        yield same[0] if len(same) == 1 else _one(same)


def _one(same: Sequence[Thing]) -> Thing:
    first = min(same, key=lambda one: (one.first_time, one.seen.first_packet))
    last = max(same, key=lambda one: (one.last_time, one.seen.last_packet))
    most = Counter[str]()
    for one in same:
        most[one.seen.point] += one.seen.times
    point = min(most, key=lambda name: (-most[name], name))
    mine = [one.seen for one in same if one.seen.point == point]
    packets = sorted({at for seen in mine for at in seen.packets})
    seen = Sight(
        *(most[point], mine[0].source, point),
        *(first.first_time, first.seen.first_packet, last.last_time, last.seen.last_packet),
        tuple(packets[:SHOWN]),
    )
    return Thing(
        *(first.key, first.scope, seen),
        tuple(dict.fromkeys(parent for one in same for parent in one.parents)),
        *(_details(same), first.client, first.server),
        tuple(dict.fromkeys(outcome for one in same for outcome in one.outcomes)),
        extremes=tuple(told for one in same for told in one.extremes),
    )


def _details(same: Sequence[Thing]) -> str:
    """Ranges and outcomes are joined, volumes summed; of presences the first stands."""
    kind = same[0].key.kind
    if kind not in {"value", "volume", "operation"}:
        return same[0].detail
    told = [json.loads(one.detail) for one in same]
    if kind == "operation":
        return json.dumps(sorted({outcome for some in told for outcome in some}))
    if kind == "volume":
        return json.dumps([sum(one[0] for one in told), sum(one[1] for one in told)])
    first = min(same, key=lambda one: (one.first_time, one.seen.first_packet))
    low, high = min(one[0] for one in told), max(one[1] for one in told)
    return json.dumps([low, high, json.loads(first.detail)[2]])
