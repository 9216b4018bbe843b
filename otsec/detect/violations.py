"""What goes against the policy of the site, as findings in the form that rules make them.

Each tells who did what to whom, between which zones, why it is not allowed, and the smallest
conduit that would allow it. They are made anew whenever the store is judged: what a changed policy
allows is gone with the next judging, and people's decisions wait, should it come back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from otsec.detect.model import LEVELS, Level
from otsec.detect.telling import (
    FURTHER,
    KEPT,
    LONGEST,
    MOST,
    PACKETS,
    Key,
    distinct,
    few,
    finding,
    outcome_words,
    shared,
)
from otsec.policy.reasons import conduit_can, expected, reason, smallest_of
from otsec.policy.simulation import by_weight, is_cut
from otsec.policy.verdicts import Flow
from otsec.store import Store, doings
from otsec.store.findings import Finding, Packet

Found = tuple[Finding, tuple[Packet, ...]]
OWN = "policy"  # category of these findings
SEVERAL = 5  # servers of one client that are told as one finding
MOST_SERVERS = KEPT  # of them; a conduit for more is none that a person should write
MOVING = frozenset({"write", "control", "program", "mode", "firmware", "config"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of violation."""

    id: str
    name: str
    level: Level
    moving: Level  # where it changes something
    title: str
    techniques: tuple[str, ...]
    why: str
    falsepositives: tuple[str, ...] = ("The policy is older than the plant.",)


NEVER = Kind(
    "5b9a1b6c-7d0e-4c57-9c0f-3a4de1c26a11", "policy-never", "high", "critical",
    "Done what the policy never allows", ("T0855",),
    "The site decided that this must not be, whatever else is allowed.",
)  # fmt: skip
SAFETY = Kind(
    "0a3f7f0e-0d53-4c0c-8a55-6f6f7f1f4b02", "policy-safety-zone", "high", "critical",
    "Across the boundary of a safety zone", ("T0880",),
    "Safety systems are the last that protects people; who reaches them can take that away unseen.",
)  # fmt: skip
IT_OT = Kind(
    "c1a7e1f4-54bb-4b0d-a9b7-2b1d7de0c803", "policy-it-ot", "high", "critical",
    "Between IT and OT without the DMZ", ("T0886",),
    "What passes the DMZ by takes whatever befalls the office straight into the plant.",
)  # fmt: skip
INTERNET = Kind(
    "e2b1c7d0-1f6b-4f8a-8f3e-9d2b6c1a7f04", "policy-internet", "high", "critical",
    "To or from the internet, not in the policy", ("T0883",),
    "Malware fetches its orders so, and people who are not yours come in so.",
)  # fmt: skip
LEVEL_SKIP = Kind(
    "f7c0a9e2-6e9d-4f35-b0d1-51c3a2e87d05", "policy-level-skip", "medium", "high",
    "Past a level in between", (),
    "Each level is there to check what comes from the one above; who goes past is not checked.",
)  # fmt: skip
CROSS_ZONE = Kind(
    "9d1e6a57-3c1a-4e7b-9b6e-0f4d8c2b5a06", "policy-cross-zone", "medium", "high",
    "Between zones without a conduit", (),
    "Zones keep trouble where it is; a way that nobody drew lets it out.",
)  # fmt: skip
EXPIRED = Kind(
    "7e4c2d1b-8a6f-4b93-a1de-6c5b9f0e3d07", "policy-expired", "medium", "high",
    "An exception that has expired is still used", (),
    "What was allowed for a time stays open for good, if nobody ends it.",
)  # fmt: skip
TIME = Kind(
    "3f8b5e9a-2d7c-4a61-8e0b-1a9c7d6f4e08", "policy-time", "medium", "high",
    "At a time at which it is not allowed", (),
    "What is done when nobody expects it is seen by nobody.",
)  # fmt: skip
WITHIN = Kind(
    "b6d2f4c8-0e1a-4d79-9c3b-5e8f7a2d1c09", "policy-within-zone", "low", "medium",
    "Within a zone, and not allowed there", (),
    "The policy lets those of a zone do only what is written or approved.",
)  # fmt: skip
UNPLACED = Kind(
    "d8e1b3a7-4f6c-4e28-8b9d-7c0a5f3e2d10", "policy-no-zone", "low", "medium",
    "With somebody who is in no zone", (),
    "Who has no place in the policy is either forgotten in it, or does not belong there.",
)  # fmt: skip
KINDS: Mapping[str, Kind] = {  # by why a verdict is as it is
    "never": NEVER, "safety": SAFETY, "it_ot": IT_OT, "internet": INTERNET, "level_skip": LEVEL_SKIP,
    "cross_zone": CROSS_ZONE, "expired": EXPIRED, "not_begun": TIME, "window": TIME, "session": TIME,
    "intra_zone": WITHIN, "baseline": WITHIN, "unplaced": UNPLACED,
}  # fmt: skip
Groups = Mapping[Key, Sequence[Flow]]


def violations(store: Store, flows: Iterable[Flow]) -> list[Found]:
    """The findings that verdicts make, each with its packets."""
    by_key: dict[Key, list[Flow]] = defaultdict(list)
    for flow in flows:
        if is_cut(flow.verdict):
            by_key[_key(flow)].append(flow)
    groups = _bounded(_several(by_key))
    shown = _shown(store, groups)
    return [_finding(key, groups[key], shown) for key in sorted(groups)]


# -------------------------------------------------------------------------------- grouping


def _key(flow: Flow) -> Key:
    kind = KINDS[flow.option.cause]
    where = (flow.site, flow.group, flow.place, kind.id)
    return Key(*where, flow.client.address, flow.server.address, "", "", flow.rule)


def _several(by_key: Groups) -> dict[Key, list[Flow]]:
    """Many servers of one client against one rule as one finding."""
    servers = Counter(key._replace(server="") for key in by_key)
    made: dict[Key, list[Flow]] = defaultdict(list)
    for key, flows in by_key.items():
        wide = key._replace(server="")
        made[wide if servers[wide] >= SEVERAL else key] += flows
    return made


def _bounded(by_key: Groups) -> Groups:
    """At most as many findings of a kind as of a rule; one more for the rest."""
    often: Counter[tuple[str, ...]] = Counter()
    made: dict[Key, list[Flow]] = defaultdict(list)
    for key in sorted(by_key, key=lambda one: (_begin(by_key[one]), one)):
        kind = (key.site, key.group, key.rule)
        often[kind] += 1
        further = Key(key.site, key.group, "", key.rule, "", "", "", "", FURTHER)
        made[key if often[kind] <= MOST else further] += by_key[key]
    return made


def _begin(flows: Iterable[Flow]) -> int:
    return min(flow.first_time for flow in flows)


# -------------------------------------------------------------------------------- evidence

Row = tuple[int, str, int]  # source, table, number
Rows = Mapping[Row, doings.Shown]


def _rows(flow: Flow) -> tuple[Row, Row]:
    """The rows that show a flow first and last."""
    seen = flow.shown
    if not flow.operation:
        return ((seen.source, "conversation", seen.talk),) * 2
    return (seen.source, "behaviour", seen.first), (seen.source, "behaviour", seen.last)


def _telling(flows: Sequence[Flow]) -> list[Flow]:
    """The few flows of a finding whose packets are kept with it: the first and the last ones."""
    source = _source(flows)
    mine = sorted(
        (flow for flow in flows if flow.shown.source == source),
        key=lambda flow: (flow.first_time, flow.shown),
    )
    if len(mine) <= PACKETS // 2:
        return mine
    last = max(mine, key=lambda flow: (flow.last_time, flow.shown))
    return [*mine[: PACKETS // 2], *([] if last in mine[: PACKETS // 2] else [last])]


def _source(flows: Sequence[Flow]) -> int:
    """The source that saw most of it."""
    seen: Counter[int] = Counter()
    for flow in flows:
        seen[flow.shown.source] += flow.count
    return min(seen, key=lambda one: (-seen[one], one))


def _shown(store: Store, groups: Groups) -> Rows:
    """Where the flows were seen whose packets are kept."""
    wanted: dict[tuple[int, str], set[int]] = defaultdict(set)
    for flows in groups.values():
        for flow in _telling(flows):
            for source, table, number in _rows(flow):
                wanted[source, table].add(number)
    return {
        (source, table, number): row
        for (source, table), numbers in wanted.items()
        for number, row in doings.shown(store, source, table, sorted(numbers)).items()  # type: ignore[arg-type]
    }


# ------------------------------------------------------------------------------ the finding


def _finding(key: Key, flows: Sequence[Flow], shown: Rows) -> Found:
    worst = by_weight(flows)
    first = worst[0]
    kind = KINDS[first.option.cause]
    told = _telling(flows)
    seen = [shown[row] for flow in told for row in _rows(flow) if row in shown]
    begin, end = min(seen, key=_began), max(seen, key=lambda one: (one.last_time, one.last_packet))
    source = _source(flows)
    made = finding(key, kind, OWN)._replace(
        level=max((_level(flow) for flow in flows), key=LEVELS.index),
        client=shared(flow.client.address for flow in flows),
        server=shared(flow.server.address for flow in flows),
        service=shared(flow.service for flow in flows),
        protocol=shared(flow.word for flow in flows),
        times=sum(flow.count for flow in flows),
        source=source,
        witnesses=tuple(sorted({name for flow in flows for name in flow.witnesses})),
        first_time=begin.first_time,
        first_packet=begin.first_packet,
        last_time=end.last_time,
        last_packet=end.last_packet,
        operations=distinct(flow.operation for flow in worst),
        objects=distinct(one.object for one in seen),
        outcomes=distinct(one.outcome for one in seen),
        seen=_seen(worst),
        expected=expected(first),
        why=kind.why,
        next=_next(flows),
        doubt=_doubt(key, flows),
    )
    return made, tuple(_packets(made, told, shown))


def _level(flow: Flow) -> Level:
    """How bad it is; what nobody answered changed nothing."""
    kind = KINDS[flow.option.cause]
    return kind.moving if flow.cls in MOVING and flow.answered else kind.level


def _began(one: doings.Shown) -> tuple[int, int]:
    return one.first_time, one.first_packet


def _seen(worst: Sequence[Flow]) -> str:
    """What was done by whom, between which zones, and why not; the worst of it first."""
    first = worst[0]
    said = [f"{reason(first)}."]
    if doing := few(distinct(flow.operation for flow in worst)):
        said.append(f"Operations: {doing}.")
    for one, other in (("client", "Clients"), ("server", "Servers")):
        named = distinct(getattr(flow, one).address for flow in worst)
        if len(named) > 1:
            number = len({getattr(flow, one).address for flow in worst})
            said.append(f"{other} ({number}): {few(named, number)}.")
    zones = distinct(f"{_zone(flow.client)} to {_zone(flow.server)}" for flow in worst)
    said.append(f"Zones: {few(zones)}.")
    return " ".join(said)


def _zone(end: object) -> str:
    zone = getattr(end, "zone", None)
    return zone.name if zone is not None else "no zone"


def _next(flows: Sequence[Flow]) -> str:
    owners = distinct(
        flow.server.zone.owner for flow in flows if flow.server.zone and flow.server.zone.owner
    )
    ask = f"Ask {few(owners)} (owner of the zone)" if owners else "Find out"
    said = (
        f"{ask} whether it is meant to be so; `otsec respond` tells what cutting it off would cost."
    )
    if not any(map(conduit_can, flows)):
        return f"{said} A conduit cannot allow it: what is never allowed stands above all conduits."
    number = len({flow.server.address for flow in flows} | {flow.client.address for flow in flows})
    if number > MOST_SERVERS:
        return f"{said} A conduit would have to name {number} addresses, so none is proposed."
    return f"{said} The smallest conduit that would allow it: {smallest_of(flows)}"


def _doubt(key: Key, flows: Sequence[Flow]) -> str:
    said = []
    if key.about == FURTHER:
        said.append(f"This stands for all beyond the first {MOST} findings of the kind")
    if not any(flow.answered for flow in flows):
        said.append("No answer was captured, so it is not known whether it came about")
    if not any(flow.cls for flow in flows):
        said.append("What was done could not be read")
    return ". ".join(said)


def _packets(finding: Finding, told: Sequence[Flow], shown: Rows) -> Iterable[Packet]:
    kept: dict[int, Packet] = {}
    for flow in told:
        first, last = (shown.get(row) for row in _rows(flow))
        if first is None or last is None:
            continue
        for row, packet, time in (
            (first, first.first_packet, first.first_time),
            (last, last.last_packet, last.last_time),
        ):
            what = " ".join(word for word in (row.device, row.operation, row.object) if word)
            outcome = f": {outcome_words(row.outcome)}" if row.operation else ""
            text = f"{(what or flow.word)[:LONGEST]}{outcome}"
            kept.setdefault(packet, Packet(finding.source, finding.id, packet, time, text))
    return [kept[packet] for packet in sorted(kept)][:PACKETS]
