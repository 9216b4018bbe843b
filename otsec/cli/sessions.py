"""``otsec sessions``: who worked on what machine, through which others, and what was done."""

from argparse import ArgumentParser, Namespace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, get_args

from otsec.cli import listing
from otsec.cli.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.inventory.assembly import Inventory
    from otsec.sessions.model import Session
    from otsec.store import Store
    from otsec.store.queries import Filter

SHOWN_DEEDS = 3  # in a table; --json has all

SPARE = (
    "account",
    "deeds",
    "findings",
    "chain",
    "chain_confidence",
    "outcome",
)  # where nobody has any
NARROW = ("bytes", "authentication", "duration_us", "account", "protocol", "chain_confidence")

FILTERS = {
    "id": "the session's id",
    "kind": "interactive, tunnel, files, login, administration, engineering or operating",
    "proto": "the protocol, ssh",
    "service": "tcp/22",
    "client": "name, address or network of who began it",
    "server": "name, address or network of who was worked on",
    "host": "name, address or network of either",
    "through": "name of a host on the way to it",
    "account": "who the client says he is",
    "auth": "none, clear, challenge, certificate or unknown",
    "class": "class of what was done: program, mode, write, ...",
    "op": "an operation that was done in it",
    "outcome": "how its login failed",
    "vlan": "the VLAN",
    "point": "the capture point",
    "group": "the point group",
    "site": "the site's name",
}
EPILOG = """\
A session is a connection of a protocol in which a person works on another machine (interactive),
that carries others (tunnel), files, a login, or in which something is changed: administration (of
hosts and network gear), engineering (programs, modes, firmware, configuration, files of devices) or
operating (writes and commands).

Each connection is a session of its own: `extent` is `connection`. Of a busy hour, or a day long past,
several are told as one: `connections`, with how many. `conversation` tells the connections of two
hosts by one service of which none was kept by itself. `ended` is how a connection said that it
ends; an end is never proven by silence: active is what was heard in the last minute of its capture
and did not say that it ends.

A chain is thought, not seen: a session that began on a host while another one was open to it. How
sure that is adds up from 0.35: {weights}.
Below {least} it is not told.

"""


def _joined(*, most: int | None = None) -> "partial[tuple[str, ...]]":
    return partial(_deeds, most=most)


def _deeds(session: "Session", *, most: int | None) -> tuple[str, ...]:
    told = tuple(deed.text for deed in session.deeds)
    more = len(told) - most if most is not None else 0
    return (*told[:most], f"{more} more") if more > 0 else told


def _chain(session: "Session") -> str:
    return " > ".join(session.chain) if session.path else ""


def _reasons(session: "Session") -> tuple[str, ...]:
    return tuple(
        f"{step.name} by {step.session} ({step.confidence:g}): {'; '.join(step.reasons)}"
        for step in session.path
    )


COLUMNS = (
    Column("first_time", "start", "time", "when it began, or was first seen"),
    Column("duration_us", "duration", "duration", "from its first to its last packet, as known"),
    Column(
        "kind",
        "kind",
        about="interactive, tunnel, files, login, administration, engineering, operating",
    ),
    Column("protocol", "protocol", about="by its content, or by the port where by_port is told"),
    Column("client", "client", about="who began it", value=lambda one: one.client.name),
    Column("server", "server", about="who was worked on", value=lambda one: one.server.name),
    Column("account", "account", "list", "who the client says he is"),
    Column("authentication", "login", about="none, clear, challenge, certificate or unknown"),
    Column(
        "bytes",
        "bytes",
        "bytes",
        "on the wire, of both",
        value=lambda one: one.bytes_out + one.bytes_in,
    ),
    Column("deeds", "did", "list", "what changes a device, the gravest first", value=None),
    Column("findings", "findings", "list", "ids of what is wrong in it and open, worst first"),
    Column("chain", "chain", about="the way from who began, as thought", value=_chain),
    Column("chain_confidence", "sure", "number", "of the whole chain, 0 to 1"),
    Column("outcome", "refused", about="how its login failed, if it did"),
    Column("id", "id", about="by which others name it", detail=True),
    Column("last_time", "end", "time", "its last packet, as known", detail=True),
    Column("active", "active", "flag", "going on when the capture ended", detail=True),
    Column("remote", "remote", "flag", "from outside, or a person on another machine", detail=True),
    Column("ended", "ended", about="closed (FIN), reset, or empty: neither was seen", detail=True),
    Column("extent", "extent", about="how start and end are known, see below", detail=True),
    Column("connections", "conns", "number", "connections that are told as one", detail=True),
    Column("changes", "changes", "number", "operations that change a device", detail=True),
    Column("by_port", "by port", "flag", "only the port tells the protocol", detail=True),
    Column(
        "authentication_reason", "login told by", about="what tells how it logged in", detail=True
    ),
    Column("chain_reasons", "chain because", "list", "of each step", detail=True, value=_reasons),
    *(
        Column(
            f"{end}_{part}",
            f"{end} {part}",
            "flag" if part == "outside" else "text",
            about,
            detail=True,
            value=attrgetter(f"{end}.{part}"),
        )
        for end in ("client", "server")
        for part, about in (
            ("address", "its address"),
            ("role", "its role"),
            ("asset", "id of the asset"),
            ("outside", "a public address"),
        )
    ),
    Column("service", "service", about="transport and port", detail=True),
    Column("client_port", "client port", "number", "0: none, or of several", detail=True),
    Column("bytes_out", "bytes out", "bytes", "sent by the client", detail=True),
    Column("bytes_in", "bytes in", "bytes", "sent by the server", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column("last_packet", "last packet", "number", "ordinal in its source", detail=True),
    Column("place", "vlan", about="VLAN", detail=True),
    *(column for column in listing.WHERE_SEEN if column.name != "interface"),
)


Naming = dict[str, tuple[str, ...]]  # ids of findings by the session's id


def _columns(named: "Naming", *, table: bool) -> tuple[Column, ...]:
    values: dict[str, Any] = {
        "deeds": _joined(most=SHOWN_DEEDS if table else None),
        "findings": lambda one: named.get(one.id, ()),
    }
    return tuple(c._replace(value=values.get(c.name, c.value)) for c in COLUMNS)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    from otsec.sessions.chains import LEAST, WEIGHTS

    listing.configure(parser, COLUMNS, ())
    parser.add_argument("--active", action="store_true", help="only those going on at the end")
    parser.add_argument(
        "--remote",
        action="store_true",
        help="only interactive ones, tunnels, those from outside, and what was worked through them",
    )
    weights = ", ".join(f"{reason} {weight:+g}" for reason, weight in WEIGHTS.items())
    parser.epilog = EPILOG.format(weights=weights, least=LEAST) + listing.EPILOG.format(
        filters="\n".join(f"  {key:<10} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, COLUMNS)),  # noqa: SLF001 - as all listings do
    )


def run(arguments: Namespace) -> int:
    """Print the sessions, the oldest first."""
    from otsec.sessions.kinds import SessionKind
    from otsec.sessions.model import Authentication

    named: Naming = {}
    columns = _columns(named, table=arguments.format is None)

    def wanted(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Any]":
        shown = query(store, filters, active=arguments.active, remote=arguments.remote)
        named.update(_named(store, shown, short=arguments.format is None))
        return shown

    closed = {"kind": get_args(SessionKind), "auth": get_args(Authentication)}
    return listing.run(
        arguments, "sessions", columns, tuple(FILTERS), wanted, SPARE, NARROW, closed
    )


def _named(store: "Store", shown: "Sequence[Session]", *, short: bool) -> Naming:
    from otsec.detect.cases import cases
    from otsec.detect.naming import Named

    known = Named(cases(store), short=short)
    return {
        one.id: known.session(
            *(one.site, one.place, one.client.address, one.server.address, one.service),
            (one.first_time, one.last_time),
        )
        for one in shown
    }


def query(
    store: "Store",
    filters: "Sequence[Filter]",
    *,
    active: bool = False,
    remote: bool = False,
    found: "Inventory | None" = None,
) -> "Sequence[Any]":
    """The sessions that the filters leave; ``found``: the inventory, if it is made already."""
    from otsec.sessions.assembly import sessions
    from otsec.sessions.selection import chosen

    return [
        one
        for one in chosen(sessions(store, found), filters)
        if (one.active or not active) and (one.remote or not remote)
    ]
