"""Controllers and stations that somebody changes or commands."""

import struct

from scenes import (
    MILLISECOND,
    OUTSIDE,
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

TRICON_PANEL = Host("panel", "00:1b:1b:61:00:77", "192.168.61.77")
PRESS = Host("press-plc", "00:1b:1b:23:60:31", "10.60.0.31")
FURNACE = Host("furnace-plc", "00:1b:1b:23:60:32", "10.60.0.32")
LOGIX = Host("mixer-plc", "00:00:bc:60:00:41", "10.60.0.41")
MONITOR = Host("asset-tool", "d0:94:66:60:00:12", "10.60.0.12")
DOSER = Host("dosing-unit", "00:80:f4:60:00:51", "10.60.0.51")
STATION = Host("ews-6", "8c:ec:4b:51:60:15", "10.60.0.15")
PORT_S7, PORT_104 = 102, 2404


# --------------------------------------------------------------------- a safety controller


def _commands(tape: Tape, host: Host, time: int, *codes: int, every: int = SECOND) -> int:
    """Commands of TriStation in turn, each with its good answer; gives when they are over."""
    tristation = builder("tristation")
    said = {code: (data, told, answer) for code, data, told, answer in tristation.TALK}
    said[1] = (bytes(20), 102, b"")
    ports = (tristation.PORTS[0], tristation.PORTS[1])
    for at, code in enumerate(codes):
        data, told, answer = said[code]
        exchanged(
            tape, (host, tristation.TRICON), ports, time,
            tristation.command(code, at & 0xFF, data),
            tristation.command(told, at & 0xFF, answer, answer=True),
        )  # fmt: skip
        time += every
    return time


def _greeted(tape: Tape, host: Host) -> int:
    tristation = builder("tristation")
    ports = (tristation.PORTS[0], tristation.PORTS[1])
    exchanged(tape, (host, tristation.TRICON), ports, START, tristation.bare(1), tristation.bare(2))
    return START + SECOND


def firmware_changed(tape: Tape) -> None:
    """A tool asks a Modbus device who it is, three times; the last time its firmware is another."""
    talk = opened(tape, (MONITOR, DOSER), (50_610, 502))
    for turn, revision in enumerate((b"V2.10", b"V2.10", b"V2.41")):
        request = b"\x00\x2b\x0e\x01\x00"  # unit, function and kind, basic, from object 0
        told = b"".join(
            bytes([number, len(text)]) + text
            for number, text in enumerate((b"Example Dosing", b"DU-200", revision))
        )
        answer = b"\x00\x2b\x0e\x01\x01\x00\x00\x03" + told
        front = [struct.pack(">HHH", turn, 0, len(data)) for data in (request, answer)]
        talk.ask(front[0] + request, front[1] + answer, after=60 * SECOND)
    talk.end()


def tristation_watched(tape: Tape) -> None:
    """The engineering station of a safety controller looks how it is, and changes nothing."""
    station = builder("tristation").STATION
    _commands(tape, station, _greeted(tape, station), 13, *([19] * 30), 24, 54)


def tristation_foreign(tape: Tape) -> None:
    """An operator panel, which says what it is by LLDP, asks a safety controller for its status."""
    lldp = builder("lldp")
    body = b"".join((
        lldp.front(b"\4" + TRICON_PANEL.hardware, b"\5port-1"),
        lldp.tlv(5, b"panel-2"), lldp.tlv(6, b"SIMATIC HMI TP700 Comfort Panel"),
        lldp.managed(TRICON_PANEL, 1), lldp.tlv(0, b""),
    ))  # fmt: skip
    tape.frame(START - SECOND, TRICON_PANEL, lldp.GROUP, lldp.ETHERTYPE, body)
    _commands(tape, TRICON_PANEL, _greeted(tape, TRICON_PANEL), *([19] * 10))


def triton(tape: Tape) -> None:
    """What TRITON does: status, the program read, a change begun, allocated and ended, again."""
    station = builder("tristation").STATION
    time = _greeted(tape, station)
    time = _commands(tape, station, time, 19, 65, 66, 66)
    for _ in range(3):
        time = _commands(tape, station, time, 19, 1, 55, 11)
        time = _commands(tape, station, time, *([19] * 30), every=300 * MILLISECOND)


# ------------------------------------------------------------------------------- S7comm


def _cotp(data: bytes) -> bytes:
    return bytes([3, 0]) + (len(data) + 4).to_bytes(2, "big") + data


def _unit(message: bytes) -> bytes:
    return _cotp(bytes([2, 0xF0, 0x80]) + message)


def _connected(tape: Tape, client: Host, server: Host, port: int, time: int = START) -> Talk:
    s7 = builder("s7comm", "messages")
    talk = opened(tape, (client, server), (port, PORT_S7), time)
    places = "c0010a c1020100 c2020102"
    asked, told = f"11 e0 0000 0001 00 {places}", f"11 d0 0001 0003 00 {places}"
    talk.ask(_cotp(bytes.fromhex(asked)), _cotp(bytes.fromhex(told)))
    setup = "f0 00 0001 0001 01e0"
    talk.ask(_unit(s7.job(1, setup)), _unit(s7.answer(1, setup)))
    return talk


def _load(talk: Talk, number: int, kind: str, block: int, content: bytes = b"") -> None:
    """A block is loaded: the client announces it, the controller fetches it; all of it, or a bit."""
    s7 = builder("s7comm", "messages")
    name = f"_{kind}{block:05}P".encode().hex()
    front = f"0000000000000009 {name}"
    size = "0d" + (b"1%06d000100" % (len(content) or 300)).hex()
    talk.ask(_unit(s7.job(number, f"1a {front} {size}")), _unit(s7.answer(number, "1a")),
             after=300 * MILLISECOND)  # fmt: skip
    body = f"{len(content):04x} 00fb{content.hex()}" if content else "0020 00fb" + "7070" * 16
    for turn, (code, data) in enumerate(((0x1B, body), (0x1C, ""))):
        asked = s7.job(number + turn + 1, f"{code:02x} {front}")
        told = s7.answer(number + turn + 1, f"{code:02x}" + ("00" if data else ""), data)
        talk.tell(_unit(asked))
        talk.ask(_unit(told))


def _blocks(talk: Talk, *blocks: tuple[str, int]) -> None:
    for at, (kind, block) in enumerate(blocks):
        _load(talk, 0x10 + at * 4, kind, block)


def stuxnet_blocks(tape: Tape) -> None:
    """The blocks that Stuxnet loads: DB890, and the organisation blocks 1 and 35."""
    talk = _connected(tape, STATION, PRESS, 52_100)
    _blocks(talk, ("0A", 890), ("08", 35), ("08", 1))
    talk.end()


def project_loaded(tape: Tape) -> None:
    """The engineering station loads a project: two organisation blocks, functions and data."""
    talk = _connected(tape, STATION, PRESS, 52_110)
    _blocks(talk, ("0A", 10), ("0A", 20), ("0C", 1), ("08", 35), ("08", 1))
    talk.end()


OB1 = bytes.fromhex("7070010107080001") + bytes(range(200))


def _ob1(tape: Tape, *contents: bytes) -> None:
    """The organisation block 1 is loaded again and again, each time over another connection."""
    time = START
    for turn, content in enumerate(contents):
        talk = _connected(tape, STATION, PRESS, 52_130 + turn, time)
        _load(talk, 0x10, "08", 1, content)
        talk.end()
        time = talk.time + 60 * SECOND


def program_again(tape: Tape) -> None:
    """The engineering station loads the same block twice."""
    _ob1(tape, OB1, OB1)


def program_changed(tape: Tape) -> None:
    """The block that is loaded the third time is another one."""
    _ob1(tape, OB1, OB1, OB1[:-1] + b"\xff")


def plc_worm(tape: Tape) -> None:
    """A controller, known by what it says of itself, loads a block into the next one."""
    s7 = builder("s7comm", "messages")
    talk = _connected(tape, STATION, PRESS, 52_120)
    for one in s7.EXCHANGES[:3]:
        if one.answered:
            talk.ask(_unit(one.asked), _unit(one.answered), after=300 * MILLISECOND)
    talk.end()
    talk = _connected(tape, PRESS, FURNACE, 49_152, talk.time + SECOND)
    _blocks(talk, ("08", 1), ("0C", 64))
    talk.end()


# ------------------------------------------------------------------------------- others


def umas_uploaded(tape: Tape) -> None:
    """Somebody reads the program of a Schneider controller."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (STRANGER, plant.PUMP_PLC), (52_200, 502))
    said = (
        ("5a 00 02", "5a 00 fe 0630 0200 0000"),
        ("5a 41 30 0001", "5a 41 fe 00 20"),
        ("5a 41 31 0001 0000", "5a 41 fe 0000 0020" + "41" * 32),
        ("5a 41 31 0001 0100", "5a 41 fe 0100 0020" + "42" * 32),
        ("5a 41 32 0001", "5a 41 fe"),
    )
    for at, (asked, told) in enumerate(said):
        talk.ask(plant.unit(at, 1, asked), plant.unit(at, 1, told), after=200 * MILLISECOND)
    talk.end()


# [KASP] "The secrets of Schneider Electric's UMAS protocol": 10 takes the reservation for a name,
# its answer gives the session that later functions stand in; 11 gives it back, 12 keeps it
TAKEN = ("5a 00 10 2a10 0000 05" + b"EWS-1".hex(), "5a 00 fe 41")
KEPT, RELEASED = ("5a 41 12", "5a 41 fe"), ("5a 41 11", "5a 41 fe")


def umas_reserved(tape: Tape) -> None:
    """Somebody reserves a Schneider controller, keeps it for a while and lets it go."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (STRANGER, plant.PUMP_PLC), (52_210, 502))
    said = (("5a 00 02", "5a 00 fe 0630 0200 0000"), TAKEN, *[KEPT] * 20, RELEASED)
    for at, (asked, told) in enumerate(said):
        talk.ask(plant.unit(at, 1, asked), plant.unit(at, 1, told), after=2 * SECOND)
    talk.end()


def umas_serviced(tape: Tape) -> None:
    """The engineering station reserves the controller, saves its program and lets it go."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (STATION, plant.PUMP_PLC), (52_211, 502))
    piece = ("5a 41 31 0001 0000", "5a 41 fe 0000 0020" + "41" * 32)
    load = (("5a 41 30 0001", "5a 41 fe 00 20"), piece, ("5a 41 32 0001", "5a 41 fe"))
    for at, (asked, told) in enumerate((TAKEN, *load, KEPT, RELEASED)):
        talk.ask(plant.unit(at, 1, asked), plant.unit(at, 1, told), after=200 * MILLISECOND)
    talk.end()


def frostygoop(tape: Tape) -> None:
    """From the internet registers of a heating controller are read and written, and done."""
    plant = builder("modbus", "hosts")
    heating = Host("heating", "00:80:f4:0e:60:41", "10.60.0.41")
    said = (
        ("03 0035 0002", "03 04 0041 0046"),
        ("06 0035 0000", "06 0035 0000"),
        ("10 0040 0002 04 0000 0000", "10 0040 0002"),
    )
    for turn, (asked, told) in enumerate(said):
        talk = opened(tape, (OUTSIDE, heating), (52_300 + turn, 502), START + turn * SECOND)
        talk.ask(plant.unit(turn, 1, asked), plant.unit(turn, 1, told))
        talk.end()


def registers_polled(tape: Tape) -> None:
    """A station of which nothing else is heard polls a controller, and writes as it needs to."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (Host("station", "00:15:5d:60:00:13", "10.60.0.13"), DOSER), (52_400, 502))
    writes = {
        20: ("06 0035 0046", "06 0035 0046"),
        40: ("10 0040 0002 04 0001 0002", "10 0040 0002"),
    }
    for turn in range(60):
        talk.ask(
            plant.unit(turn, 1, "03 0030 0004"),
            plant.unit(turn, 1, f"03 08 0041 0046 {turn:04x} 0000"),
            after=SECOND,
        )
        if turn in writes:
            asked, told = writes[turn]
            talk.ask(plant.unit(turn, 1, asked), plant.unit(turn, 1, told))
    talk.end()


def registers_refused(tape: Tape) -> None:
    """A panel asks a controller for registers that it does not have, again and again."""
    plant = builder("modbus", "hosts")
    talk = opened(tape, (Host("panel", "00:15:5d:60:00:14", "10.60.0.14"), DOSER), (52_500, 502))
    for turn in range(60):
        talk.ask(plant.unit(turn, 1, "03 0400 0004"), plant.unit(turn, 1, "83 02"), after=SECOND)
    talk.end()


def cip_read_out(tape: Tape) -> None:
    """A laptop locks a Logix controller, reads a routine and its properties, and unlocks it again."""
    enip = builder("enip")
    cip, session = enip.cip, enip.Session(tape, STRANGER, LOGIX, 50_818, START)
    session.unconnected(cip.EXPLICIT.request(), cip.EXPLICIT.accepted())
    owner = cip.path(0x8E, 1) + cip.path(0x74, 1)
    code = bytes.fromhex("cc020440 7c010440 d0010460 4cda237a")
    session.connected(cip.ask(0x4B, owner, b"\0"), cip.reply(0x4B))
    for routine in range(1, 4):
        where = cip.path(0x68, 1) + cip.path(0x6D, routine)
        session.connected(cip.ask(0x4C, where, bytes(6)), cip.reply(0x4C, bytes(4) + code))
        where = cip.path(0x68, 1) + cip.path(0x6A, routine)
        session.connected(cip.ask(0x4F, where, bytes(8)), cip.reply(0x4F, bytes(4)))
    session.connected(cip.ask(0x4C, owner), cip.reply(0x4C))
    session.unconnected(cip.EXPLICIT.close(), cip.EXPLICIT.closed())
    session.end()


def fins_settings(tape: Tape) -> None:
    """Somebody takes an OMRON controller by force, writes its settings and deletes a file."""
    fins = builder("fins")
    area = struct.pack(">HHH", 0x8010, 0, 2) + b"\0\1\0\2"
    file = struct.pack(">HH", 0x8000, 1) + b"AUTOEXEC.OBJ"
    said = (
        (0x0C02, struct.pack(">H", 0xFFFF)),
        (0x0202, area),
        (0x2205, file),
        (0x0C03, struct.pack(">H", 0xFFFF)),
    )
    for at, (command, data) in enumerate(said):
        more = struct.pack(">H", 1) if command == 0x2205 else b""
        exchanged(
            tape, (fins.STATION, fins.PLC), (fins.PORT, fins.PORT), START + at * SECOND,
            fins.asks(fins.STATION_NODE, at, command, data),
            fins.says(fins.STATION_NODE, at, command, 0, more),
        )  # fmt: skip


def dnp3_reports_off(tape: Tape) -> None:
    """A master switches the reports of an outstation off, again and again."""
    dnp3 = builder("dnp3")
    bay = dnp3.station(10, 4)
    dnp3.settle(bay, START)
    talk = dnp3.line(tape, STRANGER, dnp3.BAY, 52_400, bay)
    for _ in range(8):
        talk.wait(talk.time + 20 * SECOND)
        talk.ask(10, dnp3.build_disable_unsolicited_request().to_bytes())


# ------------------------------------------------------------------------ IEC 60870-5-104


def _commanded(tape: Tape, host: Host, station: Host, port: int, time: int, *points: int) -> None:
    """A connection, as Industroyer2 has it: tested, started, interrogated, commanded."""
    iec104 = builder("iec104")
    talk = opened(tape, (host, station), (port, PORT_104), time)
    link = iec104.Link(talk.connection, talk.time)
    link.control(iec104.TESTFR)
    link.control(iec104.STARTDT)
    link.command(100, 3, iec104.ioa(0) + b"\x14", iec104.ACT | 1, iec104.ACTTERM)
    for point in points:
        body = iec104.ioa(point) + b"\1"
        link.wait(40)
        link.command(45, 3, body, iec104.ACT | 1, iec104.ACTTERM)
    link.acknowledge()


def cosmicenergy(tape: Tape) -> None:
    """By a database a program is started, which then switches a breaker of each of six stations."""
    tds, iec104 = builder("tds"), builder("iec104")
    database = Host("historian", "00:15:5d:60:00:07", "10.60.0.7")
    talk = opened(tape, (OUTSIDE, database), (52_600, 1433))
    statement = "EXEC master..xp_cmdshell 'start.bat'"
    for kind, asked, told in (
        (tds.PRELOGIN, tds.options(b"\x10\0\0\0\0\0", 0), tds.options(b"\x0b\0\x0c\x38\0\0", 2)),
        (tds.LOGIN7, tds.integrated(), tds.LOGGED_IN),
        (tds.SSPI, tds.ntlm(), tds.done()),
        (tds.BATCH, tds.HEADERS + statement.encode("utf-16-le"), tds.done()),
    ):
        talk.ask(tds.packet(kind, asked), tds.packet(tds.RESULT, told), after=200 * MILLISECOND)
    talk.end()
    for number in range(31, 37):
        time = START + (60 + number) * SECOND
        line = opened(tape, (database, _substation(number)), (52_600 + number, PORT_104), time)
        link = iec104.Link(line.connection, line.time)
        link.control(iec104.STARTDT)
        link.command(46, 3, iec104.ioa(1_104) + b"\1", iec104.ACT | 1, iec104.ACTTERM)
        link.acknowledge()


def industroyer2(tape: Tape) -> None:
    """A station is tested, started, interrogated and commanded, forty points in some seconds."""
    _commanded(tape, STRANGER, _substation(21), 52_500, START, *range(1_101, 1_141))


def stations_commanded(tape: Tape) -> None:
    """A computer switches two breakers of each of seven stations within half a minute."""
    for number in range(21, 28):
        time = START + (number - 21) * 4 * SECOND
        _commanded(tape, STRANGER, _substation(number), 52_500 + number, time, 1_104, 1_105)


def stations_behind_commanded(tape: Tape) -> None:
    """A computer switches one breaker of each of seven stations behind one gateway, in ten seconds."""
    iec104 = builder("iec104")
    talk = opened(tape, (STRANGER, _substation(20)), (52_490, PORT_104))
    link = iec104.Link(talk.connection, talk.time)
    link.control(iec104.STARTDT)
    for common in range(1, 8):
        link.wait(1_400)
        link.command(45, common, iec104.ioa(1_104) + b"\1", iec104.ACT | 1, iec104.ACTTERM)
    link.acknowledge()


def _substation(number: int) -> Host:
    return Host(f"substation {number}", f"00:60:e9:60:00:{number:02x}", f"10.60.1.{number}")


def _identity(status: int, state: int) -> bytes:
    """What a controller says of itself to ListIdentity ([CIP2] 2-4.2): status and state."""
    name = b"1769-L24ER-QB1B/A"
    told = struct.pack("<HHH2sHI", 1, 14, 149, b"\x1e\x0b", status, 0x60_41_77_10)
    item = struct.pack("<H", 1) + struct.pack(">HHI8x", 2, 44_818, 0x0A3C0029)
    item += told + bytes([len(name)]) + name + bytes([state])
    body = struct.pack("<HHH", 1, 0x0C, len(item)) + item
    return struct.pack("<HHII8xI", 0x63, len(body), 0, 0, 0) + body


def device_faults(tape: Tape) -> None:
    """A controller runs, loses an input module, and stops by a fault of its program."""
    told = ((0x0060, 3), (0x0060, 3), (0x0070, 3), (0x0474, 4))
    asked = struct.pack("<HHII8xI", 0x63, 0, 0, 0, 0)
    for turn, (status, state) in enumerate(told):
        time = START + turn * 30 * SECOND
        exchanged(tape, (MONITOR, LOGIX), (51_000, 44_818), time, asked, _identity(status, state))


SCENES = (
    *(
        firmware_changed,
        tristation_watched,
        tristation_foreign,
        triton,
        stuxnet_blocks,
        project_loaded,
        plc_worm,
    ),
    *(program_again, program_changed, device_faults),
    *(
        umas_uploaded,
        umas_reserved,
        umas_serviced,
        frostygoop,
        registers_polled,
        registers_refused,
        stations_behind_commanded,
        cip_read_out,
        fins_settings,
        dnp3_reports_off,
        industroyer2,
    ),
    *(stations_commanded, cosmicenergy),
)
