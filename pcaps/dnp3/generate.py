"""Writes the DNP3 captures of this folder: a substation, and a test bench of every function.

    python generate.py            # both
    python generate.py NAME ...   # one, without `.pcap`

Outstations are those of dnp3py, asked in memory; it also builds the frames and most requests. What
it cannot say is written by hand from [1815] IEEE 1815-2012.
The TCP around it is that of `../modbus/tape.py`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from dnp3.application.builder import (
    build_class_poll,
    build_confirm_request,
    build_disable_unsolicited_request,
    build_enable_unsolicited_request,
    build_integrity_poll,
)
from dnp3.core.flags import AnalogQuality, BinaryQuality, CounterQuality
from dnp3.core.timestamp import DNP3Timestamp
from dnp3.database import Database
from dnp3.datalink.builder import (
    build_ack,
    build_link_status,
    build_request_link_status,
    build_reset_link_state,
    build_unconfirmed_user_data,
)
from dnp3.master.commands import CommandBuilder
from dnp3.outstation import Outstation, OutstationConfig
from dnp3.outstation.handler import CommandResult, DefaultCommandHandler
from dnp3.transport.segmenter import Segmenter

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
PORT, MASTER = 20_000, 1
FRONT_END = Host("scada front end", "d0:94:66:2c:20:10", "10.20.0.10")
BAY = Host("rtu of the bay", "00:30:a7:10:20:21", "10.20.0.21")
TERMINAL = Host("terminal server", "00:90:e8:20:20:30", "10.20.0.30")  # feeders 31 to 33 behind it
BENCH = Host("test set", "8c:ec:4b:20:20:90", "10.20.0.90")
PANEL = Host("outstation on the bench", "00:30:a7:10:20:91", "10.20.0.91")
ONLINE = AnalogQuality.ONLINE


def stamp(time: int) -> DNP3Timestamp:
    """A moment of the tape as an outstation's clock has it."""
    return DNP3Timestamp(time // MILLISECOND)


class Breakers(DefaultCommandHandler):
    """Switches the first four outputs, and sets the first two."""

    def select_binary_output(self, index: int, **_: object) -> CommandResult:
        """Whether there is such a breaker."""
        return CommandResult.success() if index < 4 else CommandResult.not_supported()

    def operate_binary_output(self, index: int, **_: object) -> CommandResult:
        """The same: nothing moves."""
        return self.select_binary_output(index)

    def direct_operate_analog_output(self, index: int, value: float) -> CommandResult:
        """A set point below 100 is taken."""
        fits = index < 2 and value < 100
        return CommandResult.success() if fits else CommandResult.out_of_range()


@dataclass
class Station:
    """One outstation: dnp3py's, and the numbers of its segments."""

    address: int
    outstation: Outstation
    sent: Segmenter = field(default_factory=Segmenter)


def station(address: int, values: int) -> Station:
    """An outstation with some switches, measurements and meters, all just restarted."""
    database = Database()
    for index in range(values):
        database.add_binary_input(index)
        database.add_analog_input(index)
    for index in range(4):
        database.add_binary_output(index)
        database.add_counter(index)
        database.add_frozen_counter(index)
    for index in range(2):
        database.add_analog_output(index)
    return Station(address, Outstation(OutstationConfig(address=address), database, Breakers()))


@dataclass
class Line:
    """A master's connection to the outstations behind one address."""

    connection: Connection
    stations: dict[int, Station]
    time: int
    sequence: int = 0
    sent: Segmenter = field(default_factory=Segmenter)
    quiet: set[int] = field(default_factory=set)  # stations that do not answer

    def frames(self, segments: Segmenter, target: int, source: int, data: bytes) -> bytes:
        """A fragment in link frames, as many as it takes."""
        return b"".join(
            build_unconfirmed_user_data(
                target, source, dir_from_master=source == MASTER, user_data=part.to_bytes()
            ).to_bytes()
            for part in segments.segment(data)
        )

    def ask(self, address: int, request: bytes) -> None:
        """A request with the next sequence number, and what the outstation says to it."""
        control = request[0] & 0xF0 | self.sequence
        self.sequence = (self.sequence + 1) % 16
        data = bytes([control]) + request[1:]
        self.connection.ask(self.time, self.frames(self.sent, address, MASTER, data))
        self.time += 20 * MILLISECOND
        if address not in self.stations or address in self.quiet:
            return
        asked = self.stations[address]
        for answer in asked.outstation.process_request(data):
            self.tell(asked, answer.to_bytes())

    def tell(self, who: Station, data: bytes) -> None:
        """What an outstation sends."""
        frames = self.frames(who.sent, MASTER, who.address, data)
        self.connection.answer(self.time, frames)
        self.time += 30 * MILLISECOND

    def exchange(self, address: int, request: str, *answers: str) -> None:
        """A request by hand and its answers, which are given the request's sequence number."""
        data = bytes.fromhex(request)
        if data[1] == 0:  # a confirmation has the number of what it confirms
            self.sequence = (self.sequence - 1) % 16
        control = data[0] & 0xF0 | self.sequence
        self.connection.ask(
            self.time, self.frames(self.sent, address, MASTER, bytes([control]) + data[1:])
        )
        self.time += 20 * MILLISECOND
        for answer in map(bytes.fromhex, answers):
            control = answer[0] & 0xF0 | self.sequence
            self.tell(self.stations[address], bytes([control]) + answer[1:])
        self.sequence = (self.sequence + 1) % 16

    def report(self, address: int) -> None:
        """An unsolicited response and its confirmation."""
        who = self.stations[address]
        said = who.outstation.generate_unsolicited()
        if said is not None:
            self.tell(who, said.to_bytes())
            confirm = bytearray(build_confirm_request(said.sequence).to_bytes())
            confirm[0] |= 0x10  # confirms what came unasked, [1815] 4.2.2.4
            self.connection.ask(self.time, self.frames(self.sent, address, MASTER, bytes(confirm)))
            who.outstation.process_request(bytes(confirm))
            self.time += 20 * MILLISECOND

    def link_status(self, address: int) -> None:
        """A keep-alive of the link layer, [1815] 9.2.4."""
        asked = build_request_link_status(address, MASTER, dir_from_master=True)
        self.connection.ask(self.time, asked.to_bytes())
        said = build_link_status(MASTER, address, dir_from_master=False)
        self.connection.answer(self.time + 10 * MILLISECOND, said.to_bytes())
        self.time += 50 * MILLISECOND

    def link(self, frame: bytes, *, by_outstation: bool = False) -> None:
        """A link frame without data."""
        self.connection.segment(self.time, by_server=by_outstation, flags=0x18, data=frame)
        self.time += 20 * MILLISECOND

    def wait(self, until: int) -> None:
        """Let time pass."""
        self.time = max(self.time, until)


def line(tape: Tape, client: Host, server: Host, port: int, *stations: Station) -> Line:
    """A connection that was just opened."""
    connection = Connection(tape, client, server, port, PORT)
    connection.open(START)
    return Line(connection, {one.address: one for one in stations}, START + 5 * MILLISECOND)


# --------------------------------------------------------------------------- a substation


def start_up(talk: Line, address: int, time: int) -> None:
    """What a master does with an outstation that says that it was restarted."""
    talk.link_status(address)
    talk.ask(address, build_disable_unsolicited_request().to_bytes())
    talk.ask(address, build_integrity_poll().to_bytes())
    clock = (time // MILLISECOND).to_bytes(6, "little").hex()
    talk.ask(address, bytes.fromhex("c002 3201 07 01" + clock))  # the time, [1815] A.23.1
    talk.ask(address, bytes.fromhex("c002 5001 00 0707 00"))  # restart was noticed, A.28
    talk.ask(address, build_enable_unsolicited_request().to_bytes())


def breathe(one: Station, random: Random, time: int, *, failed: int = -1) -> None:
    """Currents and voltages move a little, but for a transducer that failed; energy is counted."""
    database = one.outstation.database
    for index in range(len(database.analog_inputs)):
        base = 10_500 if index % 2 else 380
        changed = base + random.randint(-base // 50, base // 50)
        if index != failed:
            database.update_analog_input(index, changed, ONLINE, stamp(time))
    for index in range(4):
        count = database.counters[index].value + random.randint(1, 9)
        database.update_counter(index, count, CounterQuality.ONLINE, stamp(time))


def settle(one: Station, time: int) -> None:
    """All points are read for the first time."""
    database = one.outstation.database
    for index in range(len(database.binary_inputs)):
        database.update_binary_input(index, index % 3 == 0, BinaryQuality.ONLINE, stamp(time))
    for index in range(4):
        database.update_binary_output(index, value=False, quality=BinaryQuality.ONLINE)
    for index in range(2):
        database.update_analog_output(index, 100, ONLINE)


def switch(talk: Line, address: int, index: int, *, close: bool) -> None:
    """Select and operate a breaker; both must have the same control, [1815] 4.4.4."""
    command = CommandBuilder().latch_on(index) if close else CommandBuilder().latch_off(index)
    talk.ask(address, command.build_select().build_request().to_bytes())
    talk.ask(address, command.build_operate().build_request().to_bytes())


def substation() -> Tape:
    """Four minutes: a bay that reports by itself, and three feeders that are polled in turn."""
    tape, random = Tape(), Random(20)
    bay = station(10, 24)
    feeders = [station(address, 6) for address in (31, 32, 33)]
    talk = line(tape, FRONT_END, BAY, 49_210, bay)
    poll = line(tape, FRONT_END, TERMINAL, 49_230, *feeders)
    poll.quiet = {33}  # its radio is broken
    for one in (bay, *feeders):
        settle(one, START)
        breathe(one, random, START)
    start_up(talk, 10, START)
    for one in feeders[:2]:
        start_up(poll, one.address, START)
    for step in range(24):
        now = START + (step + 1) * 10 * SECOND
        talk.wait(now)
        poll.wait(now + 200 * MILLISECOND)
        breathe(bay, random, now, failed=7 if step > 12 else -1)
        talk.report(10)
        if step % 6 == 5:
            talk.link_status(10)
        for one in feeders:
            breathe(one, random, now)
            poll.ask(one.address, build_class_poll(1, 2, 3).to_bytes())
        if step == 8:
            switch(talk, 10, 1, close=False)
            bay.outstation.database.update_binary_input(
                3, value=False, quality=BinaryQuality.ONLINE, timestamp=stamp(now)
            )
        if step == 12:  # a transducer fails
            bay.outstation.database.update_analog_input(7, 0, AnalogQuality.COMM_LOST, stamp(now))
        if step in (13, 20):
            talk.ask(10, build_integrity_poll().to_bytes())
        if step == 15:
            talk.ask(
                10,
                CommandBuilder()
                .add_analog(1, 95)
                .build_direct_operate()
                .build_request()
                .to_bytes(),
            )
        if step == 18:
            switch(talk, 10, 1, close=True)
            talk.ask(10, bytes.fromhex("c007 1400 06"))  # counters are frozen, [1815] 4.4
        if step == 20:
            switch(poll, 31, 9, close=True)  # there is no such point
            poll.ask(32, bytes.fromhex("c001 6400 06"))  # nor such objects
    for one in (talk, poll):
        one.connection.close(one.time + SECOND)
    return tape


# ------------------------------------------------------------------------------ the bench

BENCH_ADDRESS = 4
NULL = "c081 0000"
ATTRIBUTES = {  # [1815] A.1; by variation
    242: b"3.11.2", 243: b"rev C", 245: b"Bay 7", 246: b"A-77", 247: b"KNURR-07", 248: b"SN2040117",
    249: b"2:2013", 250: b"Feeder unit FU-40", 252: b"Example Relays",
}  # fmt: skip
STATIC = (
    "e081 0000 0101 00 000b a50f 0102 00 0c0d 8101 0301 00 0003 99 0302 00 0405 41 81"
    "0a01 00 0001 03 0a02 00 0001 8101"
    "1401 00 0001 01 10270000 01 20270000 1402 00 0202 01 4000 1405 00 0303 99990000"
    "1406 00 0404 7700 1505 00 0000 01 88130000 0010a5c59b01"
    "1509 00 0101 88130000 1e01 00 0001 01 10270000 05 00000000 1e02 00 0202 01 8101"
    "1e03 00 0303 01000000 1e04 00 0404 0200 1e05 00 0505 01 0000c841"
    "1e06 00 0606 01 0000000000003940 2801 00 0000 01 05000000 2802 00 0101 01 0600"
    "2803 00 0202 01 00002041 2201 00 0001 0500 0600"
)
EVENTS = (
    "e081 0000 2003 17 01 05 01 e8030000 0010a5c59b01"
    "2001 28 0100 0600 21 ffff0000 0201 17 02 01 81 02 01 3301 07 01 0010a5c59b01"
    "0203 17 01 03 81 6400 0402 17 01 01 41 0010a5c59b01 1601 17 01 02 01 05000000"
    "2a05 17 01 01 01 0000a040 0b02 17 01 00 81 0010a5c59b01 0d01 17 01 02 84"
    "6f04 17 01 09 61626364"
)
FILE = "6576656e742e747874"  # its name
CASES: tuple[tuple[str, ...], ...] = (
    ("c001 3c02 06 3c03 06 3c04 06 3c01 06", STATIC),
    ("c000",),
    ("c001 2000 07 05", EVENTS),
    ("c000",),
    ("c001 6e00 00 0001", "c081 0000 6e05 00 0001 68656c6c6f 776f726c64"),
    ("c003 0c01 17 01 05 8101 64000000 00000000 00",
     "c081 0000 0c01 17 01 05 8101 64000000 00000000 00"),
    ("c004 0c01 17 01 05 8101 64000000 00000000 00",
     "c081 0000 0c01 17 01 05 8101 64000000 00000000 00"),
    ("c004 0c01 17 01 05 8101 64000000 00000000 00",
     "c081 0000 0c01 17 01 05 8101 64000000 00000000 02"),
    ("c005 2903 17 02 00 0000c841 00 01 0000c8c1 00",
     "c081 0000 2903 17 02 00 0000c841 00 01 0000c8c1 0c"),
    ("c006 2902 17 01 01 6400 00",),
    ("c007 1400 06", NULL),
    ("c008 1400 06",),
    ("c009 1400 06", NULL),
    ("c00a 1400 06",),
    ("c00b 3202 07 01 0010a5c59b01 60ea0000 1400 06", NULL),
    ("c00c 3202 07 01 0010a5c59b01 60ea0000 1400 06",),
    ("c00f 3c01 06", NULL),
    ("c010 5a01 5b 01 0400 50554d50", NULL),
    ("c012 5a01 5b 01 0400 50554d50", NULL),
    ("c011 5a01 5b 01 0400 50554d50", NULL),
    ("c013", "c081 0000 3402 07 01 f401"),
    ("c014 3c02 06 3c03 06", NULL),
    ("c015 3c02 06 3c03 06", NULL),
    ("c016 3c02 06 0100 06 3c03 06 1e00 06", NULL),
    ("c017", "c081 0000 3402 07 01 0500"),
    ("c018", NULL),
    ("c002 3203 07 01 0010a5c59b01", NULL),
    ("c002 2202 00 0303 f4010000", NULL),
    ("c01d 4602 5b 01 1900 0c00 0500 1100 0800 00000000 61646d696e 6c65746d65696e21",
     "c081 0000 4602 5b 01 0c00 0c00 0000 0c00 0000 efbeadde"),
    ("c019 4603 5b 01 2300 1a00 0900 0010a5c59b01 2401 efbeadde 00000000 0100 0004 0700" + FILE,
     "c081 0000 4604 5b 01 0d00 01000000 2c000000 0004 0700 00"),
    ("c001 4605 5b 01 0800 01000000 00000000",
     "c081 0000 4605 5b 01 1200 01000000 00000080 4f75742031206f6e2e0a"),
    ("c01a 4604 5b 01 0d00 01000000 00000000 0000 0800 00",
     "c081 0000 4604 5b 01 0d00 01000000 00000000 0000 0800 00"),
    ("c01c 4607 5b 01 1d00 1400 0900 0100 00000000 000000000000 0000 0900 6576656e742e747874",
     "c081 0000 4607 5b 01 1d00 1400 0900 0100 2c000000 0010a5c59b01 2401 0900" + FILE),
    ("c01e 4604 5b 01 0d00 01000000 00000000 0000 0a00 00",
     "c081 0000 4604 5b 01 0d00 01000000 00000000 0000 0a00 06"),
    ("c01b 4603 5b 01 2300 1a00 0900 000000000000 0000 efbeadde 00000000 0000 0000 0b00" + FILE, "c081 0000 4604 5b 01 0d00 00000000 00000000 0000 0b00 01"),
    ("c01f 4608 5b 01 0600 77312e637367", NULL),
    ("c00d", "c081 0000 3401 07 01 0500"),
    ("c00e", "c081 9000 3402 07 01 d007"),
    ("c002 5001 00 0707 00", NULL),
    ("c001 1e00 00 6465", "c081 0004"),
)  # fmt: skip


def bench() -> Tape:
    """A test set asks one outstation everything that the protocol has."""
    tape = Tape()
    talk = line(tape, BENCH, PANEL, 49_290, Station(BENCH_ADDRESS, Outstation()))
    talk.link(build_reset_link_state(BENCH_ADDRESS, MASTER, dir_from_master=True).to_bytes())
    ack = build_ack(MASTER, BENCH_ADDRESS, dir_from_master=False)
    talk.link(ack.to_bytes(), by_outstation=True)
    talk.link_status(BENCH_ADDRESS)
    talk.exchange(BENCH_ADDRESS, "c001 00fe 00 0000", attributes())
    for variation, text in ATTRIBUTES.items():
        one = f"c081 0000 00{variation:02x} 00 0000 01{len(text):02x}{text.hex()}"
        talk.exchange(BENCH_ADDRESS, f"c001 00{variation:02x} 00 0000", one)
    for request, *answers in CASES:
        talk.exchange(BENCH_ADDRESS, request, *answers)
    talk.tell(talk.stations[BENCH_ADDRESS], bytes.fromhex("f082 9000"))
    talk.exchange(BENCH_ADDRESS, "d000")
    talk.connection.close(talk.time + SECOND)
    return tape


def attributes() -> str:
    """All attributes in one fragment, to a request for all of them."""
    listed = (
        f"00{variation:02x} 00 0000 01{len(text):02x}{text.hex()}"
        for variation, text in ATTRIBUTES.items()
    )
    return "c081 0000" + "".join(listed)


CAPTURES: dict[str, Callable[[], Tape]] = {"substation": substation, "bench": bench}


def main(names: list[str]) -> None:
    """Write the captures of these names, or all."""
    for name in names or CAPTURES:
        path = HERE / f"{name}.pcap"
        tape = CAPTURES[name]()
        tape.write(path)
        print(f"{path.name}: {len(tape.records)} packets")


if __name__ == "__main__":
    main(sys.argv[1:])
