"""Writes the Modbus captures of this folder; together they are the demo.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

What pymodbus can say comes from pymodbus. What it cannot is written by hand from the clause of
[APP] Modbus Application Protocol V1.1b3 that stands beside it.
"""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import plant
from hosts import (
    CAMERA,
    ENGINEERING,
    FILTER_PLC,
    GATEWAY,
    HISTORIAN,
    HMI,
    LAPTOP,
    MILLISECOND,
    PUMP_PLC,
    RADIO,
    SECOND,
    SOFT_PLC,
    unit,
)
from plant import Clock, Registers, Script, talk
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu.file_message import FileRecord
from tape import START, Connection, Tape

HERE = Path(__file__).parent
MINUTES = 60

# the waterworks' points, zero-based as on the wire
LEVEL, FLOW, TURBIDITY, PRESSURE = 0, 1, 2, 3  # input registers of the filter PLC
SPEED_SETPOINT, LEVEL_SETPOINT = 100, 101  # holding registers of the pump PLC
PUMP_1, PUMP_2 = 0, 1  # coils of the pump PLC
NORMAL = (True, False, False, True)  # discrete inputs: power, two alarms, ready


class Process:
    """A tank that is filled and emptied; each step moves every value a little."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.level, self.flow, self.turbidity, self.pressure = 3120, 842, 31, 457
        self.speed, self.runtime = 1380, 20_411

    def step(self) -> None:
        """Ten or so litres in or out."""
        self.level = min(max(self.level + self.random.randint(-9, 10), 2600), 3600)
        self.flow = min(max(self.flow + self.random.randint(-6, 6), 760), 910)
        self.turbidity = min(max(self.turbidity + self.random.randint(-1, 1), 22), 44)
        self.pressure = min(max(self.pressure + self.random.randint(-2, 2), 440), 475)
        self.speed = min(max(self.speed + self.random.randint(-4, 4), 1350), 1410)
        self.runtime += self.random.random() < 0.03  # an hour is rare in minutes


def filter_polls(process: Process, registers: Registers, minutes: float) -> Script:
    """What the HMI asks of the filter PLC: measurements every two seconds, alarms every ten."""

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        begin = clock.now
        turn = 0
        while clock.now - begin < minutes * MINUTES * SECOND:
            process.step()
            values = (process.level, process.flow, process.turbidity, process.pressure)
            registers.set_inputs(LEVEL, *values)
            registers.set_holding(0, process.runtime, 600, 30, 15, *([0] * 6))
            started = clock.now
            await client.read_input_registers(LEVEL, count=8, device_id=255)
            await client.read_holding_registers(0, count=10, device_id=255)
            if turn % 5 == 0:
                await client.read_discrete_inputs(0, count=16, device_id=255)
            turn += 1
            clock.now = started + 2 * SECOND

    return script


def pump_polls(process: Process, registers: Registers, minutes: float) -> Script:
    """What the HMI asks of the pump PLC, and the two things that an operator does meanwhile."""

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        begin = clock.now
        turn = 0
        while clock.now - begin < minutes * MINUTES * SECOND:
            registers.set_holding(0, process.speed, process.speed - 3, process.flow, process.level)
            started = clock.now
            await client.read_holding_registers(0, count=20, device_id=255)
            await client.read_coils(PUMP_1, count=8, device_id=255)
            if turn == 20:  # the operator starts the second pump
                await client.write_coil(PUMP_2, value=True, device_id=255)
            if turn in (21, 70):  # and sets its speed, twice
                speed = 1380 if turn == 21 else 1365
                await client.write_register(SPEED_SETPOINT, speed, device_id=255)
            turn += 1
            clock.now = started + 2 * SECOND

    return script


def normal_polling(tape: Tape) -> None:
    """Three quiet minutes: the HMI polls both PLCs, the operator starts a pump."""
    process, a, b = Process(1), Registers(NORMAL), Registers()
    talk(tape, (HMI, FILTER_PLC), 49_210, {255: a}, filter_polls(process, a, 3), Clock(START))
    clock = Clock(START + 700 * MILLISECOND)
    talk(tape, (HMI, PUMP_PLC), 49_211, {255: b}, pump_polls(Process(1), b, 3), clock)


async def _public_functions(client: AsyncModbusTcpClient, clock: Clock) -> None:
    one = {"device_id": 1}
    record = FileRecord(file_number=4, record_number=7, record_data=bytes.fromhex("06af04be100d"))
    for call in (
        lambda: client.read_coils(0, count=10, **one),
        lambda: client.read_discrete_inputs(4, count=12, **one),
        lambda: client.read_holding_registers(10, count=4, **one),
        lambda: client.read_input_registers(0, count=2, **one),
        lambda: client.write_coil(5, value=True, **one),
        lambda: client.write_coil(5, value=False, **one),
        lambda: client.write_register(20, 1380, **one),
        lambda: client.read_exception_status(**one),
        lambda: client.diag_query_data(b"\xa5\x37", **one),
        lambda: client.diag_restart_communication(toggle=False, **one),
        lambda: client.diag_read_diagnostic_register(**one),
        lambda: client.diag_change_ascii_input_delimeter(delimiter=0x3B, **one),
        lambda: client.diag_clear_counters(**one),
        lambda: client.diag_read_bus_message_count(**one),
        lambda: client.diag_read_bus_comm_error_count(**one),
        lambda: client.diag_read_bus_exception_error_count(**one),
        lambda: client.diag_read_device_message_count(**one),
        lambda: client.diag_read_device_no_response_count(**one),
        lambda: client.diag_read_device_nak_count(**one),
        lambda: client.diag_read_device_busy_count(**one),
        lambda: client.diag_read_bus_char_overrun_count(**one),
        lambda: client.diag_clear_overrun_counter(**one),
        lambda: client.diag_get_comm_event_counter(**one),
        lambda: client.diag_get_comm_event_log(**one),
        lambda: client.write_coils(3, [True, False, True, True], **one),
        lambda: client.write_registers(30, [10, 20, 30], **one),
        lambda: client.report_device_id(**one),
        lambda: client.write_file_record([record], **one),
        lambda: client.mask_write_register(address=4, and_mask=0xF2, or_mask=0x25, **one),
        lambda: client.readwrite_registers(
            read_address=3, read_count=6, write_address=14, values=[255, 254, 253], **one
        ),
        lambda: client.read_fifo_queue(address=40, **one),
        lambda: client.read_device_information(read_code=1, object_id=0, **one),
        lambda: client.read_holding_registers(1000, count=10, **one),  # illegal data address
        lambda: client.write_register(1000, 1, **one),
    ):
        await call()
        clock.wait(0.5)


# request and response, function on; what pymodbus does not say or not by the clause
BY_HAND = (
    ("1800 28", "1800 06 0002 01b8 1284"),  # 6.18: two values in the queue
    ("14 0e 06 0004 0001 0002 06 0003 0009 0002", "14 0c 05 06 0dfe 0020 05 06 33cd 0040"),  # 6.14
    ("14 07 06 0004 0001 0002", "14 06 05 06 0dfe 0020"),
    ("15 0d 06 0004 0007 0003 06af 04be 100d",) * 2,  # 6.15
    ("0c", "0c 0a 0000 0108 0121 2000 4001"),  # 6.10, with events
    ("2b 0d 00 11 22", "2b 0d 00 33 44 55"),  # 6.20: opaque here
    ("2b 0e 01 00", "2b 0e 01 01 ff 01 01 00 06 4163 6d65 2020"),  # 6.21: more follows
    ("2b 0e 01 01", "2b 0e 01 01 00 00 02 01 02 5831 02 03 312e 30"),
    ("2b 0e 04 80", "2b 0e 04 83 00 00 01 80 04 7665 6e74"),  # a private object
    ("08 0004 0000", ""),  # 6.8: a server that listens only does not answer
    ("08 0063 0000", "88 01"),  # 7: every exception
    ("01 0000 07d0", "81 03"),
    ("03 0000 0001", "83 04"),
    ("15 09 06 0001 0000 0001 0000", "95 05"),
    ("05 0001 ff00", "85 06"),
    ("14 07 06 0001 0000 0001", "94 08"),
    ("03 0000 0001", "83 0a"),
    ("04 0000 0001", "84 0b"),
    ("10 0000 0001 02 0000", "90 02"),
    ("16 0004 ffff 0000", "96 02"),
    ("17 0000 0001 0000 0001 02 0000", "97 02"),
    ("18 0000", "98 02"),
    ("47 01 02", "c7 01"),  # user-defined, 5
    ("5a 00 02", "5a 00 fe 0630 0200 0000"),  # UMAS
    ("5a 01 10 25 00 00 00 05 55 73 65 72 31", "5a 01 fe 2f"),
    ("5a 2f 41 ff 00", "5a 2f fe"),
    ("5a 2f 40 ff 00", "5a 2f fd 82 80"),
)


def all_functions(tape: Tape) -> None:
    """Every public function both ways, every exception: the test bench of a commissioning."""
    registers = Registers()
    registers.set_holding(40, 2, 440, 4740)
    clock = Clock(START)
    hosts = (ENGINEERING, SOFT_PLC)
    talk(tape, hosts, 50_100, {1: registers}, _public_functions, clock)
    connection = Connection(tape, *hosts, 50_101)
    time = clock.now + SECOND
    connection.open(time)
    for number, (request, response) in enumerate(BY_HAND, 1):
        time += 500 * MILLISECOND
        connection.ask(time, unit(number, 1, request))
        if response:
            connection.answer(time + 7 * MILLISECOND, unit(number, 1, response))
    connection.close(time + SECOND)


def gateway_units(tape: Tape) -> None:
    """The historian reads five serial devices behind one address: three meters, two drives."""
    units = {number: Registers() for number in (1, 2, 3, 11, 12)}
    random = Random(3)

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        for _ in range(12):
            for number, registers in units.items():
                if number < 10:  # the meters: energy, power, voltage
                    registers.set_inputs(0, 2, random.randint(900, 60_000), 118, 2304)
                    await client.read_input_registers(0, count=4, device_id=number)
                else:  # the drives: status, speed, current
                    registers.set_holding(0, 0x0637, random.randint(1370, 1390), 61)
                    await client.read_holding_registers(0, count=3, device_id=number)
                clock.wait(0.25)
            clock.wait(8)
        await client.write_register(3, 1400, device_id=11)

    talk(tape, (HISTORIAN, GATEWAY), 51_300, units, script, Clock(START))


def write_from_new_host(tape: Tape) -> None:
    """A laptop that nobody knows connects, looks around and writes setpoints of the pump PLC."""
    process, registers = Process(1), Registers()
    begin = START + 10 * MINUTES * SECOND
    polls = pump_polls(process, registers, 1)
    talk(tape, (HMI, PUMP_PLC), 49_212, {255: registers}, polls, Clock(begin))

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        await client.read_holding_registers(0, count=20, device_id=255)
        clock.wait(3)
        await client.read_holding_registers(100, count=4, device_id=255)
        clock.wait(6)
        await client.write_register(SPEED_SETPOINT, 2950, device_id=255)
        clock.wait(0.3)
        await client.write_registers(LEVEL_SETPOINT, [4400, 0], device_id=255)
        clock.wait(0.3)
        await client.write_coil(PUMP_1, value=True, device_id=255)

    clock = Clock(begin + 25 * SECOND)
    talk(tape, (LAPTOP, PUMP_PLC), 60_999, {255: registers}, script, clock)


def identification(tape: Tape) -> None:
    """The engineering station asks three devices who they are, by both functions."""

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        for code in (1, 2, 3):
            await client.read_device_information(read_code=code, object_id=0, device_id=255)
            clock.wait(0.2)
        await client.read_device_information(read_code=4, object_id=5, device_id=255)
        clock.wait(0.2)
        await client.report_device_id(device_id=255)

    for number, server in enumerate((FILTER_PLC, PUMP_PLC, GATEWAY)):
        clock = Clock(START + 20 * MINUTES * SECOND + number * 4 * SECOND)
        talk(tape, (ENGINEERING, server), 50_200 + number, {255: Registers()}, script, clock)


def rtu_over_tcp(tape: Tape) -> None:
    """A radio modem carries RTU frames on port 4001 to the tank's level station, unit 7."""
    process, registers = Process(5), Registers(NORMAL)

    async def script(client: AsyncModbusTcpClient, clock: Clock) -> None:
        for turn in range(30):
            process.step()
            registers.set_inputs(0, process.level, process.pressure)
            await client.read_input_registers(0, count=2, device_id=7)
            clock.wait(0.4)
            await client.read_discrete_inputs(0, count=4, device_id=7)
            if turn == 12:  # a new alarm limit
                await client.write_registers(50, [2700, 3500], device_id=7)
            if turn == 15:
                await client.read_holding_registers(5000, count=2, device_id=7)
            clock.wait(4)

    talk(
        tape, (HISTORIAN, RADIO), 51_400, {7: registers}, script, Clock(START),
        server_port=4001, framer=FramerType.RTU,
    )  # fmt: skip


def port_5020(tape: Tape) -> None:
    """Modbus where nobody expects it."""
    process, registers = Process(8), Registers()
    polls = pump_polls(process, registers, 1)
    talk(tape, (HMI, SOFT_PLC), 49_300, {255: registers}, polls, Clock(START), server_port=5020)


def http_on_502(tape: Tape) -> None:
    """A web page on the port of Modbus, and TLS that is tried there: neither is Modbus."""
    page = b"<html><head><title>Intake camera</title></head><body>OK</body></html>\n"
    head = b"HTTP/1.1 200 OK\r\nServer: thttpd\r\nContent-Type: text/html\r\nContent-Length: "
    connection = Connection(tape, HMI, CAMERA, 49_400)
    time = START
    connection.open(time)
    for path in (b"/", b"/status.cgi", b"/favicon.ico"):
        time += 800 * MILLISECOND
        request = b"GET " + path + b" HTTP/1.1\r\nHost: 10.10.10.70:502\r\n\r\n"
        connection.ask(time, request)
        answer = head + str(len(page)).encode() + b"\r\n\r\n" + page
        connection.answer(time + 9 * MILLISECOND, answer)
    connection.close(time + SECOND)
    hello = bytes.fromhex(
        "16030100 2f 01 00002b 0303" + "5f" * 32 + "00 0004 c02f 009c 01 00".replace(" ", "")
    )
    hello = hello[:3] + struct.pack(">H", len(hello) - 5) + hello[5:]
    hello = hello[:6] + struct.pack(">I", len(hello) - 9)[1:] + hello[9:]
    connection = Connection(tape, HMI, CAMERA, 49_401)
    connection.open(time + 2 * SECOND)
    connection.ask(time + 2 * SECOND + MILLISECOND, hello)
    alert = bytes.fromhex("15 0301 0002 0228")
    connection.answer(time + 2 * SECOND + 4 * MILLISECOND, alert)
    connection.close(time + 2 * SECOND + 8 * MILLISECOND)


def exceptions_and_silence(tape: Tape) -> None:
    """A sick gateway: exceptions, no answer, late, twice, unasked, and with another function."""
    connection = Connection(tape, HISTORIAN, GATEWAY, 51_310)
    time = START
    connection.open(time)
    read = "04 0000 0004"
    values = "04 08 0002 7530 0076 0900"
    turns: tuple[tuple[int, str, tuple[tuple[float, int, str], ...]], ...] = (
        # transaction, request, (seconds until, transaction, response)
        (1, read, ((0.02, 1, values),)),
        (2, read, ((0.6, 2, "84 0b"),)),
        (3, read, ((0.6, 3, "84 0b"),)),
        (4, read, ()),  # silence
        (5, read, ((0.02, 5, values), (0.03, 5, values))),  # twice
        (6, read, ((14.0, 6, values),)),  # late
        (7, read, ((0.02, 7, values), (0.5, 99, values))),  # and one that nobody asked for
        (8, "06 0003 0578", ((0.02, 8, "86 06"),)),
        (9, "03 1388 0002", ((0.02, 9, "83 02"),)),
        (10, read, ((0.02, 10, "03 04 0001 0002"),)),  # another function
        (11, read, ((0.02, 11, "04 04 0001 0002"),)),  # fewer values than asked for
        (12, read, ()),
        (13, read, ((0.02, 13, values),)),
    )
    for transaction, request, responses in turns:
        time += 5 * SECOND
        connection.ask(time, unit(transaction, 2, request))
        for after, answered, response in responses:
            connection.answer(time + round(after * SECOND), unit(answered, 2, response))
        time += round(max((after for after, _, _ in responses), default=0) * SECOND)
    connection.close(time + 70 * SECOND)


CAPTURES: dict[str, Callable[[Tape], None]] = {
    make.__name__: make
    for make in (
        normal_polling,
        all_functions,
        gateway_units,
        write_from_new_host,
        identification,
        rtu_over_tcp,
        port_5020,
        http_on_502,
        exceptions_and_silence,
    )
}


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or CAPTURES:
        tape = Tape()
        plant.fresh_seeds()
        CAPTURES[name](tape)
        path = HERE / f"{name}.pcap"
        tape.write(path)
        print(f"{path.name}: {len(tape.records)} packets, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
