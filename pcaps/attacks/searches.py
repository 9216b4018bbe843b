"""Somebody looks for devices, units, points and passwords."""

import struct

from scenes import (
    MILLISECOND,
    SECOND,
    START,
    STEP,
    STRANGER,
    Host,
    Tape,
    builder,
    opened,
)
from tape import ACK, ETHERTYPE_ARP, FIN, RST, SYN, Connection

PANEL = Host("panel", "00:1c:06:60:00:11", "10.60.0.11")


def _host(number: int) -> Host:
    return Host(f"host {number}", f"00:1c:06:60:00:{number:02x}", f"10.60.0.{number}")


def addresses_asked(tape: Tape) -> None:
    """A laptop asks for forty addresses by ARP; eight others answer."""
    head = struct.pack(">HHBB", 1, 0x0800, 6, 4)
    for number in range(11, 19):
        tape.resolve(START + number * 20 * MILLISECOND, STRANGER, _host(number))
    for number in range(100, 140):
        body = head + b"\0\1" + STRANGER.hardware + STRANGER.packed + bytes(6)
        time = START + SECOND + number * 20 * MILLISECOND
        tape.frame(time, STRANGER, b"\xff" * 6, ETHERTYPE_ARP, body + _host(number).packed)


def address_claimed(tape: Tape) -> None:
    """A laptop answers a panel by ARP, unasked, that it were the controller which the panel asks."""
    line = Connection(tape, PANEL, _host(21), 50_021, 502)
    tape.known |= {(PANEL.address, _host(21).address), (_host(21).address, PANEL.address)}
    line.open(START)
    tape.resolve(START + SECOND, STRANGER, PANEL)
    head = struct.pack(">HHBB", 1, 0x0800, 6, 4)
    body = head + b"\0\2" + STRANGER.hardware + _host(21).packed + PANEL.hardware + PANEL.packed
    for turn in range(2, 8):
        tape.frame(START + turn * SECOND, STRANGER, PANEL.hardware, ETHERTYPE_ARP, body)
        asked, told = bytes.fromhex("000000060103"), bytes.fromhex("0000000501030207d0")
        line.ask(START + turn * SECOND + STEP, struct.pack(">H", turn) + asked + b"\0\0\0\1")
        line.answer(START + turn * SECOND + 2 * STEP, struct.pack(">H", turn) + told)


def havex_sweep(tape: Tape) -> None:
    """A computer tries the five ports of Havex at four hosts; nobody listens there."""
    time = START
    for number in range(21, 25):
        for at, port in enumerate((44_818, 502, 102, 11_234, 12_401)):
            time += 300 * MILLISECOND
            line = Connection(tape, STRANGER, _host(number), 50_000 + number * 8 + at, port)
            line.segment(time, by_server=False, flags=SYN)
            line.segment(time + MILLISECOND, by_server=True, flags=RST | ACK)


def connections_ended(tape: Tape) -> None:
    """A panel closes what it opened before the capture began, at fifteen hosts; to twelve it holds on."""
    for number in range(21, 36):
        time = START + number * 20 * MILLISECOND
        line = Connection(tape, PANEL, _host(number), 50_000 + number, 80)
        line.segment(time, by_server=False, flags=FIN | ACK)
    for number in range(41, 53):
        time = START + SECOND + number * 20 * MILLISECOND
        line = Connection(tape, PANEL, _host(number), 50_000 + number, 102)
        line.segment(time, by_server=False, flags=ACK)
        line.segment(time + MILLISECOND, by_server=True, flags=ACK)


def modbus_units_tried(tape: Tape) -> None:
    """A laptop asks all units behind a gateway for a register; most do not exist."""
    gateway = builder("modbus", "hosts").GATEWAY
    unit = builder("modbus", "hosts").unit
    talk = opened(tape, (STRANGER, gateway), (50_502, 502))
    for number in range(1, 41):
        exists = number in (1, 2, 3)
        told = "03 02 0017" if exists else "83 0b"
        asked = unit(number, number, "03 0000 0001")
        talk.ask(asked, unit(number, number, told), after=200 * MILLISECOND)
    talk.end()


def s7_racks_and_passwords(tape: Tape) -> None:
    """Somebody tries racks and slots of a controller, and eight passwords where one answers."""
    s7, plc = builder("s7comm", "messages"), Host("press-plc", "00:1b:1b:23:60:31", "10.60.0.31")
    time = START
    for rack, slot in ((0, 0), (0, 1), (0, 3), (1, 0), (1, 2), (2, 3), (0, 2)):
        works = (rack, slot) == (0, 2)
        talk = opened(tape, (STRANGER, plc), (50_600 + rack * 8 + slot, 102), time)
        places = f"c0010a c1020100 c20201{rack << 5 | slot:02x}"
        said = f"11 d0 0001 0003 00 {places}" if works else "06 80 0001 0000 03"
        talk.ask(_cotp(bytes.fromhex(f"11 e0 0000 0001 00 {places}")), _cotp(bytes.fromhex(said)))
        if works:
            setup = "f0 00 0001 0001 01e0"
            talk.ask(_unit(s7.job(1, setup)), _unit(s7.answer(1, setup)))
            for at in range(8):
                asked, told = ((s7.REQUEST, s7.SECURITY, 1), (s7.RESPONSE, s7.SECURITY, 1))
                word = bytes([0x40 + at] * 8).hex()
                talk.ask(
                    _unit(s7.user_data(2 + at, asked, word, long=False)),
                    _unit(s7.user_data(2 + at, told, "", long=True, error=0xD602)),
                    after=2 * SECOND,
                )
        talk.end()
        time = talk.time + SECOND


def _cotp(data: bytes) -> bytes:
    return bytes([3, 0]) + (len(data) + 4).to_bytes(2, "big") + data


def _unit(message: bytes) -> bytes:
    return _cotp(bytes([2, 0xF0, 0x80]) + message)


def opcua_servers_asked(tape: Tape) -> None:
    """A laptop asks ten OPC UA servers for their endpoints."""
    ua = builder("opcua")
    for number in range(40, 50):
        server = _host(number)
        url = f"opc.tcp://{server.address}:4840"
        talk = opened(tape, (STRANGER, server), (50_700 + number, 4840), START + number * SECOND)
        sizes = struct.pack("<IIIII", 0, 65_536, 65_536, 0, 0)
        talk.ask(ua.unit(b"HELF", sizes + ua.text(url)), ua.unit(b"ACKF", sizes))
        policy = ua.text("http://opcfoundation.org/UA/SecurityPolicy#None")
        nobody = struct.pack("<ii", -1, -1)
        head = policy + nobody + struct.pack("<II", 1, 1)
        asked = ua.request_header(446) + struct.pack("<IIIiI", 0, 0, 1, -1, 3_600_000)
        told = ua.response_header(449) + struct.pack("<IIIqIi", 0, 6, 1, 0, 3_600_000, -1)
        talk.ask(
            ua.unit(b"OPNF", struct.pack("<I", 0) + head + asked),
            ua.unit(b"OPNF", struct.pack("<I", 6) + head + told),
        )
        asked = ua.request_header(428) + ua.text(url) + struct.pack("<ii", -1, -1)
        told = ua.response_header(431) + struct.pack("<i", 0)
        talk.ask(ua.chunk(b"MSGF", 2, asked), ua.chunk(b"MSGF", 2, told))
        talk.end()


def machine_expert_search(tape: Tape) -> None:
    """A computer looks for controllers of Schneider on their own port, by broadcast."""
    everybody = Host("everybody", "ff:ff:ff:ff:ff:ff", "10.60.0.255")
    tape.known.add((STRANGER.address, everybody.address))
    for turn in range(3):
        data = bytes.fromhex("0101") + bytes([turn]) + bytes(13)
        tape.datagram(START + turn * SECOND, STRANGER, everybody, (50_800, 27_127), data)


def bacnet_ranges_asked(tape: Tape) -> None:
    """A laptop asks for BACnet devices, a thousand numbers at a time; three answer."""
    everybody = Host("everybody", "ff:ff:ff:ff:ff:ff", "10.60.0.255")
    for host in (STRANGER, *map(_host, (51, 52, 53))):
        tape.known.add((host.address, everybody.address))
    for turn in range(40):
        low, high = (struct.pack(">H", turn * 1_000 + at) for at in (0, 999))
        asked = bytes.fromhex("0120ffff00ff") + b"\x10\x08\x0a" + low + b"\x1a" + high
        front = struct.pack(">BBH", 0x81, 0x0B, 4 + len(asked))
        time = START + turn * SECOND
        tape.datagram(time, STRANGER, everybody, (47_808, 47_808), front + asked)
        if turn in (1, 2, 3):
            told = bytes.fromhex("0100") + b"\x10\x00\xc4"
            told += struct.pack(">I", 8 << 22 | turn * 1_000 + 7) + bytes.fromhex("2205c491032107")
            front = struct.pack(">BBH", 0x81, 0x0B, 4 + len(told))
            tape.datagram(time + STEP, _host(50 + turn), everybody, (47_808, 47_808), front + told)


def _confirmed(tape: Tape, time: int, device: Host, invoke: int, asked: bytes, told: bytes) -> None:
    """A confirmed request of BACnet, and what the device answers; both without their invoke id."""
    number = bytes([invoke])
    both = (
        (STRANGER, device, b"\x01\x04\x00\x05" + number + asked),
        (device, STRANGER, b"\x01\x00" + told[:1] + number + told[1:]),
    )
    for at, (by, to, body) in enumerate(both):
        front = struct.pack(">BBH", 0x81, 0x0A, 4 + len(body))
        tape.datagram(time + at * STEP, by, to, (47_808, 47_808), front + body)


def bacnet_passwords(tape: Tape) -> None:
    """A laptop tries passwords at four BACnet devices; of each the fourth one is right."""
    for number in range(16):
        password = b"\0Guess%02d" % number  # in front of it that it is UTF-8
        asked = b"\x14\x09\x06\x1d" + bytes([len(password)]) + password
        told = bytes.fromhex("2014" if number % 4 == 3 else "50149104911a")
        time = START + number * 300 * MILLISECOND
        _confirmed(tape, time, _host(51 + number // 4), number, asked, told)


def bacnet_properties(tape: Tape) -> None:
    """A laptop looks at the points of a BACnet device, with all that they may have and do not."""
    for number in range(120):
        point, what = number // 4, (117, 103, 28, 31)[number % 4]
        asked = b"\x0c\x0c" + struct.pack(">I", point) + b"\x19" + bytes([what])
        told = bytes.fromhex("500c91029120")
        _confirmed(tape, START + number * 50 * MILLISECOND, _host(51), number, asked, told)


def passwords_tried(tape: Tape) -> None:
    """Fourteen passwords are tried at the files of a panel, one after another."""
    talk = opened(tape, (STRANGER, PANEL), (50_900, 21))
    talk.tell(b"220 panel ready\r\n")
    for turn in range(14):
        talk.ask(b"USER root\r\n", b"331 password please\r\n", after=500 * MILLISECOND)
        word = f"Summer-{2012 + turn}!".encode()
        talk.ask(b"PASS " + word + b"\r\n", b"530 not logged in\r\n")
    talk.ask(b"QUIT\r\n", b"221 bye\r\n")
    talk.end()


def codesys_passwords(tape: Tape) -> None:
    """Twelve passwords are tried at a controller with CODESYS, as PIPEDREAM does."""
    codesys = builder("codesys")
    talk = opened(tape, (codesys.STATION, codesys.PLC), (50_100, codesys.TCP_PORT))
    wrap = codesys.on_tcp
    channel = 0x0B03
    talk.ask(
        wrap(codesys.CHANNELS, codesys.open_channel(0x77)),
        wrap(codesys.CHANNELS, codesys.opened(0x77, channel)),
    )
    for at in range(1, 13):
        asked = codesys.login(b"Administrator\0", bytes([at]) * 32)
        talk.ask(
            wrap(codesys.CHANNELS, codesys.block(channel, (at, at - 1), asked, client=True)),
            wrap(
                codesys.CHANNELS,
                codesys.block(channel, (at, at), codesys.logged_in(0, 0x19), client=False),
            ),
            after=SECOND,
        )
    talk.end()


def two_servers_of_addresses(tape: Tape) -> None:
    """A panel asks for an address, and two servers offer one."""
    dhcp = builder("dhcp")
    foreign = Host("foreign server", STRANGER.mac, "192.168.50.66")
    for host in (dhcp.NEW, dhcp.SERVER, foreign):
        tape.known.add((host.address, dhcp.EVERYBODY.address))
    asked = dhcp.message(1, dhcp.NEW, dhcp.asked(1))
    tape.datagram(START, dhcp.NEW, dhcp.EVERYBODY, (68, 67), asked)
    for at, server in enumerate((dhcp.SERVER, foreign)):
        options = dhcp.option(53, b"\2") + dhcp.option(54, server.packed) + b"".join(dhcp.LEASE)
        yours = f"192.168.50.{111 + at}"
        offer = dhcp.message(2, dhcp.NEW, options, yours=yours)
        time = START + (at + 1) * 5 * MILLISECOND
        tape.datagram(time, server, dhcp.EVERYBODY, (67, 68), offer)


def malformed(tape: Tape) -> None:
    """Somebody sends a station wrong units among right ones, to see what it does."""
    iec104 = builder("iec104")
    link = iec104.linked(tape, iec104.SUBSTATION, 49_430)
    value = struct.pack("<fB", 50.0, 0)
    for turn in range(60):
        link.wait(500)
        good = iec104.asdu(13, iec104.SPONTANEOUS, 11, iec104.ioa(700) + value)
        link.tell(good if turn % 4 else good[:-3])
        if turn % 8 == 7:
            link.acknowledge()


def share_to_share(tape: Tape) -> None:
    """A computer opens connections for shares at twelve others within a minute."""
    smb = builder("smb")
    body = struct.pack("<HHHHI16sQHH", 36, 2, 1, 0, 0, bytes(16), 0, 0x0202, 0x0210)
    told = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 1, 65_536, 65_536, 65_536,
                       0, 0, 128, 0, 0) + b"\0"  # fmt: skip
    for number in range(70, 82):
        talk = opened(tape, (STRANGER, _host(number)), (51_000 + number, 445),
                      START + (number - 70) * 3 * SECOND)  # fmt: skip
        talk.ask(smb.message(0, 0, body), smb.message(0, 0, told, answers=True))
        talk.end()


SCENES = (
    *(
        addresses_asked,
        address_claimed,
        havex_sweep,
        connections_ended,
        modbus_units_tried,
        s7_racks_and_passwords,
        opcua_servers_asked,
    ),
    *(
        machine_expert_search,
        bacnet_ranges_asked,
        bacnet_passwords,
        bacnet_properties,
        passwords_tried,
        codesys_passwords,
        two_servers_of_addresses,
    ),
    *(malformed, share_to_share),
)
