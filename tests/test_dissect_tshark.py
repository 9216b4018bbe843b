"""What tshark says of the same packets: an oracle by other hands."""

import shutil
import struct
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from dissect_frames import FRAMES, address_text, frame
from wire_captures import CUT_SHORT

from otsec.dissect import LINKS, dissect
from otsec.model import TCP, UDP, Kind, PacketBatch, Packets, Problem, place_text

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")

FIELDS = [
    "eth.src",
    "eth.dst",
    "vlan.id",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "udp.length",
    "ip.frag_offset",
    "ip.flags.mf",
    "ip.ttl",
    "ipv6.hlim",
    "ipv6.fraghdr.offset",
    "ipv6.fraghdr.more",
]
OPTIONS = (
    "tcp.desegment_tcp_streams:FALSE",
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.try_heuristic_first:FALSE",
)
QUOTING = ("icmp", "icmpv6")  # quote headers of other packets


def read_pcap(path: Path) -> PacketBatch:
    """A little-endian pcap file as one batch."""
    data = path.read_bytes()
    link = struct.unpack_from("<I", data, 20)[0]
    records = []
    at = 24
    while at < len(data):
        _, _, captured, wire = struct.unpack_from("<4I", data, at)
        records.append((at + 16, captured, wire))
        at += 16 + captured
    offset, captured, wire = np.array(records, np.int64).reshape(-1, 3).T
    buffer = np.frombuffer(data, np.uint8)
    return PacketBatch(0, link, buffer, offset, captured, wire, np.zeros(len(offset), np.int64))


def write_pcap(path: Path, link: int, frames: list[bytes]) -> None:
    """A pcap file of some frames."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link)
    path.write_bytes(
        head + b"".join(struct.pack("<4I", 0, 0, len(one), len(one)) + one for one in frames)
    )


def ask_tshark(path: Path) -> list[dict[str, str]]:
    """The innermost value of each field, for each packet."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=l"]
    command += [word for option in OPTIONS for word in ("-o", option)]
    command += [word for name in QUOTING for word in ("--disable-protocol", name)]
    command += [word for name in FIELDS for word in ("-e", name)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in result.stdout.splitlines()]


def ours(packets: Packets, row: int) -> dict[str, str]:
    """What is compared of a row, as text; "" where it has none."""
    kind, protocol = Kind(int(packets.kind[row])), int(packets.protocol[row])
    is_ip, whole = kind in (Kind.IPV4, Kind.IPV6), not packets.problem[row]
    is_tcp, is_udp = (is_ip and whole and protocol == number for number in (TCP, UDP))
    payload = int(packets.payload_wire[row])
    mac = [f"{int(word[row]):012x}" for word in (packets.mac_source, packets.mac_target)]
    return {
        "source": address_text(kind, int(packets.source_hi[row]), int(packets.source_lo[row]))
        if is_ip
        else "",
        "target": address_text(kind, int(packets.target_hi[row]), int(packets.target_lo[row]))
        if is_ip
        else "",
        "ports": f"{packets.source_port[row]} {packets.target_port[row]}"
        if is_tcp or is_udp
        else " ",
        "length": str(payload if is_tcp else payload + 8) if is_tcp or is_udp else "",
        "tcp": f"{packets.seq[row]} {packets.ack[row]} {packets.flags[row]:02x}" if is_tcp else "",
        "hops": str(packets.ttl[row]) if is_ip else "",
        "fragment": str(packets.problem[row] == Problem.FRAGMENT),
        "vlan": place_text(int(packets.place[row]) & 0x1FFF),
        "macs": " ".join(mac) if set(mac) - {"0" * 12} else "",
    }


def theirs(row: dict[str, str], kind: Kind) -> dict[str, str]:
    """The same, as tshark has it; of IPv4 and IPv6 the one that we took for the innermost."""
    version = "ipv6" if kind == Kind.IPV6 or (kind != Kind.IPV4 and not row["ip.src"]) else "ip"
    is_tcp = bool(row["tcp.srcport"])
    flags = int(row["tcp.flags"] or "0", 16) & 0xFF
    macs = [row[name].replace(":", "") for name in ("eth.src", "eth.dst")]
    offsets = {row["ip.frag_offset"], row["ipv6.fraghdr.offset"]}
    more = {row["ip.flags.mf"], row["ipv6.fraghdr.more"]}
    return {
        "source": row[f"{version}.src"],
        "target": row[f"{version}.dst"],
        "ports": f"{row['tcp.srcport'] or row['udp.srcport']}"
        f" {row['tcp.dstport'] or row['udp.dstport']}",
        "length": row["tcp.len"] or row["udp.length"],
        "tcp": f"{row['tcp.seq_raw']} {row['tcp.ack_raw']} {flags:02x}" if is_tcp else "",
        "hops": row["ipv6.hlim" if version == "ipv6" else "ip.ttl"],
        "fragment": str(bool(offsets - {"", "0"}) or bool(more & {"1", "True"})),
        "vlan": row["vlan.id"] if row["vlan.id"] != "0" else "",
        "macs": " ".join(macs) if set(macs) - {"0" * 12, ""} else "",
    }


def differences(path: Path) -> dict[int, dict[str, tuple[str, str]]]:
    """By packet number from 0: what differs, as (ours, tshark's)."""
    batch, other = read_pcap(path), ask_tshark(path)
    assert len(batch) == len(other) > 0
    packets = dissect(batch)
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for number, row in enumerate(other):
        mine, their = ours(packets, number), theirs(row, Kind(int(packets.kind[number])))
        if not row["eth.src"]:
            mine["macs"] = ""  # a cooked link has its own name for them
        differing = {name: (mine[name], their[name]) for name in mine if mine[name] != their[name]}
        if differing:
            found[number] = differing
    return found


# ------------------------------------------------------------------------------ real traffic


@pytest.fixture(scope="session")
def merged(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All shared captures as one pcap file a link type, by Wireshark's name of it."""
    if shutil.which("mergecap") is None or shutil.which("capinfos") is None:
        pytest.skip("needs tshark, with mergecap and capinfos")
    paths = sorted(
        path
        for path in captures.rglob("*")
        if path.suffix in (".pcap", ".pcapng") and path.name != CUT_SHORT
    )
    table = subprocess.run(
        ["capinfos", "-T", "-r", "-E", "-c", *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    by_link: dict[str, list[str]] = defaultdict(list)
    packets: Counter[str] = Counter()
    for line in table.splitlines():
        name, link, count = line.split("\t")
        by_link[link].append(name)
        packets[link] += int(count)
    folder = tmp_path_factory.mktemp("merged")
    merged = {link: folder / f"{link}.pcap" for link in by_link}
    for link, names in by_link.items():
        command = ["mergecap", "-a", "-F", "pcap", "-w", str(merged[link]), *names]
        subprocess.run(command, check=True, capture_output=True)
        assert len(read_pcap(merged[link])) == packets[link]
    return merged


@pytest.mark.parametrize("link", ["ether", "null", "linux-sll", "rawip4"])
def test_real_traffic(merged: dict[str, Path], link: str) -> None:
    """Addresses, ports, lengths, VLANs and TCP of every shared capture are as tshark has them."""
    assert differences(merged[link]) == {}


@pytest.mark.parametrize("link", ["rtac-serial", "socketcan"])
def test_other_links(merged: dict[str, Path], link: str) -> None:
    """Packets of links that are not read are counted as such, all of them."""
    packets = dissect(read_pcap(merged[link]))
    assert Counter(packets.problem.tolist()) == {Problem.UNKNOWN_LINK: len(packets)}


# ------------------------------------------------------------------------- hand-made frames

IP = {"source", "target", "hops"}
UDP_HEADER = {"ports", "length"}

# where tshark reads a frame of `FRAMES` otherwise: what differs, and why
REASONS: dict[str, tuple[set[str], str]] = {
    "ipv4, length 0": ({"length"}, "its length is UDP's 0, ours what the frame holds"),
    "ipv4, first fragment": (UDP_HEADER, "reads the transport of a fragment; ours waits for all"),
    "ipv6, fragment": (UDP_HEADER, "as with IPv4"),
    "vxlan, goose": (
        IP | UDP_HEADER,
        "has both packets; our row is the inner one, which is not IP",
    ),
    "vxlan port, no vxlan": ({"macs"}, "takes it for VXLAN though the flag is not set"),
    "erspan 1": ({"vlan"}, "the VLAN of the carrier is not the inner frame's place"),
    "erspan 2": ({"vlan"}, "the VLAN in the ERSPAN header is where the frame was"),
    "erspan 3": ({"vlan"}, "as with type II"),
    "erspan 3, datagram": (IP | UDP_HEADER, "does not read type III with a bare datagram"),
    "five tags": (IP | UDP_HEADER, "has no cap on tags"),
    "nine extensions": (UDP_HEADER, "has no cap on extension headers"),
    "five tunnels": (IP | UDP_HEADER, "has a higher cap on tunnels"),
    "ipv4, ihl 4": (IP, "shows no addresses of a header that contradicts itself"),
    "ipv4, shorter than its header": (IP, "as above"),
    "ipv4, version 6": ({"source", "hops"}, "goes by the version, we by the ethertype: malformed"),
    "tcp, offset 4": (UDP_HEADER | {"tcp"}, "shows what it could read of a malformed header"),
    "tcp, offset beyond": ({"ports", "tcp"}, "as above"),
    "udp beyond its datagram": ({"length"}, "its length is UDP's, ours what IP holds"),
}


@pytest.mark.parametrize("link", [link for link in LINKS if link not in (12, 14)])
def test_frames(tmp_path: Path, link: int) -> None:
    """The hand-made frames are what they claim to be: tshark reads them in the same way."""
    names = [name for name in FRAMES if FRAMES[name][0] == link]
    path = tmp_path / "frames.pcap"
    write_pcap(path, link, [frame(name) for name in names])
    found = {names[number]: what for number, what in differences(path).items()}
    assert {name: set(what) for name, what in found.items()} == {
        name: REASONS[name][0] for name in names if name in REASONS
    }, found
