"""Link layers: from the first byte of a record to an ethertype.

Sources: [802.3] IEEE 802.3-2022; [802.1Q] IEEE 802.1Q-2022; [HSR] IEC 62439-3:2021 4 and 5;
[LINK] tcpdump.org/linktypes.html; [PPP] RFC 1661, 1662; [PPPOE] RFC 2516; [SNAP] RFC 1042.
"""

from collections.abc import Callable

import numpy as np

from otsec.columns import I64, Header, Ints, Mask, gather
from otsec.dissect.table import MAX_TUNNELS, NO_NUMBER, Layer, Next, Table, put
from otsec.model import VLAN_BITS, VNI_SHIFT, Kind, Problem

MAX_TAGS = 4  # VLAN and HSR tags of one frame; a provider's QinQ over HSR has three

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
VLAN_TYPES = (0x8100, 0x88A8, 0x9100)  # [802.1Q] 9.5; 0x9100 is what QinQ was before the standard
HSR = 0x892F
PRP_SUFFIX = 0x88FB  # ends a PRP trailer; also the ethertype of supervision frames
PPPOE_SESSION = 0x8864
FIRST_ETHERTYPE = 0x600  # below, the field is a length ([802.3] 3.2.6)
LONGEST_LLC = 1500
SNAP_LLC = 0xAAAA  # DSAP and SSAP
SNAP_ETHERNET = (0x000000, 0x0000F8)  # whose PID is an ethertype: [SNAP], and 802.1H

ETHERNET_HEADER = np.dtype(
    {  # overlapping words: the target ends 16 bits before its word does, as the source
        "names": ["target", "source", "type"],
        "formats": [">u8", ">u8", ">u2"],
        "offsets": [0, 6, 12],
        "itemsize": 14,
    }
)
TAG = np.dtype([("control", ">u2"), ("type", ">u2")])
HSR_TAG = np.dtype([("size", ">u2"), ("sequence", ">u2"), ("type", ">u2")])  # [HSR] 5.7
PRP_TRAILER = np.dtype([("sequence", ">u2"), ("size", ">u2"), ("suffix", ">u2")])  # [HSR] 4.2.7
LLC_HEADER = np.dtype([("dsap_ssap", ">u2"), ("control", "u1")])
SNAP_HEADER = np.dtype([("oui_high", ">u2"), ("oui_low", "u1"), ("pid", ">u2")])
SLL_HEADER = np.dtype(
    [
        ("packet", ">u2"),
        ("hardware", ">u2"),
        ("size", ">u2"),
        ("address", ">u8"),  # the first ``size`` bytes count
        ("type", ">u2"),
    ]
)
SLL2_HEADER = np.dtype(
    [
        ("type", ">u2"),
        ("reserved", ">u2"),
        ("interface", ">u4"),
        ("hardware", ">u2"),
        ("packet", "u1"),
        ("size", "u1"),
        ("address", ">u8"),
    ]
)
SLL_8022 = 0x0004  # the protocol that says LLC follows
FAMILY = np.dtype("<u4")
FAMILY_IPV4 = 2
FAMILIES_IPV6 = (10, 24, 28, 30)  # Linux; NetBSD and OpenBSD; FreeBSD; macOS
PPP_BYTE, PPP_WORD = np.dtype("u1"), np.dtype(">u2")
HDLC_PPP = 0xFF03  # address and control of PPP in HDLC framing
HDLC_CISCO = (0x0F00, 0x8F00)  # of Cisco's, which an ethertype follows
PPP_IPV4, PPP_IPV6 = 0x0021, 0x0057
SESSION_HEADER = np.dtype(
    [("version_type", "u1"), ("code", "u1"), ("session", ">u2"), ("length", ">u2")]
)


def ethernet(table: Table, step: Next) -> list[Next]:
    """A frame from its target address on; within a tunnel the row forgets what lay around it."""
    header, rows, _ = table.read(step.rows, ETHERNET_HEADER)
    types = header["type"].astype(np.uint16)
    packets = table.packets
    if step.tunnels:
        _forget_tunnel(table, rows, types)
    put(packets.mac_target, rows, header["target"] >> np.uint64(16))
    put(packets.mac_source, rows, header["source"] >> np.uint64(16))
    put(packets.kind, rows, Kind.MAC)
    table.skip(rows, ETHERNET_HEADER.itemsize)
    return [Next(Layer.ETHERTYPE, rows, types, step.tunnels)]


def _forget_tunnel(table: Table, rows: I64, types: Ints) -> None:
    """What the headers around a frame said; a VLAN that they told of it gives way to its own tag."""
    packets = table.packets
    tagged = rows[np.isin(types, VLAN_TYPES)]
    packets.place[tagged] &= ~np.uint64((1 << VNI_SHIFT) - 1)
    packets.network[rows] = -1
    for column in (
        packets.source_hi,
        packets.target_hi,
        packets.source_port,
        packets.target_port,
        packets.ttl,
    ):
        column[rows] = 0


# ------------------------------------------------------------------------------- ethertypes


def ethertype(table: Table, step: Next) -> list[Next]:
    """Tags are peeled; IP, LLC and PPPoE go on; all else is described by the link."""
    rows, types, tunnels = step.rows, step.number, step.tunnels
    ip4 = types == IPV4
    if ip4.all():
        return [Next(Layer.IPV4, rows, NO_NUMBER, tunnels)]
    found = [Next(Layer.IPV4, rows[ip4], NO_NUMBER, tunnels)]
    rows, types = _peel(table, rows[~ip4], types[~ip4])
    for layer, number in _BEHIND_TAGS:
        mask = types == number
        if mask.any():
            found.append(Next(layer, rows[mask], NO_NUMBER, tunnels))
            rows, types = rows[~mask], types[~mask]
    _cut_prp(table, rows)
    length = types <= LONGEST_LLC
    if length.any():
        table.clip(rows[length], table.packets.payload[rows[length]] + types[length])
        found.append(Next(Layer.LLC, rows[length], NO_NUMBER, tunnels))
        rows, types = rows[~length], types[~length]
    table.describe_link(rows, types)
    return found


_BEHIND_TAGS = (
    (Layer.IPV4, IPV4),
    (Layer.IPV6, IPV6),
    (Layer.SESSION, PPPOE_SESSION),
)


def _peel(table: Table, rows: I64, types: Ints) -> tuple[I64, Ints]:
    """The rows behind their tags: rows and what type stands there. Rows in trouble are left out."""
    types = types.copy()
    going = np.ones(len(rows), np.bool_)
    for _ in range(MAX_TAGS):
        tagged = going & _is_tag(types)
        if not tagged.any():
            return rows[going], types[going]
        for mask, peel in ((tagged & (types != HSR), _vlan), (tagged & (types == HSR), _hsr)):
            at = np.flatnonzero(mask)
            if len(at):
                inner, missed = peel(table, rows[at], types[at])
                types[at] = inner
                going[at[missed]] = False
    deep = going & _is_tag(types)
    table.mark(rows[deep], Problem.TOO_DEEP)
    table.describe_link(rows[deep], types[deep])
    going &= ~deep
    return rows[going], types[going]


def _is_tag(types: Ints) -> Mask:
    found = types == HSR
    for tag in VLAN_TYPES:
        found |= types == tag
    return np.asarray(found, np.bool_)


def _vlan(table: Table, rows: I64, types: Ints) -> tuple[Ints, Mask]:
    """The type behind one VLAN tag, and which rows end before; three tags keep the inner two."""
    header, missed = _read_tag(table, rows, types, TAG)
    read = rows[~missed]
    vlan = header["control"][~missed] & 0xFFF
    place = table.packets.place
    old = place[read]
    both = np.uint64((1 << VLAN_BITS) - 1)
    high = np.uint64((1 << VNI_SHIFT) - 1)
    deeper = (old & ~high) | (old & both) << np.uint64(VLAN_BITS) | (vlan + np.uint64(1))
    # VLAN 0 is a priority tag: the frame belongs to no VLAN by it ([802.1Q] 6.9.1)
    place[read] = np.where(vlan == 0, old, deeper)
    return header["type"].astype(np.uint16), missed


def _hsr(table: Table, rows: I64, types: Ints) -> tuple[Ints, Mask]:
    """The type behind an HSR tag, and which rows end before."""
    header, missed = _read_tag(table, rows, types, HSR_TAG)
    table.counts["hsr"] += int((~missed).sum())
    return header["type"].astype(np.uint16), missed


def _read_tag(
    table: Table, rows: I64, types: Ints, dtype: "np.dtype[np.void]"
) -> tuple[Header, Mask]:
    """Tags as long as rows, zero where there are none; those rows stay described by the link."""
    packets = table.packets
    header, fits = gather(table.buffer, packets.payload[rows], packets.payload_end[rows], dtype)
    table.skip(rows[fits], dtype.itemsize)
    missed = rows[~fits]
    table.mark_short(missed, packets.payload[missed] + dtype.itemsize)
    table.describe_link(missed, types[~fits])
    return header, ~fits


def _cut_prp(table: Table, rows: I64) -> None:
    """Take PRP trailers off frames whose length no header tells ([HSR] 4.2.7).

    Only a frame captured to its last byte shows one: suffix, LAN A or B, and a size that counts
    from behind the type to the trailer's end.
    """
    packets = table.packets
    at, end = packets.payload[rows], packets.payload_end[rows]
    trailer, fits = gather(table.buffer, end - PRP_TRAILER.itemsize, end, PRP_TRAILER)
    fits &= (trailer["suffix"] == PRP_SUFFIX) & (at + PRP_TRAILER.itemsize <= end)
    if not fits.any():
        return
    size = trailer["size"].astype(np.int64)
    lan = size >> 12
    fits &= (end == table.wire_end[rows]) & ((lan == 0xA) | (lan == 0xB))
    fits &= (size & 0xFFF) == end - at
    table.counts["prp"] += int(fits.sum())
    table.clip(rows[fits], end[fits] - PRP_TRAILER.itemsize)


def llc(table: Table, step: Next) -> list[Next]:
    """LLC: the protocol is DSAP and SSAP. SNAP: an ethertype goes on as such.

    With the OUI of a vendor (CDP, ...) the protocol stays 0xAAAA and the payload begins at the
    OUI, for a vendor's PID is no ethertype.
    """
    header, rows, missed = table.read(step.rows, LLC_HEADER)
    table.describe_link(missed, 0)
    service = header["dsap_ssap"].astype(np.uint16)
    table.describe_link(rows, service)
    # the control field of information and supervisory frames has two bytes ([802.3] via 802.2, 5.2)
    size = np.where((header["control"] & 3) == 3, 3, 4)
    held = table.fits(rows, size)
    table.mark_short(rows[~held], table.packets.payload[rows[~held]] + size[~held])
    rows, service, size = rows[held], service[held], size[held]
    table.skip(rows, size)
    snap = rows[(service == SNAP_LLC) & (size == 3)]
    return _snap(table, snap, step.tunnels) if len(snap) else []


def _snap(table: Table, rows: I64, tunnels: int) -> list[Next]:
    if tunnels >= MAX_TUNNELS:
        table.mark(rows, Problem.TOO_DEEP)
        return []
    header, rows, _ = table.read(rows, SNAP_HEADER)
    oui = header["oui_high"].astype(np.int64) << 8 | header["oui_low"]
    pid = header["pid"].astype(np.uint16)
    typed = np.isin(oui, SNAP_ETHERNET) & (pid >= FIRST_ETHERTYPE)
    rows, pid = rows[typed], pid[typed]
    table.skip(rows, SNAP_HEADER.itemsize)
    # counts as a tunnel: a VLAN tag may follow, then LLC and SNAP again, and so on
    return [Next(Layer.ETHERTYPE, rows, pid, tunnels + 1)]


# --------------------------------------------------------------------------- other links


def linux_sll(table: Table, step: Next) -> list[Next]:
    """LINUX_SLL ([LINK] 113): the sender's address, no target."""
    header, rows, _ = table.read(step.rows, SLL_HEADER)
    return _cooked(table, rows, header)


def linux_sll2(table: Table, step: Next) -> list[Next]:
    """LINUX_SLL2 ([LINK] 276)."""
    header, rows, _ = table.read(step.rows, SLL2_HEADER)
    return _cooked(table, rows, header)


def _cooked(table: Table, rows: I64, header: Header) -> list[Next]:
    table.skip(rows, header.dtype.itemsize)
    mac = header["size"] == 6
    table.packets.mac_source[rows[mac]] = header["address"][mac] >> np.uint64(16)
    table.packets.kind[rows[mac]] = Kind.MAC
    types = header["type"].astype(np.uint16)
    table.describe_link(rows, types)
    logical = types == SLL_8022
    return [
        Next(Layer.LLC, rows[logical], NO_NUMBER),
        Next(Layer.ETHERTYPE, rows[types >= FIRST_ETHERTYPE], types[types >= FIRST_ETHERTYPE]),
    ]


def raw_ip(table: Table, step: Next) -> list[Next]:
    """Datagrams without a link; their first nibble tells the version."""
    del table
    return [Next(Layer.IP, step.rows, NO_NUMBER)]


def loopback(table: Table, step: Next) -> list[Next]:
    """NULL and LOOP ([LINK] 0, 108): an address family, in either byte order."""
    header, rows, _ = table.read(step.rows, FAMILY)
    table.skip(rows, FAMILY.itemsize)
    family = np.where(header > 0xFFFF, header.byteswap(), header)
    return [
        Next(Layer.IPV4, rows[family == FAMILY_IPV4], NO_NUMBER),
        Next(Layer.IPV6, rows[np.isin(family, FAMILIES_IPV6)], NO_NUMBER),
    ]


def hdlc(table: Table, step: Next) -> list[Next]:
    """PPP_HDLC ([LINK] 50): PPP or Cisco HDLC, told apart by address and control."""
    header, rows, _ = table.read(step.rows, PPP_WORD)
    cisco = np.isin(header, HDLC_CISCO)
    found = [Next(Layer.PPP, rows[~cisco], NO_NUMBER)]
    if cisco.any():
        table.skip(rows[cisco], PPP_WORD.itemsize)
        types, rows, _ = table.read(rows[cisco], PPP_WORD)
        table.skip(rows, PPP_WORD.itemsize)
        types = types.astype(np.uint16)
        table.describe_link(rows, types)
        known = types >= FIRST_ETHERTYPE
        found.append(Next(Layer.ETHERTYPE, rows[known], types[known]))
    return found


def ppp(table: Table, step: Next) -> list[Next]:
    """PPP from its protocol on, address and control before it or not ([PPP] RFC 1662 3.1).

    Rows of Ethernet stay described as PPPoE; others have the PPP protocol and no addresses.
    """
    rows = _skip_address(table, step.rows)
    first, rows, _ = table.read(rows, PPP_BYTE)
    # a protocol compressed to one byte ([PPP] RFC 1661 6.5), which is never 0xff (RFC 1662 3.1)
    short = ((first & 1) == 1) & (first != 0xFF)
    protocol = first.astype(np.uint16)
    word, long, missed = table.read(rows[~short], PPP_WORD)
    protocol[np.isin(rows, long)] = word
    protocol[np.isin(rows, missed)] = 0
    table.skip(rows[short], 1)
    table.skip(long, 2)
    without_mac = table.packets.kind[rows] == Kind.NONE
    table.describe_link(rows[without_mac], protocol[without_mac])
    known = ~np.isin(rows, missed)
    return [
        Next(Layer.IPV4, rows[known & (protocol == PPP_IPV4)], NO_NUMBER, step.tunnels),
        Next(Layer.IPV6, rows[known & (protocol == PPP_IPV6)], NO_NUMBER, step.tunnels),
    ]


def _skip_address(table: Table, rows: I64) -> I64:
    packets = table.packets
    word, fits = gather(table.buffer, packets.payload[rows], packets.payload_end[rows], PPP_WORD)
    table.skip(rows[fits & (word == HDLC_PPP)], PPP_WORD.itemsize)
    return rows


def session(table: Table, step: Next) -> list[Next]:
    """PPPoE sessions ([PPPOE] 4): the length tells the padding."""
    table.describe_link(step.rows, PPPOE_SESSION)
    header, rows, _ = table.read(step.rows, SESSION_HEADER)
    bad = (header["version_type"] != 0x11) | (header["code"] != 0)
    table.mark(rows[bad], Problem.MALFORMED)
    rows, length = rows[~bad], header["length"][~bad]
    table.skip(rows, SESSION_HEADER.itemsize)
    table.clip(rows, table.packets.payload[rows] + length)
    table.counts["pppoe"] += len(rows)
    return [Next(Layer.PPP, rows, NO_NUMBER, step.tunnels)]


def pppoe(table: Table, step: Next) -> list[Next]:
    """PPP_ETHER ([LINK] 51): a session without its Ethernet."""
    del table
    return [Next(Layer.SESSION, step.rows, NO_NUMBER)]


LINKS: dict[int, str] = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",  # DLT numbers that some programs write as they are
    14: "raw IP",
    50: "PPP or Cisco HDLC",
    51: "PPPoE",
    101: "raw IP",
    108: "OpenBSD loopback",
    113: "Linux cooked",
    228: "raw IPv4",
    229: "raw IPv6",
    276: "Linux cooked v2",
}
_BY_NAME: dict[str, Callable[[Table, Next], list[Next]]] = {
    "BSD loopback": loopback,
    "Ethernet": ethernet,
    "PPP": ppp,
    "raw IP": raw_ip,
    "PPP or Cisco HDLC": hdlc,
    "PPPoE": pppoe,
    "OpenBSD loopback": loopback,
    "Linux cooked": linux_sll,
    "raw IPv4": raw_ip,
    "raw IPv6": raw_ip,
    "Linux cooked v2": linux_sll2,
}
LINK_READERS = {number: _BY_NAME[name] for number, name in LINKS.items()}
