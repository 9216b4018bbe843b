"""Outages as findings: what each kind is called, what it says, what to do next.

They are health, not attacks, and so of level low. What comes back as another device, with another
firmware or another program, is told by `identity-changed`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from otsec.baseline.barred import OUTAGE
from otsec.baseline.outages import Kind, Outage
from otsec.baseline.text import time_text
from otsec.detect import telling
from otsec.detect.model import Level
from otsec.nanoseconds import SECOND_NS
from otsec.store.findings import Finding, Packet

NAMED = 6
SURE = 0.9  # what is less sure says so


@dataclass(frozen=True, slots=True)
class Sort:
    """How a kind of outage is told; words in braces are filled in."""

    name: Kind
    id: str
    title: str
    seen: str
    why: str
    next: str
    level: Level = "low"
    techniques: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ("Work on the plant.",)


_BLIND = "What happened meanwhile was not seen; nothing is told of what was missing."
_GONE = "A device that is gone neither controls nor protects, and nobody sees what it measures."
ALL = (
    Sort(
        "tap-outage",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a01",
        "Nothing was heard of the network",
        "Nothing was heard at {point} {span}.",
        _BLIND,
        "Look at the tap or the mirror session, its cable, and the sensor.",
    ),
    Sort(
        "sensor-overload",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a02",
        "The sensor lost packets",
        "The sensor at {point} lost packets {span}.",
        _BLIND,
        "See `otsec health`: too much traffic for this machine, or the mirror port is too small.",
    ),
    Sort(
        "clock-step",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a03",
        "The clock of the capture stepped",
        "The clock at {point} was set, from {from} to {to}.",
        "Times before and behind it cannot be compared, nor with other logs.",
        "Let the sensor take its time from one server, and see `otsec clocks`.",
    ),
    Sort(
        "vlan-lost",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a04",
        "A VLAN is gone from the mirror",
        "{vlan} was not seen at {point} {span}: {names}.",
        _BLIND,
        "See whether the mirror session still has this VLAN, and the trunk that carries it.",
    ),
    Sort(
        "switch-lost",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a05",
        "Devices lost their switch",
        "{names} were not heard {span}, all of them at once.",
        _GONE,
        "Look at the switch that they share and at its uplink.",
    ),
    Sort(
        "power-lost",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a06",
        "Devices lost their power",
        "{names} were silent {span}, all of them at once{feed}.",
        _GONE,
        "Look at the supply that they share: breaker, power unit, UPS. "
        "Say which feed it is: otsec asset set {first} feed=NAME",
    ),
    Sort(
        "network-storm",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a07",
        "Network storm",
        "{names} sent to everybody without end {span}.",
        "Devices that have to read all of it have no time left for their process.",
        "Look for a loop in the cabling, and for a device that is broken.",
        "medium",
    ),
    Sort(
        "device-restarts",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a08",
        "A device goes and comes again and again",
        "{names} was silent {times} times {span}.",
        _GONE,
        "Look at its supply, its connector and cable; else its watchdog restarts it.",
    ),
    Sort(
        "device-silent",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a09",
        "A device was silent",
        "{names} was not heard {span}.",
        _GONE,
        "Look whether it has power and link, and who worked there.",
    ),
    Sort(
        "peer-silent",
        "7f0b0f4e-6f55-5c0a-9d5e-1b7c5f1f3a0a",
        "Who asks a device stopped asking",
        "{first} did not talk to {second} {span}; both were heard.",
        "What nobody reads is neither shown nor recorded.",
        "Look at the program on {first} that asks.",
    ),
)
SORTS: Mapping[Kind, Sort] = {one.name: one for one in ALL}
RESTARTED = "{names} were restarted {span}, all of them at once{feed}."  # no silence was seen
Found = tuple[Finding, tuple[Packet, ...]]


def told(outages: Sequence[Outage]) -> list[Found]:
    """A finding for each outage; of each kind and source no more than of a rule."""
    often = Counter[tuple[str, int]]()
    found: dict[str, Found] = {}
    for one in outages:
        often[one.kind, one.source] += 1
        if often[one.kind, one.source] <= telling.MOST:
            made = finding(one)
            found.setdefault(made[0].id, made)
    return list(found.values())


def finding(one: Outage) -> Found:
    """One outage as a finding."""
    sort = SORTS[one.kind]
    words = _words(one)
    client, server = _parties(one)
    key = telling.Key(
        *(one.site, one.group, one.place, sort.id, client, server, "", ""),
        about=f"{one.point} {one.begin}",
    )
    reasons = "; ".join(one.reasons)
    doubt = "" if one.confidence >= SURE else f"It is this with a confidence of {one.confidence:g}"
    made = telling.finding(key, sort, OUTAGE)._replace(
        times=one.times,
        source=one.source,
        first_time=one.begin,
        first_packet=one.packet,
        last_time=max(one.end, one.begin),
        last_packet=max(one.end_packet, one.packet),
        objects=tuple(device.address for device in one.devices)[: telling.KEPT],
        seen=(RESTARTED if one.unseen else sort.seen).format_map(words),
        expected=f"{reasons[:1].upper()}{reasons[1:]}.",
        why=sort.why,
        next=sort.next.format_map(words),
        doubt=doubt,
    )
    return made, tuple(_packets(made))


def _packets(one: Finding) -> Iterator[Packet]:
    yield Packet(one.source, one.id, one.first_packet, one.first_time, "the last before it")
    if one.last_packet != one.first_packet:
        yield Packet(one.source, one.id, one.last_packet, one.last_time, "the first behind it")


def _parties(one: Outage) -> tuple[str, str]:
    addresses = [device.address for device in one.devices]
    if one.kind == "peer-silent":
        return addresses[0], addresses[1]
    server = "" if not addresses else addresses[0] if len(addresses) == 1 else telling.MANY
    return ("", server) if one.kind != "network-storm" else (server, "")


def _words(one: Outage) -> dict[str, str]:
    names = [device.name for device in one.devices] or [""]
    return {
        "point": one.point,
        "span": _span(one),
        "from": _second(one.begin),
        "to": _second(one.end),
        "vlan": f"VLAN {one.place}" if one.place else "What has no VLAN tag",
        "names": telling.few([device.name for device in one.devices], most=NAMED),
        "first": names[0],
        "second": names[-1],
        "times": str(one.times),
        "feed": f" ({one.feed})" if one.feed and one.feed != "proposed" else "",
    }


def _span(one: Outage) -> str:
    if not one.end:
        return f"since {_second(one.begin)}"
    return f"from {_second(one.begin)} to {_second(one.end)}"


def _second(time: int) -> str:
    return time_text(time // SECOND_NS * SECOND_NS)
