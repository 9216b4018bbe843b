"""What a policy judges: conversations, and what was done in each, source by source.

As `sightings`, these choose nothing between sources; rows come in the order of sources by name and
of first sight, so what is made of them does not depend on the order in which captures were read.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from otsec.store.database import Row, Store
from otsec.store.selects import UNDECODED, marks

PIECE = 65_536  # behaviours read at once: a million of them as Python's objects are a gigabyte
FIRST_NUMBER = -(1 << 62)
AT_ONCE = 500  # behaviours asked for in one statement


class Conversed(NamedTuple):
    """One conversation of one source."""

    source: int
    number: int
    site: str
    group: str
    point: str  # `point` or `point/interface`
    place: str
    client: str
    server: str
    service: str
    protocol: str  # empty: none was recognised
    doubtful: int  # 1: the claim of its protocol was withdrawn
    connections: int
    packets: int
    payload: int  # bytes above the transport
    undecoded: int  # of these, bytes that no protocol accounted for
    first_time: int
    last_time: int


class Done(NamedTuple):
    """What was done in the conversations of one source, column by column."""

    number: Sequence[int]  # of the behaviour
    conversation: Sequence[int]
    protocol: Sequence[str]
    operation: Sequence[str]
    cls: Sequence[str]
    answered: Sequence[int]  # 1 unless the outcome is that nobody was seen to answer
    times: Sequence[int]
    first_time: Sequence[int]
    last_time: Sequence[int]
    device: Sequence[str]  # empty unless asked for
    object: Sequence[str]


_POINT = "CASE s.interface WHEN '' THEN s.point ELSE s.point || '/' || s.interface END"


def conversed(store: Store) -> list[Conversed]:
    """All conversations."""
    undecoded = f"{UNDECODED['undecoded_out']} + {UNDECODED['undecoded_in']}"
    rows = store.all(
        f"SELECT c.source, c.number, s.site, s.point_group, {_POINT}, c.place, c.client, c.server, "  # noqa: S608 - text of this file
        "c.service, c.protocol, c.doubtful, c.connections, c.packets_out + c.packets_in, "
        f"c.payload_out + c.payload_in, {undecoded}, c.first_time, c.last_time "
        "FROM conversation AS c JOIN site_source AS s ON s.id = c.source "
        "ORDER BY s.site, s.point, s.interface, c.number"
    )
    return list(map(Conversed._make, rows))


def done(store: Store, *, details: bool) -> Iterator[tuple[int, Done]]:
    """What was done, in pieces, with the source; devices and objects only with ``details``."""
    sources = store.all("SELECT id FROM site_source ORDER BY site, point, interface")
    named = "device, object" if details else "'', ''"
    for (source,) in sources:
        last = FIRST_NUMBER
        while rows := store.all(
            "SELECT number, conversation, protocol, operation, class, "  # noqa: S608 - text of this file
            "outcome NOT IN ('unanswered', 'open', 'unknown'), count, first_time, last_time, "
            f"{named} FROM behaviour WHERE source = ? AND number > ? ORDER BY number LIMIT ?",
            (source, last, PIECE),
        ):
            last = rows[-1][0]
            yield int(source), Done(*zip(*rows, strict=True))


def moments(store: Store, source: int, behaviours: Sequence[int]) -> dict[int, list[int]]:
    """Times at which behaviours of a source are known to have been seen, beside first and last."""
    found: dict[int, list[int]] = defaultdict(list)
    for begin in range(0, len(behaviours), AT_ONCE):
        some = behaviours[begin : begin + AT_ONCE]
        for behaviour, time in store.all(
            "SELECT behaviour, time FROM event WHERE kind <> 'capped' AND source = ? "  # noqa: S608 - only marks are put in
            f"AND behaviour IN ({marks(some)}) ORDER BY behaviour, time",
            (source, *some),
        ):
            found[behaviour].append(time)
    return found


class Shown(NamedTuple):
    """Where a behaviour or a conversation was seen."""

    number: int
    device: str
    operation: str  # empty: of a conversation
    object: str
    outcome: str
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


_SHOWN = {
    "behaviour": "number, device, operation, object, outcome",
    "conversation": "number, '', '', '', ''",
}


def shown(
    store: Store, source: int, table: Literal["behaviour", "conversation"], numbers: Sequence[int]
) -> dict[int, Shown]:
    """Where some behaviours or conversations of a source were seen, by number."""
    found: dict[int, Shown] = {}
    for begin in range(0, len(numbers), AT_ONCE):
        some = numbers[begin : begin + AT_ONCE]
        for row in store.all(
            f"SELECT {_SHOWN[table]}, first_time, first_packet, last_time, last_packet FROM {table} "  # noqa: S608 - text of this file
            f"WHERE source = ? AND number IN ({marks(some)})",
            (source, *some),
        ):
            found[row[0]] = Shown._make(row)
    return found


def appids(store: Store) -> dict[tuple[int, int], dict[str, set[int]]]:
    """By source and conversation, the APPIDs under which each GOOSE control block publishes."""
    found: dict[tuple[int, int], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    rows: list[Row] = store.all(
        "SELECT source, conversation, value FROM fact "
        "WHERE protocol = 'goose' AND attribute = 'appid'"
    )
    for source, conversation, value in rows:
        name, _, number = value.rpartition(" ")
        try:
            found[source, conversation][name].add(int(number, 16))
        except ValueError:  # not written by the decoder as it stands now
            continue
    return found
