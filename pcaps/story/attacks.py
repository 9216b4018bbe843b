"""Attacks in the second week: by hosts that were never there, and by hosts that always are.

A stranger needs no learning to be seen; a known host does what it may do, but something else, with
other values, at another time, or more often.
"""

import struct
from collections.abc import Callable
from functools import partial

from dairy import (
    BACKUP,
    BATCH,
    CIP_VALVE,
    DRIVES,
    HISTORIAN,
    MIXER,
    PACKING,
    PASTEURISER,
    PROCESS,
    PRODUCTION,
    PRODUCTION_VLAN,
    RECIPE_BLOCK,
    ROUTER,
    RTU,
    SCHNEIDER,
    SETPOINT,
    SIEMENS,
    STATION,
    TABLETS,
    Story,
    moment,
)
from days import setpoint, usual
from mirror import MILLISECOND, MINUTE, SECOND
from outages import ARP, EVERYBODY
from scenes import Host, builder
from talks import S7, Modbus
from tape import ACK, RST, SYN, Connection
from upkeep import IMAGE

iec104 = builder("iec104")
NEW = "new-device|new-conversation"
WRITES = f"{NEW}|new-writer"
VALUE = "value-outside"


def _when(story: Story, day: int, hour: float) -> int:
    """Within an hour of the time given."""
    return moment(day, hour) + story.mirror.random.randrange(-30 * MINUTE, 30 * MINUTE)


def stranger(number: int) -> Host:
    """A host that was never there."""
    return Host(f"stranger-{number}", f"3c:52:82:9f:a1:{number:02x}", f"10.20.1.{200 + number}")


def _arp(story: Story, time: int, who: Host, address: str) -> None:
    asked = Host("", "", address)
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + who.hardware + who.packed
    story.mirror.frame(time, who, EVERYBODY, ARP, body + bytes(6) + asked.packed)


def _knock(story: Story, time: int, who: Host, host: Host, port: int, listens: bool) -> None:  # noqa: FBT001
    knock = Connection(story.mirror, who, story.here(host, time), story.mirror.port(), port)
    knock.segment(time, by_server=False, flags=SYN)
    if listens:
        knock.segment(time + 400, by_server=True, flags=SYN | ACK)
        knock.segment(time + 800, by_server=False, flags=RST)
    else:
        knock.sequence[1] = 0
        knock.segment(time + 400, by_server=True, flags=RST | ACK)


# ------------------------------------------------------------------------------- strangers


def sweep(story: Story) -> None:
    """A laptop asks for all addresses, and knocks at ports of those that answer."""
    who, begin = stranger(1), _when(story, 8, 10)
    time = begin
    for number in range(1, 120):
        time += 60 * MILLISECOND
        _arp(story, time, who, f"10.20.1.{number}")
    for port in (22, 80, 102, 443, 502, 3389, 4840, 44_818):
        for host in (*SIEMENS, *SCHNEIDER):
            time += 30 * MILLISECOND
            listens = port == (102 if host in SIEMENS else 502)
            _knock(story, time, who, host, port, listens)
    names = f"arp-sweep|host-sweep|port-scan|{NEW}"
    story.label("stranger-sweep", (begin, time), "attack", names, "T0846", who)


def setpoint_by_stranger(story: Story) -> None:
    """A laptop reads a controller and writes its setpoint."""
    who, begin = stranger(2), _when(story, 8, 15)
    line = Modbus(story.mirror, who, SCHNEIDER[0])
    time = line.read(begin, 0, 20) + 20 * SECOND
    time = line.write(time, SETPOINT, usual(SCHNEIDER[0]) + 700)
    line.close(time)
    story.label("stranger-writes", (begin, time), "attack", WRITES, "T0836", who, SCHNEIDER[0])


def stopped_by_stranger(story: Story) -> None:
    """Somebody stops a controller, and starts it again."""
    who, begin = stranger(3), _when(story, 9, 11)
    line = S7(story.mirror, who, SIEMENS[5], kind=1)
    time = line.start(line.stop(line.open(begin) + 5 * SECOND) + 4 * MINUTE)
    line.close(time)
    names = f"s7-plc-stop|s7-restart|{WRITES}"
    story.label("stranger-stops", (begin, time), "attack", names, "T0858", who, SIEMENS[5])


def breakers_by_stranger(story: Story) -> None:
    """Somebody commands points of the energy supply, one after another."""
    who, begin = stranger(4), _when(story, 10, 14)
    connection = Connection(story.mirror, who, RTU, story.mirror.port(), iec104.PORT)
    connection.open(begin)
    link = iec104.Link(connection, begin + 5 * MILLISECOND)
    link.control(iec104.STARTDT)
    for point in range(6_100, 6_106):
        link.wait(3_000)
        link.command(45, 11, iec104.ioa(point) + b"\1", iec104.ACTCON, iec104.ACTTERM)
    names = f"points-iterated|execute-without-select|{WRITES}"
    story.label("stranger-commands", (begin, link.time), "attack", names, "T0855", who, RTU)


def slow_scan(story: Story) -> None:
    """Somebody looks at one address in twenty minutes, all night."""
    who, begin = stranger(5), _when(story, 11, 20)
    for number, host in enumerate((*SIEMENS, *SCHNEIDER, *DRIVES, HISTORIAN, BATCH) * 2):
        time = begin + number * 20 * MINUTE + story.mirror.random.randrange(5 * MINUTE)
        _arp(story, time, who, host.address)
        _knock(story, time + SECOND, who, host, 502, host in (*SCHNEIDER, *DRIVES))
    names = f"host-sweep|arp-sweep|{NEW}"
    story.label("stranger-slow-scan", (begin, time + MINUTE), "attack", names, "T0846", who)


def program_read_by_stranger(story: Story) -> None:
    """Somebody reads the program of a controller."""
    who, begin = stranger(6), _when(story, 12, 13)
    line = S7(story.mirror, who, SIEMENS[2], kind=1)
    time = line.open(begin)
    for block in (1, 2):
        time = line.upload(time + SECOND, "0C", block, IMAGE[:100])
    line.close(time)
    names = f"s7-upload|{NEW}|new-operation"
    story.label("stranger-uploads", (begin, time), "attack", names, "T0845", who, SIEMENS[2])


def from_internet(story: Story) -> None:
    """From the internet registers of a controller are written, as FrostyGoop does."""
    who = Host("outside", ROUTER.mac, "203.0.113.77")
    begin = _when(story, 13, 1)
    pair = (who.address, SCHNEIDER[3].address)
    story.mirror.known |= {pair, pair[::-1]}  # nobody asks by ARP who has an address outside
    line = Modbus(story.mirror, who, SCHNEIDER[3], resolved=begin)
    time = line.read(line.open(begin), 50, 4) + 2 * SECOND
    time = line.write(time, 53, 0)
    line.close(time)
    names = f"internet-to-industrial|changed-from-internet|{WRITES}|new-external-peer"
    story.label("internet-writes", (begin, time), "attack", names, "T0883", who, SCHNEIDER[3])


# ----------------------------------------------------------------------------- known hosts


def wrong_setpoint(story: Story) -> None:
    """The right panel writes a setpoint at which the machine never ran."""
    time, line = _when(story, 8, 18), story.line(PROCESS, SCHNEIDER[1])
    line.plan(time, partial(setpoint, line, 2_950))
    line.plan(time + 9 * MINUTE, partial(setpoint, line, usual(SCHNEIDER[1])))
    span = (time, time + 10 * MINUTE)
    story.label("panel-wrong-setpoint", span, "attack", VALUE, "T0836", PROCESS, SCHNEIDER[1])


def program_at_night(story: Story) -> None:
    """The engineering station loads a block at night, and nobody has said so."""
    begin = _when(story, 9, 2)
    line = S7(story.mirror, STATION, SIEMENS[2], kind=1)
    time = line.load(line.open(begin), "08", 1, IMAGE[:200])
    line.close(time)
    names = "s7-download|new-operation|new-writer|unlinked"
    story.label("station-loads", (begin, time), "attack", names, "T0843", STATION, SIEMENS[2])


def stopped_by_panel(story: Story) -> None:
    """The panel stops a controller, which it can but never does."""
    time, line = _when(story, 9, 16), story.line(PROCESS, SIEMENS[1])
    line.plan(time, line.stop)
    line.plan(time + 3 * MINUTE, line.start)
    names = "s7-plc-stop|s7-restart|new-operation|new-writer"
    span = (time, time + 4 * MINUTE)
    story.label("panel-stops", span, "attack", names, "T0858", PROCESS, SIEMENS[1])


def replayed(story: Story) -> None:
    """On Saturday night what the panel wrote on a working day is written again, under its name."""
    begin = _when(story, 13, 3.3)
    line = Modbus(story.mirror, PROCESS, SCHNEIDER[0])
    time = line.open(begin)
    for by in (0, 5, 0, -5, 5, 0):
        time = line.write(time + 3 * SECOND, SETPOINT, usual(SCHNEIDER[0]) + by)
    line.close(time)
    names = "unusual-hour|new-operation"
    story.label("panel-replayed", (begin, time), "attack", names, "T0855", PROCESS, SCHNEIDER[0])


def man_in_the_middle(story: Story) -> None:
    """Somebody puts himself between the panel and a controller, by false answers to ARP."""
    middle, begin = stranger(9), _when(story, 10, 17)
    end, pair = begin + 40 * MINUTE, (PROCESS, SCHNEIDER[5])
    story.mirror.between.append(((begin, end), frozenset(one.mac for one in pair), middle))
    for time in range(begin - SECOND, end, 20 * SECOND):
        for told, claimed in (pair, pair[::-1]):
            head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2)
            body = head + middle.hardware + claimed.packed + told.hardware + told.packed
            story.mirror.frame(time, middle, told.hardware, ARP, body)
    unseen = Host(middle.name, middle.mac, middle.mac)  # it never sends under an address of its own
    names = f"address-fought-for|address-moved|{NEW}|response-collapse"
    story.label("man-in-the-middle", (begin, end), "attack", names, "T0830", *pair, unseen)


def wrong_phase(story: Story) -> None:
    """The panel opens the valve of the cleaning while milk is in the tank."""
    begin, end, _, _ = next(
        one for one in story.phases if one[2] == PRODUCTION and one[0] > moment(11, 12)
    )
    line, time = story.line(PROCESS, MIXER), (begin + end) // 2
    line.plan(time, partial(line.switch, coil=CIP_VALVE, on=True))
    line.plan(time + 4 * MINUTE, partial(line.switch, coil=CIP_VALVE, on=False))
    span = (time, time + 5 * MINUTE)
    story.label(
        "panel-wrong-phase", span, "attack", "other-state|message-order", "T0855", PROCESS, MIXER
    )


def registers_read_slowly(story: Story) -> None:
    """The historian reads registers where it never did, one range in half an hour."""
    begin, line = _when(story, 9, 20), story.line(HISTORIAN, SCHNEIDER[4])
    for turn in range(12):
        time = begin + turn * 30 * MINUTE
        line.plan(time, partial(line.read, start=4_000 + 150 * turn, count=4))
    span = (begin, time + MINUTE)
    story.label(
        "historian-looks", span, "attack", "new-object|addresses-tried", "T0861",
        HISTORIAN, SCHNEIDER[4],
    )  # fmt: skip


def written_by_historian(story: Story) -> None:
    """The historian, which only reads, writes a setpoint."""
    time, line = _when(story, 11, 17), story.line(HISTORIAN, SCHNEIDER[2])
    line.plan(time, partial(setpoint, line, usual(SCHNEIDER[2]) + 5))
    names = "new-writer|new-operation"
    span = (time, time + MINUTE)
    story.label("historian-writes", span, "attack", names, "T0855", HISTORIAN, SCHNEIDER[2])


def recipe_changed(story: Story) -> None:
    """The batch server writes a temperature at which nothing is pasteurised."""
    time, line = _when(story, 12, 10), story.line(BATCH, PASTEURISER)
    line.plan(time, lambda at: line.write(at, RECIPE_BLOCK, 0, 560))
    span = (time, time + MINUTE)
    story.label("recipe-changed", span, "attack", VALUE, "T0836", BATCH, PASTEURISER)


def remote_desktop(story: Story) -> None:
    """A tablet opens the desktop of the historian."""
    who = Host(TABLETS[0].name, TABLETS[0].mac, story.addresses[TABLETS[0].name, 10])
    time = _when(story, 10, 11)
    desktop = Connection(story.mirror, who, HISTORIAN, story.mirror.port(), 3389)
    desktop.open(time)
    asked = "030000130ee000000000000100080003000000"
    desktop.ask(time + 10 * MILLISECOND, bytes.fromhex(asked))
    desktop.answer(time + 20 * MILLISECOND, bytes.fromhex("030000130ed000001234000200080002000000"))
    desktop.close(time + MINUTE)
    names = "new-conversation|remote-desktop"
    span = (time, time + MINUTE)
    story.label("tablet-desktop", span, "attack", names, "T0886", who, HISTORIAN)


def burst(story: Story) -> None:
    """The panel writes a setpoint again and again, with values that are all usual."""
    begin, line = _when(story, 12, 16), story.line(PACKING, DRIVES[1])
    for turn in range(300):
        value = usual(DRIVES[1]) + (5, -5)[turn % 2]
        line.plan(begin + turn * 600 * MILLISECOND, partial(setpoint, line, value))
    span = (begin, begin + 3 * MINUTE)
    names = "writes-iterated|write-burst"
    story.label("panel-burst", span, "attack", names, "T0806", PACKING, DRIVES[1])


def backup_looks_around(story: Story) -> None:
    """The backup server knocks at one controller in forty minutes."""
    begin = _when(story, 13, 18)
    for turn, host in enumerate(SCHNEIDER):
        time = begin + turn * 40 * MINUTE
        _knock(story, time, BACKUP, host, 502, listens=True)
    names = "new-conversation|host-sweep"
    span = (begin, time + MINUTE)
    story.label("backup-looks", span, "attack", names, "T0846", BACKUP, *SCHNEIDER)


STRANGERS: tuple[Callable[[Story], None], ...] = (
    *(sweep, setpoint_by_stranger, stopped_by_stranger, breakers_by_stranger, slow_scan),
    *(program_read_by_stranger, from_internet),
)
KNOWN: tuple[Callable[[Story], None], ...] = (
    *(wrong_setpoint, program_at_night, stopped_by_panel, replayed, man_in_the_middle),
    *(wrong_phase, registers_read_slowly, written_by_historian, recipe_changed),
    *(remote_desktop, burst, backup_looks_around),
)


def attacks(story: Story) -> None:
    """All of them."""
    for who in range(1, 10):
        story.mirror.vlans[stranger(who).mac] = PRODUCTION_VLAN
    for scene in (*STRANGERS, *KNOWN):
        scene(story)
