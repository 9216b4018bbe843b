"""Trying an interface before a sensor is left alone with it: what the system says, what is heard."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from otsec.capture.live.interface import Interface
from otsec.config import Config
from otsec.errors import Exit, OtsecError
from otsec.health import Severity, judge
from otsec.pipeline import Options
from otsec.sensor import rights
from otsec.sensor.listening import Listening
from otsec.sensor.opener import Opener
from otsec.sensor.taps import Ways, known_interface
from otsec.store import open_store

State: TypeAlias = Literal["ok", "note", "problem"]
STATES: dict[Severity, State] = {
    Severity.BAD: "problem",
    Severity.WARN: "note",
    Severity.GOOD: "ok",
    Severity.UNKNOWN: "note",
}
DAY_S = 86_400


class Found(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: State
    found: str
    advice: str = ""
    exit: Exit = Exit.FINE  # what a bad mirror tells is an answer, not a failure


def tried(
    name: str, for_s: float, folder: Path, config: Config, stop: Callable[[], bool]
) -> Iterator[Found]:
    """What is to say of an interface; ``folder``: where evidence would lie."""
    try:
        told = known_interface(name)
        _ = told.link
    except OtsecError as error:
        yield Found(name, "problem", str(error), "name an interface of this machine", error.exit)
        return
    yield from described(told)
    if not rights.may_listen():
        yield Found(
            "rights", "problem", "no right to listen (CAP_NET_RAW)", rights.NEEDED, Exit.PERMISSION
        )
        return
    yield Found("rights", "ok", "may listen; the process that reads packets gives all rights up")
    if not told.up:
        return
    with tempfile.TemporaryDirectory(prefix="otsec-") as temporary:
        yield from _heard(name, for_s, Path(temporary), folder, config, stop)


def described(told: Interface) -> Iterator[Found]:
    """What the system says of an interface."""
    name = told.name
    if not told.up:
        yield Found(
            name, "problem", "is down", f"ip link set {name} up (without any address)", Exit.USAGE
        )
    elif not told.running:
        yield Found(name, "problem", "has no link", "look at cable, tap and mirror port")
    else:
        yield Found(name, "ok", "is up and has a link")
    speaks = [f"has the IPv6 address {address}" for address in told.addresses]
    speaks += ["answers ARP"] if told.arp else []
    if speaks:
        yield Found(
            "silence",
            "note",
            f"otsec sends nothing, but the kernel itself may: {name} {' and '.join(speaks)}",
            f"ip link set {name} arp off; sysctl net.ipv6.conf.{name}.disable_ipv6=1; no address",
        )
    else:
        yield Found("silence", "ok", "the kernel has no address to speak from")
    joined = [word for word, on in (("gro", told.gro), ("lro", told.lro)) if on]
    if joined:
        yield Found(
            "offloads",
            "note",
            f"{' and '.join(joined)}: packets may be joined before they are seen",
            f"ethtool -K {name} " + " ".join(f"{word} off" for word in joined),
        )
    else:
        yield Found("offloads", "ok", "packets are seen as they came")


def _heard(
    name: str, for_s: float, temporary: Path, folder: Path, config: Config, stop: Callable[[], bool]
) -> Iterator[Found]:
    with Opener() as helper:
        open_tap = Ways().opener([name], helper)
        rights.give_up(temporary)
        with open_store(temporary / "trial.db") as store:
            sensor = Listening(store, config, Options(), stop, open_tap, lambda _line: None)
            ear = sensor.add(name, name, None, "full")
            begin = time.monotonic()
            sensor.listen(begin + for_s)
            took_s = max(time.monotonic() - begin, 0.001)
            sensor.finish()
            yield from _amount(ear.received, ear.dropped, ear.bytes, took_s, folder)
            for report in judge(store):
                yield Found(
                    "mirror", STATES[report.severity], f"{report.sentence}, after {took_s:.0f} s"
                )
                for one in report.verdicts:
                    if one.check == "drops" and one.severity == Severity.UNKNOWN:
                        continue  # here the ring tells
                    advice = one.advice if one.severity in {Severity.BAD, Severity.WARN} else ""
                    yield Found(one.check, STATES[one.severity], one.figure, advice)


def _amount(packets: int, dropped: int, size: int, took_s: float, folder: Path) -> Iterator[Found]:
    rate = f"{packets / took_s:,.0f} packets a second, {size * 8 / took_s / 1e6:,.1f} Mbit/s"
    if dropped:
        yield Found(
            "load",
            "problem",
            f"{rate}; {dropped:,} packets lost",
            "a faster machine, or -f to hear less",
        )
    else:
        yield Found("load", "ok", f"{rate}; none lost")
    day = (size + 32 * packets) / took_s * DAY_S  # a packet has a head of 32 bytes in pcapng
    free = shutil.disk_usage(folder).free
    if not day:
        yield Found("evidence", "note", "no traffic to judge by how much there would be")
        return
    state: State = "ok" if free / day >= 1 else "note"
    advice = "" if state == "ok" else "bound evidence by --evidence-size, or give it a larger disk"
    yield Found(
        "evidence",
        state,
        f"all of it would be {day / 1e9:,.1f} GB a day; room for {free / day:,.0f} days",
        advice,
    )
