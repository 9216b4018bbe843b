"""Real bacpypes3 peers (MIT) that play the stations of an office building.

Each is a whole stack; only the sockets are taken out: what a station sends is written on the tape
with the time that the building's clock shows, and handed to whom it is sent. So the bytes are those
of real peers, and the capture is the same each time it is made.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bacpypes3.app import Application
from bacpypes3.ipv4 import IPv4DatagramServer
from bacpypes3.ipv4.link import NormalLinkLayer
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObject
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateValueObject
from bacpypes3.pdu import PDU, IPv4Address, LocalBroadcast

sys.path.insert(0, str(Path(__file__).parent.parent / "modbus"))

from tape import START, Host, Tape

MILLISECOND, SECOND = 1_000, 1_000_000  # in microseconds, as all times on a tape
PORT = 47808
EVERYBODY = Host("broadcast", "ff:ff:ff:ff:ff:ff", "10.135.0.255")

BMS = Host("bms", "d0:94:66:2a:13:11", "10.135.0.11")
AIR_HANDLER = Host("air handler", "00:40:ae:0b:21:21", "10.135.0.21")
CHILLER = Host("chiller", "00:40:ae:0b:21:22", "10.135.0.22")
ROUTER = Host("router to the fans", "00:60:2d:0b:30:30", "10.135.0.30")
REMOTE_BBMD = Host("bbmd of the other house", "00:60:2d:0b:30:31", "10.136.0.30")
LAPTOP = Host("unknown laptop", "3c:52:82:9f:a1:99", "10.135.0.199")

IDENTITY = {  # vendor id, vendor, model, firmware, application, serial, location, description
    BMS: (260, "BACnet Stack at SourceForge", "bms", "1.0", "4.2.1", "", "control room", "head end"),
    AIR_HANDLER: (
        5, "Johnson Controls, Inc.", "FX-PCG2611", "10.3.0.1", "AHU-2 rev 14", "FX2611-004711",
        "roof, house A", "air handling unit 2",
    ),
    CHILLER: (
        18, "Alerton / Honeywell", "VLC-1188", "6.02", "chiller plant", "A1188-20931",
        "basement, house A", "chiller 1",
    ),
}  # fmt: skip


@dataclass
class Wire:
    """The network between the stations, and its clock in microseconds."""

    tape: Tape
    now: int = START
    stations: dict[str, tuple[Host, IPv4DatagramServer]] = field(default_factory=dict)
    busy: list[asyncio.Task[None]] = field(default_factory=list)

    async def send(self, server: IPv4DatagramServer, pdu: PDU) -> None:
        """Write down what a station sends, and hand it on."""
        source, _ = self.stations[server.local_address[0]]
        everybody = isinstance(pdu.pduDestination, LocalBroadcast)
        wanted = "" if everybody else IPv4Address(pdu.pduDestination).addrTuple[0]
        target = EVERYBODY if everybody else self.stations[wanted][0]
        self.now += 3 * MILLISECOND
        data = bytes(pdu.pduData)
        if everybody:
            self.tape.known.add((source.address, target.address))
        self.tape.datagram(self.now, source, target, (PORT, PORT), data)
        for host, other in list(self.stations.values()):
            if host is not source and (everybody or host is target):
                to = LocalBroadcast() if everybody else IPv4Address((host.address, PORT))
                handed = PDU(data, source=IPv4Address((source.address, PORT)), destination=to)
                self.busy.append(asyncio.ensure_future(other.confirmation(handed)))

    async def settle(self) -> None:
        """Wait until nobody has anything more to say."""
        quiet = 0
        while quiet < 20:
            await asyncio.sleep(0)
            quiet = quiet + 1 if all(task.done() for task in self.busy) else 0


def _cut_off(wire: Wire) -> None:
    """Let the stacks speak on the wire in place of sockets."""

    def begin(server: IPv4DatagramServer, address: IPv4Address, *_: object, **__: object) -> None:
        server.local_address = address.addrTuple
        server.broadcast_address = address.addrBroadcastTuple
        server.local_transport = server.broadcast_transport = None
        server._transport_tasks = []  # noqa: SLF001 - bacpypes3 has no other seam

    async def send(server: IPv4DatagramServer, pdu: PDU) -> None:
        await wire.send(server, pdu)

    IPv4DatagramServer.__init__ = begin
    IPv4DatagramServer.indication = send


def station(wire: Wire, host: Host, instance: int, points: int = 0) -> Application:
    """A station with some points of each kind, and more of one kind if asked for."""
    vendor, maker, model, firmware, software, serial, location, description = IDENTITY[host]
    device = DeviceObject(
        objectIdentifier=("device", instance),
        objectName=host.name,
        vendorIdentifier=vendor,
        vendorName=maker,
        modelName=model,
        firmwareRevision=firmware,
        applicationSoftwareVersion=software,
        serialNumber=serial,
        location=location,
        description=description,
    )
    app = Application.from_object_list([device])
    link = NormalLinkLayer(IPv4Address(f"{host.address}/24:{PORT}"))
    app.nsap.bind(link, address=IPv4Address(f"{host.address}/24:{PORT}"))
    wire.stations[host.address] = host, link.server
    if host is BMS:
        return app
    for number in range(max(points, 2)):
        app.add_object(
            AnalogInputObject(
                objectIdentifier=("analog-input", number),
                objectName=f"temperature {number}",
                presentValue=20.0 + number / 4,
                units="degreesCelsius",
                covIncrement=0.5,
            )
        )
    app.add_object(
        AnalogValueObject(
            objectIdentifier=("analog-value", 1), objectName="setpoint", presentValue=21.0,
            units="degreesCelsius", covIncrement=0.5, relinquishDefault=21.0,
        )
    )  # fmt: skip
    app.add_object(
        BinaryOutputObject(
            objectIdentifier=("binary-output", 1), objectName="fan", presentValue="inactive",
            polarity="normal", relinquishDefault="inactive",
        )
    )  # fmt: skip
    app.add_object(
        BinaryInputObject(
            objectIdentifier=("binary-input", 1), objectName="filter", presentValue="inactive",
            polarity="normal",
        )
    )  # fmt: skip
    app.add_object(
        MultiStateValueObject(
            objectIdentifier=("multi-state-value", 1), objectName="mode", presentValue=2,
            numberOfStates=4,
        )
    )  # fmt: skip
    return app


Script = Callable[[Wire, Application, Application, Application], Awaitable[None]]


def play(tape: Tape, script: Script) -> None:
    """Let the head end and two controllers of the building run through a script."""

    async def run() -> None:
        wire = Wire(tape)
        kept = IPv4DatagramServer.__init__, IPv4DatagramServer.indication
        _cut_off(wire)
        try:
            bms = station(wire, BMS, 11)
            air, chiller = station(wire, AIR_HANDLER, 2021), station(wire, CHILLER, 2022, 260)
            await script(wire, bms, air, chiller)
        finally:
            IPv4DatagramServer.__init__, IPv4DatagramServer.indication = kept

    asyncio.run(run())
