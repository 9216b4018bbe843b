"""Writes a capture of DNS on UDP and TCP, mDNS and LLMNR.

    python generate.py

The bytes are set from RFC 1035, RFC 1996, RFC 2136, RFC 6762 and RFC 4795.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape

from tape import Connection  # noqa: E402

PANEL = Host("panel", "00:1c:06:10:00:11", "192.168.50.111")
SERVER = Host("server", "00:15:5d:10:00:01", "192.168.50.1")
CAMERA = Host("camera", "00:40:8c:10:00:02", "192.168.50.40")
MDNS = Host("mdns", "01:00:5e:00:00:fb", "224.0.0.251")
LLMNR = Host("llmnr", "01:00:5e:00:00:fc", "224.0.0.252")
A, SOA, PTR, HINFO, TXT, AAAA, SRV = 1, 6, 12, 13, 16, 28, 33


def name(text: str) -> bytes:
    """A name, label by label."""
    labels = (one.encode() for one in text.split(".") if one)
    return b"".join(bytes([len(one)]) + one for one in labels) + b"\0"


def question(text: str, kind: int, klass: int = 1) -> bytes:
    """A question, 4.1.2."""
    return name(text) + struct.pack(">HH", kind, klass)


def record(owner: bytes, kind: int, data: bytes, klass: int = 1, seconds: int = 300) -> bytes:
    """A record, 4.1.3."""
    return owner + struct.pack(">HHIH", kind, klass, seconds, len(data)) + data


def message(ident: int, flags: int, *sections: list[bytes]) -> bytes:
    """Header and all sections."""
    counts = [len(one) for one in sections] + [0] * (4 - len(sections))
    return struct.pack(">HHHHHH", ident, flags, *counts) + b"".join(
        one for section in sections for one in section
    )


PLACE = b"\xc0\x0c"  # where the name of the question stands


def announcement() -> bytes:
    """A camera tells its name and service."""
    kind, own = "_http._tcp.local", "AXIS P3245._http._tcp.local"
    host = "axis-accc8e100002.local"
    port = struct.pack(">HHH", 0, 0, 80) + name(host)
    words = b"".join(
        bytes([len(one)]) + one for one in (b"macaddress=x", b"model=P3245-V", b"mf=Axis")
    )
    return message(0, 0x8400, [], [
        record(name(kind), PTR, name(own)), record(name(own), SRV, port, 0x8001),
        record(name(own), TXT, words, 0x8001), record(name(host), A, CAMERA.packed, 0x8001),
        record(name(host), HINFO, b"\7aarch64\5Linux", 0x8001),
    ])  # fmt: skip


def main() -> None:
    """Write the capture."""
    tape = Tape()
    for group in (MDNS, LLMNR):
        for host in (PANEL, CAMERA):
            tape.known.add((host.address, group.address))
    back = "21.50.168.192.in-addr.arpa"
    plain, soa = question("hist.plant.example", A), question("plant.example", SOA)
    zone = (
        name("ns.plant.example") + name("admin.plant.example") + struct.pack(">5I", 7, 9, 9, 9, 9)
    )
    said = (
        (PANEL, 53, message(17, 0x0100, [plain])),
        (SERVER, 0, message(17, 0x8580, [plain], [record(PLACE, A, SERVER.packed)])),
        (PANEL, 53, message(18, 0x0100, [question(back, PTR)])),
        (SERVER, 0, message(18, 0x8180, [question(back, PTR)], [record(PLACE, PTR, name("plc21.plant.example"))])),
        (PANEL, 53, message(19, 0x0100, [question("telemetry.vendor.example", AAAA)])),
        (SERVER, 0, message(19, 0x8183, [question("telemetry.vendor.example", AAAA)])),
        (PANEL, 53, message(20, 0x1000, [question("plant.example", A)])),
        (SERVER, 0, message(20, 0x9004, [question("plant.example", A)])),
        (PANEL, 53, message(21, 0x2400, [soa], [record(PLACE, SOA, zone)])),
        (SERVER, 0, message(21, 0xA400, [soa])),
        (PANEL, 53, message(22, 0x2800, [soa], [], [record(name("panel.plant.example"), A, PANEL.packed)])),
        (SERVER, 0, message(22, 0xA805, [soa])),
        (PANEL, 53, message(23, 0x0800, [question("plant.example", A)])),
        (SERVER, 0, message(23, 0x8804, [question("plant.example", A)])),
    )  # fmt: skip
    for at, (source, port, data) in enumerate(said):
        other, ports = (SERVER, (40_017, 53)) if port else (PANEL, (53, 40_017))
        tape.datagram(START + at * SECOND // 10, source, other, ports, data)
    time = START + 10 * SECOND
    tape.datagram(
        time, PANEL, MDNS, (5353, 5353), message(0, 0, [question("_http._tcp.local", PTR)])
    )
    tape.datagram(time + SECOND, CAMERA, MDNS, (5353, 5353), announcement())
    wanted = question("hmi-line5", A)
    tape.datagram(time + 2 * SECOND, PANEL, LLMNR, (51_000, 5355), message(77, 0, [wanted]))
    answer = message(77, 0x8000, [wanted], [record(PLACE, A, CAMERA.packed)])
    tape.datagram(time + 2 * SECOND + 900, CAMERA, PANEL, (5355, 51_000), answer)
    talk = Connection(tape, PANEL, SERVER, 41_000, 53)
    time += 3 * SECOND
    for by_server, flags in ((False, 2), (True, 18), (False, 16)):
        talk.segment(time, by_server=by_server, flags=flags)
        time += 200
    for by_server, one in ((False, message(30, 0x0100, [plain])), (True, said[1][2])):
        data = one if not by_server else b"\0\x1e" + one[2:]
        whole = struct.pack(">H", len(data)) + data
        talk.segment(time, by_server=by_server, flags=24, data=whole)
        time += 500
    tape.write(HERE / "names.pcap")


if __name__ == "__main__":
    main()
