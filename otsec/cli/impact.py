"""``otsec impact``: what depends on a device, a switch or a conduit, worst first."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.harmless import harmless
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.inventory.assembly import Inventory
    from otsec.policy.impact import Dependence
    from otsec.policy.model import Policy, Rule
    from otsec.store import Store

EPILOG = """\
Of a switch or router, what depends on the devices behind it counts too: those that a router passes
on, and those that say at which port of which switch they are (PROFINET). Of a conduit, what passes
it; spare is what another rule of the policy allows as well.
Who asks it loses polls, time, names or logins; who is commanded by it or hears its reports loses
these. Spare: somebody else seen to do the same. What was not captured is not told: a device that
nothing seems to depend on may still be needed."""

SHOWN = 8  # devices behind a switch that are named
COLUMNS = (
    Column("who", "who loses", about="the device that would lose something"),
    Column("lost", "what", about="polls, writes, commands, reports, time, names, sessions, ..."),
    Column("how", "how", about="asks it, is commanded by it, hears it, passes it"),
    Column("protocol", "protocol", about="the protocol, else the service"),
    Column("every_us", "every", "duration", "mean time between two, of what repeats itself"),
    Column("count", "count", "number", "exchanges; packets where nothing could be read"),
    Column("redundant", "spare", "flag", "somebody else was seen to do the same"),
    Column("last_time", "last seen", "time", "when it was seen last"),
    Column("depth", "depth", "number", "1: depends on it; 2: on who depends on it", detail=True),
    Column("on", "on", about="the device on which it depends", detail=True),
    Column("others", "others", "list", "who else does the same", detail=True),
    Column("who_id", "id", about="id of who loses", detail=True),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "what", metavar="ASSET|CONDUIT", help="name, id or address of a device, or id of a conduit"
    )
    options.store(parser)
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="where the conduit stands (default: `policy` of otsec.yaml)",
    )
    parser.add_argument(
        "--depth", type=int, default=1, metavar="N", help="also who depends on these, 1 to 5 steps"
    )
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Tell what depends on it."""
    from otsec.inventory.assembly import inventory
    from otsec.policy.impact import MOST_DEPTH
    from otsec.store import open_store

    if not 1 <= arguments.depth <= MOST_DEPTH:
        raise UsageError(f"--depth {arguments.depth}: expected a number from 1 to {MOST_DEPTH}")
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    policy = _policy(arguments, config)
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        if policy is not None and any(rule.id == arguments.what for rule in _passing(policy)):
            name, rows = f"conduit {arguments.what}", _conduit(store, found, policy, arguments)
        else:
            name, rows = _device(store, found, arguments)
    deeper = {"depth", "on"} if arguments.depth > 1 or policy is not None else set[str]()
    shown = [
        one for one in COLUMNS if style.format != "table" or not one.detail or one.name in deeper
    ]
    write("impact", shown, rows, style, sys.stdout)
    if not rows and style.format == "table" and not arguments.quiet:
        say(f"nothing was seen that depends on {name}")
    return 0


def _policy(arguments: Namespace, config: "Config") -> "Policy | None":
    """The policy that has the conduit; none where a device may be meant and none is configured."""
    from otsec.cli.analyze import site_policy
    from otsec.cli.policy import loaded

    return loaded(arguments.policy) if arguments.policy is not None else site_policy(config)


def _passing(policy: "Policy") -> "tuple[Rule, ...]":
    return (*policy.conduits, *policy.exceptions)


def _device(
    store: "Store", found: "Inventory", arguments: Namespace
) -> "tuple[str, list[Dependence]]":
    from otsec.inventory.selection import find
    from otsec.policy.impact import behind, impact
    from otsec.policy.verdicts import acts_of

    asset = find(found, arguments.what)
    others = behind(found, asset)
    if others and not arguments.quiet:
        names = ", ".join(one.name for one in others[:SHOWN])
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        say(f"behind {asset.name}: {harmless(names)}{more}")
    rows = impact(found, acts_of(store, details=False), [asset, *others], arguments.depth)
    return asset.name, rows


def _conduit(
    store: "Store", found: "Inventory", policy: "Policy", arguments: Namespace
) -> "list[Dependence]":
    """What passes it, judged with the conduit and without."""
    from dataclasses import replace

    from otsec.cli.policy import verdicts
    from otsec.policy.impact import through
    from otsec.policy.simulation import is_cut
    from otsec.policy.verdicts import acts_of

    def others(rules: "tuple[Rule, ...]") -> "tuple[Rule, ...]":
        return tuple(rule for rule in rules if rule.id != arguments.what)

    without = replace(
        policy, conduits=others(policy.conduits), exceptions=others(policy.exceptions)
    )
    used = [
        flow for flow in verdicts(store, policy, found)
        if flow.rule == arguments.what and not is_cut(flow.verdict)
    ]  # fmt: skip
    still = [flow for flow in verdicts(store, without, found) if not is_cut(flow.verdict)]
    return through(found, acts_of(store, details=False), used, still, arguments.depth)
