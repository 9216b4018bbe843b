"""Ways into a plant and out of it: shares, tunnels, brokers, old encryption."""

import hashlib
import struct

from scenes import (
    BROKER,
    MILLISECOND,
    OUTSIDE,
    PCAPS,
    SECOND,
    START,
    STRANGER,
    Host,
    Tape,
    builder,
    exchanged,
    opened,
)

SERVER = Host("scada-1", "d0:94:66:2a:60:21", "10.60.0.21")
RESOLVER = Host("resolver", "00:07:7c:60:00:01", "1.1.1.1")
PUMP = Host("pump-plc", "00:80:f4:0e:60:22", "10.60.0.22")
PANEL = Host("panel", "00:1c:06:60:00:11", "10.60.0.11")
TLS_1_0, TLS_1_2 = 0x0301, 0x0303
LATER = 4 * 365 * 86_400 * SECOND
HANDSHAKE, DATA = 22, 23


def psexec(tape: Tape) -> None:
    """A share of administrators is opened, and the service manager behind it, as PsExec does."""
    smb = builder("smb")
    talk = opened(tape, (STRANGER, SERVER), (53_100, 445))
    body = struct.pack("<HHHHI16sQHH", 36, 2, 1, 0, 0, bytes(16), 0, 0x0202, 0x0210)
    told = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 1, 65_536, 65_536, 65_536,
                       0, 0, 128, 0, 0)  # fmt: skip
    talk.ask(smb.message(0, 0, body), smb.message(0, 0, told, answers=True))
    for number, (share, kind) in enumerate((("ADMIN$", 1), ("IPC$", 2)), 1):
        path = f"\\\\{SERVER.address}\\{share}".encode("utf-16-le")
        body = struct.pack("<HHHH", 9, 0, 72, len(path)) + path
        told = struct.pack("<HBBIII", 16, kind, 0, 0, 0, 0x001F_01FF)
        talk.ask(smb.message(3, number, body), smb.message(3, number, told, answers=True),
                 after=200 * MILLISECOND)  # fmt: skip
    told = struct.pack("<HBBI", 89, 0, 0, 1) + bytes(80) + b"\0"
    talk.ask(
        smb.message(5, 3, smb.opened("svcctl")),
        smb.message(5, 3, told, answers=True),
        after=SECOND,
    )
    talk.end()


def _record(kind: int, version: int, data: bytes) -> bytes:
    return struct.pack(">BHH", kind, version, len(data)) + data


def _handshake(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def _hellos(version: int, name: str) -> tuple[bytes, bytes]:
    """What both sides begin with; ``name``: of the server, empty: it is not said."""
    raw = name.encode()
    entry = struct.pack(">BH", 0, len(raw)) + raw
    named = struct.pack(">HHH", 0, len(entry) + 2, len(entry)) + entry if raw else b""
    noise = hashlib.shake_128(name.encode() + bytes([version & 0xFF])).digest(64)
    ciphers = struct.pack(">HHH", 4, 0xC02F, 0x002F)
    more = struct.pack(">H", len(named)) + named if named else b""
    client = struct.pack(">H", version) + noise[:32] + b"\0" + ciphers + b"\1\0" + more
    cipher = 0x002F if version == TLS_1_0 else 0xC02F
    server = struct.pack(">H", version) + noise[32:] + b"\0" + struct.pack(">HB", cipher, 0)
    return (
        _record(HANDSHAKE, version, _handshake(1, client)),
        _record(HANDSHAKE, version, _handshake(2, server)),
    )


def _sealed(tape: Tape, hosts: tuple[Host, Host], ports: tuple[int, int], time: int,
            version: int, name: str, turns: int) -> None:  # fmt: skip
    talk = opened(tape, hosts, ports, time)
    talk.ask(*_hellos(version, name))
    for _ in range(turns):
        noise = hashlib.shake_128(struct.pack(">Q", talk.time)).digest(96)
        data = _record(DATA, version, noise)
        talk.ask(data, data[:5] + noise[::-1], after=2 * SECOND)
    talk.end()


def old_tls(tape: Tape) -> None:
    """A panel reads a web page of a server that speaks TLS 1.0."""
    _sealed(tape, (PANEL, SERVER), (53_200, 443), START, TLS_1_0, "scada-1.plant.example", 2)


def iocontrol(tape: Tape) -> None:
    """A controller asks a public resolver by HTTPS, and keeps a connection to a broker outside."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (PANEL, PUMP), (53_300, 502))
    objects = "".join(
        f"{at:02x}{len(word):02x}{word.encode().hex()}"
        for at, word in enumerate(("Schneider Electric", "TM221CE24R", "1.10"))
    )
    said = (("2b 0e 01 00", f"2b 0e 01 01 00 00 03 {objects}"), ("03 0000 0002", "03 04 0001 0002"))
    for at, (asked, told) in enumerate(said):
        talk.ask(plant.unit(at, 1, asked), plant.unit(at, 1, told), after=SECOND)
    talk.end()
    _sealed(tape, (PUMP, RESOLVER), (53_310, 443), START + 10 * SECOND, TLS_1_2,
            "cloudflare-dns.com", 1)  # fmt: skip
    _sealed(tape, (PUMP, BROKER), (53_311, 8883), START + 20 * SECOND, TLS_1_2, "", 5)


def certificate_expired(tape: Tape) -> None:
    """The TLS of `tls/peers`, four years later: the certificates have expired by then."""
    data, at = (PCAPS / "tls" / "peers.pcap").read_bytes(), 24
    while at < len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        time = seconds * SECOND + fraction + LATER
        tape.records.append((time, data[at + 16 : at + 16 + size]))
        at += 16 + size


def tunnel_outward(tape: Tape) -> None:
    """A panel keeps a WireGuard tunnel to an address of the internet."""
    guard = builder("wireguard")
    ports = (51_820, 51_820)
    begin = b"\1\0\0\0" + guard.OURS + guard.noise(124, "out") + bytes(16)
    answer = b"\2\0\0\0" + guard.THEIRS + guard.OURS + guard.noise(64, "back") + bytes(16)
    exchanged(tape, (PANEL, OUTSIDE), ports, START, begin, answer)
    for turn in range(6):
        exchanged(
            tape, (PANEL, OUTSIDE), ports, START + (turn + 1) * SECOND,
            guard.data(guard.THEIRS, turn, 64), guard.data(guard.OURS, turn, 128),
        )  # fmt: skip


SCENES = (psexec, old_tls, certificate_expired, iocontrol, tunnel_outward)
