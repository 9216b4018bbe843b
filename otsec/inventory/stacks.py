"""What the way a host opens TCP connections hints at: the system it runs.

A hint and no more: hop limits are set by routers and administrators, options by proxies and load
balancers, and one embedded stack is in devices of many makers. So it is told at low confidence,
as `os_hint`, and never fills in what a device has not said itself.
"""

import re
from collections.abc import Iterable, Iterator

from otsec.store.sightings import Said, Station

PROTOCOL = "tcp"
# Of the text that the store holds. The order of options is that of the systems' own sources and
# of captures: Linux net/ipv4/tcp_output.c, FreeBSD sys/netinet/tcp_output.c, lwIP src/core/tcp_out.c.
_HINTS = tuple(
    (re.compile(pattern), system)
    for pattern, system in (
        (r"hops 64, .*, mss sack time nop scale$", "Linux"),
        (r"hops 64, .*, mss nop scale nop nop time sack end( end)*$", "macOS or iOS"),
        (r"hops 64, .*, mss nop scale sack time$", "FreeBSD or its kin"),
        (r"hops 128, .*, mss nop (scale nop )?nop sack$", "Windows"),
        (r"hops 128, .*, mss nop scale sack time$", "Windows"),
        (r"SYN: hops (32|64|255), .*, (mss|no options)$", "a small embedded stack"),
    )
)


def hint(stack: str) -> str:
    """The system that a stack hints at, as the table `station` tells it; "" for none."""
    return next((system for pattern, system in _HINTS if pattern.search(stack)), "")


def told(stations: Iterable[Station]) -> Iterator[Said]:
    """What the stacks of stations say of them, as if a protocol had said it."""
    for one in stations:
        if not (one.stack and one.address):
            continue
        values = {"tcp_stack": one.stack, "os_hint": hint(one.stack)}
        for attribute, value in values.items():
            if value:
                yield Said(
                    *(one.site, one.group, one.source, one.place, one.address),
                    *("", attribute, value, PROTOCOL, 1),
                    *(one.first_time, one.first_packet, one.last_time, one.last_packet),
                )
