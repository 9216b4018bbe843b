"""``otsec protocols``: which protocols there are, and how much of each could be read."""

from argparse import ArgumentParser, Namespace
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from otsec.cli import listing, options
from otsec.cli.output import Column, say
from otsec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otsec.protocols.api import Protocol
    from otsec.store.queries import Filter


def _of_code(told: "Callable[[Protocol], Any]") -> "Callable[[Any], Any]":
    """What the decoder of a row's protocol says of itself; None where there is none."""

    def value(row: Any) -> Any:
        protocol = _decoders().get(row.protocol)
        return None if protocol is None else told(protocol)

    return value


@cache
def _decoders() -> "dict[str, Protocol]":
    from otsec.protocols import PROTOCOLS

    return {protocol.name: protocol for protocol in PROTOCOLS}


DEPTH = Column(
    "depth",
    "depth",
    about="how much of it is read: full, operations, identity, openings (docs/protocols.md)",
    value=_of_code(lambda one: one.depth),
)
PORTS = Column(
    "ports",
    "usually at",
    "list",
    "where it is asked for first; it is found on any port",
    value=_of_code(lambda one: one.services),
)
IDENTITY = Column(
    "identity",
    "identity",
    "list",
    "what devices can say of themselves in it",
    value=_of_code(lambda one: one.identity),
)
STANDARD = Column(
    "standard",
    "standard",
    about="by which document it is read",
    value=_of_code(lambda one: one.standard),
)
KNOWN = Column(
    "known",
    "known",
    "number",
    "operations that are known of it",
    value=_of_code(lambda one: len(one.operation_names)),
)
PROTOCOL = Column(
    "protocol",
    "protocol",
    about="the protocol; null in JSON where none was recognised",
    value=lambda row: row.protocol or None,
)

COLUMNS = (
    PROTOCOL,
    DEPTH,
    Column("conversations", "conversations", "number", "conversations in which it was spoken"),
    Column("packets", "packets", "number", "packets of these conversations"),
    Column("payload", "payload", "bytes", "bytes of payload"),
    Column("messages", "messages", "number", "exchanges, and messages that are no part of one"),
    Column("failures", "failed", "number", "messages whose outcome is not ok"),
    Column(
        "accounted",
        "accounted %",
        "number",
        "share of the payload that is told, or opaque of a kind that is known; not where filters "
        "choose among conversations",
    ),
    Column(
        "opaque",
        "opaque %",
        "number",
        "share of the payload that is encrypted, or of a form that the standard leaves open",
    ),
    Column("opaque_kinds", "opaque are", "list", "what is opaque, most bytes first", detail=True),
    Column("undecoded", "undecoded", "bytes", "payload that no protocol accounted for"),
    Column("lost", "lost", "bytes", "sent, but never seen"),
    Column("malformed", "malformed", "number", "messages that contradict the standard"),
    Column("truncated", "truncated", "number", "messages that end too early"),
    KNOWN,
    Column(
        "seen",
        "seen",
        "number",
        "operations that were seen of it",
        value=lambda row: len(row.operations),
    ),
    Column("operations", "operations", "list", "operations seen"),
    Column(
        "doubtful", "doubtful", "number", "conversations whose claim was withdrawn", detail=True
    ),
    PORTS._replace(detail=True),
    IDENTITY._replace(detail=True),
    STANDARD._replace(detail=True),
    Column("site", "site", about="site of the taps", detail=True),
    Column("group", "group", about="group of points that see the same network", detail=True),
)
OF_CODE = (  # what `--known` shows: rows are protocols
    PROTOCOL._replace(about="the name in filters and columns", value=lambda one: one.name),
    Column("title", "title", about="as people write it"),
    Column("depth", "depth", about=DEPTH.about),
    PORTS._replace(value=lambda one: one.services),
    KNOWN._replace(title="operations", value=lambda one: len(one.operation_names)),
    STANDARD._replace(value=None),
    Column("identity", "identity", "list", IDENTITY.about),
    Column(
        "operations",
        "operations",
        "list",
        "operations known of it",
        detail=True,
        value=lambda one: one.operation_names,
    ),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, listing.FOR_CONVERSATIONS)
    parser.add_argument(
        "--known",
        action="store_true",
        help="what otsec knows of each protocol, whatever was seen; also shown while there is no "
        "store: protocol, title, depth, ports, known, standard, identity, operations",
    )


def run(arguments: Namespace) -> int:
    """Print the protocols."""
    if arguments.known:
        return _known(arguments)
    if arguments.db is None and not arguments.filter:
        store = options.configured(arguments).store
        if not store.exists():
            if not arguments.quiet:
                say(f"there is no {store} yet; this is what otsec can read")
            return _known(arguments)
    from otsec.store import spoken

    return listing.run(arguments, "protocols", COLUMNS, listing.FOR_CONVERSATIONS, spoken.protocols)


def _known(arguments: Namespace) -> int:
    """Print what the decoders say of themselves."""
    for name in ("since", "until", "site"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name} asks for what was seen; --known tells what can be read")
    filters = listing.parse_filters(arguments.filter, ("proto",), {"proto": tuple(_decoders())})
    rows = [one for one in _decoders().values() if all(_keeps(word, one) for word in filters)]
    return listing.show(arguments, "known protocols", OF_CODE, rows)


def _keeps(word: "Filter", protocol: "Protocol") -> bool:
    if word.field == "proto":
        found = fnmatchcase(protocol.name, word.value.casefold())
    else:
        texts = (str(column.of(protocol)) for column in OF_CODE)
        found = any(word.value.casefold() in text.casefold() for text in texts)
    return found is not word.negated
