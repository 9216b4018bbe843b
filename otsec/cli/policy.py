"""``otsec policy``: check a policy of zones and conduits, judge by it, suggest one, try one out."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from otsec.cli import listing, options
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.inventory.assembly import Inventory
    from otsec.policy.checking import Against
    from otsec.policy.lowering import Loss
    from otsec.policy.model import Policy
    from otsec.policy.placing import Endpoint, People
    from otsec.policy.verdicts import Flow
    from otsec.store import Store
    from otsec.store.queries import Filter

ACTIONS = {
    "check": "tell all that is wrong with a policy, and run its tests",
    "judge": "list what the policy says of all that a store holds, worst first",
    "suggest": "draft a policy from what a store holds, with a list of what a person must decide",
    "simulate": "tell who would have lost what if the policy had been in force",
    "export": "write a policy as rules of a firewall, with all that they cannot say",
    "approve": "take down that a named person approves of a policy as it is written now",
    "new": "write a worked example to begin with",
    "schema": "write the JSON Schema of the format, for editors",
}
EXPORTS = ("nftables", "cisco", "juniper", "paloalto", "fortigate", "suricata")
LOSSES = (Column("rule", "rule"), Column("what", "what is lost"))
CHECK_EPILOG = """\
Exit code 2 where there is an error; warnings alone are 0. docs/segmentation.md lists the codes."""
SIMULATE_EPILOG = """\
Exit code 1 where something would be cut (deny, unknown_endpoint); with --against only where it was
let through before. --fail-on never makes it 0; --fail-on undecoded is stricter."""
EXPORT_EPILOG = """\
Nothing is sent to any device: a person reviews the file, and loads it. Operations, details, frames
below IP and who is meant by role or tag without --db cannot be said, and stand in it as comments."""
SUGGEST_EPILOG = """\
The draft holds what repeats itself and changes nothing. Writes, programs, remote access, the
internet, skipped levels, what is rare, unanswered or could not be read is on the review list."""

FILTERS = {
    "verdict": "allow, deny, unknown_endpoint, undecoded",
    "rule": "id of the rule that decides; link, inter_zone, intra_zone, unplaced",
    "cause": "never, expired, not_begun, window, session, safety, it_ot, internet, ...",
    "from": "zone of who begins",
    "to": "zone of who answers",
    "zone": "zone of either",
    "client": "address, network or name of who begins",
    "server": "address, network or name of who answers",
    "host": "address, network or name of either",
    "proto": "the protocol, modbus",
    "service": "tcp/502, udp/53, 0x88b8",
    "class": "read, write, control, program, ...",
    "op": "the operation, write_single_register",
    "vlan": "the VLAN (place): 10, 100.10, vni 5000",
    "site": "the site's name",
    "group": "the point group",
    "point": "the capture point",
}


def _zone(end: "Endpoint") -> str:
    from otsec.policy.reasons import zone_of

    return zone_of(end)


def _reason(flow: "Flow") -> str:
    from otsec.policy.reasons import reason

    return reason(flow)


def _smallest(flow: "Flow") -> str:
    from otsec.policy.reasons import smallest

    return smallest(flow)


COLUMNS = (
    Column("verdict", "verdict", about="allow, undecoded, unknown_endpoint or deny"),
    Column("rule", "rule", about="the rule that decides; else the default"),
    Column("from", "from", about="zone of who begins", value=lambda flow: _zone(flow.client)),
    Column("client", "client", about="who begins", value=lambda flow: flow.client.address),
    Column("to", "to", about="zone of who answers", value=lambda flow: _zone(flow.server)),
    Column("server", "server", about="who answers", value=lambda flow: flow.server.address),
    Column("protocol", "protocol", about="the protocol; else the service", value=lambda f: f.word),
    Column("class", "class", about="of the operation; empty: not read", value=lambda f: f.cls),
    Column("operation", "operation", about="the protocol's own word"),
    Column("count", "count", "number", "exchanges; packets where nothing could be read"),
    Column("at", "at", "time", "a moment at which the verdict held"),
    Column("cause", "cause", about="why, in a word", detail=True, value=lambda f: f.option.cause),
    Column("reason", "reason", about="why, in a sentence", detail=True, value=_reason),
    Column(
        "conduit",
        "conduit",
        about="the smallest conduit that would allow it",
        detail=True,
        value=_smallest,
    ),
    Column(
        "doubt", "doubt", "flag", "it depends on time, and not all moments are kept", detail=True
    ),
    Column(
        "objects", "rows", "number", "behaviours of the store that are told as one", detail=True
    ),
    Column("service", "service", about="transport and port, or ethertype", detail=True),
    Column(
        "client_name",
        "client name",
        about="its name",
        detail=True,
        value=lambda f: f.client.person.name,
    ),
    Column(
        "server_name",
        "server name",
        about="its name",
        detail=True,
        value=lambda f: f.server.person.name,
    ),
    Column("first_time", "first seen", "time", "time of its first packet", detail=True),
    Column("last_time", "last seen", "time", "time of its last packet", detail=True),
    Column("place", "vlan", about="VLAN ids and VXLAN network; empty: untagged", detail=True),
    Column("site", "site", about="site of the tap", detail=True),
    Column("group", "group", about="group of points that see the same network", detail=True),
    Column("point", "point", about="capture point that saw most of it", detail=True),
    Column("witnesses", "witnesses", "list", "other points that saw it", detail=True),
)


# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        CONFIGURE[name](action)


def _check_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    parser.add_argument(
        "--at", metavar="TIME", help="judge expiry and windows as of then (default: now)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "github"),
        default="text",
        help="text, json, or commands that GitHub shows beside the line",
    )
    parser.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help="also against this store: groups that are empty, conduits that nobody used",
    )
    parser.epilog = CHECK_EPILOG


def _judge_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    listing.configure(parser, COLUMNS, ())
    parser.epilog = listing.epilog(COLUMNS, FILTERS)


def _suggest_arguments(parser: ArgumentParser) -> None:
    from otsec.cli.analyze import positive

    options.store(parser)
    for name, default, about in (
        ("--min-count", 5, "exchanges of one kind; fewer are rare"),
        ("--min-days", 1, "days on which one kind must have been seen"),
        ("--fan-out", 32, "servers of one client in one protocol; more look like a search"),
    ):
        parser.add_argument(
            name, type=positive, default=default, metavar="N", help=f"{about} (default {default})"
        )
    into(parser)
    parser.epilog = SUGGEST_EPILOG


def _simulate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    parser.add_argument(
        "captures", nargs="*", metavar="CAPTURE", help="captures to try it on, instead of a store"
    )
    options.store(parser)
    parser.add_argument(
        "--against", type=Path, metavar="OLD", help="another policy: tell what it judges otherwise"
    )
    parser.add_argument(
        "--fail-on",
        choices=("cut", "undecoded", "never"),
        default="cut",
        help="what makes the exit code 1 (default: cut)",
    )
    options.formats(parser)
    parser.epilog = SIMULATE_EPILOG


def _new_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "template", nargs="?", metavar="NAME", help="water-plant, substation or body-shop"
    )
    into(parser)


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    parser.add_argument("--to", required=True, choices=EXPORTS, help="the kind of rules")
    parser.add_argument(
        "--enforce", action="store_true", help="drop what the policy denies (default: log it)"
    )
    parser.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help="the store that knows the addresses of roles, tags and names",
    )
    into(parser)
    parser.epilog = EXPORT_EPILOG


def _approve_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the policy")
    options.store(parser)
    parser.add_argument("--by", metavar="WHO", help="who approves (default: the login name)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")


def into(parser: ArgumentParser) -> None:
    """``-w``: a file instead of standard output."""
    parser.add_argument(
        "-w", dest="write", type=Path, metavar="FILE", help="write to a new file (default: output)"
    )


def give(arguments: Namespace, text: str) -> None:
    """Write a text to standard output, or to a new file."""
    if arguments.write is None:
        sys.stdout.write(text)
        return
    try:
        with arguments.write.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{arguments.write}: exists already; name a new file") from None
    except FileNotFoundError:
        raise UsageError(f"{arguments.write}: there is no such folder") from None
    except OSError as error:
        if error.filename is None:  # half a file would refuse the same command, run again
            arguments.write.unlink(missing_ok=True)
            error.filename = str(arguments.write)
        raise


def _no_arguments(_parser: ArgumentParser) -> None:
    pass


CONFIGURE = {
    "check": _check_arguments,
    "judge": _judge_arguments,
    "suggest": _suggest_arguments,
    "simulate": _simulate_arguments,
    "export": _export_arguments,
    "approve": _approve_arguments,
    "new": _new_arguments,
    "schema": _no_arguments,
}


# --------------------------------------------------------------------------------- running


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return RUN[arguments.action](arguments)


def loaded(path: Path) -> "Policy":
    """A policy that can be used. Raises ConfigError with a line for every error."""
    import time

    from otsec.policy.checking import required

    return required(path, time.time_ns())


def verdicts(
    store: "Store", policy: "Policy", inventory: "Inventory | None" = None
) -> "list[Flow]":
    """What a policy says of a store."""
    from otsec.baseline import allowed

    return allowed.verdicts(store, policy, inventory)


def _check(arguments: Namespace) -> int:
    import time

    from otsec.policy.checking import Against, check
    from otsec.policy.problems import FORMATS

    at = time.time_ns() if arguments.at is None else _moment(arguments.at)
    found = check(arguments.file, Against(at))
    if arguments.db is not None and found.policy is not None:
        found = check(arguments.file, _against_store(arguments, found.policy, at))
    sys.stdout.write(FORMATS[arguments.format](str(arguments.file), found.problems))
    if arguments.format == "text" and not arguments.quiet:
        errors = sum(problem.fatal for problem in found.problems)
        _tell_checked(errors, len(found.problems) - errors, found.policy)
    return Exit.USAGE if found.fatal else Exit.FINE


def _tell_checked(errors: int, warnings: int, policy: "Policy | None") -> None:
    told = f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    if policy is not None:
        told += (
            f"; {len(policy.zones)} zones, {len(policy.conduits)} conduits, {len(policy.nevers)} "
            f"never, {len(policy.exceptions)} exceptions, {len(policy.tests)} tests"
        )
    say(told)


def _against_store(arguments: Namespace, policy: "Policy", at: int) -> "Against":
    from otsec.inventory.assembly import inventory
    from otsec.policy.checking import Against
    from otsec.policy.placing import People
    from otsec.store import open_store
    from otsec.store.queries import sources

    config = options.configured(arguments, "db")
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        seen = [source for source in sources(store) if source.packets]
        told = verdicts(store, policy, found)
    return Against(
        at,
        People(found),
        told,
        min((source.first_time for source in seen), default=0),
        max((source.last_time for source in seen), default=0),
    )


def _moment(text: str) -> int:
    from datetime import UTC

    return listing.moment(text, UTC, lambda: 0)


def _judge(arguments: Namespace) -> int:
    from otsec.policy.judging import Cause
    from otsec.policy.model import VERDICTS
    from otsec.policy.selection import KEYS, chosen

    policy = loaded(arguments.file)

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Flow]":
        return chosen(verdicts(store, policy), filters)

    closed = {"verdict": VERDICTS, "cause": get_args(Cause)}
    return listing.run(arguments, "verdicts", COLUMNS, tuple(KEYS), query, closed=closed)


def _suggest(arguments: Namespace) -> int:
    from otsec.inventory.assembly import inventory
    from otsec.policy.suggestion import Limits, suggest
    from otsec.policy.verdicts import acts_of
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    limits = Limits(arguments.min_count, arguments.min_days, arguments.fan_out)
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        made = suggest(store, found, acts_of(store, details=False), limits, config.zone())
    give(arguments, made.text)
    if not arguments.quiet:
        say(f"{len(made.conduits)} conduits drafted, {len(made.review)} flows to review")
    return Exit.FINE


def _simulate(arguments: Namespace) -> int:
    from otsec.cli.simulation import show

    policy = loaded(arguments.file)
    other = None if arguments.against is None else loaded(arguments.against)
    if arguments.captures and arguments.db is not None:
        raise UsageError("policy simulate: name captures or --db, not both")
    return show(arguments, policy, other, style_of(arguments, policy.zone))


def _export(arguments: Namespace) -> int:
    from otsec.inventory.assembly import inventory
    from otsec.policy.placing import People
    from otsec.store import open_store

    policy = loaded(arguments.file)
    people = None
    if arguments.db is not None:
        with open_store(options.configured(arguments, "db").store, readonly=True) as store:
            people = People(inventory(store))
    text, losses = _exported(arguments, policy, people)
    give(arguments, text)
    if arguments.write is not None and losses and not arguments.quiet:
        write("losses", LOSSES, losses, style_of(arguments, policy.zone), sys.stdout)
    if not arguments.quiet:
        say(f"{len(losses)} things that the policy says are lost; they are told in the file")
    return Exit.FINE


def _exported(
    arguments: Namespace, policy: "Policy", people: "People | None"
) -> "tuple[str, list[Loss]]":
    """The rules as text, and what they cannot say."""
    import time

    from otsec.policy import acls, nftables, suricata
    from otsec.policy.terms import terms

    if arguments.to == "nftables":
        return nftables.export(policy, people, enforce=arguments.enforce)
    found, losses = terms(policy, people, time.time_ns())
    if arguments.to == "suricata":
        text = suricata.export(policy, found, losses, enforce=arguments.enforce)
    else:
        text = acls.export(arguments.to, policy, found, losses, enforce=arguments.enforce)
    return text, losses


def _approve(arguments: Namespace) -> int:
    from otsec.cli.triage import word_of
    from otsec.controls.approvals import approved_policy
    from otsec.store import open_store
    from otsec.store.acts import record

    policy = loaded(arguments.file)
    word = word_of(arguments)
    with open_store(options.configured(arguments, "db").store, create=False) as store:
        record(store, [approved_policy(policy, word)])
    if not arguments.quiet:
        say(f"{policy.name} is approved as it is now (by {word.who}); sha256 {policy.digest}")
    return Exit.FINE


def _new(arguments: Namespace) -> int:
    from otsec.policy import templates

    if arguments.template is None:
        raise UsageError(f"policy new: name one of {', '.join(templates.names())}")
    give(arguments, templates.text(arguments.template))
    return Exit.FINE


def _schema(_arguments: Namespace) -> int:
    from otsec.policy.schema import schema

    sys.stdout.write(schema())
    return Exit.FINE


RUN = {
    "check": _check,
    "judge": _judge,
    "suggest": _suggest,
    "simulate": _simulate,
    "export": _export,
    "approve": _approve,
    "new": _new,
    "schema": _schema,
}
