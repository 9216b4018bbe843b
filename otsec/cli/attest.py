"""``otsec attest``: what people vouch for beyond what the wire shows, kept beside a row of controls."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import listing, options
from otsec.cli.output import Column, say
from otsec.cli.triage import UNTIL

if TYPE_CHECKING:
    from otsec.controls.model import Attestation
    from otsec.store import Store
    from otsec.store.queries import Filter

ACTIONS = {
    "add": "vouch for something that a row asks for, with the file that shows it",
    "list": "list what people vouch for",
}
EPILOG = """\
A kind is `evidence` (what the wire cannot show: firewall rules, training, restores), `compensating`
(what protects where a row must be contradicted by design), or `review`. No attestation changes a
status: it stands beside it. Of a file its name and hash are kept, not its content.
"""
FILTERS = {
    "row": "framework and identifier; * stands for anything",
    "kind": "evidence, compensating or review",
    "who": "who vouches",
    "file": "name of the file",
    "expired": "yes or no: by the clock of this machine",
}
KINDS = ("evidence", "compensating", "review")  # as controls.approvals; help must not import it
COLUMNS = (
    Column("number", "no.", "number", "of the act"),
    Column("row", "row", about="framework and identifier"),
    Column("kind", "kind", about="evidence, compensating or review"),
    Column("who", "who", about="who vouches"),
    Column("what", "what", about="what for, in words"),
    Column("file", "file", about="that shows it"),
    Column("sha256", "sha256", about="of the file", detail=True),
    Column("said", "when", "time", "by the clock of the machine"),
    Column("expires", "expires", "time", value=lambda one: one.expires or None),
    Column("expired", "expired", "flag", "by the clock of this machine"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        CONFIGURE[name](action)


def _add_arguments(action: ArgumentParser) -> None:
    action.add_argument("row", nargs="+", metavar="ROW", help="framework and identifier of the row")
    options.store(action)
    action.add_argument(
        "--what", required=True, metavar="TEXT", dest="reason", help="what you vouch for"
    )
    action.add_argument("--kind", choices=KINDS, default="evidence", help="default: evidence")
    action.add_argument("--file", type=Path, metavar="FILE", help="the file that shows it")
    action.add_argument("--expires", metavar="WHEN", help=UNTIL)
    action.add_argument("--by", metavar="WHO", help="who vouches (default: the login name)")
    action.epilog = EPILOG


def _list_arguments(action: ArgumentParser) -> None:
    listing.configure(action, COLUMNS, ())
    action.epilog = listing.epilog(COLUMNS, FILTERS)


CONFIGURE = {"add": _add_arguments, "list": _list_arguments}


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return {"add": _add, "list": _list}[arguments.action](arguments)


def _add(arguments: Namespace) -> int:
    from otsec.cli.triage import word_of
    from otsec.controls.approvals import attested
    from otsec.controls.frameworks import catalogue
    from otsec.store import open_store
    from otsec.store.acts import record

    known = catalogue()
    control = known.control(" ".join(arguments.row))
    row = f"{known.slug(control)} {control.id}"
    config = options.configured(arguments, "db")
    word = word_of(arguments)
    expires = 0
    if arguments.expires is not None:
        expires = listing.deadline(arguments.expires, config.zone(), word.time)
    act = attested(row, arguments.kind, word, arguments.file, expires)
    with open_store(config.store, create=False) as store:
        record(store, [act])
    if not arguments.quiet:
        say(f"{row}: {arguments.kind} by {word.who}")
    return 0


def _list(arguments: Namespace) -> int:
    import time

    now = time.time_ns()

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Attestation]":
        from otsec.controls.approvals import attestations
        from otsec.inventory.selection import passes
        from otsec.store.acts import every_act

        keys = {
            "row": lambda one: (one.row,),
            "kind": lambda one: (one.kind,),
            "who": lambda one: (one.who,),
            "file": lambda one: (one.file,),
            "expired": lambda one: ("yes" if one.expired else "no",),
        }
        return [
            one
            for one in attestations(every_act(store), now)
            if all(passes(one, each, keys, _texts, (one.said, one.said)) for each in filters)
        ]

    closed = {"kind": KINDS, "expired": ("yes", "no")}
    return listing.run(arguments, "attestations", COLUMNS, tuple(FILTERS), query, closed=closed)


def _texts(one: "Attestation") -> Sequence[str]:
    return one.row, one.kind, one.who, one.what, one.file
