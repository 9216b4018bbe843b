"""``otsec conversations``: who talks to whom, by which service."""

from argparse import ArgumentParser, Namespace

from otsec.cli import listing
from otsec.cli.output import Column

OF_STORE = (
    Column("client", "client", about="address of who asks"),
    Column("server", "server", about="address of who answers"),
    Column("service", "service", about="transport and port, or ethertype"),
    Column("protocol", "protocol", about="what was recognised by content; empty: nothing"),
    Column("place", "vlan", about="VLAN ids (outer.inner) and VXLAN network; empty: untagged"),
    Column("connections", "conns", "number", "connections folded into it"),
    Column("packets_out", "pkts out", "number", "packets sent by the client"),
    Column("packets_in", "pkts in", "number", "packets sent by the server"),
    Column("bytes_out", "bytes out", "bytes", "bytes on the wire sent by the client"),
    Column("bytes_in", "bytes in", "bytes", "bytes on the wire sent by the server"),
    Column("last_time", "last seen", "time", "time of its last packet"),
    Column("first_time", "first seen", "time", "time of its first packet", detail=True),
    Column("number", "no.", "number", "its number: `otsec show conversation:NUMBER`", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column("last_packet", "last packet", "number", "ordinal in its source", detail=True),
    Column(
        "client_reason", "why client", about="how the client was told from the server", detail=True
    ),
    Column("claimed_by", "claimed by", about="what the protocol was told by", detail=True),
    Column("doubtful", "doubtful", "flag", "the claim of its protocol was withdrawn", detail=True),
    Column("payload_out", "payload out", "bytes", "payload sent by the client", detail=True),
    Column("payload_in", "payload in", "bytes", "payload sent by the server", detail=True),
    Column("lost_out", "lost out", "bytes", "sent by the client, never seen", detail=True),
    Column("lost_in", "lost in", "bytes", "sent by the server, never seen", detail=True),
    Column("resent_out", "resent out", "bytes", "sent again by the client", detail=True),
    Column("resent_in", "resent in", "bytes", "sent again by the server", detail=True),
    Column("undecoded_out", "undecoded out", "bytes", "of no protocol known here", detail=True),
    Column("undecoded_in", "undecoded in", "bytes", "of no protocol known here", detail=True),
    Column(
        "malformed", "malformed", "number", "messages that contradict the standard", detail=True
    ),
    Column("truncated", "truncated", "number", "messages that end too early", detail=True),
    *listing.WHERE_SEEN,
)
COLUMNS = (  # how the client was checked is put together from several tables, for this listing
    *OF_STORE,
    Column(
        "authentication",
        "login",
        about="how the client was checked: none, clear, challenge, certificate, unknown",
        detail=True,
    ),
    Column("authentication_reason", "login told by", about="what tells that", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_CONVERSATIONS)


def run(arguments: Namespace) -> int:
    """Print the conversations, the busiest first."""
    from otsec.sessions.authentication import Checked, checked
    from otsec.store import Store, queries
    from otsec.store.selects import Filters

    def query(store: Store, filters: Filters) -> list[Checked]:
        return checked(store, queries.conversations(store, filters))

    return listing.run(arguments, "conversations", COLUMNS, listing.FOR_CONVERSATIONS, query)
