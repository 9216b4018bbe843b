"""What is not learned although it was seen, and why."""

from collections.abc import Iterable, Mapping, Sequence

from otsec.baseline.model import ORDERED, TIMED, Key, Thing
from otsec.baseline.spans import Spans
from otsec.changes.records import Record
from otsec.detect.cases import Case, cases
from otsec.detect.model import LEVELS, Level
from otsec.detect.telling import KEPT, MANY
from otsec.inventory.model import Node
from otsec.nanoseconds import SECOND_NS
from otsec.store import Store
from otsec.store.findings import Finding

LEAST = LEVELS.index("high")
WITH_IT_NS = 60 * SECOND_NS  # what begins so shortly before a finding came with it
GUARDED = "program, mode and firmware become normal by a named person alone"
ANYBODY = frozenset({"", MANY})
OPEN = "finding {} is open: {}"
OWN = "baseline"  # category of the findings that the baseline itself makes
OUTAGE = "outage"  # category of the findings that silences make
NO_RULES = frozenset({OWN, OUTAGE})


def open_findings(store: Store) -> list[Finding]:
    """The findings of rules, of level high and above, that nobody has decided."""
    # What is learned must not depend on the clock of the machine: no acceptance ends for it.
    return [one.finding for one in cases(store, now="") if _counts(one)]


def _counts(case: Case) -> bool:
    by_rule = case.finding.category not in NO_RULES
    return case.open and by_rule and LEVELS.index(case.finding.level) >= LEAST


class Told:
    """Findings, found by who they are about."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._of: dict[tuple[str, ...], list[Finding]] = {}
        for one in findings:
            parties = ("" if said in ANYBODY else said for said in (one.client, one.server))
            self._of.setdefault((one.site, one.group, *parties), []).append(one)

    def by(self, thing: Thing, least: Level = "informational") -> Finding | None:
        """The first finding of at least a level that tells of a thing."""
        where = thing.scope.site, thing.scope.group
        for parties in ((thing.client, thing.server), (thing.client, ""), ("", thing.server)):
            for one in self._of.get((*where, *parties), ()):
                if LEVELS.index(one.level) >= LEVELS.index(least) and tells(one, thing):
                    return one
        return None


def barred(
    things: Iterable[Thing],
    spans: Spans,
    findings: Iterable[Finding],
    announced: Sequence[Record] = (),
) -> Mapping[Key, str]:
    """Why each of the things that must not be learned is not."""
    told = Told(findings)
    found: dict[Key, str] = {}
    for thing in things:
        network = thing.scope.network
        if thing.key.guarded:
            found[thing.key] = GUARDED
        elif spans.of_group(network).in_gap(thing.first_time, thing.last_time):
            found[thing.key] = "it was only seen while the capture lost packets"
        elif one := told.by(thing):
            found[thing.key] = OPEN.format(one.id, one.title)
        elif record := _during(thing, announced):
            found[thing.key] = f"it was only seen during {record.id} ({record.sort})"
    return found


def _during(thing: Thing, announced: Sequence[Record]) -> Record | None:
    """The change or maintenance in which alone a thing was seen."""
    here = thing.scope[:3]
    ends = {end for end in (thing.client, thing.server, thing.key.client, thing.key.server) if end}
    for one in announced:
        if one.lasts(thing.first_time, thing.last_time) and any(
            one.about(Node(*here, end)) for end in ends
        ):
            return one
    return None


def tells(finding: Finding, thing: Thing) -> bool:
    """Whether a finding tells of a thing: by who, to whom, what, and when it came up.

    Who tried many hosts is told by one finding, what he then did to one of them is not.
    """
    key = thing.key
    if key.kind == "identity":
        return _says(finding, thing)
    if key.kind in {"device", "presence", "volume"} or key.kind in TIMED | ORDERED:
        return False
    named = [(finding.client, thing.client), (finding.server, thing.server)]
    if any(said not in ANYBODY and said != seen for said, seen in named):
        return False
    if all(said in ANYBODY for said, _ in named):
        return False
    if finding.service not in {*ANYBODY, key.service} and key.service:
        return False
    if key.kind in {"operation", "object"}:
        return key.operation in finding.operations and _same_object(finding, key)
    begin, end = sorted((finding.first_time, finding.last_time))  # the clock may have stepped
    if not begin - WITH_IT_NS <= thing.first_time <= end + WITH_IT_NS:
        return False
    return key.kind == "conversation" or bool(finding.operations)


def _same_object(finding: Finding, key: Key) -> bool:
    listed = finding.objects
    return key.kind != "object" or not listed or len(listed) >= KEPT or key.object in listed


def _says(finding: Finding, thing: Thing) -> bool:
    """Whether a finding is about what a device said of itself."""
    told = finding.category == "identity" and finding.server == thing.server
    told &= finding.protocol == thing.key.protocol  # ARP says nothing of serial numbers
    return told and finding.first_time <= thing.first_time
