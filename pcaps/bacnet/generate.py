"""Writes the BACnet captures of this folder.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

What bacpypes3 can say comes from bacpypes3. What it cannot (routers, broadcast tables, commands of
management, Ethernet) is written by hand from the clause of [135] ANSI/ASHRAE 135-2020 beside it.
"""

import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bacpypes3.apdu import ErrorRejectAbortNack
from bacpypes3.app import Application
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import Null, ObjectIdentifier, Real
from plant import (
    AIR_HANDLER,
    BMS,
    CHILLER,
    EVERYBODY,
    LAPTOP,
    MILLISECOND,
    PORT,
    REMOTE_BBMD,
    ROUTER,
    SECOND,
    START,
    Wire,
    play,
)
from tape import Host, Tape

HERE = Path(__file__).parent
AIR, COLD = (IPv4Address((host.address, PORT)) for host in (AIR_HANDLER, CHILLER))
WHO_THEY_ARE = (
    "object-name", "vendor-name", "vendor-identifier", "model-name", "firmware-revision",
    "application-software-version", "serial-number", "location", "description",
    "protocol-version", "protocol-revision", "database-revision",
)  # fmt: skip


async def _meet(wire: Wire, bms: Application) -> None:
    """Find the stations, and ask them who they are."""
    bms.who_is(0, 4_000_000)
    await wire.settle()
    for address, instance in ((AIR, 2021), (COLD, 2022)):
        wire.now += SECOND
        await bms.read_property_multiple(address, [f"device,{instance}", list(WHO_THEY_ARE)])


async def _polls(wire: Wire, bms: Application, air: Application, _cold: Application) -> None:
    await _meet(wire, bms)
    points = ["present-value", "status-flags", "units"]
    for turn in range(30):
        wire.now += 5 * SECOND
        air.get_object_name("temperature 1").presentValue = 20.0 + turn % 7 / 8
        await bms.read_property_multiple(
            AIR, ["analog-input,0", points, "analog-input,1", points, "binary-output,1", points[:2]]
        )
        await bms.read_property(AIR, "analog-value,1", "present-value")
        await bms.read_property(COLD, "multi-state-value,1", "present-value")
        if turn == 7:  # the operator raises the setpoint, and starts the fan
            await bms.write_property(AIR, "analog-value,1", "present-value", Real(22.5), None, 8)
            await bms.write_property(AIR, "binary-output,1", "present-value", "active", None, 8)
        if turn == 20:  # and gives the fan back to its program
            await bms.write_property(AIR, "binary-output,1", "present-value", Null(()), None, 8)
        if turn in (3, 4):  # a page of the head end that was drawn for another controller
            with suppress(ErrorRejectAbortNack):
                await bms.read_property(AIR, "analog-input,77", "present-value")


def building_polls(tape: Tape) -> None:
    """Three quiet minutes: the head end finds two controllers, polls them and moves a setpoint."""
    play(tape, _polls)


async def _changes(wire: Wire, bms: Application, air: Application, _cold: Application) -> None:
    await _meet(wire, bms)
    wire.now += SECOND
    sensor, contact = ObjectIdentifier("analog-input,1"), ObjectIdentifier("binary-input,1")
    reports = bms.change_of_value(AIR, sensor, 1, issue_confirmed_notifications=True, lifetime=600)
    told = bms.change_of_value(AIR, contact, 2, issue_confirmed_notifications=False, lifetime=600)
    async with reports, told:
        for turn in range(12):
            await wire.settle()
            wire.now += 9 * SECOND
            air.get_object_name("temperature 1").presentValue = 24.0 + turn
            if turn in (4, 9):
                air.get_object_name("filter").presentValue = ("active", "inactive")[turn // 9]
        await wire.settle()
    await wire.settle()


def reported_changes(tape: Tape) -> None:
    """A controller reports by itself what has changed, to who has subscribed."""
    play(tape, _changes)


async def _look(wire: Wire, bms: Application, _air: Application, _cold: Application) -> None:
    await _meet(wire, bms)
    wire.now += SECOND
    await bms.read_property(COLD, "device,2022", "object-list")  # 264 objects: in two segments
    names: list[str | list[str]] = []
    for number in range(90):
        names += [f"analog-input,{number}", ["object-name", "present-value"]]
    wire.now += SECOND
    await bms.read_property_multiple(COLD, names)


def long_lists(tape: Tape) -> None:
    """A commissioning tool lists all objects of a controller; the answers come in segments."""
    play(tape, _look)


# ---------------------------------------------------------------------------- by hand


def link(function: int, body: bytes = b"") -> bytes:
    """A frame of the virtual link, [135] J.2."""
    return struct.pack(">BBH", 0x81, function, 4 + len(body)) + body


class Desk:
    """Says things by hand, one behind the other."""

    def __init__(self, tape: Tape) -> None:
        self.tape, self.now = tape, START

    def say(self, source: Host, target: Host, frame: bytes, after: int = 20 * MILLISECOND) -> None:
        """Send one frame."""
        self.now += after
        self.tape.known.add((source.address, EVERYBODY.address))
        self.tape.datagram(self.now, source, target, (PORT, PORT), frame)

    def ask(self, source: Host, target: Host, request: str, answer: str) -> None:
        """Send a request in hex, network header first, and its answer."""
        self.say(source, target, link(0x0A, bytes.fromhex(request)), SECOND)
        self.say(target, source, link(0x0A, bytes.fromhex(answer)))


def routed_networks(tape: Tape) -> None:
    """Fans on MS/TP behind a router, two houses joined by broadcast tables, a foreign device."""
    desk = Desk(tape)
    desk.say(BMS, EVERYBODY, link(0x0B, bytes.fromhex("018000")))  # [135] 6.4.1
    desk.say(ROUTER, EVERYBODY, link(0x0B, bytes.fromhex("01800100050006")))
    desk.say(BMS, EVERYBODY, link(0x0B, bytes.fromhex("018012")))
    desk.say(ROUTER, EVERYBODY, link(0x0B, bytes.fromhex("018013000101")))
    desk.say(BMS, EVERYBODY, link(0x0B, bytes.fromhex("0120ffff00ff1008")), SECOND)
    for mac, instance in ((10, 510), (11, 511), (12, 512)):  # each I-Am, 16.10, with its source
        i_am = f"0128ffff00000501{mac:02x}fe1000c4{0x02000000 | instance:08x}2201e091032108"
        desk.say(ROUTER, EVERYBODY, link(0x0B, bytes.fromhex(i_am)))
    invoke = 0
    for turn in range(12):
        for mac in (10, 11, 12):
            invoke = (invoke + 1) % 256
            asked = f"0c{mac:08x}1955"  # analog input with the number of its station
            value = struct.pack(">f", 800.0 + 5 * turn + mac).hex()
            desk.ask(
                BMS, ROUTER, f"01240005{1:02x}{mac:02x}ff0003{invoke:02x}0c{asked}",
                f"01080005{1:02x}{mac:02x}30{invoke:02x}0c{asked}3e44{value}3f",
            )  # fmt: skip
    desk.ask(  # [135] 15.5 of what the fan is
        BMS,
        ROUTER,
        "0124000501 0aff 0003f00c 0c020001fe 1946",
        "01080005010a 30f00c 0c020001fe 1946 3e 7507004543204641 4e 3f",
    )
    desk.say(LAPTOP, ROUTER, link(0x02), SECOND)  # [135] J.2.3
    table = bytes.fromhex("0a87001ebac0ffffffff0a88001ebac0ffffffff")
    desk.say(ROUTER, LAPTOP, link(0x03, table))
    desk.say(LAPTOP, ROUTER, link(0x05, struct.pack(">H", 300)), SECOND)  # J.2.6
    desk.say(ROUTER, LAPTOP, link(0x00, b"\0\0"))
    desk.say(LAPTOP, ROUTER, link(0x06), SECOND)
    desk.say(ROUTER, LAPTOP, link(0x07, LAPTOP.packed + struct.pack(">HHH", PORT, 300, 329)))
    who = bytes.fromhex("0120ffff00ff1008")
    desk.say(LAPTOP, ROUTER, link(0x09, who), SECOND)  # J.2.10
    origin = LAPTOP.packed + struct.pack(">H", PORT)
    desk.say(ROUTER, REMOTE_BBMD, link(0x04, origin + who))  # J.2.5
    desk.say(ROUTER, EVERYBODY, link(0x04, origin + who))
    i_am = bytes.fromhex("0120ffff00fe1000c4020003e92205c491002112")
    far = bytes([10, 136, 0, 77]) + struct.pack(">H", PORT)
    desk.say(REMOTE_BBMD, ROUTER, link(0x04, far + i_am))
    desk.say(LAPTOP, ROUTER, link(0x01, table[:10]), SECOND)  # J.2.2: the other house is taken out
    desk.say(ROUTER, LAPTOP, link(0x00, b"\0\0"))
    desk.say(LAPTOP, ROUTER, link(0x08, origin), SECOND)
    desk.say(ROUTER, LAPTOP, link(0x00, b"\0\0"))


MANAGED = (  # what, request, answer; without network header
    ("16.1 disable", "0003{}11 093c 1901 2d0900 66696c6973746572", "20{}11"),
    ("16.1 wrong password", "0003{}11 1900 2d0500 6f6f7073", "50{}11 9104 911a"),
    ("16.4 cold start", "0003{}14 0900 1d0900 66696c6973746572", "20{}14"),
    ("16.4 start backup", "0003{}14 0902 1d0900 66696c6973746572", "20{}14"),
    ("14.1 read of a file", "0203{}06 c402800001 0e 3100 2201b8 0f",
     "30{}06 10 0e 3100 650c 000102030405060708090a0b 0f"),
    ("14.2 write of a file", "0003{}07 c402800001 0e 3100 6506 0a0b0c0d0e0f 0f", "30{}07 0900"),
    ("15.3 create", "0003{}0a 0e 1c00800063 0f", "30{}0a c400800063"),
    ("15.4 delete", "0003{}0b c400800063", "20{}0b"),
    ("15.1 add to a list", ("0003{}08 0c03c00001 1966 3e 8205e0 b400000000 b4173b3b63 0e 0c0200000b"
     " 0f 2101 10 8205e0 3f"), "20{}08"),
    ("13.13 silence", "0003{}1b 0901 1c004d444c 2901 3c05400001", "20{}1b"),
    ("13.5 acknowledgement", "0003{}00 0901 1c00000001 2903 3e 1905 3f 4d0500 41444d4e 5e 1906 5f",
     "20{}00"),
    ("13.12 events", "0243{}1d", ("30{}1d 0e 0c00000002 1903 2a0560 3e 190f 09ff 09ff 3f 4900 5a05e0"
     " 6e 210f 210f 2114 6f 0f 1900")),
    ("13.10 alarms", "0243{}03", "30{}03 c400000002 9103 820560"),
    ("13.11 enrolments", "0243{}04 0900", "30{}04 c400000002 9105 9103 2164 2101"),
    ("15.8 log", "0243{}1a 0c05000001 1983 3e 2101 310a 3f",
     "30{}1a 0c05000001 1983 3a05c0 4901 5e 0e a469051701 b4131b2200 0f 1e 2c4190cccd 1f 5f"),
    ("15.10 write of several", "0043{}10 0c00800001 1e 0955 2e 4441b00000 2f 3908 1f", "20{}10"),
    ("16.2 a vendor's own", "0203{}12 0905 1908 2e 4442906666 0e 0101 0f 2f", "30{}12 0905 1908"),
    ("16.5 text", "0003{}13 0c0200000b 2900 3d0f00 66696c746572206368616e6765 2e",
     "20{}13"),
    ("17.2 terminal", "0003{}15 9101 2105", "30{}15 211d"),
    ("17.4 typed", "0003{}17 211d 6506 68656c700d0a 2100", "30{}17 09 01"),
    ("17.3 closed", "0003{}16 211d", "20{}16"),
    ("13.15 property", "0003{}1c 0912 1c00000001 2901 393c 4e 0955 4f 5c3f800000", "20{}1c"),
    ("13.16 several", ("0003{}1e 0912 1901 293c 3905 4e 0c00000001 1e 0e 0955 0f 1c3f800000 2901 1f"
     " 4f"), "20{}1e"),
    ("20.1.8 reject", "0003{}22", "60{}09"),
    ("20.1.9 abort", "0003{}0c 0c02000fa0 194c", "71{}04"),
)  # fmt: skip
TOLD = (  # without a confirmation
    "1006 a47e010501 b408000000", "1009 a47e010501 b407000000",
    "1007 3d0600 66616e2031", "1001 c4020007e5 c400000001 750600 66616e2031",
    "1002 0900 1c020007e5 2c00000001 3900 4e 0955 2e 4441a80000 2f 096f 2e 820400 2f 4f",
    ("1003 0901 1c020007e5 2c00000001 3e 1910 3f 4904 5964 6905 8900 9901 a900 b903 ce 5e 0c41a80000"
     " 1a0480 2c3f800000 3c41a00000 5f cf"),
    "1004 0905 1908 2e 2101 2f", "1005 0c0200000b 2901 3d0500 66697265",
    "100a 0917 1908 2e 0901 2e 4442ca0000 2f 2f",
    "100b 0912 1c020007e5 291b 4e 0c00000001 1e 0955 2e 4441a80000 2f 1f 4f",
)  # fmt: skip


def management(tape: Tape) -> None:
    """An unknown laptop tries every service on a controller: stops, restarts, files, objects."""
    desk = Desk(tape)
    for invoke, (_, request, answer) in enumerate(MANAGED, 1):
        texts = [text.format(f"{invoke:02x}") for text in (request, answer)]
        desk.ask(LAPTOP, AIR_HANDLER, f"0104{texts[0]}", f"0100{texts[1]}")
    for text in TOLD:
        desk.say(AIR_HANDLER, EVERYBODY, link(0x0B, bytes.fromhex(f"0100{text}")), SECOND)


def on_ethernet(tape: Tape) -> None:
    """An old controller that speaks on Ethernet without IP, polled by its head end."""
    now = START

    def say(source: Host, target: Host, body: str) -> None:
        nonlocal now
        now += 50 * MILLISECOND
        data = bytes.fromhex("828203" + body)  # LLC: [135] clause 7
        tape.frame(now, source, target.hardware, len(data), data)

    say(BMS, EVERYBODY, "0120ffff00ff1008")
    say(CHILLER, EVERYBODY, "0120ffff00ff 1000 c4020007e6 2205c4 9100 2112")
    for turn in range(20):
        now += 5 * SECOND
        asked = "0c00000001 1955"
        value = struct.pack(">f", 6.0 + turn / 4).hex()
        say(BMS, CHILLER, f"0104 0005{turn:02x}0c {asked}")
        say(CHILLER, BMS, f"0100 30{turn:02x}0c {asked} 3e44{value}3f")


CAPTURES: dict[str, Callable[[Tape], None]] = {
    make.__name__: make
    for make in (
        building_polls,
        reported_changes,
        long_lists,
        routed_networks,
        management,
        on_ethernet,
    )
}


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or CAPTURES:
        tape = Tape()
        CAPTURES[name](tape)
        path = HERE / f"{name}.pcap"
        tape.write(path)
        print(f"{path.name}: {len(tape.records)} packets, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
