"""``otsec contents``: programs, blocks and files that were transferred."""

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from otsec.cli import listing
from otsec.cli.output import Column

SHORT = 16  # digits of a hash in a table


def _change(row: Any) -> str:
    """What a person wants to know first of all."""
    if row.reason:
        return row.reason if row.reason == "open" else f"incomplete: {row.reason}"
    if row.returned:
        return "changed, and back"
    return "changed" if row.changed else "same" if row.before or row.count > 1 else ""


COLUMNS = (
    Column("client", "client", about="address of who asks"),
    Column("server", "server", about="address of who answers: the controller"),
    Column("device", "device", about="the device behind the address; empty: the address itself"),
    Column("protocol", "protocol", about="the protocol"),
    Column("direction", "direction", about="to_server: loaded into it; from_server: read from it"),
    Column("kind", "kind", about="block, program or file"),
    Column("name", "name", about="its name as sent"),
    Column("size", "bytes", "number", "how long it is; of what is incomplete how much came"),
    Column("hash", "sha256", about="begin of its hash", value=lambda row: row.sha256[:SHORT]),
    Column(
        "change", "change",
        about="changed: another than before; same: as before; or why it is incomplete",
        value=_change,
    ),
    Column("count", "count", "number", "how often it was transferred"),
    Column("last_time", "last seen", "time", "time of its last packet"),
    Column("first_time", "first seen", "time", "time of its first packet", detail=True),
    Column("first_packet", "first packet", "number", "ordinal in its source", detail=True),
    Column("last_packet", "last packet", "number", "ordinal in its source", detail=True),
    Column("sha256", "sha256", about="its hash; empty: incomplete", detail=True),
    Column("reason", "incomplete", about="why it is incomplete; open: not ended", detail=True),
    Column("before", "before", about="hash of what was there before", detail=True),
    Column("changed", "changed", "flag", "another than what was there before", detail=True),
    Column("service", "service", about="transport and port", detail=True),
    Column("place", "vlan", about="VLAN ids and VXLAN network; empty: untagged", detail=True),
    *listing.WHERE_SEEN,
)  # fmt: skip


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--changed", action="store_true", help="only what differs from what was there before"
    )
    listing.configure(parser, COLUMNS, listing.FOR_CONTENTS)


def run(arguments: Namespace) -> int:
    """Print what was transferred, by server and name."""
    from otsec.protocols.api import Direction
    from otsec.store.contents import changes, contents

    query = changes if arguments.changed else contents
    closed = {"kind": ("block", "program", "file"), "direction": get_args(Direction)}
    return listing.run(arguments, "contents", COLUMNS, listing.FOR_CONTENTS, query, closed=closed)
