"""What every report has around its own matter, in a fixed order.

Changes, figures and coverage come first; exceptions, method, words and verification last.
"""

from collections.abc import Sequence
from dataclasses import replace

from otsec.detect.cases import deciding, ends, word_on
from otsec.health import Severity
from otsec.health.verdict import counted, duration, number, percent
from otsec.reports import figures
from otsec.reports.document import (
    Block,
    Cell,
    Document,
    Key,
    Keys,
    Paragraph,
    Points,
    Section,
    Table,
    changed,
    columns,
)
from otsec.reports.since import CHANGES
from otsec.reports.subject import Subject
from otsec.store.findings import first_seen

MOST_SHORT, MOST_POINTS = 3, 5  # exceptions and capture points in a report that has two pages
LONGEST_SHORT = 120  # letters of their reasons
CANNOT = (  # reference: what packets on a mirror port never show
    "rules of firewalls, and ways that are open but unused",
    "multi-factor logins, rules for passwords, who holds an account",
    "patches on hosts, physical access, training, contracts, whether a backup can be restored",
    "anything on serial lines, cellular links and USB, or that no mirror port copies",
)
GLOSSARY = (
    ("Asset", "One physical device, with all its addresses."),
    ("Capture point", "A tap or mirror port with one clock."),
    ("Conduit", "A way between zones that the policy allows, for named operations."),
    ("Contradicted", "At least one packet speaks against it."),
    ("Finding", "Something that a rule or the baseline tells of, with the packets that show it."),
    ("Gap", "A span in which a capture point was blind."),
    ("Insufficient", "Too little was seen, or is configured, to tell."),
    ("Not read", "The operation could not be decoded; it counts neither as allowed nor as denied."),
    ("Partial", "Evidence speaks for it; what a listener cannot see stays open."),
    ("Supported", "All that a listener can see speaks for it, with enough coverage."),
    ("Packet", "Named by capture point and by its number within it, counted from 1."),
)


def framed(
    subject: Subject,
    kind: str,
    title: str,
    keys: Sequence[Key],
    body: Sequence[Section],
    *,
    standing: Sequence[str] = (),
    short: bool = False,
) -> Document:
    """A document of its own matter.

    ``standing``: sentences on what stands out; ``short``: for a report that has two pages.
    """
    order = subject.order
    begin, end = subject.span
    return Document(
        kind=kind,
        title=title,
        site=subject.site,
        framework=order.framework if kind == "evidence" else "",
        begin=begin,
        end=end,
        period=order.asked,
        zone=str(order.zone),
        tlp=order.tlp,
        redacted=(),
        versions=tuple(sorted(order.versions.items())),
        sections=(
            Section(CHANGES, "Since the last report", tuple(_fresh(subject))),
            Section(
                "figures",
                "Key figures",
                (Keys(tuple(keys)), *_standing(standing)),
            ),
            Section(
                "coverage",
                "What was seen, and what was not",
                tuple(_coverage(subject, short=short)),
            ),
            *body,
            *_foot(subject, kind, short=short),
        ),
    )


def _standing(standing: Sequence[str]) -> list[Block]:
    return [Points("What stands out", tuple(standing))] if standing else []


def _fresh(subject: Subject) -> list[Block]:
    """What was seen for the first time in the period; the whole of a store has no before."""
    period = subject.order.period
    if period is None or period.begin <= subject.heard[0]:
        return []
    assets = [one for one in subject.assets if one.first_time >= period.begin]
    wrong = first_seen(subject.store, subject.site, period.begin, period.end)
    names = ", ".join(one.name for one in assets[:5])
    more = f" and {len(assets) - 5} more" if len(assets) > 5 else ""
    named = f" ({names}{more})" if assets else ""
    text = (
        f"First seen in this period: {counted(len(assets), 'asset')}{named}, "
        f"{counted(wrong, 'finding')}."
    )
    return [Paragraph(text)]


# -------------------------------------------------------------------------------- coverage


def _coverage(subject: Subject, *, short: bool) -> list[Block]:
    if not subject.sources:
        return [Paragraph("Nothing was captured of this site in this time: nothing can be told.")]
    blocks: list[Block] = [
        Paragraph(_heard(subject)),
        figures.coverage(subject, MOST_POINTS * short),
    ]
    if not short:
        blocks.append(_points(subject))
    unseen = _unseen(subject)
    if unseen:
        blocks.append(Paragraph(unseen, strong=True))
    cannot = "; ".join(CANNOT)
    if short:
        return [*blocks, Paragraph(f"No listener can see: {cannot}. What is not told was not seen, "
                                   "which does not say that it is not there.")]  # fmt: skip
    return [*blocks, Points("What no listener can see", CANNOT)]


def _heard(subject: Subject) -> str:
    begin, end = subject.span
    first, last = (min(one.first_time for one in subject.sources),
                   max(one.last_time for one in subject.sources))  # fmt: skip
    heard = min(last, end) - max(first, begin)
    blind = sum(max(one.end_time - one.begin_time, 0) for one in subject.gaps)
    payload = sum(one.payload for one in subject.protocols)
    unread = sum(one.undecoded for one in subject.protocols)
    lost = sum(one.lost for one in subject.protocols)
    poor = sum(one.severity == Severity.BAD for one in subject.mirrors)
    told = (
        f"{number(sum(one.packets for one in subject.sources))} packets at "
        f"{counted(len(subject.sources), 'capture point')} {_over(heard, end - begin)}; blind for "
        f"{duration(blind)} in {counted(len(subject.gaps), 'gap')}. "
        f"{percent(payload - unread, payload)} of the payload was read, "
        f"{percent(lost, payload + lost)} was never seen."
    )
    if poor:
        told += f" {counted(poor, 'capture point')} did not show all that it should."
    return told


def _over(heard: int, covered: int) -> str:
    if heard >= covered:
        return f"over all {duration(covered)} that this report covers"
    return f"over {duration(heard)} of the {duration(covered)} that this report covers"


def _points(subject: Subject) -> Table:
    rows = []
    for one in subject.mirrors:
        told = [each for each in one.verdicts if each.severity in {Severity.BAD, Severity.WARN}]
        worst = min((each.severity for each in told), default=Severity.GOOD)
        rows.append(
            (one.name, worst.name.lower(), one.sentence,
             "; ".join(dict.fromkeys(each.advice for each in told if each.advice)),
             one.source.packets, one.source.first_time, one.source.last_time)
        )  # fmt: skip
    return Table(
        "points",
        "Capture points",
        columns(("point", "Capture point"), ("state", "", "tag"), ("sentence", "It is"),
                ("advice", "Next"), ("packets", "Packets", "number"), ("begin", "From*", "time"),
                ("end", "To*", "time")),
        tuple(rows),
        key=("point",),
        most=20,
    )  # fmt: skip


def _unseen(subject: Subject) -> str:
    """Zones of the policy of which nobody was heard."""
    policy = subject.order.policy
    if policy is None:
        return ""
    unseen = [zone.name for zone in policy.zones if zone.name not in subject.zones_seen]
    if not unseen:
        return f"All {len(policy.zones)} zones of the policy were seen."
    return (
        f"{len(unseen)} of {len(policy.zones)} zones were not seen: {', '.join(unseen)}. "
        "Nothing is told of them."
    )


# ------------------------------------------------------------------------------------ foot


def _foot(subject: Subject, kind: str, *, short: bool) -> list[Section]:
    accepted = _exceptions(subject)
    if short:
        at = [n for n, column in enumerate(accepted.columns) if column.kind == "text"]
        rows = changed(accepted.rows, dict.fromkeys(at, _short))
        accepted = replace(accepted, rows=rows, most=MOST_SHORT)
    ends = [Section("exceptions", "Exceptions and accepted risks", (accepted,))]
    if short:
        return [*ends, Section("method", "Method and verification", (Paragraph(
            "By listening alone; no packet was sent. Ages and counts come from packets. "
            f"{_check(kind)}"),))]  # fmt: skip
    versions = ", ".join(f"{name} {told}" for name, told in sorted(subject.order.versions.items()))
    return [
        *ends,
        Section("method", "Method", (
            Paragraph("By listening alone: no packet was sent to the network. Every line comes from "
                      "recorded packets, named by capture point and by their number within it, or "
                      "from what people said of their devices and decided of findings. Times are "
                      "those of the capture's clock. Names and texts come from the network and are "
                      "shown as they were sent, made harmless."),
            Paragraph("Of a period it is told what was heard in it. The store keeps the first and "
                      "the last packet of each thing and not its course: what was heard before and "
                      "behind a period counts as heard in it."),
        )),
        Section("words", "Words", (Points("", tuple(f"{word}: {told}" for word, told in GLOSSARY)),)),
        Section("verification", "Verification", (
            Paragraph(f"{_check(kind)} Made with {versions}."),)),
    ]  # fmt: skip


def cut(text: str, most: int) -> str:
    """As much of a text as a page can bear."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}\u2026"


def _short(cell: Cell) -> Cell:
    return cut(cell, LONGEST_SHORT) if isinstance(cell, str) else cell


def _check(kind: str) -> str:
    return (
        "The same store, period and settings give the same bytes. The report's id is the beginning "
        f"of the SHA-256 of {kind}.json from its second line on; the manifest beside it names each "
        "file with its hash."
    )


def _exceptions(subject: Subject) -> Table:
    """What people accepted, and exceptions of the policy with their end."""
    rows: list[tuple[str, str, str, str, int | None]] = []
    policy = subject.order.policy
    end = subject.span[1]
    for one in policy.exceptions if policy else ():
        over = "expired" if one.ends is not None and one.ends <= end else "in force"
        told = one.told.get("reason", "")
        who = one.told.get("approved_by", "") or one.told.get("owner", "")
        rows.append((f"policy exception {one.id}", over, told, who, one.ends))
    for case in subject.spared:
        what = f"finding {case.finding.short}: {case.finding.title}"
        act, (who, why) = deciding(case), word_on(case)
        rows.append((what, case.state, why, who, (ends(act) or None) if act else None))
    return Table(
        "exceptions",
        "",
        columns(("what", "What"), ("state", "State", "tag"), ("reason", "Why"), ("who", "By"),
                ("ends", "Ends", "time")),
        tuple(rows),
        empty="No risk was accepted, and the policy has no exception."
        if policy
        else "No risk was accepted; no policy was given.",
        key=("what",),
    )  # fmt: skip
