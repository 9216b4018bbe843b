"""``otsec outages``: what went out, from when to when, what speaks for it, and how sure that is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from otsec.cli import listing
from otsec.cli.output import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otsec.baseline.outages import Outage
    from otsec.store import Store
    from otsec.store.queries import Filter

SHOWN = 5  # devices of an outage
SPARE = ("place", "feed")  # left out where all are empty
FILTERS = {
    "kind": "tap-outage, sensor-overload, clock-step, vlan-lost, switch-lost, power-lost, "
    "network-storm, device-restarts, device-silent, peer-silent",
    "name": "name of a device that was silent",
    "host": "address or network of one",
    "feed": "the feed, as people named it, or `proposed`",
    "state": "open or ended",
    "vlan": "the VLAN",
    "point": "the capture point",
    "group": "the point group",
    "site": "the site's name",
}
EPILOG = """\
Who falls silent at one moment has one cause. It is told by who else was heard meanwhile, whether
those who ask went on asking, whether the devices announced themselves when they were back, and
whether they were back at one moment. A silence counts if it is three times as long as those that
are usual for the device, and rare. Feeds and cabinets: `otsec asset set NAME feed=F1`.

"""


def _length(one: "Outage") -> int | None:
    return (one.end - one.begin) // 1000 if one.end else None


def _few(names: "Sequence[str]") -> tuple[str, ...]:
    """For people: the columns `addresses` and `announced` hold all."""
    more = len(names) - SHOWN
    return (*names[:SHOWN], *((f"and {more} more",) if more > 0 else ()))


COLUMNS = (
    Column("kind", "kind", about="what went out"),
    Column("begin", "from", "time", "the last packet before it"),
    Column("end", "to", "time", "the first packet behind it; empty: it goes on",
           value=lambda one: one.end or None),
    Column("length_us", "for", "duration", "how long", value=_length),
    Column("devices", "devices", "list", "who was silent",
           value=lambda one: _few([device.name for device in one.devices])),
    Column("place", "vlan", about="the VLAN"),
    Column("feed", "feed", about="as people named it; proposed: they may be on one"),
    Column("confidence", "sure", "number", "from 0 to 1"),
    Column("reasons", "because", "list", "what speaks for it"),
    Column("times", "times", "number", "how often", detail=True),
    Column("addresses", "addresses", "list", "of the devices", detail=True,
           value=lambda one: tuple(device.address for device in one.devices)),
    Column("announced", "announced", "list", "who announced itself when it was back", detail=True,
           value=lambda one: tuple(device.name for device in one.devices if device.announced)),
    Column("packet", "packet", "number", "the last before it, ordinal in its source", detail=True),
    Column("end_packet", "back", "number", "the first behind it", detail=True),
    Column("point", "point", about="capture point", detail=True),
    Column("group", "group", about="point group", detail=True),
    Column("site", "site", about="the site", detail=True),
)  # fmt: skip


def _attribute(name: str) -> "Callable[[Any], Iterable[str]]":
    return lambda one: (getattr(one, name),)


KEYS: "dict[str, Callable[[Outage], Iterable[str]]]" = {
    **{name: _attribute(name) for name in ("kind", "feed", "point", "group", "site")},
    "vlan": _attribute("place"),
    "name": lambda one: [device.name for device in one.devices],
    "host": lambda one: [device.address for device in one.devices],
    "state": lambda one: ("open" if one.open else "ended",),
}


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    listing.configure(parser, COLUMNS, ())
    parser.epilog = EPILOG + listing.EPILOG.format(
        filters="\n".join(f"  {key:<10} {about}" for key, about in FILTERS.items()),
        columns="\n".join(map(listing._described, COLUMNS)),  # noqa: SLF001 - as all listings do
    )


def run(arguments: Namespace) -> int:
    """Print the outages, in order of time."""
    from otsec.baseline.outages import Kind

    def query(store: "Store", filters: "Sequence[Filter]") -> "Sequence[Outage]":
        from otsec.baseline.outages import outages
        from otsec.inventory.selection import passes

        return [
            one
            for one in outages(store)
            if all(passes(one, each, KEYS, _texts, (one.begin, one.end)) for each in filters)
        ]

    closed = {"kind": get_args(Kind), "state": ("open", "ended")}
    return listing.run(arguments, "outages", COLUMNS, tuple(FILTERS), query, SPARE, closed=closed)


def _texts(one: "Outage") -> Iterable[str]:
    for key in KEYS.values():
        yield from key(one)
    yield from one.reasons
