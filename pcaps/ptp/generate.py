"""Writes a capture of PTP: a grandmaster and its followers on Ethernet, over UDP, 802.1AS.

    python generate.py

The bytes are set from IEEE 1588-2019, 13 and 15, and IEEE 802.1AS-2020, 10 and 11.
"""

import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
ETHERTYPE = 0x88F7
GROUP, PEERS = bytes.fromhex("011b19000000"), bytes.fromhex("0180c200000e")
EVERYBODY = Host("ptp-primary", "01:00:5e:00:01:81", "224.0.1.129")
MASTER = Host("grandmaster", "00:80:ea:10:00:01", "192.168.50.8")
RELAY = Host("relay", "00:0e:8c:10:00:05", "192.168.50.30")
SWITCH = Host("switch", "00:07:7c:10:00:09", "192.168.50.9")
CAMERA = Host("camera", "00:40:8c:10:00:0a", "192.168.50.40")
LEAP = 37  # TAI is ahead of UTC by so many seconds since 2017
SYNC, DELAY_REQ, PDELAY_REQ, PDELAY_RESP = 0, 1, 2, 3
FOLLOW_UP, DELAY_RESP, PDELAY_RESP_FOLLOW_UP, ANNOUNCE, SIGNALING, MANAGEMENT = range(8, 14)
CONTROL = {SYNC: 0, DELAY_REQ: 1, FOLLOW_UP: 2, DELAY_RESP: 3, MANAGEMENT: 4}
TWO_STEP, TIMESCALE, UTC_VALID = 0x0200, 0x0008, 0x0004


def identity(host: Host) -> bytes:
    """A clock identity out of a MAC address, 7.5.2.2."""
    return host.hardware[:3] + b"\xff\xfe" + host.hardware[3:]


def stamp(time: int, ahead: int = LEAP * SECOND) -> bytes:
    """A time stamp, 5.3.3; of TAI."""
    seconds, rest = divmod(time + ahead, SECOND)
    return struct.pack(">HII", 0, seconds, rest * 1000)


def message(
    kind: int, source: Host, sequence: int, body: bytes, *, flags: int = 0, domain: int = 0,
    sdo: int = 0, interval: int = 0,
) -> bytes:  # fmt: skip
    """A message, 13.3."""
    head = struct.pack(">BBHBBHqI", sdo << 4 | kind, 2, 34 + len(body), domain, 0, flags, 0, 0)
    control = 0 if sdo else CONTROL.get(kind, 5)
    return head + identity(source) + struct.pack(">HHBb", 1, sequence, control, interval) + body


def announced(master: Host, *, grade: int, steps: int, source: int, time: int = 0) -> bytes:
    """What an announcement says of the best clock, 13.5."""
    told = struct.pack(">hBBBBHB", LEAP, 0, 128, grade, 0x21, 0x4E5D, 128)
    begin = stamp(time) if time else bytes(10)
    return begin + told + identity(master) + struct.pack(">HB", steps, source)


def port(host: Host) -> bytes:
    """A port of a clock."""
    return identity(host) + struct.pack(">H", 1)


def managed(target: Host, action: int, number: int, data: bytes) -> bytes:
    """A management message, 15.4.1."""
    tlv = struct.pack(">HHH", 1, 2 + len(data), number) + data
    return port(target) + struct.pack(">BBBB", 0, 0, action, 0) + tlv


def ethernet(tape: Tape) -> None:
    """A grandmaster in two steps, a follower that asks for its delay, all to the group."""
    for at in range(8):
        time = START + at * SECOND
        flags = TIMESCALE | UTC_VALID
        tell = announced(MASTER, grade=6, steps=0, source=0x20)
        frames = (
            (0, MASTER, message(ANNOUNCE, MASTER, at, tell, flags=flags, interval=1)),
            (100, MASTER, message(SYNC, MASTER, at, bytes(10), flags=TWO_STEP)),
            (180, MASTER, message(FOLLOW_UP, MASTER, at, stamp(time + 95))),
            (3000, RELAY, message(DELAY_REQ, RELAY, at, bytes(10), interval=0x7F)),
            (3400, MASTER, message(DELAY_RESP, MASTER, at, stamp(time + 3010) + port(RELAY))),
        )
        for later, source, data in frames:
            tape.frame(time + later, source, GROUP, ETHERTYPE, data)
    time = START + 9 * SECOND  # another clock takes over
    better = announced(SWITCH, grade=248, steps=0, source=0xA0)
    data = message(ANNOUNCE, SWITCH, 1, better, interval=1)  # a time scale of its own
    tape.frame(time, SWITCH, GROUP, ETHERTYPE, data)
    data = message(SYNC, SWITCH, 1, stamp(time + 90, 0))  # one step, and by UTC
    tape.frame(time + 100, SWITCH, GROUP, ETHERTYPE, data)


def peers(tape: Tape) -> None:
    """Delays between neighbours as 802.1AS has them."""
    time = START + 12 * SECOND
    rest = stamp(time + 40) + port(SWITCH)
    for later, source, kind, body in (
        (0, SWITCH, PDELAY_REQ, bytes(20)),
        (60, CAMERA, PDELAY_RESP, rest),
        (90, CAMERA, PDELAY_RESP_FOLLOW_UP, rest),
        (
            500,
            SWITCH,
            SIGNALING,
            port(CAMERA)
            + struct.pack(
                ">HH3s3sBBBBH",
                3,
                12,
                bytes.fromhex("0080c2"),
                bytes.fromhex("000002"),
                0,
                0,
                0,
                3,
                0,
            ),
        ),
    ):
        flags = (TWO_STEP if kind == PDELAY_RESP else 0) | TIMESCALE
        data = message(kind, source, 7, body, flags=flags, sdo=1)
        tape.frame(time + later, source, PEERS, ETHERTYPE, data)


def datagrams(tape: Tape) -> None:
    """A clock that is half a second late, over UDP, and who sets its priority."""
    tape.known |= {(CAMERA.address, EVERYBODY.address), (RELAY.address, EVERYBODY.address)}
    for at in range(3):
        time = START + (20 + at) * SECOND
        tell = announced(CAMERA, grade=248, steps=1, source=0x50, time=time)
        flags = TIMESCALE | UTC_VALID
        data = message(ANNOUNCE, CAMERA, at, tell, flags=flags, domain=3)
        tape.datagram(time, CAMERA, EVERYBODY, (320, 320), data)
        late = stamp(time + 100 - SECOND // 2)
        data = message(SYNC, CAMERA, at, late, domain=3)
        tape.datagram(time + 100, CAMERA, EVERYBODY, (319, 319), data)
    time = START + 24 * SECOND
    for later, action, number, value in (
        (0, 0, 0x2005, b""),
        (9000, 1, 0x2005, b"\1\0"),
        (18000, 3, 0x200F, stamp(time)),
    ):
        data = message(MANAGEMENT, RELAY, later, managed(CAMERA, action, number, value), domain=3)
        tape.datagram(time + later, RELAY, EVERYBODY, (320, 320), data)
    data = message(MANAGEMENT, CAMERA, 9000, managed(RELAY, 2, 0x2005, b"\1\0"), domain=3)
    tape.datagram(time + 9600, CAMERA, EVERYBODY, (320, 320), data)
    data = message(MANAGEMENT, CAMERA, 18000, managed(RELAY, 4, 0x200F, stamp(time)), domain=3)
    tape.datagram(time + 18600, CAMERA, EVERYBODY, (320, 320), data)


def main() -> None:
    """Write the capture."""
    tape = Tape()
    ethernet(tape)
    peers(tape)
    datagrams(tape)
    tape.write(HERE / "clocks.pcap")


if __name__ == "__main__":
    main()
