"""Is this mirror any good? What each capture point shows and hides, in plain words, worst first.

`judge` gives a `Report` for each source: its verdicts, and one sentence that sums them up.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otsec.health import content, mirror, recording
from otsec.health.seen import Seen, look, name_of
from otsec.health.verdict import Packet, Severity, Verdict, counted
from otsec.store import Store
from otsec.store.queries import Filter, Source, sources

__all__ = [
    "CHECKS",
    "Check",
    "Packet",
    "Report",
    "Severity",
    "Verdict",
    "conclude",
    "judge",
    "overall",
]


class Check(NamedTuple):
    """One thing that is looked at."""

    name: str
    judge: Callable[[Seen], Iterable[Verdict]]
    hides: str = ""  # what cannot be told where it is bad: "not usable for ..."


CHECKS = (
    Check("traffic", mirror.traffic, "anything"),
    Check("receivers", mirror.receivers, "what devices say to each other"),
    Check("directions", mirror.directions, "answers, outcomes and response times"),
    Check("loss", mirror.loss, "exact counts and values"),
    Check("tags", mirror.tags, "pairing questions with answers"),
    Check("industrial", content.industrial, "what controllers do"),
    Check("link type", recording.link_type, "the packets of that link type"),
    Check("snap length", recording.snap_length, "the content of long messages"),
    Check("headers", recording.headers, "the packets that could not be read"),
    Check("drops", recording.drops, "exact counts and values"),
    Check("outages", recording.outages),
    Check("restarts", recording.restarts),
    Check("decoding", content.decoding),
    Check("caps", content.caps),
    Check("addresses", mirror.addresses),
    Check("lookups", mirror.lookups),
    Check("fragments", recording.fragments),
    Check("clock", recording.clock),
    Check("repeats", mirror.repeats),
    Check("files", recording.files),
)
ENGINE = Check("engine", content.speed)
_RANK = {check.name: rank for rank, check in enumerate((*CHECKS, ENGINE))}
_HIDES = {check.name: check.hides for check in CHECKS}


@dataclass(frozen=True, slots=True)
class Report:
    """What is to say of one source."""

    source: Source
    name: str  # of the source, for people
    verdicts: tuple[Verdict, ...]  # the worst first

    @property
    def severity(self) -> Severity:
        """That of its worst verdict, of those that could be judged."""
        judged = [one.severity for one in self.verdicts if one.severity != Severity.UNKNOWN]
        return min(judged, default=Severity.UNKNOWN)

    @property
    def sentence(self) -> str:
        """Good, usable with limits, or not usable for what."""
        return conclude(self.verdicts)


def judge(
    store: Store,
    filters: Sequence[Filter] = (),
    found: Sequence[Source] | None = None,
    *,
    engine: bool = False,
) -> list[Report]:
    """A report for each source, the worst first.

    ``filters``: of `queries.sources`; ``found``: these sources, where they are known already;
    ``engine``: also tell how otsec went about it.
    """
    found = sources(store, filters) if found is None else found
    points = {(one.site, one.point) for one in found if one.packets}
    reports = [
        report(look(store, one), engine=engine)
        for one in found
        if one.packets or (one.site, one.point) not in points  # the file's interface 0 may be idle
    ]
    return sorted(reports, key=lambda one: (one.severity, _first(one), one.source.site, one.name))


def _first(one: Report) -> tuple[int, float]:
    if not one.verdicts:
        return len(_RANK), 0.0
    return _RANK[one.verdicts[0].check], -one.verdicts[0].share


def report(seen: Seen, *, engine: bool = False) -> Report:
    """What all checks say of a source."""
    checks = (*CHECKS, ENGINE) if engine else CHECKS
    verdicts = [verdict for check in checks for verdict in check.judge(seen)]
    verdicts.sort(key=lambda one: (one.severity, _RANK[one.check], -one.share))
    return Report(seen.source, name_of(seen.source), tuple(verdicts))


def conclude(verdicts: Iterable[Verdict]) -> str:
    """One sentence over the verdicts of a source."""
    told = list(verdicts)
    bad = [one.check for one in told if one.severity == Severity.BAD]
    if "traffic" in bad:
        return "without traffic: nothing can be told"
    limits = list(dict.fromkeys(one.check for one in told if one.severity == Severity.WARN))
    if bad:
        hidden = "; ".join(dict.fromkeys(_HIDES[name] for name in bad))
        return f"not usable for {hidden}"
    if limits:
        return f"usable with limits: see {', '.join(limits)}"
    if not any(one.severity == Severity.GOOD for one in told):
        return "not judged: too little to judge by"
    return "good"


def overall(reports: Sequence[Report]) -> str:
    """One sentence over all sources."""
    if not reports:
        return "Nothing was captured yet."
    if len(reports) == 1:
        return f"{reports[0].name} is {reports[0].sentence}."
    words = {
        Severity.BAD: "not usable for some purpose",
        Severity.WARN: "usable with limits",
        Severity.GOOD: "good",
        Severity.UNKNOWN: "not judged",
    }
    counts = {severity: sum(one.severity == severity for one in reports) for severity in words}
    told = ", ".join(f"{counts[one]} {words[one]}" for one in words if counts[one])
    return f"{counted(len(reports), 'source')}: {told}."
