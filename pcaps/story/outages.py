"""What fails without any ill will: tap, VLAN, power, clock, a cable, a controller that gets slow."""

import struct
from collections.abc import Iterable

from dairy import CABINET, SCHNEIDER, SECOND_VLAN, SIEMENS, UTILITIES_VLAN, Story, moment
from mirror import HOUR, MINUTE, SECOND, Mirror, Span
from scenes import Host

FAILING, AGEING = SCHNEIDER[4 + 1], SIEMENS[4]
ARP, EVERYBODY = 0x0806, b"\xff" * 6


def announce(mirror: Mirror, host: Host, time: int) -> None:
    """What a device says when it has started: that this address is its own (RFC 5227 2.3)."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + host.hardware + host.packed
    for turn in range(2):
        at = time + turn * SECOND
        mirror.frame(at, host, EVERYBODY, ARP, body + bytes(6) + host.packed)


def troubles(story: Story) -> None:
    """All of them; the step of the clock comes first, for it moves the times of labels."""
    random = story.mirror.random

    def span(day: int, hour: float, minutes: float) -> Span:
        begin = moment(day, hour) + random.randrange(-20 * MINUTE, 20 * MINUTE)
        return begin, begin + int(minutes * MINUTE)

    stepped = span(12, 4, 1)
    story.troubles.steps.append((stepped[0], -400 * SECOND))
    blind = span(8, 3.2, 25)
    story.troubles.tap.append(blind)
    gone = span(9, 18.3, 120)
    story.troubles.vlans[UTILITIES_VLAN] = [gone]
    dark = span(10, 22.6, 4)
    _power(story, CABINET, dark)
    failing = (moment(11, 6), moment(13, 12))
    story.troubles.lossy[FAILING.name] = [(failing, 0.4)]
    drifting = (moment(8, 0), moment(15, 0))
    story.troubles.slow[AGEING.name] = [(drifting, 5.0)]
    for episode, when, name, hosts in (
        ("clock-step", stepped, "clock-step", ()),
        ("tap-outage", blind, "tap-outage", ()),
        ("vlan-lost", gone, "vlan-lost", SECOND_VLAN),
        ("power-dip", dark, "power-lost", CABINET),
        ("failing-link", failing, "link-failing", (FAILING,)),
        ("response-drift", drifting, "response-drift", (AGEING,)),
    ):
        longer = (when[0], max(when[1], when[0] + HOUR))
        story.label(episode, longer, "benign", name, "", *hosts)


def _power(story: Story, hosts: Iterable[Host], dark: Span) -> None:
    """A feed is without voltage; controllers take longer to start than drives."""
    for host in hosts:
        start = story.mirror.random.randrange(20 * SECOND, 70 * SECOND)
        story.troubles.off.setdefault(host.name, []).append((dark[0], dark[1] + start))
        announce(story.mirror, host, dark[1] + start)
