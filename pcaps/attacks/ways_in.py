"""Ways into a plant and out of it: shares, tunnels, brokers, old encryption."""

import hashlib
import struct
import uuid

from scenes import (
    BROKER,
    MILLISECOND,
    OUTSIDE,
    PCAPS,
    SECOND,
    START,
    STRANGER,
    Host,
    Talk,
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


# ------------------------------------------------------------------- holes of SMB 1

NEGOTIATE_1, TREE_1, TRANS, TRANS_2, TRANS_2_MORE, NT_TRANS, NT_MORE = (
    *(0x72, 0x75, 0x25, 0x32, 0x33),
    *(0xA0, 0xA1),
)
NOT_IMPLEMENTED, NO_RESOURCES = 0xC000_0002, 0xC000_0205  # [MS-ERREF] 2.3.1
PIPE = "\\PIPE\\".encode("utf-16-le") + b"\0\0"


def _smb1(
    command: int, words: bytes, octets: bytes, *, number: int = 64, status: int | None = None
) -> bytes:
    """[CIFS] 2.2.3; ``status``: of an answer."""
    flags = 0x18 | (0x80 if status is not None else 0)
    head = struct.pack(
        "<4sBIBHH8sHHHHH", b"\xffSMB", command, status or 0, flags, 0xC001, 0, bytes(8), 0, 2048,
        65_279, 2048, number,
    )  # fmt: skip
    body = bytes([len(words) // 2]) + words + struct.pack("<H", len(octets)) + octets
    return struct.pack(">I", len(head) + len(body)) + head + body


def _transaction(
    command: int, setup: tuple[int, ...], parameters: bytes, data: bytes, *, number: int = 64
) -> bytes:
    """[CIFS] 2.2.4.33.1 and 2.2.4.46.1: counts, offsets from the header on, setup; then all that."""
    name = b"\0" + PIPE if command == TRANS else b"\0\0\0"
    at = 33 + 2 * (14 + len(setup)) + 2 + len(name)
    pad = -at % 4
    behind = -(at + pad + len(parameters)) % 4
    place = at + pad + len(parameters) + behind
    words = struct.pack(
        "<HHHHBBHIHHHHHBB", len(parameters), len(data), 512, 4096, 0, 0, 0, 0, 0, len(parameters),
        at + pad, len(data), place, len(setup), 0,
    )  # fmt: skip
    words += struct.pack(f"<{len(setup)}H", *setup)
    return _smb1(
        command, words, name + bytes(pad) + parameters + bytes(behind) + data, number=number
    )


def _transacted(
    command: int, parameters: bytes = b"", data: bytes = b"", *, number: int = 64
) -> bytes:
    """[CIFS] 2.2.4.46.2: the good answer."""
    at = 33 + 20 + 2 + 1
    behind = -(at + len(parameters)) % 4
    place = at + len(parameters) + behind
    words = struct.pack(
        "<HHHHHHHHHBB", len(parameters), len(data), 0, len(parameters), at, 0, len(data), place, 0,
        0, 0,
    )  # fmt: skip
    octets = b"\0" + parameters + bytes(behind) + data
    return _smb1(command, words, octets, number=number, status=0)


def _more(command: int, total: int, offset: int, data: bytes, *, number: int) -> bytes:
    """[CIFS] 2.2.4.47.1, and .63.1 of NT transactions: a further part of the data."""
    if command == NT_MORE:
        at = 33 + 36 + 2
        words = struct.pack("<3xIIIIIIIIB", 0, total, 0, at, 0, len(data), at, offset, 0)
        return _smb1(command, words, data, number=number)
    at = 33 + 18 + 2
    words = struct.pack("<HHHHHHHHH", 0, total, 0, at, 0, len(data), at, offset, 0xFFFF)
    return _smb1(command, words, data, number=number)


def _nt_transaction(function: int, total: int, data: bytes, *, number: int) -> bytes:
    """[CIFS] 2.2.4.62.1."""
    at = 33 + 38 + 2
    words = struct.pack("<BHIIIIIIIIBH", 1, 0, 0, total, 0, 4096, 0, at, len(data), at, 0, function)
    return _smb1(NT_TRANS, words, data, number=number)


def _sharing(tape: Tape, port: int) -> Talk:
    """A connection on which the share of pipes of an old computer was opened."""
    talk = opened(tape, (STRANGER, SERVER), (port, 445))
    told = struct.pack("<HBHHIIIIQhB", 0, 3, 10, 1, 4356, 65_536, 0, 0x8000_E3FD, 0, 0, 0)
    talk.ask(
        _smb1(NEGOTIATE_1, b"", b"\2NT LM 0.12\0"),
        _smb1(NEGOTIATE_1, told, bytes(16), status=0),
    )
    path = f"\\\\{SERVER.address}\\IPC$".encode("utf-16-le") + b"\0\0"
    talk.ask(
        _smb1(TREE_1, struct.pack("<BBHHH", 0xFF, 0, 0, 0, 1), b"\0" + path + b"?????\0"),
        _smb1(TREE_1, struct.pack("<BBHH", 0xFF, 0, 0, 1), b"IPC\0\0\0\0", status=0),
    )
    return talk


def ms17_010_asked(tape: Tape) -> None:
    """Whether a computer lacks MS17-010 is asked by a look into pipe 0."""
    talk = _sharing(tape, 53_410)
    asked = _transaction(TRANS, (0x23, 0), b"", b"")
    talk.ask(asked, _smb1(TRANS, b"", b"", status=NO_RESOURCES))
    talk.end()


def eternalblue(tape: Tape) -> None:
    """An NT transaction with too much data goes on as an older one."""
    talk = _sharing(tape, 53_420)
    told = struct.pack("<3xIIIIIIIIB", *(0,) * 9)
    talk.ask(_nt_transaction(0, 66_512, bytes(976), number=64),
             _smb1(NT_TRANS, told, b"", number=64, status=0))  # fmt: skip
    for part in range(15):
        talk.ask(_more(TRANS_2_MORE, 4096, 4096 * part, b"A" * 1_000, number=64))
    talk.end()


def doublepulsar(tape: Tape) -> None:
    """Somebody asks for DoublePulsar, and it answers under the number 0x51."""
    talk = _sharing(tape, 53_430)
    talk.ask(_transaction(TRANS_2, (0x0E,), bytes(12), b"", number=0x41),
             _smb1(TRANS_2, b"", b"", number=0x51, status=NOT_IMPLEMENTED))  # fmt: skip
    talk.end()


def _rpc(operation: int, number: int, stub: bytes) -> bytes:
    """[C706] 12.6.4.9: a request, whole."""
    head = struct.pack("<BBBBIHHI", 5, 0, 0, 3, 0x10, 24 + len(stub), 0, number)
    return head + struct.pack("<IHH", len(stub), 0, operation) + stub


def _wide(text: str) -> bytes:
    raw = (text + "\0").encode("utf-16-le")
    size = len(raw) // 2
    return struct.pack("<III", size, 0, size) + raw + bytes(-len(raw) % 4)


def _bound(talk: Talk) -> None:
    """The interface of the server service ([SRVS] 1.9), in a pipe that is open as 0x4000."""
    syntaxes = uuid.UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188").bytes_le + struct.pack("<HH", 3, 0)
    ndr = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)
    body = struct.pack("<HHIB3xHBx", 4280, 4280, 0, 1, 0, 1) + syntaxes + ndr
    bind = struct.pack("<BBBBIHHI", 5, 0, 11, 3, 0x10, 16 + len(body), 0, 1) + body
    address = struct.pack("<H", 13) + b"\\PIPE\\srvsvc\0"[:13] + b"\0"
    body = struct.pack("<HHI", 4280, 4280, 1) + address
    body += bytes(-len(body) % 4) + struct.pack("<B3xHH", 1, 0, 0) + ndr
    ack = struct.pack("<BBBBIHHI", 5, 0, 12, 3, 0x10, 16 + len(body), 0, 1) + body
    talk.ask(_transaction(TRANS, (0x26, 0x4000), b"", bind), _transacted(TRANS, b"", ack))


def _canonical(talk: Talk, number: int, path: str) -> None:
    """[SRVS] 3.1.4.30: server, path, size of what comes back, prefix, kind of path, flags."""
    stub = struct.pack("<I", 0x20000) + _wide("\\\\" + SERVER.address) + _wide(path)
    stub += struct.pack("<I", 512) + _wide("") + struct.pack("<II", 0, 0)
    told = struct.pack("<III", 0, 0, 0)  # no bytes of a path, its kind, done
    head = struct.pack("<BBBBIHHI", 5, 0, 2, 3, 0x10, 24 + len(told), 0, number)
    head += struct.pack("<IHBx", len(told), 0, 0)
    talk.ask(
        _transaction(TRANS, (0x26, 0x4000), b"", _rpc(31, number, stub)),
        _transacted(TRANS, b"", head + told),
    )


def ms08_067(tape: Tape) -> None:
    """The server service is asked to make a path canonical that climbs out of itself, as Conficker did."""
    talk = _sharing(tape, 53_440)
    _bound(talk)
    _canonical(talk, 2, "\\" + "A" * 64 + "\\..\\..\\" + "B" * 64)
    talk.end()


def smb1_harmless(tape: Tape) -> None:
    """What the holes of SMB 1 were found in, used as it is meant: paths, pipes, data in parts."""
    talk = _sharing(tape, 53_450)
    _bound(talk)
    _canonical(talk, 2, "C:\\recipes\\line 3\\..\\line 4\\seven.txt")
    talk.ask(_transaction(TRANS, (0x23, 0x4000), b"", b""), _transacted(TRANS, bytes(6)))
    talk.ask(_transaction(TRANS_2, (0x05,), struct.pack("<HI", 0x107, 0) + PIPE, b"", number=0x51),
             _smb1(TRANS_2, b"", b"", number=0x51, status=NOT_IMPLEMENTED))  # fmt: skip
    told = struct.pack("<3xIIIIIIIIB", *(0,) * 9)
    talk.ask(_nt_transaction(3, 70_000, bytes(976), number=65),
             _smb1(NT_TRANS, told, b"", number=65, status=0))  # fmt: skip
    talk.ask(_more(NT_MORE, 70_000, 976, bytes(1_000), number=65))
    talk.end()


SCENES = (
    *(psexec, old_tls, certificate_expired, iocontrol, tunnel_outward),
    *(ms17_010_asked, eternalblue, doublepulsar, ms08_067, smb1_harmless),
)
