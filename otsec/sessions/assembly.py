"""Sessions: cut out of conversations, named by assets, and joined to chains.

The store folds the connections between two addresses by one service into a conversation. Where it
folded one, that is the session. Where it folded several, the first operation of each connection,
kept as an event, tells where sessions begin; where each ended is then only known to be not before
the last packet of which the store has the time, and bytes are not told apart.
"""

import hashlib
import ipaddress
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.directory import Directory
from otsec.sessions import authentication, kinds
from otsec.sessions.chains import joined
from otsec.sessions.kinds import BY_PORT, CHANGING, kind_of
from otsec.sessions.model import Deed, Party, Session
from otsec.store import Store
from otsec.store import sessions as rows
from otsec.store.queries import is_device
from otsec.store.sessions import Counted, Moment, Sight, Talk, Told

ID_DIGITS = 10  # 40 bits, as of assets
ACTIVE_NS = 60 * 10**9  # silence at the end of the capture after which a session counts as over
MOST_DEEDS = 500  # of a session that are told one by one, the gravest: a scan has thousands
GRAVE = ("program", "firmware", "mode", "file", "config", "control", "write", "time")
GOOD = ("", "ok", "open", "asked")
NAMES = tuple(sorted(kinds.INTERACTIVE | kinds.TUNNEL | kinds.FILES | kinds.LOGIN))


class Slice(NamedTuple):
    """A part of a conversation that is taken for one session."""

    first: tuple[int, int]  # time and packet
    last: tuple[int, int]
    moments: tuple[Moment, ...]
    connections: int
    extent: str


def sessions(store: Store, found: Inventory | None = None) -> list[Session]:
    """All sessions in order of their beginning; ``found``: the inventory, if it is made already."""
    known = Directory(found or inventory(store))
    talks = [
        talk
        for talk in rows.talks(store, NAMES, tuple(BY_PORT), (*CHANGING, "session"))
        if is_device(talk.server) and is_device(talk.client)
    ]
    moments, counted = rows.moments(store, talks), rows.counted(store, talks)
    sights = rows.sights(store, [talk for talk in talks if talk.connections > 1])
    told, ends = rows.told(store, talks, authentication.TOLD), rows.ends(store)
    given: list[Session] = []
    for talk in talks:
        key = talk.key
        parts = told.get(key, []), moments.get(key, []), counted.get(key, []), sights.get(key, [])
        given += _sessions(known, talk, *parts, ends[talk.source])
    given.sort(key=lambda one: (one.first_time, one.site, one.point, one.first_packet, one.id))
    return joined(given)


def _sessions(
    known: Directory,
    talk: Talk,
    told: Sequence[Told],
    moments: Sequence[Moment],
    counted: Sequence[Counted],
    sights: Sequence[Sight],
    end: int,
) -> Iterator[Session]:
    """The sessions of a conversation; none if it holds nothing but requests for values."""
    protocol = talk.protocol or BY_PORT.get(talk.service, "")
    if not protocol or (not talk.protocol and not (talk.payload_in and talk.payload_out)):
        return  # nobody answered
    logs_in = any(one.attribute in (*authentication.ACCOUNTS, "credentials") for one in told)
    engineer = any(one.attribute == "role_hint" and one.value == kinds.ENGINEER for one in told)
    where = (talk.site, talk.group, talk.place)
    for part in slices(talk, protocol, moments, sights):
        deeds = _deeds(part, counted)
        done = [(deed.cls, deed.operation, deed.object) for deed in deeds]
        kind = kind_of(protocol, done, logs_in=logs_in, engineer=engineer)
        if kind is None:
            continue
        mine = [one for one in told if _in(part, one)]
        state, reason = authentication.state(protocol, mine, part.moments)
        alone = part.extent == "connection"
        yield Session(
            id=_id(talk, part),
            site=talk.site,
            group=talk.group,
            point=talk.point,
            witnesses=talk.witnesses,
            place=talk.place,
            service=talk.service,
            kind=kind,
            protocol=protocol,
            client=_party(known, where, talk.client),
            server=_party(known, where, talk.server),
            account=authentication.accounts(mine),
            authentication=state,
            authentication_reason=reason,
            first_time=part.first[0],
            last_time=part.last[0],
            first_packet=part.first[1],
            last_packet=part.last[1],
            connections=part.connections,
            extent=part.extent,
            bytes_out=talk.bytes_out if alone else None,
            bytes_in=talk.bytes_in if alone else None,
            active=part.last[0] >= end - ACTIVE_NS and not _closed(part.moments),
            outcome=_refused(part.moments),
            deeds=deeds[:MOST_DEEDS],
            changes=sum(deed.times for deed in deeds),
            by_port=not talk.protocol,
        )


def _in(part: Slice, one: Told) -> bool:
    """Whether something was said while a session went on, as far as its first and last time tell."""
    return one.last_time >= part.first[0] and one.first_time <= part.last[0]


def _id(talk: Talk, part: Slice) -> str:
    """Derived from the place, both addresses, the service and when it began."""
    name = [
        talk.site,
        talk.group,
        talk.place,
        talk.client,
        talk.server,
        talk.service,
        part.first[0],
    ]
    return hashlib.sha256(json.dumps(name).encode()).hexdigest()[:ID_DIGITS]


def _party(known: Directory, where: tuple[str, str, str], address: str) -> Party:
    asset = known.at(*where, address)
    if asset is None:
        return Party(address, address, "", "unknown", outside(address))
    return Party(address, asset.name, asset.id, asset.role.role, outside(address))


def outside(address: str) -> bool:
    """Whether an address is a public one."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:  # a MAC address
        return False


# --------------------------------------------------------------------------------- slices


def slices(
    talk: Talk, protocol: str, moments: Sequence[Moment], sights: Sequence[Sight]
) -> list[Slice]:
    """A conversation cut where its connections begin, as far as events tell.

    ``sights``: more packets of it of which the time is known, in order.
    """
    first, last = (talk.first_time, talk.first_packet), (talk.last_time, talk.last_packet)
    if talk.connections <= 1:
        return [Slice(first, last, tuple(moments), 1, "connection")]
    starts = _starts(talk, protocol, moments)
    if len(starts) <= 1:
        return [Slice(first, last, tuple(moments), talk.connections, "conversation")]
    already = starts[0] > 0  # a connection was open when the capture began
    if already:
        starts.insert(0, 0)
    parts: list[Slice] = []
    for begin, end in zip(starts, [*starts[1:], len(moments)], strict=True):
        mine = tuple(moments[begin:end])
        since = (mine[0].time, mine[0].packet) if parts or not already else first
        next_one = moments[end].time if end < len(moments) else talk.last_time + 1
        ended = (mine[-1].time, mine[-1].packet)
        at = bisect_left(sights, next_one, key=lambda one: one.time) - 1
        if at >= 0:
            ended = max(ended, (sights[at].time, sights[at].packet))
        parts.append(Slice(since, ended, mine, mine[0].times, "openings"))
    parts[-1] = parts[-1]._replace(last=last)
    return _within(talk.connections, parts)


def _starts(talk: Talk, protocol: str, moments: Sequence[Moment]) -> list[int]:
    """Where the first operation of each connection stands."""
    wanted = kinds.OPENS.get(protocol) or next(
        (one.operation for one in moments if one.cls == "session"), ""
    )
    starts = [at for at, one in enumerate(moments) if one.operation == wanted]
    if protocol not in kinds.BOTH_SAY or not starts:
        return starts
    said: Counter[int] = Counter()
    for at in starts:
        said[moments[at].behaviour] += moments[at].times
    most = max(sorted(said), key=said.__getitem__)
    starts = [at for at in starts if moments[at].behaviour == most]
    return starts[::2] if said[most] > talk.connections else starts


def _within(connections: int, parts: list[Slice]) -> list[Slice]:
    """Parts that stand for no more connections than there were: events are capped by behaviour."""
    excess = sum(one.connections for one in parts) - connections
    for at in reversed(range(len(parts))):
        less = min(max(excess, 0), parts[at].connections - 1)
        parts[at] = parts[at]._replace(connections=parts[at].connections - less)
        excess -= less
    return parts


def _closed(moments: Sequence[Moment]) -> bool:
    return bool(moments) and moments[-1].operation in kinds.CLOSES


def _refused(moments: Iterable[Moment]) -> str:
    """The last word on a login that was refused; empty once one was taken."""
    said = [one.outcome for one in moments if one.cls == "session"]
    failed = [outcome for outcome in said if outcome not in (*GOOD, "unasked", "unanswered")]
    return failed[-1] if failed and failed[-1] == said[-1] else ""


# ---------------------------------------------------------------------------------- deeds


def _deeds(part: Slice, counted: Iterable[Counted]) -> tuple[Deed, ...]:
    """What was done in a part, like things together, the gravest class first."""
    counts: dict[tuple[str, str, str, str, str], int] = {}
    for did in part.moments:
        if kinds.changes(did.cls, did.operation) and did.cls != "write":
            key = (did.cls, did.operation, did.object, did.device, did.outcome)
            counts[key] = counts.get(key, 0) + did.times
    deeds = [Deed(*key, times, True) for key, times in counts.items()]  # noqa: FBT003 - sure
    alone = part.extent != "openings"
    for one in counted:
        if not kinds.changes(one.cls, one.operation):
            continue
        if one.last_time < part.first[0] or one.first_time > part.last[0]:
            continue
        inside = part.first[0] <= one.first_time and one.last_time <= part.last[0]
        what = (one.cls, one.operation, one.object, one.device, one.outcome)
        deeds.append(Deed(*what, one.times, alone or inside))
    return tuple(sorted(deeds, key=lambda deed: GRAVE.index(deed.cls)))
