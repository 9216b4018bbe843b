"""What is normal: polls, shifts and their operators, recipes, cleaning, backup, tablets, robots."""

import struct
from functools import partial
from random import Random

from dairy import (
    BACKUP,
    BATCH,
    BEGIN,
    CIP_VALVE,
    CLEANING,
    CLEANING_SET,
    DAYS,
    DRIVES,
    END,
    FEED_PUMP,
    FLEET,
    GATEWAY,
    HISTORIAN,
    MIXER,
    PACKING,
    PASTEURISER,
    PROCESS,
    PRODUCTION,
    PUMPS,
    RECIPE_AT,
    RECIPE_BLOCK,
    RECIPES,
    ROBOTS,
    ROCKWELL,
    ROUTER,
    RTU,
    SCHNEIDER,
    SETPOINT,
    SIEMENS,
    STATION,
    SWITCHES,
    TABLETS,
    UTILITIES,
    Story,
    moment,
    network,
    poll,
    polled,
    weekday,
)
from mirror import HOUR, MILLISECOND, MINUTE, SECOND
from scenes import Host, builder
from talks import S7, Enip, Line, Modbus, Web
from tape import Connection

iec104 = builder("iec104")
DRAWN = (-10, -5, -5, 0, 0, 0, 5, 5, 10)  # by which operators turn a setpoint
ORDER, FIRMWARE = "6ES7 315-2EH14-0AB0", (3, 2)
REVISIONS = {GATEWAY: "4.1", **dict.fromkeys(DRIVES, "2.8")}


# ------------------------------------------------------------------------------ machines


def connect(story: Story) -> None:
    """The standing connections, and when batches are made."""
    for client, server, kind, _ in polled():
        line = kind(story.mirror, client, server)
        story.lines[client.address, server.address] = line
    for batch in _batches(story.mirror.random):
        story.phases += batch


def polling(story: Story) -> None:
    """Panels, historian and batch server read, day and night."""
    random = story.mirror.random
    for client, server, _, seconds in polled():
        line = story.line(client, server)
        every = int(seconds * SECOND * story.thin)
        for time in range(BEGIN + random.randrange(every), END, every):
            line.plan(time + random.randrange(200 * MILLISECOND), partial(poll, story, line))


def reports(story: Story) -> None:
    """The station of the energy supply reports every few minutes."""
    mirror = story.mirror
    connection = Connection(mirror, PACKING, RTU, mirror.port(), iec104.PORT)
    connection.open(BEGIN + 400 * MILLISECOND)
    link = iec104.Link(connection, BEGIN + 403 * MILLISECOND)
    link.control(iec104.STARTDT)
    link.command(100, 11, iec104.ioa(0) + b"\x14", iec104.ACTCON)
    link.tell(*(_measured(at, 10.0) for at in (700, 701)))
    every = int(120 * SECOND * story.thin)
    for time in range(BEGIN + MINUTE, END, every):
        link.time = max(link.time, time)
        at = mirror.random.choice((700, 701))
        link.tell(_measured(at, 10.0 + mirror.random.random()))
        link.acknowledge()


def _measured(address: int, value: float) -> bytes:
    body = iec104.ioa(address) + struct.pack("<fB", value, 0)
    return iec104.asdu(13, iec104.SPONTANEOUS, 11, body)


def network_services(story: Story) -> None:
    """Switches tell who they are; computers ask for the time."""
    tape, lldp = story.mirror, builder("lldp")
    every = int(120 * SECOND * story.thin)
    for number, switch in enumerate(SWITCHES):
        body = b"".join((
            lldp.front(b"\4" + switch.hardware, b"\5port-8"), lldp.tlv(5, switch.name.encode()),
            lldp.tlv(6, b"Hirschmann RS20-0800T1T1SDAE, L2E 09.1.08"),
            lldp.managed(switch, 1), lldp.tlv(0, b""),
        ))  # fmt: skip
        for time in range(BEGIN + (7 + number) * SECOND, END, every):
            tape.frame(time, switch, lldp.GROUP, lldp.ETHERTYPE, body)
    ntp = b"\x23\0\6\xec" + bytes(44)
    every = int(17 * MINUTE * max(1, story.thin / 3))
    for number, host in enumerate((PROCESS, PACKING, HISTORIAN, BATCH, BACKUP, FLEET)):
        for time in range(BEGIN + (11 + 13 * number) * SECOND, END, every):
            tape.datagram(time, host, ROUTER, (123, 123), ntp)
            told = b"\x24\2\6\xec" + bytes(44)
            tape.datagram(time + MILLISECOND, ROUTER, host, (123, 123), told)


# -------------------------------------------------------------------------------- batches


def _batches(random: Random) -> list[list[tuple[int, int, int, str]]]:
    """Each batch with its cleaning, from Monday to Friday between six and ten."""
    found = []
    for day in filter(weekday, range(1, DAYS + 1)):
        time = moment(day, 6) + random.randrange(30 * MINUTE)
        while time < moment(day, 18.5):
            recipe = random.choice("AB")
            end = time + int((2.2 + 0.8 * random.random()) * HOUR)
            cleaned = end + int((25 + 10 * random.random()) * MINUTE)
            found.append([(time, end, PRODUCTION, recipe), (end, cleaned, CLEANING, "")])
            time = cleaned + int((5 + 20 * random.random()) * MINUTE)
    return found


def batches(story: Story) -> None:
    """The batch server writes each recipe; the operator opens valves for the cleaning."""
    random = story.mirror.random
    pasteuriser, mixer = story.line(BATCH, PASTEURISER), story.line(BATCH, MIXER)
    panel = story.line(PROCESS, MIXER)
    for begin, end, phase, recipe in story.phases:
        temperature, speed, minutes = RECIPES[recipe] if recipe else CLEANING_SET
        time = begin + random.randrange(20 * SECOND)
        pasteuriser.plan(time, partial(_set, pasteuriser, 0, temperature))
        pasteuriser.plan(time + SECOND, partial(_set, pasteuriser, 2, minutes))
        values = (speed, minutes, phase)
        mixer.plan(time + 2 * SECOND, lambda at, now=values: mixer.write(at, RECIPE_AT, *now))
        coil = FEED_PUMP if phase == PRODUCTION else CIP_VALVE
        for at, on in ((time + 5 * SECOND, True), (end - 3 * MINUTE, False)):
            later = at + random.randrange(2 * MINUTE)
            panel.plan(later, partial(panel.switch, coil=coil, on=on))


def _set(line: S7, start: int, value: int, time: int) -> None:
    line.write(time, RECIPE_BLOCK, start, value)


# ---------------------------------------------------------------------------------- people


def operators(story: Story) -> None:
    """In each shift the operators turn a few setpoints, by little."""
    random = story.mirror.random
    mine = {
        PROCESS: [*SIEMENS[1:], *SCHNEIDER[:4], SCHNEIDER[5]],
        PACKING: [*ROCKWELL, *DRIVES],
        UTILITIES: PUMPS,
    }
    for day in filter(weekday, range(1, DAYS + 1)):
        for begin in (6, 14):
            for panel, servers in mine.items():
                for server in random.sample(servers, (len(servers) + 1) // 2):
                    time = moment(day, begin + 0.4 + 7 * random.random())
                    turn(story, panel, server, time, random.choice(DRAWN))


def usual(server: Host) -> int:
    """The setpoint of a device that operators turn around."""
    return 1_000 + 40 * (int(server.address.rsplit(".", 1)[1]) % 20)


def turn(story: Story, panel: Host, server: Host, time: int, by: int) -> None:
    """A setpoint is written, so much off what is usual."""
    line = story.line(panel, server)
    line.plan(time, partial(setpoint, line, usual(server) + by))


def setpoint(line: Line, value: int, time: int) -> None:
    """Write the setpoint of a device."""
    match line:
        case Modbus():
            line.write(time, SETPOINT, value)
        case S7():
            line.write(time, 10, SETPOINT, value)
        case Enip():
            line.write(time, "Program:Line.Setpoint", float(value))


def engineer(story: Story) -> None:
    """On weekdays the engineering station asks every controller who it is, after it was started."""
    random, mirror = story.mirror.random, story.mirror
    for day in filter(weekday, range(1, DAYS + 1)):
        time = moment(day, 7.4 + 0.3 * random.random())
        network.lease(mirror, STATION, time, "EWS-1")
        time += 10 * MINUTE + random.randrange(30 * MINUTE)
        for server in SIEMENS:
            ask_s7(story, server, time)
            time += random.randrange(2 * SECOND, 20 * SECOND)
        for server in (GATEWAY, *DRIVES):
            ask_modbus(story, server, time)
            time += random.randrange(2 * SECOND, 20 * SECOND)


SERIALS = {one: f"S C-D4U3105220{14 + n}" for n, one in enumerate(SIEMENS)}


def ask_s7(story: Story, server: Host, time: int) -> int:
    """Who a controller is."""
    line = S7(story.mirror, STATION, story.here(server, time), kind=1)
    time = line.identify(time, ORDER, story.said(server, time, SERIALS[server]), FIRMWARE)
    line.close(time)
    return time


def ask_modbus(story: Story, server: Host, time: int) -> int:
    """Who a device is."""
    line = Modbus(story.mirror, STATION, server)
    maker = ("Moxa", "MB3170") if server is GATEWAY else ("Schneider Electric", "ATV630")
    time = line.identify(time, *maker, story.said(server, time, REVISIONS[server]))
    line.close(time)
    return time


# --------------------------------------------------------------------------- now and then


def archives(story: Story) -> None:
    """Each Wednesday night the historian reads what it has missed, page by page."""
    for day in range(3, DAYS + 1, 7):
        for server in SCHNEIDER[:3]:
            line = story.line(HISTORIAN, server)
            for page in range(20):
                time = moment(day, 3) + page * 2 * SECOND
                line.plan(time, partial(line.read, start=1_000 + 100 * page, count=100))
    begin = moment(10, 3)
    story.label("historian-back-fill", (begin, begin + 5 * MINUTE), "benign", "", "", HISTORIAN)


def backup(story: Story) -> None:
    """On Sunday night the backup fetches what the computers hold."""
    for day in range(7, DAYS + 1, 7):
        time = moment(day, 2)
        for host in (HISTORIAN, PROCESS, PACKING, BATCH):
            web = Web(story.mirror, BACKUP, host, port=8_443)
            time = web.get(time, "/export/archive.bin", 700_000) + MINUTE
    begin = moment(14, 2)
    story.label("weekly-backup", (begin, begin + 20 * MINUTE), "benign", "", "", BACKUP)


def tablets(story: Story) -> None:
    """Tablets come with the shift, each time under another address, and look at trends."""
    random, mirror = story.mirror.random, story.mirror
    number = 110
    for day in filter(weekday, range(1, DAYS + 1)):
        for tablet in TABLETS:
            number = 110 + (number - 109) % 60
            here = Host(tablet.name, tablet.mac, f"10.20.1.{number}")
            time = moment(day, 6 + 0.5 * random.random())
            story.addresses[tablet.name, day] = here.address
            network.lease(mirror, here, time, tablet.name.upper())
            web = Web(mirror, here, HISTORIAN)
            while time < moment(day, 20):
                time += int(random.expovariate(1 / (25 * MINUTE))) + MINUTE
                web.get(time, "/trend", 4_000)
    begin = moment(8, 6)
    story.label("addresses-change", (begin, moment(12, 6.5)), "benign", "", "", *TABLETS)


def robots(story: Story) -> None:
    """Robots drive in the shifts, and are out of reach now and then."""
    random = story.mirror.random
    every = int(60 * SECOND * story.thin)
    for robot in ROBOTS:
        for day in filter(weekday, range(1, DAYS + 1)):
            line = Modbus(story.mirror, FLEET, robot)
            time = moment(day, 6.2 + 0.3 * random.random())
            while time < moment(day, 21.5):
                away = random.random() < 0.02
                if away:
                    time += random.randrange(5 * MINUTE, 40 * MINUTE)
                time = max(line.read(time, 0, 6), time) + every
            line.close(time)


def normal(story: Story) -> None:
    """All of it."""
    for scene in (polling, reports, network_services, batches, operators, engineer, archives,
                  backup, tablets, robots):  # fmt: skip
        scene(story)
