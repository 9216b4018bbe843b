"""Which findings were announced, and what was announced and not seen.

A finding is expected only if a record allows all that it tells of, at that device, by that host,
and every time at which it may have happened lies in a record: one minute late is not announced.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from otsec.changes.records import Record, records
from otsec.detect import telling
from otsec.detect.cases import UNLINKED
from otsec.inventory.model import Node
from otsec.store import Store
from otsec.store import changes as kept
from otsec.store.baseline import Watched, watched
from otsec.store.findings import Finding, findings

# Each change of these is either announced or it is not.
LASTING = frozenset({"program", "mode", "firmware", "identity", "module"})
MANY = frozenset({"", "several"})

Needs: TypeAlias = tuple[frozenset[str], ...]  # of each one must be allowed
Classes: TypeAlias = Mapping[tuple[str, str], frozenset[str]]
Moment: TypeAlias = tuple[int, int]  # ns, from and to

NEW_DEVICE, NEW_CONVERSATION = "new-device", "new-conversation"
CHANGING = frozenset({"write", "control", "program", "mode", "firmware", "config", "file", "time"})
ODD_HOUR = "unusual-hour"  # its objects are the devices that were changed
OF_CHANGES = frozenset({NEW_CONVERSATION, ODD_HOUR, "write-burst"})  # told by what was changed
OF_LOADS = frozenset({"load-unusual", "load-hour"})
CARRIES = frozenset({"program", "firmware", "file", "conversation"})  # each of these sends much
OF_BASELINE: Mapping[str, str] = {  # what the deviations want that are no operations
    NEW_DEVICE: "module",
    NEW_CONVERSATION: "conversation",
    "new-external-peer": "internet",
    "silent-device": "silence",
}
# What an outage wants. Who changes firmware, a module or the mode takes the device out of service.
_OUT_OF_SERVICE = frozenset({"silence", "mode", "firmware", "module"})
OF_OUTAGES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("tap-outage", "sensor-overload", "vlan-lost"), frozenset({"silence"})),
    **dict.fromkeys(("switch-lost", "power-lost", "device-restarts"), _OUT_OF_SERVICE),
    "device-silent": _OUT_OF_SERVICE,
    "peer-silent": frozenset({"silence"}),
    "clock-step": frozenset({"time"}),
}
IDENTITY = "identity-changed"
SAYS: Mapping[str, str] = {  # attributes that also another change than of the device explains
    **dict.fromkeys(("revision", "build", "application_version"), "firmware"),
    **dict.fromkeys(("program_hash", "user_application", "configuration_revision"), "program"),
    "module_type": "module",
}
# rules that tell what a device says of itself, not which attribute of it
OF_VERSIONS: Mapping[str, frozenset[str]] = {
    "version-changed": frozenset({"identity", "firmware", "module"})
}
CONTENTS: Mapping[str, str] = {"firmware-transferred": "firmware", "program-differs": "program"}


def link(store: Store, found: Sequence[Finding] | None = None) -> None:
    """Work out anew which findings are announced, and keep it."""
    kept.link(store, linked(store, findings(store) if found is None else found))


def linked(store: Store, told: Sequence[Finding]) -> dict[str, str]:
    """By finding, the record that announces it, or `unlinked` where none does and one should."""
    known = records(store)
    classes = kept.classes(store) if any(one.operations for one in told) else {}
    look = _Look(store, _ends(watched(store))) if known else None
    links = {}
    for one in told:
        wanted = needs(one, classes)
        if look is not None and one.name in OF_CHANGES:
            wanted = look.of_changes(one, wanted)
        name = look.announced(one, wanted, known) if wanted and look is not None else ""
        if name or any(some <= LASTING for some in wanted):
            links[one.id] = name or UNLINKED
    return links


def needs(finding: Finding, classes: Classes) -> Needs:
    """What must be allowed for a finding to be expected; empty: nothing can announce it."""
    if finding.name in OF_BASELINE:
        return (frozenset({OF_BASELINE[finding.name]}),)
    if finding.name in OF_OUTAGES:
        return (OF_OUTAGES[finding.name],)
    if finding.name in OF_LOADS:
        return (CARRIES,)
    if finding.name == IDENTITY:
        return tuple(_said(finding, attribute) for attribute in finding.operations)
    if finding.name in OF_VERSIONS:
        return (OF_VERSIONS[finding.name],)
    if finding.name in CONTENTS:
        return (frozenset({CONTENTS[finding.name]}),)
    if not finding.operations:
        return ()
    protocol = "" if finding.protocol in MANY else finding.protocol
    wanted = []
    for operation in finding.operations:
        some = classes.get((protocol, operation)) or classes.get(("", operation))
        if not some:
            return ()
        wanted += [frozenset({cls}) for cls in sorted(some)]
    return tuple(dict.fromkeys(wanted))


def _said(finding: Finding, attribute: str) -> frozenset[str]:
    """A device that says other firmware may be a new device, or have new firmware."""
    told = {"identity", SAYS.get(attribute, "identity")}
    return frozenset(told | ({"module"} if finding.device else set()))


@dataclass(frozen=True)
class _Look:
    """What the store tells beside the finding itself."""

    store: Store
    ends: Mapping[tuple[str, str], int]  # when each point group was last listened to

    def of_changes(self, finding: Finding, wanted: Needs) -> Needs:
        """Each class by which something was changed; of a new conversation that is enough."""
        servers = finding.objects if finding.name == ODD_HOUR else (finding.server,)
        done = kept.classes_of(self.store, finding, servers) & CHANGING
        whole = wanted[0] if wanted else frozenset[str]()
        return tuple(frozenset({cls, *whole}) for cls in sorted(done)) or wanted

    def announced(self, finding: Finding, wanted: Needs, known: Sequence[Record]) -> str:
        """The record that announces a finding, the last one where there are several; empty: none."""
        able = [one for one in known if self._covers(one, finding, wanted)]
        if not able:
            return ""
        found = _all_in(able, [_moment(finding, self.ends)])
        once = finding.name in {IDENTITY, *OF_BASELINE, *OF_OUTAGES}
        if not found and len(able) > 1 and not once:
            found = _all_in(able, _one_by_one(self.store, finding))
        return found

    def _covers(self, record: Record, finding: Finding, wanted: Needs) -> bool:
        if finding.site != record.site or not all(some & {*record.allowed} for some in wanted):
            return False
        loads = finding.name in OF_LOADS  # either end may send what the other asked for
        actors = {finding.client, *((finding.server,) if loads else ())}
        if record.hosts and actors.isdisjoint({"", *record.hosts}):
            return False
        if record.everywhere:
            return True
        here = (finding.site, finding.group, finding.place)
        if finding.name in OF_OUTAGES or finding.name == ODD_HOUR:
            who = "" if finding.name == ODD_HOUR else finding.client
            mine = [one for one in (who, *finding.objects) if one]
            whole = bool(mine) and len(mine) < telling.KEPT  # else not all are named
            return whole and all(record.about(Node(*here, one)) for one in mine)
        ends = [finding.server]
        if loads or finding.name in {NEW_CONVERSATION, "new-external-peer"}:
            ends.append(finding.client)
        if any(end not in MANY and record.about(Node(*here, end)) for end in ends):
            return True
        held = self.held.get((*here, finding.server), ()) if finding.name == NEW_DEVICE else ()
        return bool(held) and all(record.about(Node(*here, one)) for one in held)

    @cached_property
    def held(self) -> Mapping[tuple[str, str, str, str], Collection[str]]:
        """The addresses that each MAC address carried: who is replaced has another of those."""
        return kept.held(self.store)


def _moment(finding: Finding, ends: Mapping[tuple[str, str], int]) -> Moment:
    """When it happened: what a device says or that it is new, at first; silence, since the last."""
    goes_on = finding.name in OF_OUTAGES and finding.first_time == finding.last_time
    if finding.name == "silent-device" or (goes_on and finding.name != "clock-step"):
        end = ends.get((finding.site, finding.group), finding.last_time)
        return finding.last_time, max(end, finding.last_time)
    once = finding.name == "new-device" or (finding.name == IDENTITY and _single(finding))
    return finding.first_time, finding.first_time if once else finding.last_time


def _single(finding: Finding) -> bool:
    """Whether each attribute has one new value, so that there was one change."""
    return len(finding.objects) <= len(finding.operations)


def _one_by_one(store: Store, finding: Finding) -> list[Moment]:
    """All times of a finding, where each of them is known; else none."""
    spans = kept.spans(store, finding)
    counted = sum(one.times for one in spans if one.source == finding.source)
    return [(one.begin, one.end) for one in spans] if counted >= finding.times else []


def _all_in(able: Sequence[Record], moments: Sequence[Moment]) -> str:
    last = ""
    for begin, end in moments:
        met = [one for one in able if one.lasts(begin, end)]
        if not met:
            return ""
        last = met[-1].id
    return last


def _ends(sources: Iterable[Watched]) -> dict[tuple[str, str], int]:
    """When each point group was last listened to."""
    found: dict[tuple[str, str], int] = {}
    for one in sources:
        key = (one.site, one.group)
        found[key] = max(found.get(key, 0), one.last_time)
    return found


# ------------------------------------------------------------------------ what came of them

Stage: TypeAlias = Literal["planned", "open", "over", "closed"]
Seen: TypeAlias = Literal["seen", "not seen", "not captured", "not yet"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A record, and what was seen of it."""

    record: Record
    stage: Stage  # by the capture's clock
    seen: Seen
    findings: int  # that it explains
    done: tuple[str, ...]  # operations that were seen in its time, of what it allows


def standings(store: Store, chosen: Sequence[Record] | None = None) -> list[Standing]:
    """What came of each record, the newest first."""
    sources = watched(store)
    often = Counter(kept.links(store).values())
    found = [
        _standing(store, one, sources, often[one.id])
        for one in (records(store) if chosen is None else chosen)
    ]
    return sorted(found, key=lambda one: (-one.record.begin, one.record.id))


def _standing(store: Store, record: Record, sources: Sequence[Watched], often: int) -> Standing:
    mine = [one for one in sources if one.site == record.site]
    now = max((one.last_time for one in mine), default=0)
    if record.closed:
        stage: Stage = "closed"
    elif now > record.end:
        stage = "over"
    else:
        stage = "open" if now >= record.begin else "planned"
    done = tuple(sorted(set(_done(store, record)))) if record.end > record.begin else ()
    heard = any(one.first_time <= record.end and one.last_time >= record.begin for one in mine)
    if often or done:
        seen: Seen = "seen"
    elif stage in {"planned", "open"}:
        seen = "not yet"
    else:
        seen = "not seen" if heard and not _blind(mine, record) else "not captured"
    return Standing(record, stage, seen, often, done)


def _blind(sources: Collection[Watched], record: Record) -> bool:
    """Whether nobody listened during all of it."""
    for one in sources:
        begin, end = max(one.first_time, record.begin), min(one.last_time, record.end)
        lost = any(gap[1] <= begin and end <= gap[2] for gap in one.gaps)
        if begin <= end and not lost:
            return False
    return True


def _done(store: Store, record: Record) -> Iterator[str]:
    for one in kept.deeds(store, record.begin, record.end, record.allowed):
        if record.hosts and one.client not in record.hosts:
            continue
        if record.about(Node(one.site, one.group, one.place, one.server)):
            yield one.operation
