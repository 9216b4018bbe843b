"""Checks of what the mirror port or tap copies: whose frames, which direction, how often, which tags."""

from collections import Counter
from collections.abc import Iterable

from otsec.health.seen import PLACES, Seen, busiest, packets_of
from otsec.health.services import INDUSTRIAL
from otsec.health.verdict import Packet, Severity, Verdict, counted, number, percent
from otsec.store import checks

FEW = 20  # packets below which shares say nothing
ONLY_GROUP = 0.95  # of the frames; on a mirror of a working plant most frames have one receiver
ONE_WAY_BAD, ONE_WAY_WARN = 0.5, 0.05  # of the conversations that carried data
LOST_BAD, LOST_WARN = 0.05, 0.001  # of the bytes sent; a good tap loses none
LOOPED_WARN = 100
REPEATED_ALL, REPEATED_WARN = 0.4, 0.02  # of the frames; half of them is every frame twice
SCANNED, TRIED = 8, 3  # so many silent addresses, none asked for more often: a scan
SILENT_WARN = 0.2  # of the addresses asked for; a few spares and old entries are usual


def traffic(seen: Seen) -> Iterable[Verdict]:
    """Whether there is anything to judge."""
    if not seen.packets:
        yield Verdict(
            "traffic",
            Severity.BAD,
            "No traffic: not one packet was captured.",
            cause="the mirror session is not active, the cable is not in, the capture filter lets "
            "nothing through, or the recorder was stopped at once",
            advice="look at the link light and the mirror session, capture again without a filter",
            share=1.0,
        )


def receivers(seen: Seen) -> Iterable[Verdict]:
    """Whether only broadcast and multicast is seen, as on a port that is no mirror."""
    repeats = seen.total("duplicate_frames")
    frames, to_groups = seen.packets - repeats, seen.total("group_frames")
    if not checks.has_macs(seen.store, seen.source.id):
        yield Verdict("receivers", Severity.UNKNOWN, "The captures have no MAC addresses.")
        return
    if frames < FEW:
        yield Verdict("receivers", Severity.UNKNOWN, f"Only {counted(frames, 'frame')}.")
        return
    share = to_groups / frames
    figure = (
        f"{percent(to_groups, frames)} of {number(frames)} frames are broadcast or multicast, "
        f"{number(frames - to_groups)} went to one device"
    )
    if share < ONLY_GROUP:
        yield Verdict("receivers", Severity.GOOD, f"{figure}.")
        return
    meant = _group_protocols(seen)
    if meant:
        yield Verdict(
            "receivers",
            Severity.WARN,
            f"{figure}; among them {meant}, which is sent to groups.",
            seen.at("group_frames"),
            "a process bus sends little else; but an ordinary switch port shows the same",
            "if stations, relays and engineering traffic should be seen too, mirror their ports",
            share,
        )
        return
    yield Verdict(
        "receivers",
        Severity.BAD,
        f"{figure}.",
        seen.at("group_frames"),
        "the sensor hangs on an ordinary switch port, not on a mirror port: the switch gives it "
        "only what goes to everybody",
        "set up a mirror (SPAN) session to this port, or put a tap into the line",
        share,
    )


def _group_protocols(seen: Seen) -> str:
    found = checks.numbered(seen.store, seen.source.id, tuple(INDUSTRIAL), groups=True)
    named = Counter[str]()
    for one in found:
        named[INDUSTRIAL[one.service]] += one.packets
    return busiest(named)


def directions(seen: Seen) -> Iterable[Verdict]:
    """Whether both sides of the TCP conversations are seen.

    Only TCP tells: what is sent by UDP or to a group may never be answered, and who sends data
    over TCP without anybody acknowledging it may have forged its address.
    """
    found, torn = seen.streams, seen.torn
    half = found.client_alone + found.server_alone
    carried = found.both + half
    if not carried + found.unproven:
        yield Verdict("directions", Severity.UNKNOWN, "No TCP conversation that carried data.")
    elif max(half - torn.streams, 0) >= max(ONE_WAY_WARN * carried, 1):
        yield _half_blind(seen, found, half, carried)
    elif max(found.unproven - torn.streams, 0) > ONE_WAY_WARN * (carried + found.unproven):
        yield _unacknowledged(seen, found.unproven, carried + found.unproven)
    else:
        yield Verdict(
            "directions",
            Severity.GOOD,
            f"Both sides are seen of {number(found.both + torn.streams)} of "
            f"{counted(carried + found.unproven, 'TCP conversation')} with data.",
        )


def _half_blind(seen: Seen, found: checks.Streams, half: int, carried: int) -> Verdict:
    which = (
        f"only the {'client' if found.client_alone else 'server'}'s side"
        if not (found.client_alone and found.server_alone)
        else f"{counted(found.client_alone, 'time')} only the client's side, "
        f"{counted(found.server_alone, 'time')} only the server's"
    )
    answering = checks.silent_elsewhere_heard(seen.store, seen.source.id) * 2 >= half
    bad = half >= ONE_WAY_BAD * carried and not answering
    return Verdict(
        "directions",
        Severity.BAD if bad else Severity.WARN,
        f"{number(half)} of {counted(carried, 'TCP conversation')} with data "
        f"({percent(half, carried)}) show one direction only: {which}.",
        packets_of(seen.examples("one side", 2)),
        *(_FORGED if answering else _ONE_WAY),
        half / carried,
    )


def _unacknowledged(seen: Seen, unproven: int, carried: int) -> Verdict:
    return Verdict(
        "directions",
        Severity.WARN,
        f"In {number(unproven)} of {counted(carried, 'TCP conversation')} with data "
        f"({percent(unproven, carried)}) one side sends, and nothing shows that the other one "
        "ever did: no answer, no acknowledgement.",
        packets_of(seen.examples("unproven", 2)),
        *_FORGED,
        unproven / carried,
    )


_ONE_WAY = (
    (
        "the mirror copies only received or only sent frames, one leg of a tap is not connected, "
        "or the answers take another way"
    ),
    "mirror both directions (rx and tx) of the port, connect both legs of the tap",
)
_FORGED = (
    "a flood or scan with forged addresses; or answers that take another way than the mirrored one",
    "look at who sends these (otsec conversations); if they are real, mirror the other way too",
)


def loss(seen: Seen) -> Iterable[Verdict]:
    """Whether bytes were acknowledged, and so were sent, that the capture does not have."""
    lost, sent = seen.streams.lost, seen.streams.sent
    if not sent:
        yield Verdict("loss", Severity.UNKNOWN, "No TCP conversation with both sides and data.")
        return
    share = lost / sent
    if share < LOST_WARN:
        yield Verdict(
            "loss",
            Severity.GOOD,
            f"{percent(lost, sent)} of {number(sent)} bytes in TCP were sent but not captured.",
        )
        return
    (worst,) = seen.examples("lost", 1)
    yield Verdict(
        "loss",
        Severity.BAD if share >= LOST_BAD else Severity.WARN,
        f"{percent(lost, sent)} of the bytes in TCP ({number(lost)} of {number(sent)}) were "
        f"acknowledged or passed over but never seen; most, {counted(worst.amount, 'byte')}, "
        f"between {worst.client} and {worst.server} {worst.service}.",
        packets_of([worst]),
        "the mirror port carries less than the ports it copies, or the recorder is too slow",
        "mirror fewer ports or VLANs, use a faster mirror port, give the recorder a larger buffer "
        "(dumpcap -B, tcpdump -B) and a faster disk",
        share,
    )


def repeats(seen: Seen) -> Iterable[Verdict]:
    """Whether frames come twice."""
    if not seen.packets:
        return
    looped = seen.total("looped_frames")
    if looped >= LOOPED_WARN:
        yield Verdict(
            "repeats",
            Severity.WARN,
            f"{counted(looped, 'frame')} came again and again within 2 ms: more often than any "
            "mirror delivers them. They are counted once.",
            seen.at("looped_frames"),
            "frames go round in a loop of the network, or the mirror port sends into a port that "
            "it mirrors",
            "look for a second cable between two switches; see that spanning tree is on, and that "
            "the mirror port is not among the mirrored ones",
            looped / seen.packets,
        )
        return
    twice = seen.total("duplicate_frames")
    share = twice / seen.packets
    figure = f"{number(twice)} of {counted(seen.packets, 'frame')} ({percent(twice, seen.packets)})"
    if share < REPEATED_WARN:
        yield Verdict("repeats", Severity.GOOD, f"{figure} came twice.")
        return
    yield Verdict(
        "repeats",
        Severity.WARN,
        ("Every frame comes twice: " if share >= REPEATED_ALL else "Frames come twice: ")
        + f"{figure} repeat the same bytes within 2 ms. They are counted once.",
        seen.at("duplicate_frames"),
        "the mirror session copies a frame where it comes in and where it goes out, or two "
        "mirrored ports carry the same traffic",
        "mirror each port in one direction only (rx of all ports), or leave out the uplink",
        share,
    )


# ------------------------------------------------------------------------------------ VLANs


def tags(seen: Seen) -> Iterable[Verdict]:
    """Whether VLAN tags can be trusted to tell networks apart."""
    tagged = seen.total("tagged")
    named = [place for place in seen.places if place]
    torn = seen.torn
    if torn.pairs:
        ends = torn.one, torn.other
        places = ", ".join(place or "untagged" for place in reversed(seen.places[:6]))
        yield Verdict(
            "tags",
            Severity.BAD,
            f"{counted(torn.pairs, 'conversation goes', 'conversations go')} one way with one VLAN "
            f"tag and back with another or none ({places}): question and answer do not come "
            "together.",
            packets_of(seen.examples("between", 2, *ends, *ends, torn.service)),
            "the mirror port or the network card takes the tag off in one direction",
            "let the mirror keep tags in both directions (Cisco: `encapsulation replicate`), and "
            "switch off VLAN offload of the capturing card (`ethtool -K IFACE rxvlan off`)",
            1.0,
        )
        return
    if tagged:
        few = ", ".join(named[: PLACES - 1]) + (" ..." if len(named) >= PLACES else "")
        where = f" (VLAN {few})" if named else ""
        yield Verdict("tags", Severity.GOOD, f"{number(tagged)} frames have VLAN tags{where}.")
        return
    if seen.packets:
        yield Verdict(
            "tags",
            Severity.UNKNOWN,
            "No frame has a VLAN tag: so it is on an access port, and so it looks where a mirror "
            "of a trunk or a network card took the tags off.",
        )


def addresses(seen: Seen) -> Iterable[Verdict]:
    """Whether one IP address is sent by several devices, as where VLANs run together."""
    found = checks.owners(seen.store, seen.source.id, 3)
    if not found.addresses:
        return
    if not found.shared:
        yield Verdict("addresses", Severity.GOOD, "Each IP address is sent by one device.")
        return
    names = list(dict.fromkeys(address for _, address in found.worst))
    place, address = found.worst[0]
    senders = checks.senders(seen.store, seen.source.id, place, address, 3)
    yield Verdict(
        "addresses",
        Severity.WARN,
        f"{counted(found.shared, 'IP address', 'IP addresses')} "
        f"{'is' if found.shared == 1 else 'are'} sent by several MAC addresses: "
        f"{', '.join(names)}{' ...' if found.shared > len(names) else ''}; {address} by "
        f"{' and '.join(one.mac for one in senders)}.",
        tuple(Packet(one.packet, one.time) for one in senders[:2]),
        "a redundant pair that took over, an address given twice, a replaced device, somebody who "
        "pretends to be another; or VLANs with equal addresses whose tags were taken off",
        "compare with the address list; if VLANs run together, keep the tags in the mirror or give "
        "each VLAN a capture point of its own",
        found.shared / found.addresses,
    )


# ---------------------------------------------------------------------------------- look-ups


def lookups(seen: Seen) -> Iterable[Verdict]:
    """Whether addresses that are asked for (ARP) answer."""
    found = checks.lookups(seen.store, seen.source.id)
    asked, silent = found.asked, found.silent
    if not asked:
        yield Verdict("lookups", Severity.UNKNOWN, "Nobody asked for an address (ARP).")
        return
    share = silent / asked
    figure = f"{number(silent)} of {counted(asked, 'address', 'addresses')} asked for by ARP"
    if share < SILENT_WARN:
        yield Verdict("lookups", Severity.GOOD, f"{figure} never answered.")
        return
    kept = checks.silent(seen.store, seen.source.id, 3)
    named = ", ".join(f"{one.address} ({counted(one.asked, 'time')})" for one in kept.worst)
    also = (
        f" {number(kept.heard)} of them are heard otherwise, so their answers are missing."
        if kept.heard
        else ""
    )
    yield Verdict(
        "lookups",
        Severity.WARN,
        f"{figure} ({percent(silent, asked)}) never answered; most asked: {named}.{also}",
        tuple(Packet(one.packet, one.time) for one in kept.worst[:2]),
        *_why_silent(found, kept),
        share,
    )


def _why_silent(found: checks.Lookups, kept: checks.Silence) -> tuple[str, str]:
    """The likely cause, and what to change."""
    unheard = "answers go to one device and are not mirrored"
    either = (
        "if these devices run, mirror their ports too; if not, take them out of the polling lists"
    )
    if kept.heard:
        return unheard, "mirror the ports of these devices in both directions"
    if found.silent == found.asked:
        return unheard, either
    if found.silent >= SCANNED and kept.worst[0].asked <= TRIED:
        cause = (
            "somebody tried addresses one after the other to see who is there: none of the silent "
            f"ones was asked for more than {counted(TRIED, 'time')}"
        )
        return cause, "see in these packets who asked; the mirror need not be changed for it"
    return "devices that are switched off or were removed and are still polled", either
