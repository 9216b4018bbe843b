"""The energy side: reservoir, substation with two bays, building.

By DNP3, IEC 60870-5-104, GOOSE and BACnet.

The outstation of DNP3 is that of dnp3py; builders of messages are those of the protocols' folders.
"""

import struct

from tape import START, Connection, Host, Tape
from works import (
    BAY_1,
    BAY_2,
    BREAKER_CLOSED,
    BREAKER_OPENED,
    BUILDING,
    END,
    EVERYBODY,
    HMI_2,
    MILLISECOND,
    MINUTE,
    RESERVOIR,
    ROOM_COOLED,
    SECOND,
    SUBSTATION,
    at,
    beside,
)

dnp, iec, goose = (beside(folder, "generate") for folder in ("dnp3", "iec104", "goose"))

# ------------------------------------------------------------------------------------ DNP3

ADDRESS = 10  # of the outstation
ATTRIBUTES = {  # IEEE 1815-2012 A.1; by variation
    242: b"1.65.3", 246: b"RES-1", 247: b"rtu-reservoir", 248: b"P350-118204", 250: b"SCADAPack 350",
    252: b"Control Microsystems",
}  # fmt: skip


def reservoir(tape: Tape) -> None:
    """The panel polls the reservoir's outstation every ten seconds, and closes its inlet once."""
    station = dnp.station(ADDRESS, 4)
    connection = Connection(tape, HMI_2, RESERVOIR, 49_220, dnp.PORT)
    begin = START + 500 * MILLISECOND
    connection.open(begin)
    talk = dnp.Line(connection, {ADDRESS: station}, begin + 5 * MILLISECOND)
    dnp.settle(station, begin)
    _measure(station, begin)
    for index in range(station.outstation.database.counter_count):
        station.outstation.database.freeze_counter(index, timestamp=dnp.stamp(begin))
    dnp.start_up(talk, ADDRESS, begin)
    listed = "".join(
        f"00{variation:02x} 00 0000 01{len(text):02x}{text.hex()}"
        for variation, text in ATTRIBUTES.items()
    )
    talk.exchange(ADDRESS, "c001 00fe 00 0000", "c081 0000" + listed)
    for turn, time in enumerate(range(START + 10 * SECOND, END, 10 * SECOND)):
        talk.wait(time)
        _measure(station, time)
        talk.ask(ADDRESS, dnp.build_class_poll(1, 2, 3).to_bytes())
        if turn == 16:
            dnp.switch(talk, ADDRESS, 1, close=True)
        if turn % 30 == 29:
            talk.ask(ADDRESS, dnp.build_integrity_poll().to_bytes())


def _measure(station: object, time: int) -> None:
    """Level, pressure, flow and temperature are read, and strokes of four pumps are counted."""
    database, now, stamp = station.outstation.database, at(time), dnp.stamp(time)
    for index, value in enumerate((now.reservoir, now.pressure, now.raw_flow, now.room)):
        database.update_analog_input(index, round(100 * value), dnp.ONLINE, stamp)
    minutes = (time - START) // MINUTE
    for index in range(database.counter_count):
        count = 4_000 * (index + 1) + (index + 2) * minutes
        database.update_counter(index, count, dnp.CounterQuality.ONLINE, stamp)


# --------------------------------------------------------------------- IEC 60870-5-104

FEEDER = 11  # common address
BREAKER, COMMAND, VOLTAGE, POWER = 100, 6_100, 700, 701
OPEN, CLOSED = 1, 2


def _measured(address: int, value: float) -> bytes:
    return iec.ioa(address) + struct.pack("<fB", value, 0)


def substation(tape: Tape) -> None:
    """The substation reports voltage and power; the operator opens a breaker, and closes it."""
    connection = Connection(tape, HMI_2, SUBSTATION, 50_200, iec.PORT)
    connection.open(START + 600 * MILLISECOND)
    link = iec.Link(connection, START + 603 * MILLISECOND)
    link.control(iec.STARTDT)
    link.command(100, FEEDER, iec.ioa(0) + b"\x14", iec.ACTCON)
    link.tell(
        iec.asdu(3, iec.STATION, FEEDER, iec.ioa(BREAKER) + bytes([CLOSED])),
        iec.asdu(13, iec.STATION, FEEDER, _measured(VOLTAGE, 10.2), _measured(POWER, 410.0)),
        iec.asdu(100, iec.ACTTERM, FEEDER, iec.ioa(0) + b"\x14"),
    )
    link.acknowledge()
    for turn, time in enumerate(range(START + 5 * SECOND, END, 5 * SECOND)):
        link.time = max(link.time, time)
        now = at(time)
        for address, value in ((VOLTAGE, now.voltage), (POWER, now.power)):
            told = _measured(address, value) + iec.cp56(link.time)
            link.tell(iec.asdu(36, iec.SPONTANEOUS, FEEDER, told))
        if turn % 4 == 3:
            link.acknowledge()
        for when, state in ((BREAKER_OPENED, OPEN), (BREAKER_CLOSED, CLOSED)):
            if time - START == when:
                _switch(link, state)


def _switch(link: object, state: int) -> None:
    """Select and execute; the breaker then tells that it moved."""
    for qualifier in (0x80, 0):
        body = iec.ioa(COMMAND) + bytes([state | qualifier])
        link.command(46, FEEDER, body, iec.ACTCON)
        link.wait(1_000)
    moved = iec.ioa(BREAKER) + bytes([state]) + iec.cp56(link.time)
    link.tell(iec.asdu(31, 11, FEEDER, moved))
    link.tell(iec.asdu(46, iec.ACTTERM, FEEDER, body))


# ----------------------------------------------------------------------------------- GOOSE

HEARTBEAT = 4 * SECOND
AGAIN = (0, 2, 6, 14, 1_014)  # ms behind an event, IEC 61850-8-1 18.1.2.5


def bays(tape: Tape) -> None:
    """Two bays publish where their breakers stand; that of the first opens and closes once."""
    events = [0, BREAKER_OPENED + 1_100 * MILLISECOND, BREAKER_CLOSED + 1_100 * MILLISECOND]
    for number, device in enumerate((BAY_1, BAY_2), 1):
        mine = [
            START + number * 70 * MILLISECOND + event for event in events[: 3 if number == 1 else 1]
        ]
        for state, (begin, end) in enumerate(zip(mine, [*mine[1:], END], strict=True), 1):
            later = range(begin + HEARTBEAT + SECOND, end, HEARTBEAT)
            times = [*(begin + wait * MILLISECOND for wait in AGAIN), *later]
            for sequence, time in enumerate(times):
                _publish(tape, device, number, state, sequence, time, begin)


def _publish(
    tape: Tape, device: Host, number: int, state: int, sequence: int, time: int, since: int
) -> None:
    closed = state != 2
    name = f"BAY{number}LD0/LLN0"
    message = goose.published(
        f"{name}$GO$gcb01", f"{name}$Breaker",
        [goose.boolean(closed), goose.quality(), goose.boolean(0), goose.quality()],
        identity=f"BAY{number}_Breaker", state=state, sequence=sequence, revision=3,
        live=2 * HEARTBEAT // MILLISECOND, time=since // SECOND,
    )  # fmt: skip
    body = goose.frame(number, message)
    tape.frame(time, device, goose.group(number), goose.GOOSE, body)


# ---------------------------------------------------------------------------------- BACnet

PORT = 47_808
DEVICE = 0x0200_07E5  # instance 2021
IDENTITY = {  # property and text, [135] 12.11
    77: "building", 121: "Johnson Controls, Inc.", 70: "FX-PCG2611", 44: "10.3.0.1",
    12: "AHU-2 rev 14", 372: "FX2611-004711", 58: "switch room, roof",
}  # fmt: skip
ROOM, SETPOINT, FAN = 0x0000_0001, 0x0080_0001, 0x0100_0001  # inputs, values, outputs
VALUE = 0x55  # present value


def _text(words: str) -> bytes:
    """A character string in UTF-8, [135] 20.2.9."""
    raw = b"\0" + words.encode()
    return bytes([0x75, len(raw)]) + raw


class Panel:
    """Asks the building's controller, one thing after the other."""

    def __init__(self, tape: Tape, time: int) -> None:
        self.tape, self.time, self.invoke = tape, time, 0

    def say(self, source: Host, target: Host, network: bytes, function: int = 0x0A) -> None:
        """A frame of the virtual link, [135] J.2."""
        frame = struct.pack(">BBH", 0x81, function, 4 + len(network)) + network
        self.tape.datagram(self.time, source, target, (PORT, PORT), frame)
        self.time += 6 * MILLISECOND

    def ask(self, service: int, request: bytes, answer: bytes | None) -> None:
        """A confirmed request and what acknowledges it, [135] 20.1.2, 20.1.4, 20.1.5."""
        self.invoke = (self.invoke + 1) % 256
        head = bytes([1, 4, 0, 5, self.invoke, service])
        self.say(HMI_2, BUILDING, head + request)
        kind = 0x20 if answer is None else 0x30
        told = bytes([1, 0, kind, self.invoke, service]) + (answer or b"")
        self.say(BUILDING, HMI_2, told)

    def read(self, what: int, value: bytes) -> None:
        """ReadProperty of a present value, [135] 15.5."""
        asked = b"\x0c" + struct.pack(">I", what) + bytes([0x19, VALUE])
        self.ask(0x0C, asked, asked + b"\x3e" + value + b"\x3f")

    def write(self, what: int, value: bytes) -> None:
        """WriteProperty of a present value with priority 8, [135] 15.9."""
        where = b"\x0c" + struct.pack(">I", what) + bytes([0x19, VALUE])
        self.ask(0x0F, where + b"\x3e" + value + b"\x3f\x49\x08", None)


def _property(number: int) -> bytes:
    """The number of a property behind tag 0, [135] 20.2.4."""
    return number.to_bytes(1 if number < 256 else 2, "big")


def _real(value: float) -> bytes:
    return b"\x44" + struct.pack(">f", value)


def building(tape: Tape) -> None:
    """The panel finds the building's controller, asks who it is, polls it and cools a room."""
    panel = Panel(tape, START + 800 * MILLISECOND)
    for host in (HMI_2, BUILDING):
        tape.known.add((host.address, EVERYBODY.address))
    panel.say(HMI_2, EVERYBODY, bytes.fromhex("0120ffff00ff1008"), 0x0B)
    i_am = bytes.fromhex("0120ffff00ff1000 c4020007e5 2205c4 9100 2105")
    panel.say(BUILDING, EVERYBODY, i_am, 0x0B)
    asked = answer = b"\x0c" + struct.pack(">I", DEVICE) + b"\x1e"
    for number, words in IDENTITY.items():
        raw = _property(number)
        asked += bytes([0x08 | len(raw)]) + raw
        answer += bytes([0x28 | len(raw)]) + raw + b"\x4e" + _text(words) + b"\x4f"
    panel.ask(0x0E, asked + b"\x1f", answer + b"\x1f")
    cooled = False
    for time in range(START + 4 * SECOND, END, 10 * SECOND):
        panel.time, now = time, at(time)
        if not cooled and time - START >= ROOM_COOLED:
            cooled = True
            panel.write(SETPOINT, _real(19.5))
        panel.read(ROOM, _real(now.room))
        panel.read(SETPOINT, _real(19.5 if cooled else 21.0))
        panel.read(FAN, bytes([0x91, 1]))
