"""Writes conversations as a capture: Ethernet, ARP, IPv4, TCP and UDP with right check sums.

Addresses, ports, sequence numbers and times are given or counted, so the same calls always give
the same bytes. Only the standard library is used.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

START = 1_767_600_000_000_000  # 2026-01-05 08:00 UTC, a Monday morning, in microseconds
LINK_ETHERNET = 1
ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SHORTEST_FRAME = 60
WINDOW = 8192
FLIGHT = 200  # microseconds that a frame takes, so that an answer is behind what it answers


@dataclass(frozen=True)
class Host:
    """A device on the network."""

    name: str
    mac: str
    address: str

    @property
    def hardware(self) -> bytes:
        """The MAC address in six bytes."""
        return bytes.fromhex(self.mac.replace(":", ""))

    @property
    def packed(self) -> bytes:
        """The IPv4 address in four bytes."""
        return bytes(map(int, self.address.split(".")))


@dataclass
class Tape:
    """A capture while it is being made; times in microseconds, each frame behind the last."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    idents: dict[str, int] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)

    def frame(self, time: int, source: Host, target: bytes, ethertype: int, body: bytes) -> None:
        """Add one Ethernet frame, padded to its least length."""
        data = target + source.hardware + struct.pack(">H", ethertype) + body
        self.records.append((time, data.ljust(SHORTEST_FRAME, b"\0")))

    def resolve(self, time: int, asks: Host, asked: Host) -> None:
        """The ARP exchange in front of the first packet between two hosts (RFC 826)."""
        if (asks.address, asked.address) in self.known:
            return
        self.known |= {(asks.address, asked.address), (asked.address, asks.address)}
        head = struct.pack(">HHBB", 1, ETHERTYPE_IPV4, 6, 4)
        question = asks.hardware + asks.packed + bytes(6) + asked.packed
        answer = asked.hardware + asked.packed + asks.hardware + asks.packed
        self.frame(time - 2 * FLIGHT, asks, b"\xff" * 6, ETHERTYPE_ARP, head + b"\0\1" + question)
        self.frame(time - FLIGHT, asked, asks.hardware, ETHERTYPE_ARP, head + b"\0\2" + answer)

    def packet(self, time: int, source: Host, target: Host, protocol: int, body: bytes) -> None:
        """Add one IPv4 packet; ``body`` is its transport with a zero check sum."""
        self.resolve(time, source, target)
        ident = self.idents[source.address] = self.idents.get(source.address, 0) + 1
        size = 20 + len(body)
        front = struct.pack(">BBHHHBBH", 0x45, 0, size, ident & 0xFFFF, 0x4000, 64, protocol, 0)
        header = bytearray(front + source.packed + target.packed)
        header[10:12] = struct.pack(">H", check_sum(bytes(header)))
        pseudo = source.packed + target.packed + struct.pack(">BBH", 0, protocol, len(body))
        at = 16 if protocol == TCP else 6
        transport = bytearray(body)
        transport[at : at + 2] = struct.pack(">H", check_sum(pseudo + body))
        self.frame(time, source, target.hardware, ETHERTYPE_IPV4, bytes(header + transport))

    def datagram(
        self, time: int, source: Host, target: Host, ports: tuple[int, int], data: bytes
    ) -> None:
        """Add one UDP datagram."""
        body = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
        self.packet(time, source, target, UDP, body)

    def write(self, path: Path) -> None:
        """Write all frames in order of time, as classic pcap with microseconds."""
        out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, LINK_ETHERNET))
        for time, data in sorted(self.records, key=lambda record: record[0]):
            out += struct.pack("<IIII", *divmod(time, 1_000_000), len(data), len(data)) + data
        path.write_bytes(out)


@dataclass
class Connection:
    """One TCP connection; ``sequence`` is the next number of each side, client first."""

    tape: Tape
    client: Host
    server: Host
    client_port: int
    server_port: int = 502
    sequence: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take initial sequence numbers that differ from connection to connection."""
        self.sequence = [self.client_port * 65_537 & 0xFFFFFFFF, self.client_port * 49_157 + 7]

    def segment(self, time: int, *, by_server: bool, flags: int, data: bytes = b"") -> None:
        """Add one segment of either side and count its bytes."""
        hosts, ports = (self.client, self.server), (self.client_port, self.server_port)
        mine = int(by_server)
        other = 1 - mine
        acknowledged = self.sequence[other] if flags & ACK else 0
        body = struct.pack(
            ">HHIIBBHHH",
            ports[mine], ports[other], self.sequence[mine], acknowledged,
            0x50, flags, WINDOW, 0, 0,
        )  # fmt: skip
        self.tape.packet(time, hosts[mine], hosts[other], TCP, body + data)
        length = len(data) + bool(flags & (SYN | FIN))
        self.sequence[mine] = (self.sequence[mine] + length) & 0xFFFFFFFF

    def open(self, time: int) -> None:
        """The handshake; over after three flights."""
        self.segment(time, by_server=False, flags=SYN)
        self.segment(time + FLIGHT, by_server=True, flags=SYN | ACK)
        self.segment(time + 2 * FLIGHT, by_server=False, flags=ACK)

    def ask(self, time: int, data: bytes) -> None:
        """Send from the client."""
        self.segment(time, by_server=False, flags=PSH | ACK, data=data)

    def answer(self, time: int, data: bytes) -> None:
        """Send from the server."""
        self.segment(time, by_server=True, flags=PSH | ACK, data=data)

    def acknowledge(self, time: int, *, by_server: bool = False) -> None:
        """Acknowledge without sending."""
        self.segment(time, by_server=by_server, flags=ACK)

    def close(self, time: int) -> None:
        """Both sides finish, the client first."""
        self.segment(time, by_server=False, flags=FIN | ACK)
        self.segment(time + FLIGHT, by_server=True, flags=FIN | ACK)
        self.segment(time + 2 * FLIGHT, by_server=False, flags=ACK)


def check_sum(data: bytes) -> int:
    """The Internet check sum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
