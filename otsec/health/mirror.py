"""Checks of what the mirror port or tap copies: whose frames, which direction, how often, which tags."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from otsec.health.seen import Seen, Station, busiest, first_of, is_device, one_sided
from otsec.health.services import by_number
from otsec.health.verdict import Packet, Severity, Verdict, counted, number, percent
from otsec.store.queries import Conversation, address_key

FEW = 20  # packets below which shares say nothing
ONLY_GROUP = 0.95  # of the frames; on a mirror of a working plant most frames have one receiver
ONE_WAY_BAD, ONE_WAY_WARN = 0.5, 0.05  # of the conversations that carried data
LOST_BAD, LOST_WARN = 0.05, 0.001  # of the bytes sent; a good tap loses none
REPEATED_ALL, REPEATED_WARN = 0.4, 0.02  # of the frames; half of them is every frame twice
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
    if not any(station.mac for station in seen.stations):
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
    meant = _group_protocols(seen.conversations)
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


def _group_protocols(talks: Iterable[Conversation]) -> str:
    named = Counter[str]()
    for talk in talks:
        if not is_device(talk.server) and (name := by_number(talk.service)):
            named[name] += talk.packets_out + talk.packets_in
    return busiest(named)


def directions(seen: Seen) -> Iterable[Verdict]:
    """Whether both sides of the TCP conversations are seen."""
    carried = [talk for talk in seen.tcp() if talk.payload_out + talk.payload_in or one_sided(talk)]
    if not carried:
        yield Verdict("directions", Severity.UNKNOWN, "No TCP conversation that carried data.")
        return
    torn = {id(talk) for pair in _split_by_tags(seen.conversations) for talk in pair}
    half = [talk for talk in carried if one_sided(talk) and id(talk) not in torn]
    share = len(half) / len(carried)
    if share < ONE_WAY_WARN:
        yield Verdict(
            "directions",
            Severity.GOOD,
            f"Both sides are seen of {number(len(carried) - len(half))} of "
            f"{counted(len(carried), 'TCP conversation')} with data.",
        )
        return
    heard = Counter("client" if talk.packets_out else "server" for talk in half)
    which = (
        f"only the {next(iter(heard))}'s side"
        if len(heard) == 1
        else f"{counted(heard['client'], 'time')} only the client's side, "
        f"{counted(heard['server'], 'time')} only the server's"
    )
    figure = (
        f"{number(len(half))} of {counted(len(carried), 'TCP conversation')} with data "
        f"({percent(len(half), len(carried))}) show one direction only: {which}."
    )
    answering = {
        talk.server if talk.packets_in else talk.client for talk in carried if not one_sided(talk)
    }
    silent = [talk.server if talk.packets_out else talk.client for talk in half]
    if share >= ONE_WAY_BAD and 2 * sum(one in answering for one in silent) < len(silent):
        yield Verdict("directions", Severity.BAD, figure, _examples(half), *_ONE_WAY, share)
        return
    if sum(one in answering for one in silent) * 2 >= len(silent):
        yield Verdict("directions", Severity.WARN, figure, _examples(half), *_FORGED, share)
        return
    yield Verdict("directions", Severity.WARN, figure, _examples(half), *_ONE_WAY, share)


_ONE_WAY = (
    (
        "the mirror copies only received or only sent frames, one leg of a tap is not connected, "
        "or the answers take another way"
    ),
    "mirror both directions (rx and tx) of the port, connect both legs of the tap",
)
_FORGED = (
    (
        "a flood or scan with forged addresses, or some answers take another way: who is silent "
        "here does answer others"
    ),
    "look at who sends these (otsec conversations); if they are real, mirror the other way too",
)


def _examples(talks: Iterable[Conversation], most: int = 2) -> tuple[Packet, ...]:
    busy = sorted(talks, key=lambda talk: (-talk.packets_out - talk.packets_in, talk.first_packet))
    return tuple(first_of(talk) for talk in busy[:most])


def loss(seen: Seen) -> Iterable[Verdict]:
    """Whether bytes were acknowledged, and so were sent, that the capture does not have."""
    whole = [talk for talk in seen.tcp() if talk.packets_out and talk.packets_in]
    lost = sum(talk.lost_out + talk.lost_in for talk in whole)
    sent = lost + sum(talk.payload_out + talk.payload_in for talk in whole)
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
    worst = max(whole, key=lambda talk: talk.lost_out + talk.lost_in)
    missing = counted(worst.lost_out + worst.lost_in, "byte")
    yield Verdict(
        "loss",
        Severity.BAD if share >= LOST_BAD else Severity.WARN,
        f"{percent(lost, sent)} of the bytes in TCP ({number(lost)} of {number(sent)}) were "
        f"acknowledged or passed over but never seen; most, {missing}, between {worst.client} and "
        f"{worst.server} {worst.service}.",
        (first_of(worst),),
        "the mirror port carries less than the ports it copies, or the recorder is too slow",
        "mirror fewer ports or VLANs, use a faster mirror port, give the recorder a larger buffer "
        "(dumpcap -B, tcpdump -B) and a faster disk",
        share,
    )


def repeats(seen: Seen) -> Iterable[Verdict]:
    """Whether frames come twice."""
    if not seen.packets:
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
    split = list(_split_by_tags(seen.conversations))
    if split:
        places = sorted({talk.place or "untagged" for pair in split for talk in pair})
        yield Verdict(
            "tags",
            Severity.BAD,
            f"{counted(len(split), 'conversation goes', 'conversations go')} one way with one VLAN tag and back with "
            f"another or none ({', '.join(places[:6])}): question and answer do not come together.",
            tuple(first_of(talk) for talk in split[0]),
            "the mirror port or the network card takes the tag off in one direction",
            "let the mirror keep tags in both directions (Cisco: `encapsulation replicate`), and "
            "switch off VLAN offload of the capturing card (`ethtool -K IFACE rxvlan off`)",
            min(1.0, 2 * len(split) / max(len(seen.conversations), 1)),
        )
        return
    if tagged:
        places = sorted({talk.place for talk in seen.conversations if talk.place})
        named = (
            f" (VLAN {', '.join(places[:8])}{' ...' if len(places) > 8 else ''})" if places else ""
        )
        yield Verdict("tags", Severity.GOOD, f"{number(tagged)} frames have VLAN tags{named}.")
        return
    if seen.packets:
        yield Verdict(
            "tags",
            Severity.UNKNOWN,
            "No frame has a VLAN tag: so it is on an access port, and so it looks where a mirror "
            "of a trunk or a network card took the tags off.",
        )


def _split_by_tags(
    talks: Iterable[Conversation],
) -> Iterable[tuple[Conversation, Conversation]]:
    """Conversations of which each VLAN tag has one direction."""
    halves: dict[tuple[str, str, str], dict[str, Conversation]] = defaultdict(dict)
    for talk in talks:
        if bool(talk.packets_out) is bool(talk.packets_in) or not is_device(talk.server):
            continue
        sender, receiver = talk.client, talk.server
        if talk.packets_in:
            sender, receiver = receiver, sender
        back = halves.get((receiver, sender, talk.service), {})
        for place, other in back.items():
            if place != talk.place:
                yield other, talk
                break
        halves[sender, receiver, talk.service].setdefault(talk.place, talk)


def addresses(seen: Seen) -> Iterable[Verdict]:
    """Whether one IP address is sent by several devices, as where VLANs run together."""
    if not any(station.mac and station.address for station in seen.stations):
        return
    by_mac = Counter((one.place, one.mac) for one in seen.stations if one.address)
    owners: dict[tuple[str, str], list[Station]] = defaultdict(list)
    for one in seen.stations:
        alone = by_mac[one.place, one.mac] == 1  # a router's MAC carries many addresses
        if alone and one.mac and is_device(one.address) and not _is_loopback(one.address):
            owners[one.place, one.address].append(one)
    several = {key: found for key, found in owners.items() if len(found) > 1}
    if not several:
        yield Verdict("addresses", Severity.GOOD, "Each IP address is sent by one device.")
        return
    names = sorted({address for _, address in several}, key=address_key)
    stations = max(several.values(), key=lambda found: min(one.frames for one in found))
    yield Verdict(
        "addresses",
        Severity.WARN,
        f"{counted(len(several), 'IP address', 'IP addresses')} "
        f"{'is' if len(several) == 1 else 'are'} sent by several MAC addresses: "
        f"{', '.join(names[:3])}{' ...' if len(names) > 3 else ''}; {stations[0].address} by "
        f"{' and '.join(one.mac for one in stations[:3])}.",
        tuple(one.first for one in stations[:2]),
        "a redundant pair that took over, an address given twice, a replaced device, somebody who "
        "pretends to be another; or VLANs with equal addresses whose tags were taken off",
        "compare with the address list; if VLANs run together, keep the tags in the mirror or give "
        "each VLAN a capture point of its own",
        len(several) / max(len(owners), 1),
    )


def _is_loopback(address: str) -> bool:
    """Addresses that every host has (RFC 1122 3.2.1.3, RFC 4291 2.5.3)."""
    return address.startswith("127.") or address == "::1"


# ---------------------------------------------------------------------------------- look-ups


def lookups(seen: Seen) -> Iterable[Verdict]:
    """Whether addresses that are asked for (ARP) answer."""
    asked = [one for one in seen.lookups if one.asked and is_device(one.address)]
    if not asked:
        yield Verdict("lookups", Severity.UNKNOWN, "Nobody asked for an address (ARP).")
        return
    heard = {(one.place, one.address) for one in seen.stations}
    silent = [one for one in asked if not one.answered]
    there = [one for one in silent if (one.place, one.address) in heard]
    gone = [one for one in silent if (one.place, one.address) not in heard]
    share = len(silent) / len(asked)
    figure = (
        f"{number(len(silent))} of {counted(len(asked), 'address', 'addresses')} asked for by ARP"
    )
    if share < SILENT_WARN:
        yield Verdict("lookups", Severity.GOOD, f"{figure} never answered.")
        return
    worst = sorted(gone or there, key=lambda one: (-one.asked, address_key(one.address)))
    named = ", ".join(f"{one.address} ({counted(one.asked, 'time')})" for one in worst[:3])
    also = (
        f" {number(len(there))} of them are heard otherwise, so their answers are missing."
        if there
        else ""
    )
    yield Verdict(
        "lookups",
        Severity.WARN,
        f"{figure} ({percent(len(silent), len(asked))}) never answered; most asked: {named}.{also}",
        tuple(first_of(one) for one in worst[:2]),
        "answers go to one device and are not mirrored"
        if there or not any(one.answered for one in asked)
        else "devices that are switched off or were removed and are still polled, or somebody who "
        "tries addresses",
        "mirror the ports of these devices in both directions"
        if there
        else "if these devices run, mirror their ports too; if not, take them out of the polling lists",
        share,
    )
