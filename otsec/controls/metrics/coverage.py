"""How much was captured, lost and read: `cov.`, `sensor.`, and the evidence that is held."""

from collections import defaultdict
from collections.abc import Iterator

from otsec.controls.basis import Basis, count, each, no_policy, point_name
from otsec.controls.model import COUNTED, Figure, Item, NotConfigured, NotMeasurable, Number
from otsec.health.services import INDUSTRIAL
from otsec.inventory.families import CONTROL
from otsec.nanoseconds import DAY_NS, HOUR_NS
from otsec.store import checks, queries
from otsec.store import controls as rows
from otsec.store.sensor import Heartbeat  # noqa: TC001 - as other rows

BLIND = frozenset({"outage", "clock_ahead"})  # gaps in which nothing was captured
ENCRYPTED = frozenset({"tls", "ssh", "wireguard", "openvpn", "ike"})
NO_SENSOR = "the captures are recordings; no sensor of otsec listened"


def days(basis: Basis) -> Figure:
    """Days of capture in the period, gaps left out; of the point group that was heard longest."""
    spans = [one.between(*basis.period) for one in basis.heard]
    return Number(max(spans, default=0) / DAY_NS, items=lambda: _spans(basis))


def _spans(basis: Basis) -> Iterator[Item]:
    for one in basis.sources:
        told = f"{one.packets} packets, {one.gaps} gaps"
        name = point_name(one.point, one.interface)
        yield Item(COUNTED, name, "", "capture", told, one.first_time, one.last_time, name, 0)


def loss_pct(basis: Basis) -> Figure:
    """What was lost: as recorders say, or as TCP shows (acknowledged, never seen); the greater."""
    told = [one for one in (_recorded_loss(basis), _tcp_loss(basis)) if one is not None]
    if not told:
        return NotMeasurable(
            "the captures do not tell of lost packets, and hold no TCP heard from both sides"
        )
    return max(told, key=lambda one: one.value)


def _recorded_loss(basis: Basis) -> Number | None:
    """Packets that recorders say they lost, per cent of all."""
    beats = [beat for _, beat in basis.heartbeats]
    names = {(one.site, one.point, one.interface) for one in basis.sources}
    counted = [
        one
        for one in queries.counters(basis.store)
        if one.name == "dropped_packets" and (one.site, one.point, one.interface) in names
    ]
    if beats:
        dropped, seen = sum(one.dropped for one in beats), sum(one.packets for one in beats)
    elif counted:
        dropped = sum(one.count for one in counted)
        seen = sum(one.packets for one in basis.sources)
    else:
        return None
    items = tuple(
        Item(COUNTED, point_name(one.point, one.interface), "", "packets lost", f"{one.count}",
             one.first_time, one.last_time, point_name(one.point, one.interface), one.first_packet)
        for one in counted
    )  # fmt: skip
    return Number(100 * dropped / max(dropped + seen, 1), "as recorders say", lambda: items)


def _tcp_loss(basis: Basis) -> Number | None:
    """Bytes of TCP that were acknowledged and never seen, per cent; streams heard from both sides."""
    shown = [(one, checks.streams(basis.store, one.id)) for one in basis.sources]
    sent = sum(streams.sent for _, streams in shown)
    if not sent:
        return None

    def items() -> Iterator[Item]:
        for one, _ in shown:
            for met in checks.examples(basis.store, one.id, "lost", 100):
                if met.amount:
                    where = (one.site, one.group, met.place)
                    yield Item(
                        COUNTED, basis.name(where, met.client), basis.name(where, met.server),
                        met.service, f"{met.amount} bytes never seen", met.time, met.time,
                        basis.points[one.id], met.packet,
                    )  # fmt: skip

    lost = sum(streams.lost for _, streams in shown)
    return Number(100 * lost / sent, "bytes of TCP that were acknowledged and never seen", items)


def zones_seen_pct(basis: Basis) -> Figure:
    """Zones of the policy of which somebody was heard on link; of IT zones, heard at all."""
    if basis.policy is None:
        return no_policy()
    if not basis.policy.zones:
        return NotMeasurable("the policy has no zones")
    return each(
        list(basis.zone_names.items()),
        lambda zone: bool(zone[1]),
        lambda zone, seen: Item(seen, zone[0], "", "zone", f"{len(zone[1])} assets heard"),
        pct=True,
    )


def _industrial(one: rows.Rate) -> bool:
    return one.protocol in CONTROL or one.service in INDUSTRIAL


def decode_pct(basis: Basis) -> Figure:
    """Of the payload of industrial protocols and ports, the share that some protocol accounted for."""
    found = [one for one in basis.rates if _industrial(one)]
    payload = sum(one.payload for one in found)
    if not payload:
        return NotMeasurable("nothing industrial was heard")
    items = tuple(
        Item(not one.undecoded, one.protocol or "not recognised", "", one.service,
             f"{one.payload - one.undecoded} of {one.payload} bytes")
        for one in found
    )  # fmt: skip
    read = sum(one.payload - one.undecoded for one in found)
    return Number(100 * read / payload, "bytes", lambda: items)


def opaque_pct(basis: Basis) -> Figure:
    """Of the payload of industrial ports and protocols, the share inside encryption."""
    found = [one for one in basis.rates if _industrial(one) or one.protocol in ENCRYPTED]
    payload = sum(one.payload for one in found)
    if not payload:
        return NotMeasurable("nothing industrial was heard")
    names = {(one.point, one.interface) for one in basis.sources}
    told = [
        one
        for one in queries.counters(basis.store)
        if one.site == basis.site.name and (one.point, one.interface) in names
        and one.name == "opaque:opcua" and "encrypted" in one.detail
    ]  # fmt: skip
    hidden = sum(one.payload for one in found if one.protocol in ENCRYPTED)
    hidden += sum(one.count for one in told)
    items = tuple(
        Item(one.protocol in ENCRYPTED, one.protocol or "not recognised", "", one.service, f"{one.payload} bytes")
        for one in found
    )  # fmt: skip
    return Number(min(100 * hidden / payload, 100.0), "bytes", lambda: items)


def gap_h(basis: Basis) -> Figure:
    """The longest time in which a capture point was blind; of sensors also since its last packet."""
    if not basis.sources:
        return NotMeasurable("nothing was captured")
    found = [
        Item(COUNTED, point_name(one.point, one.interface), "", one.kind, one.detail,
             max(one.begin_time, basis.period.begin), min(one.end_time, basis.period.end),
             point_name(one.point, one.interface), one.packet)
        for one in basis.gaps
        if one.kind in BLIND
    ]  # fmt: skip
    found += [
        Item(COUNTED, basis.points[one.id], "", "silence", "since its last packet",
             one.last_time, basis.period.end, basis.points[one.id], one.packets - 1)
        for one in basis.sources
        if one.id in basis.live and one.last_time < basis.period.end
    ]  # fmt: skip
    items = tuple(sorted(found, key=lambda one: one.first_time - one.last_time))
    longest = max((one.last_time - one.first_time for one in items), default=0)
    return Number(longest / HOUR_NS, items=lambda: items)


# ---------------------------------------------------------------------------------- sensors


def down_min(basis: Basis) -> Figure:
    """Minutes in which sensors did not listen, together: outages, and interfaces that were down."""
    if not basis.live:
        return NotMeasurable(NO_SENSOR)
    items = tuple(_down(basis))
    return Number(sum(one.last_time - one.first_time for one in items) / 60e9, items=lambda: items)


def _down(basis: Basis) -> Iterator[Item]:
    live = {basis.points[one] for one in basis.live if one in basis.points}
    for gap in basis.gaps:
        name = point_name(gap.point, gap.interface)
        if gap.kind == "outage" and name in live:
            begin, end = (
                max(gap.begin_time, basis.period.begin),
                min(gap.end_time, basis.period.end),
            )
            yield Item(COUNTED, name, "", gap.kind, gap.detail, begin, end, name, gap.packet)


def disk_days(basis: Basis) -> Figure:
    """Days until the recordings fill the disk, at the rate at which they grew in the period."""
    size = basis.site.inputs.disk_gb
    if size is None:
        return NotConfigured(basis.site.inputs.how("retention: disk_gb"))
    by_point: dict[str, list[Heartbeat]] = defaultdict(list)
    for point, beat in basis.heartbeats:
        by_point[point].append(beat)
    if not any(len(beats) > 1 for beats in by_point.values()):
        return NotMeasurable(NO_SENSOR)
    held = sum(beats[-1].recorded_bytes for beats in by_point.values())
    items = tuple(
        Item(COUNTED, point, "", "recordings", f"{beats[-1].recorded_bytes} bytes",
             beats[0].time, beats[-1].time, point)
        for point, beats in by_point.items()
    )  # fmt: skip
    grown = sum(
        (beats[-1].recorded_bytes - beats[0].recorded_bytes)
        * DAY_NS
        / (beats[-1].time - beats[0].time)
        for beats in by_point.values()
        if len(beats) > 1
    )
    if grown <= 0:
        return Number(36_500, "recordings do not grow", lambda: items)
    return Number(max(size * 1e9 - held, 0) / grown, items=lambda: items)


# ------------------------------------------------------------------------- evidence that is held


def gap_events(basis: Basis) -> Figure:
    """Sources that gave packets in the period of which nothing at all was recorded."""
    if not basis.sources:
        return NotMeasurable("nothing was captured")
    return count(
        Item(COUNTED, point, "", "no record", f"{packets} packets", first, last, point, 0)
        for point, packets, first, last in rows.silent_sources(basis.store, basis.site.name)
        if basis.period.has(first, last)
    )


def retention_d(basis: Basis) -> Figure:
    """Days from the oldest record that is held to the end of the period."""
    found = rows.oldest(basis.store, basis.site.name)
    if found is None:
        return Number(0, "nothing is held")
    time, packet, point = found
    item = Item(COUNTED, point, "", "oldest record", "", time, time, point, packet)
    return Number(max(basis.period.end - time, 0) / DAY_NS, items=lambda: (item,))


def required_d(basis: Basis) -> Figure:
    """Days for which the site says that records must be held."""
    needed = basis.site.inputs.required_days
    if needed is None:
        return NotConfigured(basis.site.inputs.how("retention: required_days"))
    return Number(needed, f"as {basis.site.inputs.name} says")


def unlocked(basis: Basis) -> Figure:
    """Findings of which no packet is kept."""
    shown = rows.shown(basis.store)
    return each(
        basis.cases,
        lambda case: case.finding.id not in shown,
        lambda case, lacks: basis.case_item(
            case, counted=lacks, told="no packet is kept" if lacks else "packets are kept"
        ),
    )


METRICS = {
    "cov.days": days,
    "cov.loss_pct": loss_pct,
    "cov.zones_seen_pct": zones_seen_pct,
    "cov.decode_pct": decode_pct,
    "cov.gap_h": gap_h,
    "cov.opaque_pct": opaque_pct,
    "sensor.down_min": down_min,
    "sensor.disk_days": disk_days,
    "audit.gap_events": gap_events,
    "audit.retention_d": retention_d,
    "audit.required_d": required_d,
    "evidence.unlocked": unlocked,
}
