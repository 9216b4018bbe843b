"""``otsec inventory``: say that what was heard belongs there, as a named person."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from otsec.cli import listing, options
from otsec.cli.assets import FILTERS, closed
from otsec.cli.output import say
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.inventory.assembly import Inventory
    from otsec.inventory.model import Asset

ACTIONS = {
    "approve": "approve the assets that were heard: all, or those that match",
    "retire": "take assets out of the approved inventory",
}
EPILOG = """\
filters: KEY:VALUE, !KEY:VALUE for all others, TEXT anywhere; keys:
{filters}

Approving without a filter is what `assets.inventory_age_d` counts from: somebody looked at all of
them. Whatever is heard later and was not approved is told by `otsec controls`.
"""
SHOWN = 10


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        if name == "approve":
            action.add_argument("filter", nargs="*", metavar="FILTER", help="only these, see below")
        else:
            action.add_argument("asset", nargs="+", metavar="NAME", help="name, id or address")
        options.store(action)
        action.add_argument("--site", metavar="NAME", help="only this site")
        action.add_argument("--by", metavar="WHO", help="who approves (default: the login name)")
        action.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")
        told = "\n".join(f"  {key:<10} {about}" for key, about in FILTERS.items())
        action.epilog = EPILOG.format(filters=told) if name == "approve" else None


def run(arguments: Namespace) -> int:
    """Take down what a person says of the inventory, all of it or nothing."""
    from otsec.cli.triage import word_of
    from otsec.controls.approvals import approved_inventory, approved_nodes, retired
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import find
    from otsec.store import open_store
    from otsec.store.acts import every_act, record

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    with open_store(config.store, create=False) as store:
        found = inventory(store)
        if arguments.action == "retire":
            assets = [find(found, name) for name in arguments.asset]
            acts = [act for one in assets for act in retired(one, word)]
        else:
            assets = _heard(arguments, found)
            known = approved_nodes(every_act(store)) or frozenset()
            acts = approved_inventory(assets, known, word, whole=not arguments.filter)
        record(store, acts)
    if not arguments.quiet:
        new = sum(bool(act.asset) for act in acts) if arguments.action == "approve" else len(assets)
        say(f"{len(assets)} assets, {new} of them {arguments.action}d anew (by {word.who})")
    return 0


def _heard(arguments: Namespace, found: "Inventory") -> "list[Asset]":
    from otsec.inventory.selection import chosen

    filters = listing.parse_filters(arguments.filter, tuple(FILTERS), closed())
    assets = [
        one
        for one in chosen(found.assets, filters)
        if one.reach != "told" and arguments.site in {None, one.site}
    ]
    if not assets:
        raise UsageError("inventory approve: nothing matches; see `otsec assets`")
    return assets
