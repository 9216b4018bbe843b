"""Real pymodbus peers that play the devices of the waterworks.

A client and a server talk over the loopback; what each sends is recorded with the time that the
plant's clock shows, which a script moves by hand. So the bytes are those of real peers, and the
capture is the same each time it is made.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from hosts import FILTER_PLC, GATEWAY, MILLISECOND, PUMP_PLC, SECOND
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tape import START, Connection, Host, Tape

IDENTITY = {
    FILTER_PLC: ("Schneider Electric", "BMX P34 2020", "v3.20", "plc-filter"),
    PUMP_PLC: ("Schneider Electric", "TM221CE24R", "v1.6.2.0", "plc-pumps"),
    GATEWAY: ("Moxa", "MGate MB3170", "4.1", "gw-serial"),
}
HOLDING, INPUTS = 3, 4  # the functions that read them


class Registers:
    """What a device holds; a script moves it between polls, as its process moves."""

    def __init__(
        self, discrete: tuple[bool, ...] = (), holding: dict[int, int] | None = None
    ) -> None:
        self.discrete = [*discrete, *[False] * (32 - len(discrete))]
        self.moved: dict[int, dict[int, int]] = {HOLDING: holding or {}, INPUTS: {}}

    def device(self, unit: int) -> SimDevice:
        """The device as pymodbus serves it."""
        blocks = (
            [SimData(0, values=[False] * 32, datatype=DataType.BITS)],
            [SimData(0, values=self.discrete, datatype=DataType.BITS)],
            [SimData(0, values=[0] * 200, datatype=DataType.REGISTERS)],
            [SimData(0, values=[0] * 64, datatype=DataType.REGISTERS)],
        )
        return SimDevice(unit, simdata=blocks, action=self._move)

    def set_holding(self, address: int, *values: int) -> None:
        """What the program writes."""
        self.moved[HOLDING].update(enumerate(values, address))

    def set_inputs(self, address: int, *values: int) -> None:
        """What the transmitters measure."""
        self.moved[INPUTS].update(enumerate(values, address))

    async def _move(
        self,
        function: int,
        start: int,
        _address: int,
        _count: int,
        current: list[int],
        _values: object,
    ) -> None:
        """Called by pymodbus before it reads or writes: bring its registers up to date."""
        if function in (1, 2, 5, 15):
            return
        moved = self.moved[INPUTS if function == INPUTS else HOLDING]
        for address, value in moved.items():
            current[address - start] = value
        moved.clear()


@dataclass
class Clock:
    """The plant's time in microseconds; a script moves it."""

    now: int = START

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


@dataclass(frozen=True)
class Said:
    """What one side sent."""

    time: int
    by_server: bool
    data: bytes


Script = Callable[[AsyncModbusTcpClient, Clock], Awaitable[None]]
_seeds = [0]


def fresh_seeds() -> None:
    """Begin anew, so that a capture does not depend on those made before it."""
    _seeds[0] = 0


def identification(host: Host) -> ModbusDeviceIdentification:
    """The device identification of a host, objects 0 to 6."""
    vendor, product, revision, name = IDENTITY.get(
        host, ("otsec demo", host.name, "1.0", host.name)
    )
    return ModbusDeviceIdentification(
        info_name={
            "VendorName": vendor,
            "ProductCode": product,
            "MajorMinorRevision": revision,
            "VendorUrl": "http://example.com",
            "ProductName": product.split()[0],
            "ModelName": product,
            "UserApplicationName": name,
        }
    )


def record(
    server: Host,
    devices: dict[int, Registers],
    script: Script,
    clock: Clock,
    framer: FramerType = FramerType.SOCKET,
) -> list[Said]:
    """Let a script talk to a server with these units; gives what was said."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    _seeds[0] += 1
    random = Random(_seeds[0])
    said: list[Said] = []

    def note(sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus calls it so
        if not sending:
            clock.now += random.randint(3 * MILLISECOND, 12 * MILLISECOND)
        said.append(Said(clock.now, not sending, data))
        return data

    async def talk() -> None:
        peer = ModbusTcpServer(
            [registers.device(unit) for unit, registers in devices.items()],
            framer=framer,
            identity=identification(server),
            address=("127.0.0.1", 0),
        )
        await peer.serve_forever(background=True)
        port = peer.transport.sockets[0].getsockname()[1]
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=port, framer=framer, retries=0, timeout=2, trace_packet=note
        )
        await client.connect()
        await script(client, clock)
        client.close()
        await peer.shutdown()

    asyncio.run(talk())
    return said


def play(connection: Connection, said: list[Said]) -> None:
    """Put what was said on a tape, with its handshake, an odd acknowledgement and its end."""
    connection.open(said[0].time - 2 * MILLISECOND)
    for number, one in enumerate(said):
        (connection.answer if one.by_server else connection.ask)(one.time, one.data)
        if number % 16 == 15 and one.by_server:
            connection.acknowledge(one.time + 40 * MILLISECOND)
    connection.close(said[-1].time + 60 * MILLISECOND)


def talk(
    tape: Tape,
    hosts: tuple[Host, Host],
    port: int,
    devices: dict[int, Registers],
    script: Script,
    clock: Clock,
    *,
    server_port: int = 502,
    framer: FramerType = FramerType.SOCKET,
) -> None:
    """Record a script against a server and put it on the tape as one connection."""
    client, server = hosts
    said = record(server, devices, script, clock, framer)
    play(Connection(tape, client, server, port, server_port), said)
