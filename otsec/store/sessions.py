"""What sessions are made of: conversations of some kinds, and what happened in each.

As in `queries`, of what several sources of a group saw, the source that saw most counts.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from otsec.store.database import Store
from otsec.store.queries import CONVERSATION
from otsec.store.selects import marks, selected, strongest

T = TypeVar("T")
Number: TypeAlias = tuple[int, int]  # source and number of a conversation
MOST_MOMENTS = 500_000  # events that are read; further ones, the latest, are left out
MOST_SINGLES = 500_000  # connections, alike


class Talk(NamedTuple):
    """A conversation that is, or holds, sessions; columns as in its table."""

    source: int
    number: int
    site: str
    group: str
    point: str  # `point` or `point/interface`
    witnesses: tuple[str, ...]
    place: str
    client: str
    server: str
    service: str
    protocol: str
    claimed: bool
    connections: int
    bytes_out: int
    bytes_in: int
    payload_out: int
    payload_in: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int

    @property
    def key(self) -> Number:
        """By which what happened in it is found."""
        return self.source, self.number


class Moment(NamedTuple):
    """A notable event of a conversation, in order of time."""

    time: int
    packet: int
    behaviour: int
    cls: str
    operation: str
    object: str
    device: str
    outcome: str
    times: int  # how many it stands for
    connection: int  # number of its `Single`; NONE


class Counted(NamedTuple):
    """What the store counts and does not keep one by one: writes, and requests that still wait."""

    cls: str
    operation: str
    object: str
    device: str
    outcome: str
    times: int
    first_time: int
    last_time: int


class Single(NamedTuple):
    """A connection of a conversation, or several of an hour that share a row."""

    number: int
    client_port: int
    connections: int
    ended: str
    bytes_out: int
    bytes_in: int
    payload_out: int
    payload_in: int
    first_time: int
    first_packet: int
    last_time: int
    last_packet: int


class Done(NamedTuple):
    """Something that was done, however often."""

    operation: str
    object: str


class Told(NamedTuple):
    """What was said in a conversation of who takes part."""

    attribute: str
    value: str
    about: str  # `client`, `server`, or an address
    first_time: int
    last_time: int


def talks(
    store: Store, names: Sequence[str], services: Sequence[str], classes: Sequence[str]
) -> list[Talk]:
    """Conversations of protocols or services by name, or in which a class of operation was done.

    Services count only where no protocol was recognised.
    """
    doing = (
        "OR (source, number) IN (SELECT source, conversation FROM behaviour "  # noqa: S608 - values are bound
        f"WHERE class IN ({marks(classes)}))"
    )
    found = selected(
        store,
        "conversations",
        (),
        f"AND (protocol IN ({marks(names)}) OR (protocol = '' AND service IN ({marks(services)})) "
        f"{doing})",
        (*names, *services, *classes),
    )
    return [
        Talk(
            *(cells["source"], cells["number"], cells["site"], cells["point_group"]),
            f"{cells['point']}/{cells['interface']}" if cells["interface"] else cells["point"],
            witnesses,
            *(cells["place"], cells["client"], cells["server"], cells["service"]),
            *(cells["protocol"], bool(cells["claimed_by"]) and not cells["doubtful"]),
            *(cells["connections"], cells["bytes_out"], cells["bytes_in"]),
            *(cells["payload_out"], cells["payload_in"], cells["first_time"]),
            *(cells["first_packet"], cells["last_time"], cells["last_packet"]),
        )
        for cells, witnesses in strongest(found, CONVERSATION)
    ]


def moments(store: Store, wanted: Sequence[Talk]) -> Mapping[Number, list[Moment]]:
    """The notable events of conversations, each in order."""
    rows = store.all(
        "SELECT e.source, e.conversation, e.time, e.packet, e.behaviour, b.class, b.operation, "
        "b.object, b.device, b.outcome, e.count, e.connection FROM event AS e "
        "JOIN behaviour AS b ON b.source = e.source AND b.number = e.behaviour "
        "ORDER BY e.source, e.packet, e.part, e.kind, e.behaviour LIMIT ?",
        (MOST_MOMENTS,),
    )
    return _sorted_by(rows, wanted, Moment)


def singles(store: Store, wanted: Sequence[Talk]) -> Mapping[Number, list[Single]]:
    """The connections that conversations hold, in order of their beginning."""
    rows = store.all(
        f"SELECT source, conversation, {', '.join(Single._fields)} FROM connection "  # noqa: S608 - names of this file
        "ORDER BY source, first_packet, number LIMIT ?",
        (MOST_SINGLES,),
    )
    return _sorted_by(rows, wanted, Single)


def counted(store: Store, wanted: Sequence[Talk]) -> Mapping[Number, list[Counted]]:
    """What was written in conversations, and what was asked and waits for its answer."""
    rows = store.all(
        "SELECT source, conversation, class, operation, object, device, outcome, count, "
        "first_time, last_time FROM behaviour WHERE class = 'write' OR number < 0 "
        "ORDER BY source, first_packet, number"
    )
    return _sorted_by(rows, wanted, Counted)


def told(
    store: Store, wanted: Sequence[Talk], attributes: Sequence[str]
) -> Mapping[Number, list[Told]]:
    """What was said in conversations, of some attributes."""
    rows = store.all(
        "SELECT f.source, f.conversation, f.attribute, f.value, f.about, "  # noqa: S608 - values are bound
        "f.first_time, f.last_time FROM fact AS f "
        f"WHERE f.attribute IN ({marks(attributes)}) "
        "ORDER BY f.source, f.first_packet, f.attribute, f.value",
        tuple(attributes),
    )
    return _sorted_by(rows, wanted, Told)


Place: TypeAlias = tuple[str, str, str, int]  # site, point, interface, number of a conversation


def logins(
    store: Store, attributes: Sequence[str], protocols: Sequence[str]
) -> tuple[Mapping[Place, list[Told]], Mapping[Place, list[Done]]]:
    """Of all conversations what was said, of some attributes, and what was done, of some protocols.

    Values that were only read are left out.
    """
    told: dict[Place, list[Told]] = defaultdict(list)
    done: dict[Place, list[Done]] = defaultdict(list)
    where = "s.site, s.point, s.interface"
    for *at, attribute, value, about, first, last in store.all(
        f"SELECT {where}, f.conversation, f.attribute, f.value, f.about, f.first_time, f.last_time "  # noqa: S608 - values are bound
        "FROM fact AS f JOIN site_source AS s ON s.id = f.source "
        f"WHERE f.attribute IN ({marks(attributes)}) ORDER BY f.source, f.first_packet, f.value",
        tuple(attributes),
    ):
        told[at[0], at[1], at[2], at[3]].append(Told(attribute, value, about, first, last))
    for *at, operation, object_ in store.all(
        f"SELECT DISTINCT {where}, b.conversation, b.operation, b.object FROM behaviour AS b "  # noqa: S608 - values are bound
        "JOIN site_source AS s ON s.id = b.source "
        f"WHERE b.protocol IN ({marks(protocols)}) AND b.class NOT IN ('read', 'report') "
        "ORDER BY b.source, b.first_packet, b.number",
        tuple(protocols),
    ):
        done[at[0], at[1], at[2], at[3]].append(Done(operation, object_))
    return told, done


def _sorted_by(
    rows: Sequence[tuple[Any, ...]], wanted: Sequence[Talk], make: Callable[..., T]
) -> Mapping[Number, list[T]]:
    keys = {talk.key for talk in wanted}
    found: dict[Number, list[T]] = defaultdict(list)
    for source, number, *cells in rows:
        if (key := (source, number)) in keys:
            found[key].append(make(*cells))
    return found


def ends(store: Store) -> dict[int, int]:
    """When the last packet of each source was heard, ns."""
    return dict(store.all("SELECT source, last_time FROM clock"))
