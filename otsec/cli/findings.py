"""``otsec findings``: what is wrong, worst first."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from otsec.cli import listing
from otsec.cli.output import Column, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.detect.cases import Case
    from otsec.store import Store
    from otsec.store.queries import Filter

LEVELS = ("informational", "low", "medium", "high", "critical")  # help must not import detect
FILTERS = {
    "id": "the finding's id, whole or as short as it is shown",
    "level": "informational, low, medium, high or critical; --level for at least",
    "state": "new, acknowledged, resolved, false positive, accepted, expected, reopened; open, closed",
    "rule": "the rule, by name or id",
    "technique": "of ATT&CK for ICS, T0858",
    "incident": "the incident that it is part of",
    "client": "address or network of who did it",
    "server": "address or network to which it was done",
    "host": "address or network of either",
    "device": "the device behind the address",
    "service": "tcp/502",
    "proto": "the protocol",
    "category": "operation, conversation, identity, lookup, health",
    "owner": "to whom it is assigned",
    "change": "the record of a change that announces it; unlinked: a change without any",
    "vlan": "the VLAN in which it was seen",
    "group": "the point group in which it was seen",
    "site": "the site's name",
}


def _of(name: str, kind: str = "text", title: str = "", about: str = "", *, detail: bool = False) -> Column:  # fmt: skip
    return Column(
        name,
        title or name,
        kind,  # type: ignore[arg-type] # of the table below
        about,
        detail=detail,
        value=lambda case: getattr(case.finding, name),
    )


COLUMNS = (
    _of("short", title="id", about="as much of its id as every command needs to find it"),
    _of("level", about="how bad it is"),
    Column("state", "state", about="what people decided of it"),
    _of("title", title="finding", about="what it is"),
    _of("client", title="by", about="who did it"),
    _of("server", title="to", about="to whom"),
    _of("service", about="by which service"),
    _of("device", about="the device behind the address"),
    _of("outcomes", "list", "outcome", "how it ended"),
    Column("count", "times", "number", "how often", value=lambda case: case.finding.times),
    _of("last_time", "time", "last", "when last"),
    _of("incident", about="the incident that it is part of"),
    Column("owner", "owner", about="to whom it is assigned"),
    _of("id", title="whole id", about="its id, which never changes", detail=True),
    Column("change", "change", about="the record that announces it, or `unlinked`", detail=True),
    _of("techniques", "list", "ATT&CK", "techniques of ATT&CK for ICS", detail=True),
    _of("seen", about="what was seen, in plain words", detail=True),
    _of("expected", about="what was expected", detail=True),
    _of("why", about="why it matters", detail=True),
    _of("next", about="what to do next", detail=True),
    _of("doubt", about="what limits times and counts", detail=True),
    _of("falsepositives", "list", about="what else may look so", detail=True),
    _of("protocol", about="the protocol", detail=True),
    _of("operations", "list", about="operations, the most frequent first", detail=True),
    _of("objects", "list", about="objects, the most frequent first", detail=True),
    _of("first_time", "time", "first", "when first", detail=True),
    _of("first_packet", "number", about="the first packet, ordinal in its source", detail=True),
    _of("last_packet", "number", about="the last packet", detail=True),
    _of("name", title="rule", about="the rule, by name", detail=True),
    _of("rule", title="rule id", about="the rule, by id", detail=True),
    _of("category", about="category of the rule", detail=True),
    _of("place", title="vlan", about="the VLAN", detail=True),
    _of("group", about="point group", detail=True),
    _of("site", about="the site", detail=True),
    _of("witnesses", "list", about="other points that saw it", detail=True),
)

SPARE = ("service", "device", "outcomes", "incident", "owner")  # where no finding has any
NARROW = ("owner", "last_time", "outcomes", "device", "state", "count", "incident")


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.add_argument("--level", choices=LEVELS, help="only findings of at least this level")
    parser.add_argument(
        "--all", action="store_true", help="also what is resolved, accepted, expected or none"
    )
    fail_on(parser)
    parser.epilog = listing.EPILOG.format(
        filters="\n".join(f"  {key:<11} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, COLUMNS)),  # noqa: SLF001 - as all listings do
    )


def fail_on(parser: ArgumentParser) -> None:
    """``--fail-on``: the exit code tells of findings."""
    parser.add_argument(
        "--fail-on",
        choices=LEVELS,
        metavar="LEVEL",
        help="exit with 1 if an open finding is of at least this level",
    )


def run(arguments: Namespace) -> int:
    """Print the findings."""
    from otsec.detect.cases import NEW, STATES, cases, chosen
    from otsec.errors import Exit

    met: list[Case] = []
    hidden = 0
    states = (NEW, *STATES.values(), "open", "closed")

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Case]":
        nonlocal hidden
        found = at_least(chosen(cases(store), filters), arguments.level)
        asked = arguments.all or any(one.field in {"state", "text"} for one in filters)
        shown = found if asked else [case for case in found if case.open]
        hidden = len(found) - len(shown)
        met.extend(shown)
        return shown

    closed = {"level": LEVELS, "state": states}
    code = listing.run(arguments, "findings", COLUMNS, tuple(FILTERS), query, SPARE, NARROW, closed)
    if hidden and not arguments.format and not arguments.quiet:
        say(f"{hidden} more are decided: otsec findings --all")
    return Exit.FINDINGS if failing(met, arguments.fail_on) else code


def at_least(found: "Sequence[Case]", level: str | None) -> "list[Case]":
    """Those of a level and above."""
    least = LEVELS.index(level) if level else 0
    return [case for case in found if LEVELS.index(case.finding.level) >= least]


def failing(found: "Sequence[Case]", level: str | None) -> bool:
    """Whether an open finding is of the level that the exit code is to tell of."""
    return level is not None and any(case.open for case in at_least(found, level))
