"""Sessions: cut out of conversations, named by assets, and joined to chains.

The store folds the connections between two addresses by one service into a conversation. Of
protocols in which somebody works it keeps each connection besides, and each is a session; beyond
so many an hour several are one. Where it has none of a conversation, the whole is told as one.
"""

import hashlib
import ipaddress
import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
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
from otsec.store.sessions import Counted, Moment, Single, Talk, Told

ID_DIGITS = 10  # 40 bits, as of assets
ACTIVE_NS = 60 * 10**9  # silence at the end of the capture after which a session counts as over
MOST_DEEDS = 500  # of a session that are told one by one, the gravest: a scan has thousands
GRAVE = ("program", "firmware", "mode", "file", "config", "control", "write", "time")
NEVER = 1 << 63
GOOD = ("", "ok", "open", "asked")
NAMES = tuple(sorted(kinds.INTERACTIVE | kinds.TUNNEL | kinds.FILES | kinds.LOGIN))


class Slice(NamedTuple):
    """A part of a conversation that is taken for one session."""

    first: tuple[int, int]  # time and packet
    last: tuple[int, int]
    moments: tuple[Moment, ...]
    connections: int
    extent: str
    sent: tuple[int, int]  # bytes, by client and server
    client_port: int = 0
    ended: str = ""  # how the connection said that it ends


def sessions(store: Store, found: Inventory | None = None) -> list[Session]:
    """All sessions in order of their beginning; ``found``: the inventory, if it is made already."""
    known = Directory(found or inventory(store))
    talks = [
        talk
        for talk in rows.talks(store, NAMES, tuple(BY_PORT), (*CHANGING, "session"))
        if is_device(talk.server) and is_device(talk.client)
    ]
    moments, counted = rows.moments(store, talks), rows.counted(store, talks)
    singles = rows.singles(store, talks)
    told, ends = rows.told(store, talks, authentication.TOLD), rows.ends(store)
    given: list[Session] = []
    for talk in talks:
        key = talk.key
        parts = told.get(key, []), moments.get(key, []), counted.get(key, []), singles.get(key, [])
        given += _sessions(known, talk, *parts, ends[talk.source])
    given.sort(key=lambda one: (one.first_time, one.site, one.point, one.first_packet, one.id))
    return joined(given)


def _sessions(
    known: Directory,
    talk: Talk,
    told: Sequence[Told],
    moments: Sequence[Moment],
    counted: Sequence[Counted],
    singles: Sequence[Single],
    end: int,
) -> Iterator[Session]:
    """The sessions of a conversation; none if it holds nothing but requests for values."""
    protocol = talk.protocol or BY_PORT.get(talk.service, "")
    if not protocol or (not talk.protocol and not (talk.payload_in and talk.payload_out)):
        return  # nobody answered
    logs_in = any(one.attribute in (*authentication.ACCOUNTS, "credentials") for one in told)
    engineer = any(one.attribute == "role_hint" and one.value == kinds.ENGINEER for one in told)
    where = (talk.site, talk.group, talk.place)
    parts = slices(talk, moments, singles)
    crowd = Crowd(parts)
    for part in parts:
        deeds = _deeds(part, counted, crowd)
        done = [(deed.cls, deed.operation, deed.object) for deed in deeds]
        kind = kind_of(protocol, done, logs_in=logs_in, engineer=engineer)
        if kind is None:
            continue
        mine = [one for one in told if _in(part, one)]
        state, reason = authentication.state(protocol, mine, part.moments)
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
            bytes_out=part.sent[0],
            bytes_in=part.sent[1],
            client_port=part.client_port,
            ended=part.ended,
            active=part.last[0] >= end - ACTIVE_NS and not (part.ended or _closed(part.moments)),
            outcome=_refused(part.moments),
            deeds=deeds[:MOST_DEEDS],
            changes=sum(deed.times for deed in deeds),
            by_port=not talk.protocol,
        )


def _in(part: Slice, one: Told) -> bool:
    """Whether something was said while a session went on, as far as its first and last time tell."""
    return one.last_time >= part.first[0] and one.first_time <= part.last[0]


def _id(talk: Talk, part: Slice) -> str:
    """Derived from the place, addresses, ports and when it began."""
    name = [
        talk.site,
        talk.group,
        talk.place,
        talk.client,
        talk.server,
        talk.service,
        part.first[0],
        part.client_port,
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


def slices(talk: Talk, moments: Sequence[Moment], singles: Sequence[Single]) -> list[Slice]:
    """A conversation cut into its connections; what has no row of its own is one slice.

    ``singles``: those of it that have rows, in order.
    """
    mine: dict[int, list[Moment]] = defaultdict(list)
    for one in moments:
        mine[one.connection].append(one)
    parts = [_single(one, mine.pop(one.number, ())) for one in singles]
    rest = _rest(talk, parts, [one for group in mine.values() for one in group])
    if rest is None or not parts:
        return parts or [_whole(talk, moments)]
    told = bool(rest.moments) or _spoke(talk, singles)
    return [rest, *parts] if told else parts


def _single(one: Single, moments: Sequence[Moment]) -> Slice:
    return Slice(
        (one.first_time, one.first_packet),
        (one.last_time, one.last_packet),
        tuple(moments),
        one.connections,
        "connection" if one.connections == 1 else "connections",
        (one.bytes_out, one.bytes_in),
        one.client_port,
        one.ended,
    )


def _whole(talk: Talk, moments: Iterable[Moment]) -> Slice:
    return Slice(
        (talk.first_time, talk.first_packet),
        (talk.last_time, talk.last_packet),
        tuple(moments),
        talk.connections,
        "connection" if talk.connections <= 1 else "conversation",
        (talk.bytes_out, talk.bytes_in),
    )


def _rest(talk: Talk, parts: Sequence[Slice], moments: Sequence[Moment]) -> Slice | None:
    """The connections of which the store has no rows; None: there are none."""
    more = talk.connections - sum(part.connections for part in parts)
    if more <= 0:
        return None
    sent = [sum(part.sent[side] for part in parts) for side in (0, 1)]
    bytes_left = talk.bytes_out - sent[0], talk.bytes_in - sent[1]
    whole = _whole(talk, sorted(moments))
    return whole._replace(connections=more, extent="conversation", sent=bytes_left)


def _spoke(talk: Talk, singles: Sequence[Single]) -> bool:
    """Whether both sides sent content in the connections without rows: else nobody answered."""
    return talk.payload_out > sum(one.payload_out for one in singles) and talk.payload_in > sum(
        one.payload_in for one in singles
    )


class Crowd:
    """How many parts of a conversation went on at a time."""

    def __init__(self, parts: Sequence[Slice]) -> None:
        self._first = sorted(part.first[0] for part in parts)
        self._last = sorted(part.last[0] for part in parts)

    def __call__(self, begin: int, end: int) -> int:
        """How many had begun by ``end`` and were not over before ``begin``."""
        return bisect_right(self._first, end) - bisect_left(self._last, begin)


def _closed(moments: Sequence[Moment]) -> bool:
    return bool(moments) and moments[-1].operation in kinds.CLOSES


def _refused(moments: Iterable[Moment]) -> str:
    """The last word on a login that was refused; empty once one was taken."""
    said = [one.outcome for one in moments if one.cls == "session"]
    failed = [outcome for outcome in said if outcome not in (*GOOD, "unasked", "unanswered")]
    return failed[-1] if failed and failed[-1] == said[-1] else ""


# ---------------------------------------------------------------------------------- deeds


def _deeds(part: Slice, counted: Iterable[Counted], crowd: Crowd) -> tuple[Deed, ...]:
    """What was done in a part, like things together, the gravest class first."""
    counts: dict[tuple[str, str, str, str, str], int] = {}
    sure: dict[tuple[str, str, str, str, str], bool] = {}
    alone = crowd(0, NEVER) == 1
    for did in part.moments:
        if kinds.changes(did.cls, did.operation) and did.cls != "write":
            key = (did.cls, did.operation, did.object, did.device, did.outcome)
            counts[key] = counts.get(key, 0) + did.times
            sure[key] = sure.get(key, True) and (alone or did.times == 1)
    deeds = [Deed(*key, times, sure[key]) for key, times in counts.items()]
    for one in counted:
        if not kinds.changes(one.cls, one.operation):
            continue
        if one.last_time < part.first[0] or one.first_time > part.last[0]:
            continue
        what = (one.cls, one.operation, one.object, one.device, one.outcome)
        deeds.append(Deed(*what, one.times, crowd(one.first_time, one.last_time) == 1))
    return tuple(sorted(deeds, key=lambda deed: GRAVE.index(deed.cls)))
