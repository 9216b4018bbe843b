"""``otsec clocks``: every device's clock against the capture's, and where its time comes from."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, get_args

from otsec.cli import listing, options
from otsec.cli.output import Column, duration_text, say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from otsec.clocks import Clock
    from otsec.store import Store
    from otsec.store.queries import Filter

SPARE = ("device", "stratum", "drift_ppm", "changes", "note")  # left out where all are empty

FILTERS = {
    "name": "the asset's name",
    "host": "address or network of it",
    "role": "its role",
    "proto": "the protocol that tells the time",
    "way": "`says`, `is set` or `asks`",
    "from": "name of who sets it, or whom it asks or follows",
    "standing": "agrees, off, steps, `needs time` or unknown",
    "device": "the device behind the address",
    "point": "the capture point",
    "site": "the site's name",
}
EPILOG = """\
A clock is heard when a device says its time (says), and when somebody sets it (is set); who asks
for the time has no clock that could be heard (asks).
ahead is the clock minus the capture's, an interval: an answer was made at some time between its
request and itself. agrees: it holds a value within a second; steps: it changed by more than that
against the capture, or ran back. Times without a zone are taken as of the site's.
The capture's own clock may be the wrong one; where all devices agree on that, it is said.

"""


def ahead_text(ns: int) -> str:
    """A signed length of time for people."""
    sign = "-" if ns < 0 else "+"
    return sign + duration_text(abs(ns) // 1000)


def _ahead(one: "Clock") -> str:
    if one.offset_low_ns is None or one.offset_high_ns is None:
        return ""
    low, high = ahead_text(one.offset_low_ns), ahead_text(one.offset_high_ns)
    return low if low == high else f"{low} to {high}"


def _us(attribute: str) -> Callable[[Any], int | None]:
    def value(one: Any) -> int | None:
        ns = getattr(one, attribute)
        return None if ns is None else ns // 1000

    return value


COLUMNS = (
    Column("name", "name", about="the asset"),
    Column("device", "of", about="the device behind the address; empty: the asset itself"),
    Column("role", "role", about="its role"),
    Column("protocol", "protocol"),
    Column("way", "way", about="says, is set, or asks"),
    Column("source", "from", "list", "who sets it, whom it asks, or what it says it follows"),
    Column("stratum", "stratum", about="how far it is from a reference clock (NTP)"),
    Column("standing", "standing", about="agrees, off, steps, needs time, unknown"),
    Column("ahead", "ahead by", about="clock minus capture when last heard", value=_ahead),
    Column("drift_ppm", "drift ppm", "number", "parts in a million that it runs faster"),
    Column("count", "times", "number", "how often"),
    Column("last_time", "last", "time", "when last"),
    Column("packet", "packet", "number", "that shows it last, ordinal in its source"),
    Column("changes", "changes", "list", "of what it follows"),
    Column("note", "note", about="what is to be known of it"),
    Column("address", "address", about="by which it was heard", detail=True),
    Column("asset", "id", about="id of the asset", detail=True),
    Column(
        "offset_low_us",
        "at least",
        "number",
        "clock minus capture, microseconds",
        detail=True,
        value=_us("offset_low_ns"),
    ),
    Column(
        "offset_high_us", "at most", "number", "alike", detail=True, value=_us("offset_high_ns")
    ),
    Column(
        "first_offset_us",
        "at first",
        "number",
        "when first heard, the middle",
        detail=True,
        value=_us("first_offset_ns"),
    ),
    Column("first_time", "first", "time", "when first", detail=True),
    Column("point", "point", about="capture point", detail=True),
    Column("site", "site", about="the site", detail=True),
)
KEYS: "dict[str, Callable[[Clock], Iterable[str]]]" = {
    "name": lambda one: (one.name,),
    "host": lambda one: (one.address,),
    "role": lambda one: (one.role,),
    "proto": lambda one: (one.protocol,),
    "way": lambda one: (one.way,),
    "from": lambda one: one.source or ("",),
    "standing": lambda one: (one.standing,),
    "device": lambda one: (one.device,),
    "point": lambda one: (one.point,),
    "site": lambda one: (one.site,),
}


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.epilog = EPILOG + listing.EPILOG.format(
        filters="\n".join(f"  {key:<10} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, COLUMNS)),  # noqa: SLF001 - as all listings do
    )


def run(arguments: Namespace) -> int:
    """Print the clocks, by address."""
    from otsec.clocks import Standing, Way
    from otsec.inventory.roles import ROLES

    zone = options.configured(arguments, "db").zone()
    told: list[str] = []

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Clock]":
        return _query(store, filters, zone, told)

    closed = {"role": tuple(ROLES), "way": get_args(Way), "standing": get_args(Standing)}
    code = listing.run(arguments, "clocks", COLUMNS, tuple(FILTERS), query, SPARE, closed=closed)
    if told and not arguments.quiet:
        say("\n".join(told))
    return code


def _query(
    store: "Store", filters: "Sequence[Filter]", zone: "tzinfo", told: list[str]
) -> "Sequence[Clock]":
    from otsec.clocks import capture_off, clocks
    from otsec.inventory.selection import passes

    found = clocks(store, zone)
    if off := capture_off(found):
        told.append(
            f"the capture's clock seems to be {'behind' if off[0] > 0 else 'ahead'} by "
            f"{duration_text(abs(off[0]) // 1000)}: {', '.join(off[1])} agree on that"
        )
    return [
        one
        for one in found
        if all(passes(one, each, KEYS, _texts, (one.first_time, one.last_time)) for each in filters)
    ]


def _texts(one: "Clock") -> Iterable[str]:
    yield from (one.name, one.address, one.role, one.protocol, one.way, *one.source)
    yield from (one.standing, one.note, *one.changes)
