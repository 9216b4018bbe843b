"""The water side: intake, filters, pumps and their meters, dosing.

By S7comm, EtherNet/IP, Modbus and PROFINET.

Builders of messages are those of the folders of these protocols; Modbus is spoken by pymodbus.
"""

import struct
from dataclasses import replace
from random import Random

from tape import START, Connection, Host, Tape
from works import (
    CHLORINE_SET,
    DOSING,
    END,
    EVERYBODY,
    FILTERS,
    HISTORIAN,
    HMI_1,
    INTAKE,
    INTAKE_RESTARTED,
    INTAKE_STOPPED,
    LOOKED_AROUND,
    METERS,
    MILLISECOND,
    NEW_DOSE,
    NEW_SPEED,
    PUMP_STARTED,
    PUMPS,
    RACK,
    SECOND,
    SPEED_RESTORED,
    SPEED_RUINED,
    STATION,
    USUAL_SPEED,
    VALVES,
    WRONG_SPEED,
    at,
    beside,
)

modbus, words, enip, net = (
    beside(*place)
    for place in (
        ("modbus", "plant"),
        ("s7comm", "messages"),
        ("enip", "generate"),
        ("profinet", "generate"),
    )
)
cip = enip.cip

# ---------------------------------------------------------------------------------- S7comm

PANEL, PROGRAMMER = 2, 1  # kinds of connection, in the first byte of the called TSAP
STOP = "29 0000000000 09 505f50524f4752414d"  # P_PROGRAM
WARM_START = "28 000000000000fd 0000 09 505f50524f4752414d"
FLOW_AND_LEVEL = "04 02 12 0a 10 08 0003 000a 84 000000 12 0a 10 02 0002 0000 81 000000"


def cotp(data: bytes) -> bytes:
    """A unit of COTP in TPKT (RFC 1006)."""
    return bytes([3, 0]) + (len(data) + 4).to_bytes(2, "big") + data


class S7:
    """A connection with a controller of Siemens."""

    def __init__(
        self, tape: Tape, hosts: tuple[Host, Host], port: int, time: int, kind: int = PANEL
    ) -> None:
        self.line = Connection(tape, *hosts, port, 102)
        self.time, self.reference = time, 0
        self.line.open(time)
        opened = "11 {} {} {} 00 c0010a c1020100 c202{:02x}02"
        called = bytes.fromhex(opened.format("e0", "0000", "0007", kind))
        self._say(cotp(called), cotp(bytes.fromhex(opened.format("d0", "0007", "0003", kind))))
        self.job("f0 00 0001 0001 01e0", "f0 00 0001 0001 00f0")

    def _say(self, asked: bytes, told: bytes) -> None:
        self.time += 10 * MILLISECOND
        self.line.ask(self.time, asked)
        self.time += 6 * MILLISECOND
        self.line.answer(self.time, told)

    def job(
        self, asked: str, told: str, data: str = "", answer: str = "", time: int | None = None
    ) -> None:
        """A job and its acknowledgement, parameters and data each."""
        self.time = self.time if time is None else max(time, self.time)
        self.reference += 1
        mark = bytes([2, 0xF0, 0x80])
        self._say(
            cotp(mark + words.job(self.reference, asked, data)),
            cotp(mark + words.answer(self.reference, told, answer)),
        )

    def list(self, number: str, size: int, *records: str) -> None:
        """A system state list, W#16#... by number and index in hex."""
        self.reference += 1
        told = f"{number} {size:04x} {len(records):04x}" + "".join(records)
        one = words.service(self.reference, "", words.CPU, 1, number, told, long=False)
        mark = bytes([2, 0xF0, 0x80])
        self._say(cotp(mark + one.asked), cotp(mark + one.answered))

    def end(self) -> None:
        """The end of the TCP connection."""
        self.line.close(self.time + 20 * MILLISECOND)


def _reals(*values: float) -> str:
    return struct.pack(f">{len(values)}f", *values).hex()


def intake(tape: Tape) -> None:
    """The HMI reads flow and level every two seconds, and opens a valve further."""
    line = S7(tape, (HMI_1, INTAKE), 49_310, START + 100 * MILLISECOND)
    for time in range(START + SECOND, END, 2 * SECOND):
        stopped = START + INTAKE_STOPPED <= time < START + INTAKE_RESTARTED
        now = at(START + INTAKE_STOPPED - SECOND if stopped else time)  # a stopped one's are old
        values = _reals(now.raw_flow, now.raw_level, 62.0)
        line.job(FLOW_AND_LEVEL, "04 02", answer=f"ff 07 000c {values} ff 04 0010 8105", time=time)
        if time == START + 181 * SECOND:
            line.job("05 01 12 0a 10 08 0001 0014 84 000000", "05 01", f"00 07 0004 {_reals(64)}", "ff")  # fmt: skip


def dosing_trend(tape: Tape) -> None:
    """The historian reads the dosed amount from the dosing controller every five seconds."""
    line = S7(tape, (HISTORIAN, DOSING), 51_310, START + 700 * MILLISECOND)
    for time in range(START + 2 * SECOND, END, 5 * SECOND):
        line.job(
            "04 01 12 0a 10 08 0002 0005 84 000000", "04 01",
            answer=f"ff 07 0008 {_reals(at(time).chlorine, at(time).raw_flow / 60)}", time=time,
        )  # fmt: skip


def _module(index: int, order: str, kind: int, version: str) -> str:
    return f"{index:04x}" + order.encode().ljust(20).hex() + f"{kind:04x}" + version


def _named(index: int, text: str) -> str:
    return f"{index:04x}" + text.encode().ljust(32, b"\0").hex()


def who_is_intake(line: S7) -> None:
    """The lists that say who a controller is: module, firmware, names, serial."""
    order = "6ES7 315-2EH14-0AB0"
    line.list(
        "0011 0000", 28, _module(1, order, 0xC0, "0004 0001"), _module(7, "", 0xC0, "5603 0206")
    )
    line.list(
        "001c 0000", 34, _named(1, "INTAKE STATION"), _named(2, "PLC_INTAKE"),
        _named(3, "WATERWORKS NORTH"), _named(5, "S C-D4U310522014"), _named(7, "CPU 315-2 PN/DP"),
    )  # fmt: skip


def state_of_intake(line: S7, before: int, now: int) -> None:
    """The list that says in which state a controller is: 4 is STOP, 8 is RUN."""
    since = "26010508 00000002"
    line.list("0424 0000", 20, f"4302 ff {before << 4 | now:02x}" + "00" * 8 + since)


def engineer(tape: Tape) -> None:
    """The engineering station asks the intake who it is; later it finds it stopped and starts it."""
    line = S7(tape, (STATION, INTAKE), 50_310, START + LOOKED_AROUND, PROGRAMMER)
    who_is_intake(line)
    state_of_intake(line, 6, 8)
    line.end()
    line = S7(tape, (STATION, INTAKE), 50_344, START + INTAKE_RESTARTED - 12 * SECOND, PROGRAMMER)
    state_of_intake(line, 8, 4)
    line.job(WARM_START, "28", time=START + INTAKE_RESTARTED)
    line.time += SECOND
    state_of_intake(line, 6, 8)
    line.end()


# ----------------------------------------------------------------------------- EtherNet/IP

IDENTITIES = {  # vendor, device type, product code, major, minor, status, serial
    FILTERS: ("1756-EN2T/D", 1, 12, 166, 10, 7, 0x0030, 0x00A1_77C3),
    RACK: ("1734-AENT/B", 1, 12, 108, 5, 12, 0x0030, 0x00D4_31F6),
}
PROCESSOR = ("1756-L73/B LOGIX5573", 1, 14, 94, 33, 11, 0x3060, 0x00C0_4A1E)


def filters(tape: Tape) -> None:
    """The HMI reads the filters' tags in one packet, and sets the dose of chlorine."""
    session = enip.Session(tape, HMI_1, FILTERS, 49_400, START + 200 * MILLISECOND)
    session.unconnected(cip.EXPLICIT.request(), cip.EXPLICIT.accepted())
    names = ("Turbidity", "HeadLoss", "Chlorine")
    asked = cip.several(
        [cip.ask(0x4C, cip.tag("Program:Filters", name), b"\1\0") for name in names]
    )
    for time in range(START + 1_300 * MILLISECOND, END, 2 * SECOND):
        session.time = time
        now = at(time)
        answers = [
            cip.reply(0x4C, struct.pack("<Hf", 0xCA, value))
            for value in (now.turbidity, now.head_loss, now.chlorine)
        ]
        session.connected(asked, cip.several(answers, answers=True))
        if 0 <= time - START - CHLORINE_SET < 2 * SECOND:
            where = cip.tag("Program:Filters", "ChlorineSetpoint")
            session.connected(
                cip.ask(0x4D, where, struct.pack("<HHf", 0xCA, 1, NEW_DOSE)), cip.reply(0x4D)
            )


class Opening(cip.Opening):
    """A connection that the filters' controller opens."""

    @property
    def who(self) -> bytes:
        """Serial number of the connection, vendor and serial number of the originator."""
        *_, serial = IDENTITIES[FILTERS]
        return struct.pack("<HHI", self.serial, 1, serial)


def rack(tape: Tape) -> None:
    """The filters' controller exchanges inputs and outputs with its remote rack twice a second."""
    session = enip.Session(tape, FILTERS, RACK, 49_500, START + 300 * MILLISECOND)
    every = 500 * MILLISECOND
    opening = Opening(
        0x0202, (0x3000_0001, 0x4000_0001), (every, every), (0x4807, 0x480A), 0x01,
        b"\x01\x03" + cip.KEYED + b"\x20\x04\x24\x66\x2c\x64\x2c\x65" + b"\x80\x01\x0a\x00",
    )  # fmt: skip
    session.unconnected(opening.request(), opening.accepted())
    for number, time in enumerate(range(START + SECOND, END, every), 1):
        now = at(time)
        out = struct.pack("<IB", 1, 0x05)
        back = struct.pack("<hhHH", round(now.turbidity * 1000), round(now.head_loss * 1000), 7, 9)
        for source, target, ident, data in (
            (FILTERS, RACK, opening.ids[0], out), (RACK, FILTERS, opening.ids[1], back),
        ):  # fmt: skip
            body = cip.io_data(ident, number, number, data)
            tape.datagram(time + 900 * (source is RACK), source, target, (2222, 2222), body)


def list_identity(tape: Tape) -> None:
    """The engineering station asks everybody on EtherNet/IP, then the controller for its slots."""
    time = START + LOOKED_AROUND + 4 * SECOND
    tape.known.add((STATION.address, EVERYBODY.address))
    tape.datagram(time, STATION, EVERYBODY, (50_410, enip.PORT), cip.encapsulated(0x63))
    for number, (device, identity) in enumerate(IDENTITIES.items(), 1):
        told = cip.encapsulated(0x63, cip.identity_item(device.address, *identity))
        tape.datagram(time + number * 3 * MILLISECOND, device, STATION, (enip.PORT, 50_410), told)
    session = enip.Session(tape, STATION, FILTERS, 50_411, time + SECOND)
    for slot, identity in enumerate((PROCESSOR, IDENTITIES[FILTERS])):
        told = cip.reply(0x01, cip.identity(*identity))
        session.unconnected(cip.send(cip.ask(0x01, cip.path(1, 1)), bytes([1, slot])), told)
    session.end()


# ---------------------------------------------------------------------------------- Modbus

SPEED, LEVEL = 100, 101  # holding registers: setpoints of the pumps
STARTED = 1  # coil of the second pump
modbus.IDENTITY[PUMPS] = ("Schneider Electric", "BMXP342020", "v3.20", "plc-pumps")
modbus.IDENTITY[METERS] = ("Moxa", "MB3170", "4.1", "gw-meters")


def speed_set(time: int) -> int:
    """The setpoint that the pumps hold."""
    steps = (
        (SPEED_RESTORED, NEW_SPEED), (SPEED_RUINED, WRONG_SPEED), (PUMP_STARTED, NEW_SPEED),
    )  # fmt: skip
    return next((speed for since, speed in steps if time - START >= since), USUAL_SPEED)


def pumps_at(time: int) -> object:
    """What the pumps' controller holds."""
    registers, now = modbus.Registers(), at(time)
    registers.set_holding(
        0, now.speed, round(now.pressure * 100), round(now.power), round(now.raw_level * 1000)
    )
    registers.set_holding(SPEED, speed_set(time), 3_200)
    return registers


def pumps(tape: Tape) -> None:
    """The HMI reads the pumps every two seconds; the operator starts one, and repairs its speed."""
    registers, clock = modbus.Registers(), modbus.Clock(START + 400 * MILLISECOND)

    async def script(client: object, clock: object) -> None:
        while clock.now < END - SECOND:
            started, passed = clock.now, clock.now - START
            registers.moved.update(pumps_at(started).moved)
            await client.read_holding_registers(0, count=10, device_id=255)
            await client.read_coils(0, count=8, device_id=255)
            if 0 <= passed - PUMP_STARTED < 2 * SECOND:
                await client.write_coil(STARTED, value=True, device_id=255)
                clock.wait(0.8)
            if 0 <= min(abs(passed - PUMP_STARTED), abs(passed - SPEED_RESTORED)) < SECOND:
                await client.write_register(SPEED, NEW_SPEED, device_id=255)
            clock.now = started + 2 * SECOND

    modbus.talk(tape, (HMI_1, PUMPS), 49_210, {255: registers}, script, clock)


REMOVED = 4  # a meter that is still in the historian's list


def meters(tape: Tape) -> None:
    """The historian reads three energy meters behind a gateway, and once a minute one that is gone."""
    units = {number: modbus.Registers() for number in (1, 2, 3)}
    random, clock = Random(3), modbus.Clock(START + 1_500 * MILLISECOND)
    energy = [70_214, 18_830, 43_027]  # tens of kWh

    async def script(client: object, clock: object) -> None:
        while clock.now < END - SECOND:
            started = clock.now
            for number, registers in units.items():
                energy[number - 1] += random.random() < 0.2
                power = round(at(clock.now).power / 4) + random.randint(-3, 3)
                registers.set_inputs(0, *divmod(energy[number - 1], 65_536), power, 2304)
                await client.read_input_registers(0, count=4, device_id=number)
                clock.wait(0.05)
            if (started - START) % (60 * SECOND) < 10 * SECOND:
                await client.read_input_registers(0, count=4, device_id=REMOVED)
            clock.now = started + 10 * SECOND

    said = modbus.record(METERS, units, script, clock)
    line = Connection(tape, HISTORIAN, METERS, 51_300)
    modbus.play(line, [_as_gateway(one) for one in said])


def _as_gateway(one: object) -> object:
    """What a gateway says of a unit that is silent (APP 7: 0x0b); pymodbus takes it for its own fault."""
    silent = one.by_server and one.data[6] == REMOVED
    return replace(one, data=one.data[:-1] + b"\x0b") if silent else one


def pump_trend(tape: Tape) -> None:
    """The historian reads what the pumps need every ten seconds."""
    registers, clock = modbus.Registers(), modbus.Clock(START + 1_900 * MILLISECOND)

    async def script(client: object, clock: object) -> None:
        while clock.now < END - SECOND:
            started = clock.now
            registers.moved.update(pumps_at(started).moved)
            await client.read_holding_registers(1, count=2, device_id=255)
            clock.now = started + 10 * SECOND

    modbus.talk(tape, (HISTORIAN, PUMPS), 51_301, {255: registers}, script, clock)


def identification(tape: Tape) -> None:
    """The engineering station asks both devices of Modbus who they are."""

    async def script(client: object, clock: object) -> None:
        for code in (1, 2):
            await client.read_device_information(read_code=code, object_id=0, device_id=255)
            clock.wait(0.2)

    for number, server in enumerate((PUMPS, METERS)):
        clock = modbus.Clock(START + LOOKED_AROUND + (8 + 2 * number) * SECOND)
        registers = modbus.Registers()
        modbus.talk(tape, (STATION, server), 50_200 + number, {255: registers}, script, clock)


# -------------------------------------------------------------------------------- PROFINET

CYCLE = 512 * MILLISECOND
TICKS = 16_384  # of 31.25 microseconds in a cycle


def dosing(tape: Tape) -> None:
    """The dosing controller and its valves exchange data, and tell the station who they are."""
    for turn, time in enumerate(range(START + 50 * MILLISECOND, END, CYCLE)):
        now = at(time)
        outputs = bytes([0x80, 0x03, 0x80])
        inputs = struct.pack(">BHBhB", 0x80, round(now.chlorine * 10_000), 0x80, 512, 0x80)
        for source, target, frame, data in (
            (DOSING, VALVES, 0x8000, outputs), (VALVES, DOSING, 0x8001, inputs),
        ):  # fmt: skip
            body = net.cyclic(frame, data, turn * TICKS)
            later = 300 * (source is VALVES)
            tape.frame(time + later, source, target.hardware, net.ETHERTYPE, body)
    asked = START + LOOKED_AROUND + 12 * SECOND
    tape.frame(asked, STATION, net.EVERYONE, net.ETHERTYPE, net.WHO)
    for number, (device, model, role) in enumerate(
        ((DOSING, b"CPU 1512SP-1 PN", b"\2\0"), (VALVES, b"ET200SP", b"\1\0")), 1
    ):
        blocks = (
            net.block(2, 1, model, 0)
            + net.block(2, 2, device.name.encode(), 0)
            + net.block(2, 3, bytes.fromhex("002a0313" if device is VALVES else "002a010d"), 0)
            + net.block(2, 4, role, 0)
            + net.block(1, 2, net.address(device, NO_GATEWAY), 1)
        )
        told = net.dcp(net.IDENTIFIED, net.IDENT, 1, 0x101, blocks)
        tape.frame(asked + number * 4 * MILLISECOND, device, STATION.hardware, net.ETHERTYPE, told)


NO_GATEWAY = Host("no router", "00:00:00:00:00:00", "0.0.0.0")  # noqa: S104 - no gateway is set
