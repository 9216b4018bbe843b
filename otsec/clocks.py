"""Every device's clock against the clock of the capture, as far as packets tell the time.

A clock is heard when a device says its time (`says`), and when somebody sets it (`is set`): then it
held that time, if it took it. The difference to the capture is an interval, for an answer was made
at some time between its request and itself. Where a protocol's times are not kept, who sets whom
is told and the difference is unknown.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple, TypeAlias, TypedDict

from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset
from otsec.nanoseconds import SECOND_NS
from otsec.store import Store
from otsec.store import clocks as rows
from otsec.store.clocks import Reading, Stamp
from otsec.store.queries import address_key, is_device

Way: TypeAlias = Literal["says", "is set", "asks"]
Standing: TypeAlias = Literal["agrees", "off", "steps", "needs time", "unknown"]

MS_NS = SECOND_NS // 1_000
TOLERANCE_NS = SECOND_NS  # clocks that differ by less agree
LEAST_SPAN_NS = 60 * SECOND_NS  # a drift is told of no shorter time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970, RFC 5905 6
NTP_ERA_S = 1 << 32
SOURCES = ("time_source", "time_server", "clock_master")  # attributes that name one
FOLLOWED = ("time_source", "stratum", "clock_master")  # of which changes are told


class Told(NamedTuple):
    """A time as a device's clock has it."""

    ns: int  # since 1970 UTC
    fineness: int  # ns: it may be later by less than this


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of one clock by one protocol."""

    asset: str  # its id; empty: none
    name: str
    address: str
    device: str  # behind the address
    role: str
    protocol: str
    way: Way
    source: tuple[str, ...]  # who sets it, whom it asks, or what it says that it follows
    stratum: str
    standing: Standing
    offset_low_ns: int | None  # clock minus capture, at least; at the last time it was heard
    offset_high_ns: int | None
    first_offset_ns: int | None  # the middle, when it was first heard
    drift_ppm: float | None  # how much faster than the capture's clock it runs
    count: int
    first_time: int
    last_time: int
    packet: int  # that shows it last, ordinal in its source
    point: str
    changes: tuple[str, ...]  # of its source
    note: str
    site: str


# ----------------------------------------------------------------------------- reading times

Reader: TypeAlias = Callable[[Sequence[int], int, tzinfo], Told | None]
# values, time of the packet (ns), zone of the site


def _ntp(values: Sequence[int], near: int, _zone: tzinfo) -> Told | None:
    """Seconds since 1900 of the era that is nearest to the capture, and a fraction."""
    if len(values) < 2 or not values[0]:
        return None
    seconds = values[0] - NTP_EPOCH_S
    seconds += round((near // SECOND_NS - seconds) / NTP_ERA_S) * NTP_ERA_S
    return Told(seconds * SECOND_NS + (values[1] * SECOND_NS >> 32), 1)


def _bacnet(values: Sequence[int], _near: int, zone: tzinfo) -> Told | None:
    """Date and time of four bytes each; 255 is unspecified. ANSI/ASHRAE 135 20.2.12, 20.2.13."""
    if len(values) < 2:
        return None
    year, month, day, _ = values[0].to_bytes(4, "big")
    hour, minute, second, hundredth = values[1].to_bytes(4, "big")
    try:
        moment = datetime(
            1900 + year, month, day, hour, minute, second, hundredth * 10_000, tzinfo=zone
        )
    except ValueError:
        return None
    return Told(_ns(moment), 10 * MS_NS)


def _cip(values: Sequence[int], _near: int, _zone: tzinfo) -> Told | None:
    """Microseconds since 1970 UTC (wall clock time, class 0x8b)."""
    return Told(values[0] * 1000, 1000) if values and values[0] > 0 else None


def _ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


_S7_NOTE = re.compile(r"to (\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})")


def _s7(note: str, zone: tzinfo) -> Told | None:
    """The time that a note tells; of the zone of the site, for S7 names none."""
    found = _S7_NOTE.search(note)
    if found is None:
        return None
    *parts, milliseconds = map(int, found.groups())
    try:
        moment = datetime(*parts, milliseconds * 1000, tzinfo=zone)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return Told(_ns(moment), MS_NS)


WALL_CLOCK = "class 0x8b%attribute 6"
READERS: dict[str, Reader] = {"ntp": _ntp, "bacnet": _bacnet, "enip": _cip}
# Who says his own time: the server in an answer, the client in what it sends by itself.
SPEAKS: dict[tuple[str, str], Literal["client", "server"]] = {
    ("ntp", "client"): "server",
    ("ntp", "symmetric_passive"): "server",
    ("ntp", "symmetric_active"): "client",
    ("ntp", "broadcast"): "client",
    ("bacnet", "time_synchronization"): "client",
    ("bacnet", "utc_time_synchronization"): "client",
    ("enip", "get_attribute_list"): "server",
    ("enip", "get_attribute_single"): "server",
}
# What sets the clock of the server, by protocol: words in the operation, of class `time`.
SETS = {
    "s7comm": ("set_clock", "set_clock_following"),
    "enip": ("set_attribute_list", "set_attribute_single"),
    "bacnet": ("time_synchronization", "utc_time_synchronization"),
    "dnp3": ("write", "record_current_time"),
    "iec104": ("c_cs_na_1",),
    "ads": ("time_set",),
    "fins": ("clock_write",),
    "pcom": ("set_clock",),
    "tristation": ("set_calendar", "adjust_clock_calendar"),
}
ASKS = frozenset({("ntp", "client"), ("ntp", "symmetric_active")})
UTC_ALWAYS = frozenset({"utc_time_synchronization"})


def _told(one: Reading, zone: tzinfo, *, first: bool) -> Told | None:
    """The time that the first or the last of some operations carried."""
    if one.protocol == "s7comm":
        return _s7(one.note, zone)
    reader = READERS.get(one.protocol)
    values = one.first if first else one.last
    if reader is None or not values:
        return None
    near = one.values_first_time if first else one.values_last_time
    return reader(values, near, UTC if one.operation in UTC_ALWAYS else zone)


# ----------------------------------------------------------------------------------- clocks


def clocks(store: Store, zone: tzinfo, found: Inventory | None = None) -> list[Clock]:
    """All clocks of which something is known; ``zone``: in which devices keep local time."""
    found = found or inventory(store)
    known = Directory(found)
    stamps = rows.stamps(store)
    told = [
        *_heard(known, rows.readings(store, (WALL_CLOCK,)), zone, _set_by(stamps)),
        *_stamped(known, stamps, zone),
        *_needing(found),
    ]
    return sorted(
        _together(told),
        key=lambda one: (one.site, address_key(one.address), one.device, one.protocol, one.way),
    )


def _heard(
    known: Directory, found: Iterable[Reading], zone: tzinfo, stamped: frozenset[tuple[str, ...]]
) -> Iterator[Clock]:
    """``stamped``: who sets whom with a time that is told by stamps."""
    for one in found:
        speaker = SPEAKS.get((one.protocol, one.operation))
        if speaker is not None and one.outcome in {"", "ok"}:
            address = one.server if speaker == "server" else one.client
            yield _clock(known, one, zone, address, "says", answered=speaker == "server")
        if (one.protocol, one.operation) in ASKS and is_device(one.client):
            yield _asks(known, one)
        took = one.outcome in {"", "ok", "open", "unanswered"}
        if took and (*one[:4], one.client, one.server, one.protocol) in stamped:
            continue
        if one.operation in SETS.get(one.protocol, ()) and _heard_of(known, one):
            yield _clock(known, one, zone, one.server, "is set", answered=False)


def _heard_of(known: Directory, one: Reading | Stamp) -> bool:
    """Whether the server is a device that ever spoke: the last address of a subnet does not."""
    asset = known.at(one.site, one.group, one.place, one.server)
    return asset is not None and asset.packets > 0 and is_device(one.server)


def _clock(
    known: Directory, one: Reading, zone: tzinfo, address: str, way: Way, *, answered: bool
) -> Clock:
    asset = known.at(one.site, one.group, one.place, address)
    last, first = _told(one, zone, first=False), _told(one, zone, first=True)
    low, high = _between(last, one.values_last_time or one.last_time, one, answered=answered)
    begin = _between(first, one.values_first_time or one.first_time, one, answered=answered)
    said = way == "says"
    clock = Clock(
        **_who(asset, address),
        device=one.device if way == "is set" or answered else "",
        protocol=one.protocol,
        way=way,
        source=_followed(known, one, asset) if said else (_name(known, one, one.client),),
        stratum=asset.value("stratum") if asset and said and one.protocol == "ntp" else "",
        standing="unknown",
        offset_low_ns=low,
        offset_high_ns=high,
        first_offset_ns=_middle(*begin),
        drift_ppm=_drift(one, first, last) if said else None,
        count=one.times,
        first_time=one.first_time,
        last_time=one.last_time,
        packet=one.last_packet,
        point=one.source,
        changes=_changes(asset, one.protocol),
        note=_note(one, last, _middle(low, high)),
        site=one.site,
    )
    return replace(clock, standing=_standing(clock, one))


def _between(
    told: Told | None, time: int, one: Reading, *, answered: bool
) -> tuple[int | None, int | None]:
    """The least and the most by which a clock is ahead of the capture, ns."""
    if told is None:
        return None, None
    took = one.response_max_us * 1000 if answered else 0
    return told.ns - time - took, told.ns + told.fineness - 1 - time


def _middle(low: int | None, high: int | None) -> int | None:
    return None if low is None or high is None else (low + high) // 2


def _drift(one: Reading, first: Told | None, last: Told | None) -> float | None:
    """Parts in a million by which a clock runs faster, where that is more than is not known."""
    span = one.values_last_time - one.values_first_time
    if first is None or last is None or span < LEAST_SPAN_NS:
        return None
    return round(((last.ns - first.ns) - span) / span * 1e6, 1)


def _standing(clock: Clock, one: Reading) -> Standing:
    low, high = clock.offset_low_ns, clock.offset_high_ns
    if low is None or high is None:
        return "unknown"
    if clock.way == "says" and one.values_count > 1 and _stepped(clock, one):
        return "steps"
    return "agrees" if low <= TOLERANCE_NS and high >= -TOLERANCE_NS else "off"


def _stepped(clock: Clock, one: Reading) -> bool:
    """Whether the clock went other than forward with the capture's by more than a second."""
    back = one.minimum[:1] < one.first[:1] or one.maximum[:1] > one.last[:1]
    if clock.protocol == "bacnet":  # the greatest hour need not be of the greatest date
        back = False
    low, high, before = clock.offset_low_ns, clock.offset_high_ns, clock.first_offset_ns
    if low is None or high is None or before is None:
        return back
    return back or not low - TOLERANCE_NS <= before <= high + TOLERANCE_NS


def _note(one: Reading, told: Told | None, ahead_ns: int | None) -> str:
    if told is None and one.protocol not in READERS and one.protocol != "s7comm":
        return f"otsec does not keep the times of {one.protocol}"
    if one.outcome not in {"", "ok"}:
        return f"refused: {one.outcome}"
    if one.protocol == "s7comm" or one.operation == "time_synchronization":
        return LOCAL_TIME + (ANOTHER_ZONE if _is_zone(ahead_ns or 0) else "")
    return ""


LOCAL_TIME = "local time, taken as of the site's zone"
ANOTHER_ZONE = "; it may be of another zone"
ZONES_NS = 15 * 60 * SECOND_NS  # zones differ by quarters of an hour
NEAR_NS = 60 * SECOND_NS


def _is_zone(ahead_ns: int) -> bool:
    """Whether a difference is nearly that of two zones."""
    apart = abs(ahead_ns)
    rest = apart % ZONES_NS
    return (
        ZONES_NS - NEAR_NS < apart < 26 * 3600 * SECOND_NS and min(rest, ZONES_NS - rest) < NEAR_NS
    )


def _who(asset: Asset | None, address: str) -> dict[str, str]:
    if asset is None:
        return {"asset": "", "name": address, "address": address, "role": "unknown"}
    return {
        "asset": asset.id,
        "name": asset.name,
        "address": address,
        "role": asset.role.role,
    }


def _name(known: Directory, one: Reading | Stamp, address: str) -> str:
    asset = known.at(one.site, one.group, one.place, address)
    return asset.name if asset else address


def _followed(known: Directory, one: Reading | Stamp, asset: Asset | None) -> tuple[str, ...]:
    """What a clock says that it follows, addresses by name."""
    if asset is None:
        return ()
    told = [fact.value for fact in asset.known if fact.attribute in SOURCES and _now(fact.standing)]
    return tuple(dict.fromkeys(_name(known, one, value) for value in told))


def _now(standing: str) -> bool:
    return standing in {"best", "also"}


def _changes(asset: Asset | None, protocol: str) -> tuple[str, ...]:
    return tuple(
        f"{change.attribute} {change.before} -> {change.after}"
        for change in (asset.changes if asset else ())
        if change.attribute in FOLLOWED and change.said_by == protocol
    )


def _asks(known: Directory, one: Reading) -> Clock:
    """Who asks for the time: he is to be as right as whom he asks."""
    asset = known.at(one.site, one.group, one.place, one.client)
    return Clock(
        **_who(asset, one.client),
        device="",
        protocol=one.protocol,
        way="asks",
        source=(_name(known, one, one.server),),
        stratum="",
        standing="unknown",
        offset_low_ns=None,
        offset_high_ns=None,
        first_offset_ns=None,
        drift_ppm=None,
        count=one.times,
        first_time=one.first_time,
        last_time=one.last_time,
        packet=one.last_packet,
        point=one.source,
        changes=_changes(asset, one.protocol),
        note="" if one.outcome in {"", "ok", "open"} else one.outcome,
        site=one.site,
    )


def _needing(found: Inventory) -> Iterator[Clock]:
    """Outstations that ask for the time: IIN1.4, IEEE 1815 4.2.2.3."""
    for asset in found.assets:
        told = [
            one
            for one in asset.known
            if one.attribute == "indications" and "need_time" in one.value
        ]
        for one in told:
            if not one.device and any(other.device for other in told):
                continue  # what a device says, folded into the asset
            yield Clock(
                **_who(asset, asset.anchor.address),
                device=one.device,
                protocol=one.said_by,
                way="says",
                source=(),
                stratum="",
                standing="needs time",
                offset_low_ns=None,
                offset_high_ns=None,
                first_offset_ns=None,
                drift_ppm=None,
                count=one.times,
                first_time=one.first.time,
                last_time=one.last.time,
                packet=one.last.packet,
                point=one.last.source,
                changes=(),
                note="it says that it needs the time",
                site=asset.site,
            )


def _together(told: Iterable[Clock]) -> Iterator[Clock]:
    """One row for a clock, protocol and way: what was heard last, all sources of it."""
    groups: dict[tuple[str, ...], list[Clock]] = defaultdict(list)
    for one in told:
        lists = one.standing == "needs time"
        key = (one.site, one.asset or one.address, one.device, one.protocol, one.way, str(lists))
        groups[key].append(one)
    for group in groups.values():
        known = [one for one in group if one.offset_low_ns is not None]
        last = max(known or group, key=lambda one: (one.last_time, one.packet))
        steps = any(one.standing == "steps" for one in group)
        yield replace(
            last,
            standing="steps" if steps else last.standing,
            source=tuple(dict.fromkeys(name for one in group for name in one.source)),
            count=sum(one.count for one in group if one.point == last.point),
            first_time=min(one.first_time for one in group),
            changes=tuple(dict.fromkeys(change for one in group for change in one.changes)),
        )


# --------------------------------------------------------------------------------- stamps

LOCAL = frozenset(
    {"ads", "fins", "iec104", "pcom", "s7comm"}
)  # name no zone: taken as of the site's
MARKED = "by the times of its events, which may be older"


def _set_by(stamps: Iterable[Stamp]) -> frozenset[tuple[str, ...]]:
    return frozenset(
        (*one[:4], one.client, one.server, one.protocol) for one in stamps if one.way == "sets"
    )


def _stamped(known: Directory, stamps: Iterable[Stamp], zone: tzinfo) -> Iterator[Clock]:
    """Clocks by the differences that the store keeps."""
    for one in stamps:
        sets = one.way == "sets"
        if sets and not _heard_of(known, one):
            continue
        speaks = one.server if one.speaker == "server" else one.client
        address = (one.client if speaks == one.server else one.server) if sets else speaks
        asset = known.at(one.site, one.group, one.place, address)
        clock = Clock(
            **_who(asset, address),
            device=one.device if address == one.server else "",
            protocol=one.protocol,
            way="is set" if sets else "says",
            source=(_name(known, one, speaks),) if sets else _followed(known, one, asset),
            stratum="",
            standing="unknown",
            **_ahead(one, zone, asset),
            count=one.times,
            first_time=one.first_time,
            last_time=one.last_time,
            packet=one.last_packet,
            point=one.source,
            changes=_changes(asset, one.protocol),
            note="",
            site=one.site,
        )
        yield replace(clock, standing=_standing_of(clock, one), note=_note_of(clock, one))


class Ahead(TypedDict):
    """The cells of a clock that tell how far it is ahead."""

    offset_low_ns: int
    offset_high_ns: int
    first_offset_ns: int
    drift_ppm: float | None


def _ahead(one: Stamp, zone: tzinfo, asset: Asset | None) -> Ahead:
    first = one.first_ahead - _scale(one, one.first_time, zone, asset)
    last = one.last_ahead - _scale(one, one.last_time, zone, asset)
    if one.way == "marks":  # something was before it was told: the clock is ahead by that or more
        first = last = one.most_ahead - _scale(one, one.last_time, zone, asset)
    span = one.last_time - one.first_time
    drift = round((last - first) / span * 1e6, 1) if span >= LEAST_SPAN_NS else None
    low, high = last, last + FINENESS.get(one.protocol, 1) - 1
    return Ahead(
        offset_low_ns=low,
        offset_high_ns=high,
        first_offset_ns=first,
        drift_ppm=drift if one.way == "says" else None,
    )


FINENESS = {
    **dict.fromkeys(("ads", "dnp3", "iec104", "s7comm"), MS_NS),
    **dict.fromkeys(("fins", "pcom"), SECOND_NS),
}


def _scale(one: Stamp, time: int, zone: tzinfo, asset: Asset | None) -> int:
    """By how much a clock that is right is ahead of UTC: its zone, or leap seconds."""
    if one.protocol in LOCAL:
        moment = datetime.fromtimestamp(time // SECOND_NS, zone)
        return (moment.utcoffset() or timedelta()) // timedelta(microseconds=1) * 1000
    told = asset.value("utc_offset") if asset and one.protocol == "ptp" else ""
    seconds = told.partition(" ")[0]
    return int(seconds) * SECOND_NS if seconds.isdigit() else 0


def _standing_of(clock: Clock, one: Stamp) -> Standing:
    low, high = clock.offset_low_ns or 0, clock.offset_high_ns or 0
    if one.way == "says" and one.most_ahead - one.least_ahead > TOLERANCE_NS:
        return "steps"
    if low <= TOLERANCE_NS and high >= -TOLERANCE_NS:
        return "agrees"
    return "unknown" if one.way == "marks" and high < 0 else "off"


def _note_of(clock: Clock, one: Stamp) -> str:
    zone = LOCAL_TIME + (ANOTHER_ZONE if _is_zone(clock.offset_low_ns or 0) else "")
    told = (zone if one.protocol in LOCAL else "", MARKED if one.way == "marks" else "")
    return "; ".join(text for text in told if text)


# ---------------------------------------------------------------------------- the capture's


def capture_off(told: Iterable[Clock]) -> tuple[int, tuple[str, ...]] | None:
    """By how much the capture's clock seems to be behind, and who says so.

    That is where two clocks or more that say their time agree with one another, and not with it.
    """
    own: dict[tuple[str, str], Clock] = {}
    for one in told:
        if one.way == "says" and one.standing in {"off", "agrees"}:
            own.setdefault((one.site, one.asset or one.address), one)
    if len(own) < 2 or any(one.standing == "agrees" for one in own.values()):
        return None
    low = max(one.offset_low_ns or 0 for one in own.values())
    high = min(one.offset_high_ns or 0 for one in own.values())
    if low > high + 2 * TOLERANCE_NS:
        return None
    return (low + high) // 2, tuple(one.name for one in own.values())
