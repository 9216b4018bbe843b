"""Work on the plant: firmware and programs, a controller that is replaced; most of it announced."""

from functools import partial

from dairy import DRIVES, GATEWAY, HISTORIAN, PROCESS, SIEMENS, STATION, Change, Story, moment
from days import FIRMWARE, ORDER, ask_modbus
from mirror import MILLISECOND, MINUTE, SECOND
from outages import announce
from scenes import Host
from talks import S7

IMAGE = bytes(range(256)) * 2
REPLACED, NEW_SERIAL = SIEMENS[3], "S C-D7U902211073"


def program_changed(story: Story) -> None:
    """While learning, and announced: two blocks of a controller are loaded."""
    begin = moment(4, 10)
    line = S7(story.mirror, STATION, SIEMENS[1], kind=1)
    time = line.load(line.open(begin), "0C", 12, IMAGE[:120])
    line.load(time + SECOND, "0A", 20, IMAGE[:60])
    _announced(story, "change-0017", begin, SIEMENS[1], ("program",), "new recipe")


def firmware_announced(story: Story) -> None:
    """The gateway gets another firmware, as announced."""
    begin = moment(9, 13)
    _firmware(story, GATEWAY, begin, "4.2")
    _announced(story, "change-0021", begin, GATEWAY, ("firmware", "file"), "firmware 4.2")
    span = (begin, begin + 40 * MINUTE)
    story.label("firmware-announced", span, "benign", "expected", "", GATEWAY, STATION)


def firmware_unannounced(story: Story) -> None:
    """A drive gets another firmware, and nobody has said so."""
    begin = moment(11, 10.3)
    _firmware(story, DRIVES[2], begin, "2.9")
    span = (begin, begin + 40 * MINUTE)
    names = "tftp-written|new-conversation|new-operation|identity-changed|unlinked"
    story.label("firmware-unannounced", span, "attack", names, "T0857", STATION, DRIVES[2])


def _firmware(story: Story, host: Host, time: int, version: str) -> None:
    """By TFTP ([TFTP] 4) from the engineering station; then it restarts."""
    mirror, ports = story.mirror, (51_069, 51_169)
    front = b"\0\2firmware.bin\0octet\0blksize\0001024\0tsize\0" + b"%d\0" % len(IMAGE)
    mirror.datagram(time, STATION, host, (ports[0], 69), front)
    said = [
        (host, b"\0\6blksize\0001024\0"), (STATION, b"\0\3\0\1" + IMAGE), (host, b"\0\4\0\1"),
    ]  # fmt: skip
    for number, (source, data) in enumerate(said, 1):
        ends = (source, STATION if source is host else host)
        pair = ports[::-1] if source is host else ports
        mirror.datagram(time + number * 20 * MILLISECOND, *ends, pair, data)
    restarted = (time + 10 * SECOND, time + 100 * SECOND)
    story.troubles.off.setdefault(host.name, []).append(restarted)
    announce(mirror, host, restarted[1])
    story.says.setdefault(host.name, []).append((restarted[1], version))
    ask_modbus(story, host, restarted[1] + 5 * MINUTE)


def controller_replaced(story: Story) -> None:
    """A controller burns out; an identical one gets its address and its program, as announced."""
    begin = moment(10, 9)
    away = (begin, begin + 25 * MINUTE)
    new = Host(REPLACED.name, "00:1b:1b:20:01:7e", REPLACED.address)
    story.mirror.vlans[new.mac] = story.mirror.vlans[REPLACED.mac]
    story.troubles.off.setdefault(REPLACED.name, []).append(away)
    story.says[REPLACED.name] = [(away[1], NEW_SERIAL)]
    story.moved[REPLACED.name] = (away[1], new)
    for client in (PROCESS, HISTORIAN):
        line = story.line(client, REPLACED)
        line.plan(away[1], partial(line.moved, new))
    announce(story.mirror, new, away[1])
    line = S7(story.mirror, STATION, new, kind=1)
    time = line.open(away[1] + 2 * MINUTE)
    for block in (1, 2, 3):
        time = line.load(time, "0C", block, IMAGE[: 60 * block]) + SECOND
    time = line.start(time + 5 * SECOND)
    line.identify(time + MINUTE, ORDER, NEW_SERIAL, FIRMWARE)
    classes = ("program", "mode", "identity", "module")
    _announced(story, "change-0023", begin, REPLACED, classes, "the controller is burnt out")
    span = (begin, begin + 60 * MINUTE)
    card = Host(new.name, new.mac, new.mac)  # the new one is told by its own address as well
    story.label("controller-replaced", span, "benign", "expected", "", REPLACED, STATION, card)


def _announced(
    story: Story, name: str, begin: int, host: Host, classes: tuple[str, ...], reason: str
) -> None:
    shown = story.troubles.shown
    span = (shown(begin - 10 * MINUTE), shown(begin + 70 * MINUTE))
    who = ((host.address,), (STATION.address,), "M. Example")
    story.changes.append(Change(name, *who, *span, classes, reason))


def upkeep(story: Story) -> None:
    """All of it."""
    for scene in (program_changed, firmware_announced, firmware_unannounced, controller_replaced):
        scene(story)
