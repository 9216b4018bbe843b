"""Checks of how it was recorded: cut packets, clock, drops, link types, headers, fragments, files."""

from collections.abc import Iterable
from pathlib import Path

from otsec.health.seen import Seen
from otsec.health.verdict import Packet, Severity, Verdict, counted, duration, number, percent

CUT_BAD = 0.05  # of the packets; what is cut is mostly the long answers
DROPPED_BAD = 0.01  # of the packets
UNREAD_BAD, UNREAD_WARN = 0.05, 0.001  # of the packets
FRAGMENTS_WARN = 0.02  # of the datagrams

# Link types that people meet in plants and that have no Ethernet inside (tcpdump.org/linktypes).
LINK_NAMES = {
    105: "802.11 without radio data", 127: "802.11 with radio data", 119: "802.11, Prism",
    147: "private, USER0", 148: "private, USER1", 149: "private, USER2", 150: "private, USER3",
    187: "Bluetooth", 189: "USB", 190: "CAN", 195: "802.15.4", 201: "Bluetooth", 215: "802.15.4",
    220: "USB", 227: "CAN (SocketCAN)", 230: "802.15.4", 242: "I2C", 249: "USB (Windows)",
    251: "Bluetooth LE", 253: "netlink", 257: "PROFIBUS", 259: "EPON", 266: "USB", 272: "nRF",
    283: "802.15.4", 292: "serial (RTAC)", 250: "serial (RTAC)",
}  # fmt: skip


def snap_length(seen: Seen) -> Iterable[Verdict]:
    """Whether packets were cut when they were recorded."""
    if not seen.packets:
        return
    cut = seen.total("snapped")
    if not cut:
        yield Verdict("snap length", Severity.GOOD, "Every packet was captured in full.")
        return
    truncated = sum(one.truncated for one in seen.spoken)
    lost = f"; {counted(truncated, 'message')} could not be read for it" if truncated else ""
    share = cut / seen.packets
    yield Verdict(
        "snap length",
        Severity.BAD if share >= CUT_BAD else Severity.WARN,
        f"{number(cut)} of {counted(seen.packets, 'packet')} ({percent(cut, seen.packets)}) were "
        f"cut when they were recorded{lost}.",
        seen.at("snapped"),
        "the recorder keeps only the first bytes of each packet (snap length)",
        "record whole packets: tcpdump -s 0, dumpcap and Wireshark without a snap length, "
        "truncation switched off in the mirror session",
        share,
    )


def clock(seen: Seen) -> Iterable[Verdict]:
    """Whether capture time ran on."""
    if not seen.packets:
        return
    steps = [gap for gap in seen.gaps if gap.kind in {"clock_back", "clock_ahead"}]
    count = max(len(steps), seen.total("gap:clock_back") + seen.total("gap:clock_ahead"))
    if not count:
        yield Verdict("clock", Severity.GOOD, "The capture's clock never stepped.")
        return
    worst = sorted(steps, key=lambda gap: (-abs(gap.end_time - gap.begin_time), gap.packet))
    largest = ""
    if worst:
        way = "back" if worst[0].kind == "clock_back" else "ahead"
        largest = f", the largest {duration(worst[0].end_time - worst[0].begin_time)} {way}"
    yield Verdict(
        "clock",
        Severity.WARN,
        f"The time of the packets steps {counted(count, 'time')}{largest}; nothing is told of how "
        "long anything took across a step.",
        tuple(Packet(gap.packet, gap.end_time) for gap in worst[:2]),
        "the recorder's clock was set, captures of different times or machines were joined, or the "
        "recording was interrupted for more than a day",
        "let the recorder take its time from NTP before it starts; give captures of different "
        "machines capture points of their own",
        count / seen.packets,
    )


def outages(seen: Seen) -> Iterable[Verdict]:
    """Whether the sensor was listening all the time."""
    count = seen.total("gap:outage")
    if not count:
        return
    found = [gap for gap in seen.gaps if gap.kind == "outage"]
    worst = sorted(found, key=lambda gap: (gap.begin_time - gap.end_time, gap.packet))
    longest = ""
    if worst:
        length = duration(worst[0].end_time - worst[0].begin_time)
        longest = f", longest for {length} ({worst[0].detail})"
    yield Verdict(
        "outages",
        Severity.WARN,
        f"Nothing could be heard {counted(count, 'time')}{longest}; what happened meanwhile is not "
        "known, and nothing is told of how long anything took across it.",
        tuple(Packet(gap.packet, gap.end_time) for gap in worst[:2]),
        "the sensor was stopped or restarted, or its interface went down",
        "let the service manager start the sensor with the machine; see the state of the interface "
        "and the cable",
        count / max(seen.packets, 1),
    )


def restarts(seen: Seen) -> Iterable[Verdict]:
    """Whether an otsec of another version went on with the store."""
    count = seen.total("gap:restart")
    if not count:
        return
    found = [gap for gap in seen.gaps if gap.kind == "restart"]
    yield Verdict(
        "restarts",
        Severity.WARN,
        f"An otsec of another version went on {counted(count, 'time')}; of connections that were "
        "open then nothing is known of what they had agreed on, and no request is held against "
        "its answer across it.",
        tuple(Packet(gap.packet, gap.end_time) for gap in found[-2:]),
        "otsec was updated, and what was under way at its last checkpoint could not be taken up",
        "nothing; what was counted before stays, and connections are known again once they begin",
        count / max(seen.packets, 1),
    )


def drops(seen: Seen) -> Iterable[Verdict]:
    """Whether the recording machine says that it lost packets."""
    if not seen.packets:
        return
    dropped = seen.total("dropped_packets")
    if not dropped:
        yield Verdict(
            "drops",
            Severity.UNKNOWN,
            "The captures do not tell of packets that the recorder lost; only pcapng with "
            "statistics can.",
        )
        return
    whole = dropped + seen.packets
    yield Verdict(
        "drops",
        Severity.BAD if dropped >= DROPPED_BAD * whole else Severity.WARN,
        f"The recorder says that it lost {counted(dropped, 'packet')}, "
        f"{percent(dropped, whole)} of all.",
        seen.at("dropped_packets"),
        "the recorder was too slow for the traffic: buffer, disk or processor",
        "give it a larger buffer (dumpcap -B 64, tcpdump -B 65536) and a faster disk, or mirror "
        "less",
        dropped / whole,
    )


def link_type(seen: Seen) -> Iterable[Verdict]:
    """Whether all packets have a link layer that otsec reads."""
    unknown = seen.total("unknown_link")
    if not unknown:
        return
    kinds = [
        f"{one.detail} ({LINK_NAMES[int(one.detail)]})"
        if one.detail.isdecimal() and int(one.detail) in LINK_NAMES
        else one.detail
        for one in seen.counts("unknown_link")
    ]
    share = unknown / max(seen.packets, 1)
    yield Verdict(
        "link type",
        Severity.BAD if share >= UNREAD_BAD else Severity.WARN,
        f"{number(unknown)} of {counted(seen.packets, 'packet')} ({percent(unknown, seen.packets)}) "
        f"are of link type {', '.join(kinds)}, which otsec does not read.",
        seen.at("unknown_link"),
        "it was not recorded on an Ethernet",
        "record on the Ethernet interface or mirror port, not on `any`, a bus or a radio",
        share,
    )


_HEADERS = {
    "header:cut": "end inside a header",
    "header:malformed": "have a header that contradicts its standard",
    "header:too_deep": "have more tags or tunnels than any network has",
}


def headers(seen: Seen) -> Iterable[Verdict]:
    """Whether the headers up to the transport could be read."""
    if not seen.packets:
        return
    found = {name: seen.total(name) for name in _HEADERS}
    bad = sum(found.values())
    share = bad / seen.packets
    told = "; ".join(f"{number(count)} {_HEADERS[name]}" for name, count in found.items() if count)
    figure = f"{number(bad)} of {counted(seen.packets, 'packet')} ({percent(bad, seen.packets)})"
    if share < UNREAD_WARN:
        yield Verdict("headers", Severity.GOOD, f"{figure} have headers that could not be read.")
        return
    worst = max(found, key=found.__getitem__)
    cut = found["header:cut"] == bad
    yield Verdict(
        "headers",
        Severity.BAD if share >= UNREAD_BAD else Severity.WARN,
        f"{figure} could not be read: {told}.",
        seen.at(worst),
        "the snap length is too short"
        if cut
        else "damaged frames, a tool that wrote them wrongly, a link type given wrongly, or an "
        "attack on those who read",
        "record whole packets (tcpdump -s 0)"
        if cut
        else "look at the packets named here in Wireshark",
        share,
    )


def fragments(seen: Seen) -> Iterable[Verdict]:
    """Whether datagrams that came in fragments came whole."""
    if not seen.total("fragments"):
        return
    joined = seen.total("fragments:joined")
    given_up = sum(seen.total(f"fragments:{name}") for name in ("timed_out", "evicted", "waiting"))
    cut = seen.total("fragments:cut")
    whole = joined + given_up
    overlapping = seen.total("fragments:overlapping")
    more = "".join(
        f"; {counted(count, 'fragment')} {what}"
        for count, what in (
            (cut, "were cut by the snap length"),
            (overlapping, "overlap others with other bytes, as in an attack on those who read"),
        )
        if count
    )
    if not cut and not overlapping and given_up <= FRAGMENTS_WARN * whole:
        yield Verdict(
            "fragments",
            Severity.GOOD,
            f"{number(joined)} of {counted(whole, 'datagram')} in fragments came whole.",
        )
        return
    yield Verdict(
        "fragments",
        Severity.WARN,
        f"{number(given_up)} of {counted(whole, 'datagram')} in fragments never came whole{more}.",
        seen.at("fragments"),
        "packets are lost between network and recorder, fragments take several ways, or the "
        "capture begins or ends among them",
        "see what is said here of lost bytes and of packets cut",
        given_up / whole if whole else 1.0,
    )


def files(seen: Seen) -> Iterable[Verdict]:
    """Whether the captures could be read to their ends."""
    found = seen.files
    if not found.read:
        return
    if not found.bad:
        yield Verdict("files", Severity.GOOD, f"{counted(found.read, 'capture')} read to the end.")
        return
    name = "standard input or a pipe" if found.path == "-" else Path(found.path).name
    what = found.damage or "was not read to its end"
    more = f" And {number(found.bad - 1)} more." if found.bad > 1 else ""
    yield Verdict(
        "files",
        Severity.WARN,
        f"{number(found.bad)} of {counted(found.read, 'capture')} "
        f"{'is' if found.bad == 1 else 'are'} damaged or not read to the end: {name} {what}.{more}",
        (),
        "the recorder was stopped hard, the disk was full, the copy is incomplete, or it is still "
        "being written",
        "copy it again, or read it again when it is complete: only what is new is read",
        found.bad / found.read,
    )
