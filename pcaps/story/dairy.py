"""A dairy: forty devices in two VLANs behind one mirror port, and who reads whom by what.

Batches are made in shifts from Monday to Friday, by one of two recipes; each is followed by a
cleaning. Controllers, panels and the historian run day and night.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mirror import DAY, HOUR, Mirror, Troubles
from scenes import START, Host, builder
from talks import S7, Enip, Line, Modbus

network = builder("plant", "network")
ROUTER: Host = network.ROUTER  # also gives addresses, time, names

BEGIN = START - 8 * HOUR  # Monday, 2026-01-05 00:00 UTC
DAYS = 14
END = BEGIN + DAYS * DAY
LEARNED = BEGIN + 7 * DAY  # what comes later is not learned
PRODUCTION_VLAN, UTILITIES_VLAN = 10, 20


def _hosts(front: str, maker: str, first: int, count: int, net: int = 1) -> list[Host]:
    return [
        Host(
            f"{front}-{n + 1}", f"{maker}:20:{net:02x}:{first + n:02x}", f"10.20.{net}.{first + n}"
        )
        for n in range(count)
    ]


SWITCHES = [
    Host("sw-production", "00:80:63:20:01:02", "10.20.1.2"),
    Host("sw-utilities", "00:80:63:20:02:02", "10.20.2.2"),
]
PANELS = _hosts("hmi", "d0:94:66", 11, 2)
PROCESS, PACKING = PANELS
HISTORIAN, BATCH, STATION, BACKUP, FLEET = (
    Host(name, f"{maker}:20:01:{number:02x}", f"10.20.1.{number}")
    for name, maker, number in (
        ("historian", "d0:94:66", 13), ("batch", "d0:94:66", 14), ("ews-1", "8c:ec:4b", 15),
        ("backup", "00:11:32", 16), ("fleet", "d0:94:66", 17),
    )
)  # fmt: skip
SIEMENS = _hosts("plc-s", "00:1b:1b", 21, 6)
SCHNEIDER = _hosts("plc-m", "00:80:f4", 31, 6)
ROCKWELL = _hosts("plc-r", "00:00:bc", 41, 3)
RTU = Host("rtu-energy", "00:60:e9:20:01:45", "10.20.1.45")
GATEWAY = Host("gw-meters", "00:90:e8:20:01:47", "10.20.1.47")
DRIVES = _hosts("drive", "00:80:f4", 51, 3)
ROBOTS = _hosts("robot", "00:21:f2", 61, 2)
TABLETS = _hosts("tablet", "b0:a7:b9", 101, 2)
UTILITIES = Host("hmi-utilities", "d0:94:66:20:02:11", "10.20.2.11")
PUMPS = _hosts("plc-u", "00:80:f4", 21, 4, net=2)
METERS = Host("gw-utilities", "00:90:e8:20:02:30", "10.20.2.30")

CABINET = [*SCHNEIDER[:3], *DRIVES[:2]]  # on one power feed
SECOND_VLAN = [SWITCHES[1], UTILITIES, *PUMPS, METERS]
EVERYONE = [
    *(ROUTER, *SWITCHES, *PANELS, HISTORIAN, BATCH, STATION, BACKUP, FLEET, *SIEMENS, *SCHNEIDER),
    *(*ROCKWELL, RTU, GATEWAY, *DRIVES, *ROBOTS, *TABLETS, UTILITIES, *PUMPS, METERS),
]
PASTEURISER, MIXER = SIEMENS[0], SCHNEIDER[4]  # what recipes are written to

PRODUCTION, CLEANING, IDLE = 1, 2, 0  # what the mixer says of the plant, register 9
PHASE = 9
CIP_VALVE, FEED_PUMP = 8, 1  # coils of the mixer: the first is opened in cleaning only
RECIPES = {"A": (720, 1_350, 45), "B": (650, 1_480, 60)}  # temperature, speed, minutes
CLEANING_SET = (850, 600, 30)
RECIPE_BLOCK, RECIPE_AT = 20, 200  # data block of the pasteuriser, registers of the mixer
SETPOINT = 100  # register or word that operators set


def vlans() -> dict[str, int]:
    """The VLAN of each device by MAC address."""
    return {one.mac: UTILITIES_VLAN if one in SECOND_VLAN else PRODUCTION_VLAN for one in EVERYONE}


def moment(day: int, hour: float) -> int:
    """A time of the story: day 1 is a Monday."""
    return BEGIN + (day - 1) * DAY + int(hour * HOUR)


def text(time: int) -> str:
    """A time as labels and change records have it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def weekday(day: int) -> bool:
    """Whether somebody works."""
    return (day - 1) % 7 < 5


@dataclass(frozen=True)
class Label:
    """Something that happens, and how it should be told."""

    episode: str
    begin: int
    end: int
    kind: str  # attack, benign
    name: str  # kinds of findings, any of which is right; empty: nothing should be told
    technique: str
    hosts: tuple[str, ...]  # addresses


@dataclass(frozen=True)
class Change:
    """Announced work, as `otsec change import` reads it."""

    id: str
    assets: tuple[str, ...]
    hosts: tuple[str, ...]  # who may do it
    by: str
    begin: int
    end: int
    classes: tuple[str, ...]
    reason: str


@dataclass
class Story:
    """The plant while its two weeks are told."""

    mirror: Mirror
    thin: float = 1.0  # polls are so many times rarer
    labels: list[Label] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    addresses: dict[tuple[str, int], str] = field(default_factory=dict)  # of a name on a day
    moved: dict[str, tuple[int, Host]] = field(default_factory=dict)  # by name: since when, as what
    says: dict[str, list[tuple[int, str]]] = field(
        default_factory=dict
    )  # by name: since when, what
    phases: list[tuple[int, int, int, str]] = field(
        default_factory=list
    )  # begin, end, phase, recipe

    @property
    def troubles(self) -> Troubles:
        """What is wrong, and when."""
        return self.mirror.troubles

    def label(
        self,
        episode: str,
        span: tuple[int, int],
        kind: str,
        name: str,
        technique: str,
        *hosts: Host,
    ) -> None:
        """Write down something that happens, by the tap's clock."""
        begin, end = map(self.troubles.shown, span)
        addresses = tuple(one.address for one in hosts)
        self.labels.append(Label(episode, begin, end, kind, name, technique, addresses))

    def line(self, client: Host, server: Host) -> Line:
        """The standing connection of two."""
        return self.lines[client.address, server.address]

    def here(self, host: Host, time: int) -> Host:
        """A device as it is there at a time: one that was replaced has another MAC address."""
        since, new = self.moved.get(host.name, (0, host))
        return new if time >= since else host

    def said(self, host: Host, time: int, usual: str) -> str:
        """Its serial number or firmware, as it tells it at a time."""
        told = [what for since, what in self.says.get(host.name, ()) if since <= time]
        return told[-1] if told else usual

    def play(self) -> None:
        """Do all that was planned on standing connections."""
        for line in self.lines.values():
            line.play()

    def phase(self, time: int) -> int:
        """Production, cleaning or neither."""
        return next((kind for begin, end, kind, _ in self.phases if begin <= time < end), IDLE)


def polled() -> list[tuple[Host, Host, type[Line], int]]:
    """Who reads whom by what, and every how many seconds."""
    rows: list[tuple[Host, Host, type[Line], int]] = []
    rows += [(PROCESS, one, S7, 60) for one in SIEMENS]
    rows += [(PROCESS, one, Modbus, 60) for one in SCHNEIDER]
    rows += [(PACKING, one, Enip, 60) for one in ROCKWELL]
    rows += [(PACKING, one, Modbus, 60) for one in DRIVES]
    rows += [(HISTORIAN, one, S7, 300) for one in SIEMENS]
    rows += [(HISTORIAN, one, Modbus, 300) for one in (*SCHNEIDER, *DRIVES, GATEWAY)]
    rows += [(BATCH, PASTEURISER, S7, 120), (BATCH, MIXER, Modbus, 120)]
    rows += [(UTILITIES, one, Modbus, 60) for one in (*PUMPS, METERS)]
    return rows


def poll(story: Story, line: Line, time: int) -> None:
    """One read of a line."""
    historian = line.client is HISTORIAN
    match line:
        case Modbus():
            fixed = {PHASE: story.phase(time)} if line.server is MIXER and not historian else {}
            line.read(time, 40 if historian else 0, 4 if historian else 10, fixed)
        case S7():
            line.read(time, 3 if historian else 1, 0, 4 if historian else 8)
        case Enip():
            line.read(time, "Program:Line.Speed", "Program:Line.Count", "Program:Line.State")
