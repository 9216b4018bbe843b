"""``otsec protocols``: which protocols there are, and how much of each could be read."""

from argparse import ArgumentParser, Namespace

from otsec.cli import listing
from otsec.cli.output import Column

COLUMNS = (
    Column(
        "protocol",
        "protocol",
        about="the protocol; null in JSON where none was recognised",
        value=lambda row: row.protocol or None,
    ),
    Column("conversations", "conversations", "number", "conversations in which it was spoken"),
    Column("packets", "packets", "number", "packets of these conversations"),
    Column("payload", "payload", "bytes", "bytes of payload"),
    Column("messages", "messages", "number", "exchanges, and messages that are no part of one"),
    Column("failures", "failed", "number", "messages whose outcome is not ok"),
    Column("undecoded", "undecoded", "bytes", "payload that no protocol accounted for"),
    Column("lost", "lost", "bytes", "sent, but never seen"),
    Column("malformed", "malformed", "number", "messages that contradict the standard"),
    Column("truncated", "truncated", "number", "messages that end too early"),
    Column("operations", "operations", "list", "operations seen"),
    Column(
        "doubtful", "doubtful", "number", "conversations whose claim was withdrawn", detail=True
    ),
    Column("site", "site", about="site of the taps", detail=True),
    Column("group", "group", about="group of points that see the same network", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_CONVERSATIONS)


def run(arguments: Namespace) -> int:
    """Print the protocols."""
    from otsec.store import queries

    return listing.run(
        arguments, "protocols", COLUMNS, listing.FOR_CONVERSATIONS, queries.protocols
    )
