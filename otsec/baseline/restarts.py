"""Who was restarted with others, told by announcements alone.

What is out for less than the time between two polls leaves no silence behind. But a host that has
started tells everybody that its address is its own (RFC 5227 2.3), and one that runs does so
seldom; so several that do it at one moment had one cause.
"""

from collections.abc import Iterator, Sequence

from otsec.baseline.silences import Followed
from otsec.nanoseconds import SECOND_NS, WEEK_NS
from otsec.store.timing import WHOLE, Announcement

APART_NS = 60 * SECOND_NS  # from one announcement to the next; some devices take longer to start
LEAST = 3  # devices: of a large plant two may be restarted in one minute by chance
SELDOM = 4  # other times within a week


def together(heard: Followed) -> Iterator[tuple[Announcement, ...]]:
    """The first announcement of each of several devices of a VLAN at one moment."""
    rows = [one for some in heard.announced.values() for one in _rare(heard, some)]
    rows.sort(key=lambda one: (one.place, one.time, one.packet))
    mine: list[Announcement] = []
    for one in rows:
        if mine and (one.place != mine[-1].place or one.time - mine[-1].time > APART_NS):
            yield from _several(mine)
            mine = []
        mine.append(one)
    yield from _several(mine)


def _several(rows: Sequence[Announcement]) -> Iterator[tuple[Announcement, ...]]:
    """Of each MAC address one: a router that takes over announces many addresses."""
    by_mac: dict[str, Announcement] = {}
    for one in rows:
        by_mac.setdefault(one.mac, one)
    if len(by_mac) >= LEAST:
        yield tuple(by_mac.values())


def _rare(heard: Followed, rows: Sequence[Announcement]) -> Iterator[Announcement]:
    """When an address was announced that is heard all the time, and is announced seldom."""
    firsts = [
        one
        for before, one in zip((None, *rows), rows, strict=False)
        if before is None or one.time - before.time > APART_NS
    ]
    for one in firsts:
        often = sum(abs(other.time - one.time) <= WEEK_NS for other in firsts) - 1
        path = heard.paths.get((one.place, one.address, WHOLE))
        if path is not None and often <= SELDOM and heard.steady(path, one.time):
            yield one
