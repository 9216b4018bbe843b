"""The laptop that does not belong: it scans a little, reads, writes a setpoint and stops a PLC."""

import struct

from network import lease
from tape import ACK, RST, START, SYN, Connection, Host, Tape
from water import LEVEL, PROGRAMMER, S7, SPEED, STOP, modbus, pumps_at, who_is_intake
from works import (
    BUILDING,
    DISINFECTION,
    DOSING,
    EVERYBODY,
    FILTERS,
    HISTORIAN,
    HMI_1,
    HMI_2,
    INTAKE,
    INTAKE_STOPPED,
    LAPTOP,
    LAPTOP_CAME,
    METERS,
    MILLISECOND,
    PUMPS,
    RACK,
    RESERVOIR,
    ROUTER,
    SECOND,
    SPEED_RUINED,
    STATION,
    SUBSTATION,
    SWITCH,
    VALVES,
    WRONG_SPEED,
)

ALIVE = (
    ROUTER, SWITCH, HMI_1, HMI_2, HISTORIAN, STATION, INTAKE, FILTERS, PUMPS, RESERVOIR, SUBSTATION,
    DOSING, BUILDING, DISINFECTION, METERS, RACK, VALVES,
)  # fmt: skip
PROBED = (102, 502, 44_818)
LISTENS = {102: (INTAKE, DOSING), 502: (PUMPS, METERS), 44_818: (FILTERS, RACK)}
HIGHEST = 40  # the last number of the addresses that it asks for


def comes(tape: Tape) -> None:
    """It gets an address, and asks who has the first forty."""
    begin = START + LAPTOP_CAME
    lease(tape, LAPTOP, begin, "DESKTOP-7Q2K1")
    here = {host.address: host for host in ALIVE}
    for number in range(1, HIGHEST + 1):
        address = f"10.20.1.{number}"
        time = begin + 12 * SECOND + number * 30 * MILLISECOND
        asked = Host("asked", EVERYBODY.mac, address)
        head = struct.pack(">HHBB", 1, 0x0800, 6, 4)
        mine = LAPTOP.hardware + LAPTOP.packed
        question = head + b"\0\1" + mine + bytes(6) + asked.packed
        tape.frame(time, LAPTOP, EVERYBODY.hardware, 0x0806, question)
        if host := here.get(address):
            answer = head + b"\0\2" + host.hardware + host.packed + mine
            tape.frame(time + MILLISECOND, host, LAPTOP.hardware, 0x0806, answer)
            tape.known |= {(LAPTOP.address, address), (address, LAPTOP.address)}


def probes(tape: Tape) -> None:
    """It knocks at three ports of everybody who answered, without going in."""
    time, port = START + LAPTOP_CAME + 18 * SECOND, 60_100
    for number in PROBED:
        for host in ALIVE:
            time, port = time + 15 * MILLISECOND, port + 1
            knock = Connection(tape, LAPTOP, host, port, number)
            knock.segment(time, by_server=False, flags=SYN)
            if host in LISTENS[number]:
                knock.segment(time + 400, by_server=True, flags=SYN | ACK)
                knock.segment(time + 800, by_server=False, flags=RST)
            else:
                knock.sequence[1] = 0  # RFC 9293 3.10.7.1
                knock.segment(time + 400, by_server=True, flags=RST | ACK)


def ruins_speed(tape: Tape) -> None:
    """It asks the pumps who they are, reads, and writes their setpoints."""

    async def script(client: object, clock: object) -> None:
        await client.read_device_information(read_code=1, object_id=0, device_id=255)
        clock.wait(4)
        await client.read_holding_registers(0, count=50, device_id=255)
        clock.wait(2)
        await client.read_holding_registers(SPEED, count=4, device_id=255)
        clock.wait(3)
        await client.read_holding_registers(5_000, count=10, device_id=255)  # there are none
        clock.now = START + SPEED_RUINED
        await client.write_register(SPEED, WRONG_SPEED, device_id=255)
        clock.wait(1.5)
        await client.write_register(LEVEL, 4_400, device_id=255)

    time = START + SPEED_RUINED - 20 * SECOND
    clock = modbus.Clock(time)
    modbus.talk(tape, (LAPTOP, PUMPS), 60_201, {255: pumps_at(time)}, script, clock)


def stops_intake(tape: Tape) -> None:
    """It asks the intake who it is, and stops it."""
    line = S7(tape, (LAPTOP, INTAKE), 60_204, START + INTAKE_STOPPED - 8 * SECOND, PROGRAMMER)
    who_is_intake(line)
    missing = "04 01 12 0a 10 02 0040 0001 84 000000"  # DB1, which there is not
    line.job(missing, "04 01", answer="0a 00 0000", time=line.time + SECOND)
    line.job(STOP, "29", time=START + INTAKE_STOPPED)
    line.end()
