"""``otsec respond``: what could be done about a finding, what it would cost, what comes first."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options, policy
from otsec.cli.output import Column, Style, say, style_of, write
from otsec.cli.page import Page

if TYPE_CHECKING:
    from otsec.detect.response import Response
    from otsec.policy.verdicts import Flow

SHOWN = 12
EPILOG = """\
A proposal for people: otsec sends nothing and changes nothing. Simulate the cut yourself:
  otsec respond ID -w cut.yaml; otsec policy simulate cut.yaml
What was not captured is not told: a cut may cost more than the capture shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the machine formats."""

    what: str
    text: str
    client: str = ""
    server: str = ""
    service: str = ""
    protocol: str = ""
    cls: str = ""
    operation: str = ""
    count: int | None = None


COLUMNS = (
    Column(
        "what",
        "what",
        about="attack, cut (besides), do_not, firewall, switch, people, collect, check, lost, policy",
    ),
    Column("text", "text", about="the proposal, or what is lost"),
    Column("client", "client"),
    Column("server", "server"),
    Column("service", "service"),
    Column("protocol", "protocol"),
    Column("class", "class", value=lambda line: line.cls),
    Column("operation", "operation"),
    Column("count", "count", "number"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "id", metavar="FINDING", help="id of a finding, the beginning of it, or an incident"
    )
    options.store(parser)
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="the policy that tells zones and owners (default: `policy` of otsec.yaml)",
    )
    parser.add_argument(
        "-w",
        dest="write",
        type=Path,
        metavar="FILE",
        help="write the cut as a policy to a new file",
    )
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Propose."""
    from otsec.cli.analyze import site_policy
    from otsec.detect.cases import cases, one_of
    from otsec.detect.response import respond
    from otsec.inventory.assembly import inventory
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    zones = site_policy(config) if arguments.policy is None else policy.loaded(arguments.policy)
    with open_store(config.store, readonly=True) as store:
        found = cases(store)
        about = [case.finding for case in one_of(found, arguments.id)]
        made = respond(store, inventory(store), about, [case.finding for case in found], zones)
    if arguments.write is not None and made.policy:
        policy.give(arguments, made.policy)
    if style.format != "table":
        write("response", COLUMNS, _lines(made), style, sys.stdout)
    else:
        _tell(made, style)
    if arguments.write is not None and not made.policy and not arguments.quiet:
        say(f"{arguments.write}: not written, there is nothing to cut")
    return 0


def _lines(made: "Response") -> Iterator[Line]:
    from otsec.policy.simulation import loss

    for what, told in (("attack", made.attack), ("cut", made.besides)):
        for flow in told:
            yield Line(
                *(what, loss(flow), flow.client.address, flow.server.address, flow.service),
                *(flow.word, flow.cls, flow.operation, flow.count),
            )
    for warned in made.warned:
        yield Line("do_not", f"do not isolate {warned.device}: {warned.why}")
    for what in ("firewall", "switch", "people", "collect", "check"):
        yield from (Line(what, text) for text in getattr(made, what))
    for one in made.lost:
        yield Line("lost", f"{one.who} loses {one.lost}", one.who, one.on, protocol=one.protocol, count=one.count)  # fmt: skip
    if made.policy:
        yield Line("policy", made.policy)


# ----------------------------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class Lost:
    """What a cut ends between two devices."""

    client: str
    lost: str
    protocol: str
    operation: str
    server: str


LOST = (
    Column("client", "who"),
    Column("lost", "what"),
    Column("protocol", "by"),
    Column("operation", "operation"),
    Column("server", "of whom"),
)
ISOLATED = (
    Column("who", "who loses"),
    Column("lost", "what"),
    Column("protocol", "by"),
    Column("count", "count", "number"),
    Column("redundant", "spare", "flag"),
)
HEADS = {
    "collect": "First, before anything is cut or switched off",
    "people": "Who answers for it",
    "check": "At the devices",
}


def _tell(made: "Response", style: Style) -> None:
    page = Page(style, sys.stdout)
    first = made.findings[0]
    more = f" and {len(made.findings) - 1} more" if made.findings[1:] else ""
    page.head(f"Proposal for {first.id}{more}: {first.title}")
    page.text("otsec changes nothing; people decide, and do it.")
    for warned in made.warned:
        page.head(f"DO NOT ISOLATE {warned.device}")
        page.text(f"{warned.why[0].upper()}{warned.why[1:]}.")
    for what in ("collect", "people"):
        _list(page, HEADS[what], getattr(made, what))
    _cut(page, made)
    _list(page, "Or at the switch", made.switch)
    if made.lost:
        page.head("What it costs to take who did it off the network")
        page.table(ISOLATED, made.lost[:SHOWN], len(made.lost), "--json shows all of them")
    _list(page, HEADS["check"], made.check)


def _list(page: Page, head: str, lines: Sequence[str]) -> None:
    if lines:
        page.head(head)
        for line in lines[:SHOWN]:
            page.item(line)
        page.more(min(len(lines), SHOWN), len(lines), "--json shows all of them")


def _cut(page: Page, made: "Response") -> None:
    if not made.policy:
        page.head("Nothing to cut at a firewall")
        page.text(
            "No conversation shows it: it tells of a device, of several at once, or of frames that "
            "no firewall sees."
        )
        return
    _list(page, "The smallest cut, at a firewall between them", made.firewall)
    page.head(f"It ends what the finding tells of ({_number(made.attack)})")
    _flows(page, made.attack)
    if not made.besides:
        page.text("In what was captured it cuts nothing else.")
        return
    page.head(f"It cuts besides ({_number(made.besides)})")
    _flows(page, made.besides)


def _number(told: "Sequence[Flow]") -> str:
    return f"{len(told)} flow{'' if len(told) == 1 else 's'}"


def _flows(page: Page, told: "Sequence[Flow]") -> None:
    from otsec.policy.reasons import called
    from otsec.policy.simulation import by_weight, loss

    rows = [
        Lost(called(one.client), loss(one), one.word, one.operation, called(one.server))
        for one in by_weight(told)
    ]
    page.table(LOST, rows[:SHOWN], len(rows), "--json shows all of them", spare=("operation",))
