"""Who talks to whom, by level, role and protocol: what the drawing and its table are made of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from otsec.health.services import INDUSTRIAL
from otsec.inventory.directory import Directory
from otsec.inventory.model import Asset
from otsec.reports.drawing import WEIGHTS, Flow, Node, Weight
from otsec.sessions.assembly import outside
from otsec.sessions.kinds import ENGINEERING
from otsec.store.queries import is_device
from otsec.store.sightings import Deed, Talk, most_seen

OUTSIDE, UNLEVELLED = "Outside", "No level"
LEVELS = {
    5.0: "5  Enterprise",
    4.0: "4  Business",
    3.5: "3.5  DMZ",
    3.0: "3  Operations",
    2.0: "2  Supervision",
    1.0: "1  Control",
    0.0: "0  Process",
}
PROCESS = 2.0  # the highest level of what runs a process
LANES = (OUTSIDE, *LEVELS.values(), UNLEVELLED)
# What only keeps a network going would hide all else in the drawing; the table has it.
HOUSEKEEPING = frozenset(
    {"arp", "dhcp", "dns", "nbns", "ntp", "lldp", "cdp", "icmp", "udp/5353", "udp/1900", "udp/5355"}
)


class Pair(NamedTuple):
    """What one asset asks of another by one protocol."""

    source: Asset
    target: Asset
    protocol: str  # else the service
    weight: Weight
    packets: int
    answered: bool


class Relation(NamedTuple):
    """A row of the table: what is asked between two levels by one protocol."""

    source: str  # lanes
    target: str
    protocol: str
    by_port: str  # what the port suggests, where nothing was recognised
    weight: Weight
    pairs: int
    packets: int
    examples: tuple[str, ...]


EXAMPLES = 3


def lane_of(asset: Asset) -> str:
    """The lane of an asset: by its level.

    One that has only public addresses is outside, unless it is heard on link and its level says
    that it belongs to the process: plants have been numbered so.
    """
    public = asset.ips and all(outside(ip) for ip in asset.ips)
    if public and (asset.reach != "on link" or asset.level is None or asset.level > PROCESS):
        return OUTSIDE
    return UNLEVELLED if asset.level is None else LEVELS.get(asset.level, UNLEVELLED)


def lanes_of(found: Iterable[Pair]) -> dict[str, str]:
    """The lanes of all that ask or answer, by the asset's id."""
    assets = {asset.id: asset for one in found for asset in (one.source, one.target)}
    return {key: lane_of(asset) for key, asset in assets.items()}


def pairs(known: Directory, site: str, talks: Iterable[Talk], deeds: Iterable[Deed]) -> list[Pair]:
    """Who asks whom, of the source that saw most of each conversation."""
    weights = _weights(deeds)
    mine = (
        talk
        for talk in talks
        if talk.site == site and is_device(talk.client) and is_device(talk.server)
    )
    summed: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    for talk in most_seen(mine):
        where = (talk.site, talk.group, talk.place)
        client, server = known.at(*where, talk.client), known.at(*where, talk.server)
        if client is None or server is None or client.id == server.id:
            continue
        word = talk.protocol or talk.service
        weight = weights.get((*where, talk.client, talk.server, talk.protocol), "other")
        pair = Pair(client, server, word, weight, talk.packets, talk.payload_in > 0)
        summed[client.id, server.id, word].append(pair)
    return [
        group[0]._replace(
            weight=min((one.weight for one in group), key=WEIGHTS.index),
            packets=sum(one.packets for one in group),
            answered=any(one.answered for one in group),
        )
        for group in summed.values()
    ]


def _weights(deeds: Iterable[Deed]) -> dict[tuple[str, ...], Weight]:
    """The gravest of what is done between two addresses by a protocol."""
    found: dict[tuple[str, ...], Weight] = {}
    for one in deeds:
        key = (one.site, one.group, one.place, one.client, one.server, one.protocol)
        weight = weight_of(one.cls)
        if WEIGHTS.index(weight) < WEIGHTS.index(found.get(key, "other")):
            found[key] = weight
    return found


def weight_of(cls: str) -> Weight:
    """How grave operations of a class are."""
    if cls in ENGINEERING - {"config"}:
        return "change"
    if cls in {"write", "control", "config"}:
        return "write"
    return "read" if cls in {"read", "report"} else "other"


def shown(found: Sequence[Pair]) -> tuple[tuple[Node, ...], tuple[Flow, ...]]:
    """What is drawn: what was answered, housekeeping left out."""
    kept = [one for one in found if one.answered and one.protocol not in HOUSEKEEPING]
    assets = {asset.id: asset for one in kept for asset in (one.source, one.target)}
    nodes = (Node(key, one.name, one.role.role, lane_of(one)) for key, one in assets.items())
    flows = (
        Flow(one.source.id, one.target.id, one.weight, one.packets, one.protocol) for one in kept
    )
    return tuple(nodes), tuple(flows)


def relations(found: Sequence[Pair]) -> list[Relation]:
    """The same by levels and protocol, from the top down."""
    groups: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    lanes = lanes_of(found)
    for one in found:
        if one.answered:
            groups[lanes[one.source.id], lanes[one.target.id], one.protocol].append(one)
    told = list(_relations(groups))
    return sorted(
        told,
        key=lambda one: (
            *(LANES.index(one.source), LANES.index(one.target)),
            *(WEIGHTS.index(one.weight), -one.packets, one.protocol),
        ),
    )


def _relations(groups: dict[tuple[str, str, str], list[Pair]]) -> Iterator[Relation]:
    for key, group in groups.items():
        group.sort(key=lambda one: (-one.packets, one.source.name, one.target.name))
        yield Relation(
            *key,
            by_port=INDUSTRIAL.get(key[2], ""),
            weight=min((one.weight for one in group), key=WEIGHTS.index),
            pairs=len(group),
            packets=sum(one.packets for one in group),
            examples=tuple(
                f"{one.source.name} \u2192 {one.target.name}" for one in group[:EXAMPLES]
            ),
        )
