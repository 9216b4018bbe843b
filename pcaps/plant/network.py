"""What the network itself says: the switch by LLDP and SNMP, addresses, names and time of the router.

Clauses: IEEE 802.1AB-2016, RFC 3416, RFC 2131 and 2132, RFC 1035, RFC 5905.
"""

import struct

from tape import START, Host, Tape
from works import (
    DISINFECTION,
    END,
    EVERYBODY,
    FILTERS,
    HISTORIAN,
    HMI_1,
    HMI_2,
    INTAKE,
    METERS,
    MILLISECOND,
    MINUTE,
    PUMPS,
    ROUTER,
    SECOND,
    STATION,
    SUBSTATION,
    SWITCH,
    beside,
)

ber = beside("goose", "generate").ber

DESCRIBED = "Hirschmann RS20-0800T1T1SDAE, L2E 09.1.08"
NEIGHBOURS, LLDP = bytes.fromhex("0180c200000e"), 0x88CC


def _tlv(kind: int, content: bytes) -> bytes:
    """802.1AB 8.4."""
    return struct.pack(">H", kind << 9 | len(content)) + content


def neighbours(tape: Tape) -> None:
    """The switch tells every thirty seconds who it is, at the port of the mirror."""
    told = (
        _tlv(1, b"\4" + SWITCH.hardware) + _tlv(2, b"\5port 8") + _tlv(3, struct.pack(">H", 120))
        + _tlv(4, b"mirror, control room") + _tlv(5, SWITCH.name.encode())
        + _tlv(6, DESCRIBED.encode()) + _tlv(7, struct.pack(">HH", 4, 4))
        + _tlv(8, b"\5\1" + SWITCH.packed + b"\2" + struct.pack(">I", 8) + b"\0") + _tlv(0, b"")
    )  # fmt: skip
    for time in range(START + 2_500 * MILLISECOND, END, 30 * SECOND):
        tape.frame(time, SWITCH, NEIGHBOURS, LLDP, told)


# ------------------------------------------------------------------------------------ SNMP

SYSTEM = "1.3.6.1.2.1.1.{}.0"
IN_OCTETS = "1.3.6.1.2.1.2.2.1.10.8"  # of port 8


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    raw = bytes([40 * first + second])
    for number in rest:
        parts = [number & 0x7F]
        while number := number >> 7:
            parts.append(0x80 | number & 0x7F)
        raw += bytes(reversed(parts))
    return ber(6, raw)


def _integer(value: int, tag: int = 2) -> bytes:
    return ber(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _snmp(tag: int, number: int, variables: dict[str, bytes]) -> bytes:
    """A message of version 2c with the community that everybody knows."""
    listed = b"".join(ber(0x30, _oid(name) + held) for name, held in variables.items())
    body = _integer(number) + _integer(0) + _integer(0) + ber(0x30, listed)
    return ber(0x30, _integer(1) + ber(4, b"public") + ber(tag, body))


def switch_trend(tape: Tape) -> None:
    """The historian asks the switch who it is, then every half minute how much it carried."""
    who = {
        SYSTEM.format(1): ber(4, DESCRIBED.encode()),
        SYSTEM.format(2): _oid("1.3.6.1.4.1.248.14.10.27"),
        SYSTEM.format(5): ber(4, SWITCH.name.encode()),
        SYSTEM.format(6): ber(4, b"control room, cabinet 2"),
    }
    for number, time in enumerate(range(START + 3 * SECOND, END, 30 * SECOND), 0x1A01):
        carried = 81_330_000 + number * 40_127
        held = {IN_OCTETS: _integer(carried, 0x41), SYSTEM.format(3): _integer(carried, 0x43)}
        for asked in (who, held) if number == 0x1A01 else (held,):
            nothing = dict.fromkeys(asked, ber(5, b""))
            later = time + SECOND * (asked is held)
            mine = number + 0x1000 * (asked is who)
            tape.datagram(later, HISTORIAN, SWITCH, (51_161, 161), _snmp(0xA0, mine, nothing))
            tape.datagram(
                later + 5 * MILLISECOND, SWITCH, HISTORIAN, (161, 51_161), _snmp(0xA2, mine, asked)
            )


# ---------------------------------------------------------------------- the router's services


def times(tape: Tape) -> None:
    """Stations ask the router for the time every minute or so (RFC 5905 7.3)."""
    for number, host in enumerate((HMI_1, HMI_2, HISTORIAN, STATION)):
        for time in range(START + (7 + 11 * number) * SECOND, END, 64 * SECOND):
            stamps = [
                struct.pack(">II", (at // SECOND + 2_208_988_800) & 0xFFFF_FFFF, 0)
                for at in (time - MINUTE, time, time + MILLISECOND)
            ]
            asked = b"\x23\0\6\xec" + bytes(36) + stamps[1]
            told = (
                b"\x24\2\6\xec" + bytes(8) + b"\x0a\0\0\1" + stamps[0] + stamps[1] * 2 + stamps[2]
            )
            tape.datagram(time, host, ROUTER, (123, 123), asked)
            tape.datagram(time + MILLISECOND, ROUTER, host, (123, 123), told)


ASKED = (  # who asks for the name of whom, and seconds from the beginning
    (HMI_2, SUBSTATION, 0.3), (HISTORIAN, METERS, 1.2), (HISTORIAN, DISINFECTION, 1.0),
    (STATION, INTAKE, 28.0), (STATION, FILTERS, 28.4), (STATION, PUMPS, 28.8),
)  # fmt: skip


def names(tape: Tape) -> None:
    """Stations ask for the addresses of what they are about to visit (RFC 1035 4)."""
    for number, (host, wanted, seconds) in enumerate(ASKED):
        time, port = START + round(seconds * SECOND), 53_100 + number
        labels = (wanted.name, "works", "local")
        question = b"".join(bytes([len(one)]) + one.encode() for one in labels)
        question += b"\0" + struct.pack(">HH", 1, 1)
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 3_600, 4) + wanted.packed
        head = 0x4400 + number
        asked = struct.pack(">6H", head, 0x0100, 1, 0, 0, 0) + question
        told = struct.pack(">6H", head, 0x8580, 1, 1, 0, 0) + question + answer
        tape.datagram(time, host, ROUTER, (port, 53), asked)
        tape.datagram(time + MILLISECOND, ROUTER, host, (53, port), told)


UNNAMED, ALL = "0.0.0.0", "255.255.255.255"  # noqa: S104 - of who has no address yet
DISCOVER, OFFER, REQUEST, ACKNOWLEDGE = 1, 2, 3, 5  # RFC 2132 9.6
SERVER = b"\x36\4" + ROUTER.packed
LEASED = SERVER + b"\x33\4" + struct.pack(">I", 86_400) + b"\1\4\xff\xff\xff\0\3\4" + ROUTER.packed


def _dhcp(host: Host, kind: int, options: bytes, *, has: bool = False) -> bytes:
    """A message about a host's address; ``has``: it has it already."""
    client = kind in (DISCOVER, REQUEST)
    mine, given = (host.packed if here else bytes(4) for here in (has, not client))
    number = int.from_bytes(host.hardware[2:], "big")
    front = struct.pack(">BBBBIHH", 1 + (not client), 1, 6, 0, number, 0, 0 if has else 0x8000)
    front += mine + given + bytes(8) + host.hardware + bytes(10 + 192)
    body = front + b"\x63\x82\x53\x63" + bytes([0x35, 1, kind]) + options + b"\xff"
    return body.ljust(300, b"\0")


def _called(name: str) -> bytes:
    """Its name, and what wrote the message."""
    return bytes([0x0C, len(name)]) + name.encode() + b"\x3c\x08MSFT 5.0"


def lease(tape: Tape, host: Host, time: int, name: str) -> None:
    """A host that is new gets an address (RFC 2131 3.1), and tells that it has it."""
    new = Host(host.name, host.mac, UNNAMED)
    everybody = Host("everybody", EVERYBODY.mac, ALL)
    tape.known |= {(UNNAMED, ALL), (ROUTER.address, ALL)}
    wanted = b"\x32\4" + host.packed + SERVER + _called(name)
    for number, (kind, options) in enumerate(
        ((DISCOVER, _called(name)), (OFFER, LEASED), (REQUEST, wanted), (ACKNOWLEDGE, LEASED))
    ):
        source, ports = (ROUTER, (67, 68)) if number % 2 else (new, (68, 67))
        when = time + number * 20 * MILLISECOND
        tape.datagram(when, source, everybody, ports, _dhcp(host, kind, options))
    announced = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + host.hardware + host.packed
    frame = announced + bytes(6) + host.packed
    tape.frame(time + SECOND, host, EVERYBODY.hardware, 0x0806, frame)


def leases(tape: Tape) -> None:
    """Stations ask to keep the addresses that they have (RFC 2131 4.3.2, RENEWING)."""
    for number, host in enumerate((HMI_1, HMI_2, HISTORIAN, STATION)):
        time = START + (17 + 83 * number) * SECOND
        asked = _dhcp(host, REQUEST, _called(host.name.upper()), has=True)
        told = _dhcp(host, ACKNOWLEDGE, LEASED, has=True)
        tape.datagram(time, host, ROUTER, (68, 67), asked)
        tape.datagram(time + 3 * MILLISECOND, ROUTER, host, (67, 68), told)
