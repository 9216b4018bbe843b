"""What a person names, as references to packets.

An *id* is ``KIND:WHAT``; kinds are a table, so that whatever the store holds next needs one line
here. What has no kind is ``SOURCE:PACKET``, or a finding.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otsec.errors import UsageError
from otsec.store import Store, findings, references
from otsec.store.references import Shown, Tap

MOST_PACKETS = 10_000  # that one id may name: evidence is for a few, editcap for the many


@dataclass(frozen=True, slots=True)
class Reference:
    """One packet that something points to."""

    source: int
    packet: int  # ordinal within the source, from 0
    time: int | None  # ns, by which the packet is known to be the one meant; None: not known
    why: str  # what it shows
    id: str  # as the person named it


Kind = Callable[[Store, str, str], Sequence[Shown]]  # store, the id, what stands behind its kind


def resolve(store: Store, ids: Sequence[str]) -> list[Reference]:
    """All packets that the ids name, in the order given; raises UsageError for what is none."""
    found: list[Reference] = []
    for name in joined(ids):
        shown = _shown(store, name)
        found += [Reference(one.source, one.packet, one.time, one.what, name) for one in shown]
    return list({(one.source, one.packet, one.why): one for one in found}.values())


def joined(words: Sequence[str]) -> list[str]:
    """Ids of words: ``behaviour 12`` is ``behaviour:12``."""
    ids: list[str] = []
    for word in words:
        if ids and ids[-1] in KINDS:
            ids[-1] = f"{ids[-1]}:{word}"
        else:
            ids.append(SINGULAR.get(word, word))
    return ids


def _shown(store: Store, name: str) -> Sequence[Shown]:
    kind, colon, what = name.partition(":")
    kind = SINGULAR.get(kind, kind)
    if kind in KINDS:
        if not what:
            raise UsageError(f"{name}: expected what follows, {EXAMPLES[kind]}")
        shown = KINDS[kind](store, name, what)
        if not shown:
            raise UsageError(f"{name}: {store.path} has no such {kind}")
        return shown
    if colon or name.isdecimal():
        return _packets(store, name)
    return _finding(store, name)


# -------------------------------------------------------------------------------- packets


def _packets(store: Store, name: str) -> list[Shown]:
    """``SOURCE:PACKET``, ``SOURCE:FIRST-LAST``; a number alone where there is but one source."""
    where, _, numbers = name.rpartition(":")
    span = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", numbers)
    if span is None:
        raise UsageError(f"{name}: {numbers!a} is no packet; expected a number, or FIRST-LAST")
    first, last = int(span[1]), int(span[2] or span[1])
    if not first <= last < first + MOST_PACKETS:
        raise UsageError(f"{name}: expected FIRST-LAST of at most {MOST_PACKETS:,} packets")
    tap = source(store, where, name)
    packets = references.packets_of(store, tap.id)
    if last >= packets:
        raise UsageError(
            f"{name}: {tap.name} has packets 0 to {packets - 1}; {last} is none of them"
        )
    return [Shown(tap.id, one, None, "named") for one in range(first, last + 1)]


def source(store: Store, where: str, name: str) -> Tap:
    """The source of that point (``POINT``, ``POINT/INTERFACE``, ``SITE/POINT``) or id."""
    taps = references.taps(store)
    if not where:
        if len(taps) == 1:
            return taps[0]
        raise UsageError(f"{name}: which source? There are: {_list(taps)}")
    found = [tap for tap in taps if where in {tap.name, f"{tap.site}/{tap.name}"}]
    found = found or [tap for tap in taps if where == str(tap.id)]
    if not found:
        raise UsageError(f"{name}: no source {where!a}; there are: {_list(taps)}")
    if len(found) > 1:
        raise UsageError(f"{name}: several sites have {where!a}; write SITE/{where}")
    return found[0]


def _list(taps: Sequence[Tap]) -> str:
    names = [f"{tap.name} ({tap.id})" for tap in taps[:12]]
    return ", ".join([*names, "..."] if len(taps) > 12 else names) or "none"


# ---------------------------------------------------------------------------------- kinds


def _numbered(find: Callable[[Store, int, int | None], list[Shown]]) -> Kind:
    """Rows that have a number, ``[SOURCE:]NUMBER``."""

    def kind(store: Store, name: str, what: str) -> list[Shown]:
        where, _, number = what.rpartition(":")
        if not re.fullmatch(r"-?[0-9]{1,18}", number):  # below zero: still open at the end
            raise UsageError(f"{name}: {number!a} is no number")
        tap = source(store, where, name) if where else None
        shown = find(store, int(number), None if tap is None else tap.id)
        if tap is None and len({one.source for one in shown}) > 1:
            kept = {one.source for one in shown}
            taps = [one for one in references.taps(store) if one.id in kept]
            raise UsageError(f"{name}: of which source? It is in: {_list(taps)}")
        return shown

    return kind


def _fact(store: Store, name: str, what: str) -> list[Shown]:
    """``ADDRESS/ATTRIBUTE`` or ``ADDRESS/ATTRIBUTE=VALUE``."""
    address, slash, rest = what.partition("/")
    attribute, equals, value = rest.partition("=")
    if not slash or not attribute:
        raise UsageError(f"{name}: expected {EXAMPLES['fact']}")
    return references.fact(store, address, attribute, value if equals else None)


def _finding(store: Store, name: str) -> Sequence[Shown]:
    ids = findings.beginning(store, name.casefold()) if name else []
    story = name[:1].casefold() == "i"
    if len(ids) > 1 and not story:
        raise UsageError(f"{name}: begins the ids of {len(ids)} findings: {', '.join(ids[:5])}")
    if ids:
        return [one for each in ids for one in references.finding(store, each)]
    raise UsageError(
        f"{name}: names nothing in {store.path}; write SOURCE:PACKET, or one of: "
        + ", ".join(EXAMPLES.values())
    )


KINDS: dict[str, Kind] = {
    "behaviour": _numbered(references.behaviour),
    "conversation": _numbered(references.conversation),
    "event": _numbered(references.event),
    "fact": _fact,
    "finding": lambda store, _, what: references.finding(store, what),
}
SINGULAR = {f"{kind}s": kind for kind in KINDS}
EXAMPLES = {
    "behaviour": "behaviour:12",
    "conversation": "conversation:3",
    "event": "event:1234 (its packet)",
    "fact": "fact:10.0.0.1/hostname",
    "finding": "finding:ID",
}
