"""``otsec monitor``: listen on interfaces, passively, for as long as it runs."""

import os
import re
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec.cli import options
from otsec.cli.analyze import judging as judged
from otsec.cli.analyze import positive, seconds, site_policy
from otsec.cli.aside import SETTINGS, Aside
from otsec.cli.beside import Screens
from otsec.errors import ConfigError, Exit, OtsecError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from otsec.capture.live.contract import Tap
    from otsec.cli.progress import Progress
    from otsec.config import Config
    from otsec.sensor.heartbeat import Heart
    from otsec.sensor.listening import Listening
    from otsec.sensor.service import Manager

EVIDENCE = {  # as otsec/sensor/kept.py, which would cost start-up; a test keeps both equal
    "mixed": "industrial packets, ARP and LLDP in full, of others the headers",
    "ot-only": "industrial packets, ARP and LLDP in full, others not at all",
    "headers": "of all packets the headers",
    "full": "every byte of every packet",
}
WAYS = ("ring", "libpcap", "scapy")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
UNITS_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
HEARTBEAT_S = 60.0
AFTER_RESTART = ("site", "store", "points", "caps")  # settings on which what is open depends

EPILOG = """\
Nothing is ever sent. A process of its own keeps the right CAP_NET_RAW and opens the interfaces; all
else runs without rights, as the owner of the store. Each interface is a capture point: the one of
otsec.yaml that lists it, else one of its name. Without -i the interfaces of otsec.yaml are taken.
Ctrl-C or SIGTERM ends it at a checkpoint, exit code 0; SIGHUP checks the configuration again.
With -w and --evidence full the recording read by `otsec analyze` gives the same store.
Under overload detail goes first: bodies of what is not industrial (--evidence mixed), then the
recording, then packets, which the kernel counts. docs/live.md tells more, and has a service unit."""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "-i",
        "--interface",
        action="append",
        default=[],
        metavar="IF",
        help="listen on this interface; may be given several times",
    )
    parser.add_argument(
        "-f", "--filter", default="", metavar="BPF", help="only what matches, as in tcpdump"
    )
    options.store(parser)
    parser.add_argument("--site", metavar="NAME", help="the site (default: `site` of otsec.yaml)")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        default=None,
        metavar="TIME",
        help="end after this time, as 120s, 10m, 2h",
    )
    recording(parser)
    judged(parser)
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes (default 1): the second writes, further ones dissect; the result is the same",
    )
    parser.add_argument(
        "--checkpoint",
        type=seconds,
        default=None,
        metavar="SECONDS",
        help="time between checkpoints (default 10)",
    )
    parser.add_argument(
        "--heartbeat",
        type=seconds,
        default=HEARTBEAT_S,
        metavar="SECONDS",
        help="time between two heartbeats, a line of the log and a row of the store (default 60)",
    )
    parser.add_argument(
        "--tui", action="store_true", help="show the screens meanwhile; leaving them ends it"
    )
    parser.add_argument(
        "--buffer",
        type=size,
        default=128 << 20,  # as packet_socket.RING_BYTES; a test keeps both equal
        metavar="BYTES",
        help="the ring of each interface, in which packets wait (default 128M)",
    )
    parser.add_argument(
        "--by",
        choices=WAYS,
        default="ring",
        help="how to listen: the kernel's ring (default), or libpcap or scapy where there is none",
    )
    parser.epilog = EPILOG


def recording(parser: ArgumentParser) -> None:
    """Arguments of what is recorded."""
    parser.add_argument(
        "-w",
        "--write",
        type=Path,
        metavar="DIR",
        help="record evidence there, as pcapng that rolls",
    )
    parser.add_argument(
        "--evidence",
        choices=tuple(EVIDENCE),
        default="mixed",
        help="what is recorded: " + "; ".join(f"{name}: {text}" for name, text in EVIDENCE.items()),
    )
    parser.add_argument(
        "--evidence-size",
        type=size,
        default=10 * 10**9,
        metavar="BYTES",
        help="the most that is kept of each interface (default 10G); the oldest goes first",
    )
    parser.add_argument(
        "--evidence-age",
        type=duration,
        default=30 * 86_400.0,
        metavar="TIME",
        help="how long it is kept (default 30d)",
    )


def duration(text: str) -> float:
    """Seconds of ``90``, ``120s``, ``10m``, ``2h``, ``30d``, for argparse."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", text.strip().lower())
    if not match or not float(match[1]):
        raise ArgumentTypeError(f"expected a time as 120s, 10m, 2h or 30d, found {text!a}")
    return float(match[1]) * UNITS_S[match[2] or "s"]


def size(text: str) -> int:
    """Bytes of ``64M``, ``10G``, ``500000``, for argparse."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)([kmgt]?)i?b?", text.strip().lower())
    if not match or not float(match[1]):
        raise ArgumentTypeError(f"expected bytes as 64M or 10G, found {text!a}")
    return int(float(match[1]) * UNITS_BYTES[match[2]])


def run(arguments: Namespace) -> int:
    """Listen."""
    if sys.platform == "win32":
        raise UsageError("monitor: not on Windows; let dumpcap record, and follow it: otsec watch")
    if not sys.platform.startswith("linux") and arguments.by == "ring":
        raise UsageError("monitor: the kernel's ring is Linux's; here use --by libpcap")
    config = options.configured(arguments, *SETTINGS)
    chosen = interfaces(arguments.interface, config)
    if arguments.tui and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("monitor: --tui needs a terminal; otsec tui shows the store from another")
    os.umask(0o077)
    with ExitStack() as stack:
        opener = None
        if arguments.by == "ring":  # before anything heavy, so that it is small
            from otsec.sensor.opener import Opener

            opener = stack.enter_context(Opener())
        from otsec.sensor import rights, taps

        ways = taps.Ways(arguments.by, arguments.filter, arguments.buffer)
        open_tap = ways.opener(list(chosen), opener)
        if opener is not None:
            rights.give_up(config.store)
        return _listen(arguments, config, chosen, open_tap, stack)


def interfaces(named: list[str], config: "Config") -> dict[str, str]:
    """The capture point of each interface: that of otsec.yaml which lists it, else its name."""
    points = {
        name: point.name if len(point.interfaces) == 1 else f"{point.name}-{name}"
        for point in config.points.values()
        for name in point.interfaces
    }
    names = list(dict.fromkeys(named)) or list(points)
    if not names:
        raise UsageError(
            "monitor: name an interface by -i (or give points in otsec.yaml their `interfaces`)"
        )
    return {name: points.get(name, name) for name in names}


def _listen(
    arguments: Namespace,
    config: "Config",
    chosen: dict[str, str],
    open_tap: "Callable[[str], Tap]",
    stack: ExitStack,
) -> int:
    from otsec.cli.output import say
    from otsec.cli.progress import Progress
    from otsec.cli.signals import listening
    from otsec.pipeline import CHECKPOINT_S, Options
    from otsec.schedule.recorded import configuration
    from otsec.sensor.heartbeat import Heart
    from otsec.sensor.listening import Listening
    from otsec.sensor.service import Manager
    from otsec.store import open_store

    if not arguments.no_rules:
        site_policy(config)  # its mistakes are told before anything is listened to
    stop = stack.enter_context(listening())
    store = stack.enter_context(open_store(config.store))
    configuration(store, config, time.time_ns())
    shown = not (arguments.quiet or arguments.tui)
    progress = stack.enter_context(Progress(None, quiet=not shown))
    tell = progress.tell
    settings = Options(workers=arguments.workers, checkpoint_s=arguments.checkpoint or CHECKPOINT_S)
    sensor = stack.enter_context(
        Listening(store, config, settings, stop.stop_requested, open_tap, tell)
    )
    judging = stack.enter_context(Aside(arguments, config))
    sensor.written = judging.begin
    for name, point in chosen.items():
        _listen_on(name, point, arguments, sensor)
    manager = Manager()
    heart = Heart(store, sensor.ears, arguments.heartbeat, lambda: judging.version)
    beat = _Beat(arguments, config, sensor, heart, manager, progress, tell, judging)
    if arguments.tui:
        beat.screens = stack.enter_context(Screens(config, stop.finish))
        beat.tell = sensor.say = beat.screens.keep
    with _reloading(beat):
        until = None if arguments.for_s is None else time.monotonic() + arguments.for_s
        sensor.listen(until, beat)
    if beat.screens is not None:
        beat.screens.close()
        sensor.say = tell
    manager.tell("STOPPING=1")
    sensor.finish()
    for line in judging.last():
        tell(line)
    heart.beat(stopped=True)
    progress.clear()
    if not arguments.quiet:
        for ear in sensor.ears:
            say(
                f"otsec: {ear.name}: heard {ear.received:,} packets, {ear.dropped:,} dropped, "
                f"into {config.store} as point {ear.point}"
            )
    return Exit.FINE


def _listen_on(name: str, point: str, arguments: Namespace, sensor: "Listening") -> None:
    """Add an interface to the sensor, with its recording where there is to be one."""
    from otsec.sensor.pinning import pinned
    from otsec.sensor.recording import Bounds, Recording, folder_of
    from otsec.sensor.taps import known_interface

    if arguments.write is None:
        sensor.add(name, point, None, arguments.evidence)
        return
    files = Recording(
        folder_of(arguments.write, point),
        name,
        known_interface(name).link,
        Bounds(arguments.evidence_size, arguments.evidence_age),
        part="" if arguments.evidence == "full" else arguments.evidence,
    )
    ear = sensor.add(name, point, files, arguments.evidence)
    files.pinned = partial(pinned, sensor.store, ear.source, files.bounds)


class _Beat:
    """What is done between two batches: heartbeat, watchdog, reloading, the line of progress."""

    def __init__(
        self,
        arguments: Namespace,
        config: "Config",
        sensor: "Listening",
        heart: "Heart",
        manager: "Manager",
        progress: "Progress",
        tell: "Callable[[str], None]",
        judging: Aside,
    ) -> None:
        self.judging = judging
        self.arguments, self.config, self.sensor = arguments, config, sensor
        self.heart, self.manager, self.progress, self.tell = heart, manager, progress, tell
        self.reload = False
        self.ready = False
        self.screens: Screens | None = None
        self.wrong: list[str] = []  # what was told of otsec itself at the heartbeat before

    def __call__(self) -> None:
        """One look."""
        if not self.ready:
            self.ready = True
            self.manager.tell("READY=1")
        self.manager.alive()
        if self.screens is not None:
            self.screens.look()
        for line in self.judging.told():
            self.tell(line)
        if self.reload:
            self.reload = False
            self._reload()
        if self.heart.due():
            self._beat()
        self._show()

    def _beat(self) -> None:
        from otsec.schedule.alerts import overdue
        from otsec.sensor.heartbeat import line
        from otsec.store.paging import open_alerts

        rows = self.heart.beat()
        lines = [line(ear, row) for ear, row in zip(self.sensor.ears, rows, strict=True)]
        wrong = [*open_alerts(self.heart.store), *overdue(self.heart.store, time.time_ns())]
        self.manager.tell("STATUS=" + "; ".join([*lines, *wrong]))
        for text in wrong:
            if text not in self.wrong:
                self.tell(text)
        self.wrong = wrong
        for row, text in zip(rows, lines, strict=True):
            bad = row.dropped or row.shed or row.state != "listening"
            if not self.arguments.quiet and (bad or not self.progress.shown):
                self.tell(text)

    def _show(self) -> None:
        ears = self.sensor.ears
        dropped = sum(ear.total("dropped") for ear in ears)
        label = f"{dropped:,} dropped  ring {max(ear.fullest for ear in ears):.0%}"
        down = " ".join(ear.name for ear in ears if ear.tap is None)
        heard = sum(ear.total("bytes") for ear in ears)
        self.progress.update(
            heard, self.sensor.packets, f"{label}  waiting for {down}" if down else label
        )

    def _reload(self) -> None:
        """SIGHUP: a configuration with mistakes changes nothing."""
        from otsec.config import shown
        from otsec.schedule.recorded import configuration

        self.manager.tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = options.configured(self.arguments, *SETTINGS)
        except ConfigError as error:
            self.tell(f"the configuration has mistakes, so the old one stays in effect\n{error}")
        except OtsecError as error:
            self.tell(f"the old configuration stays in effect: {error}")
        else:
            self.judging.read_again()  # rules and policy too; mistakes are told, and left out
            configuration(self.heart.store, self.config, time.time_ns())
            before = {one.name: one.value for one in shown(self.config)}
            changed = [one.name for one in shown(config) if before.get(one.name) != one.value]
            later = [name for name in changed if name.partition(".")[0] in AFTER_RESTART]
            now = [name for name in changed if name not in later]
            self.sensor.config = replace(self.sensor.config, keep=config.keep)
            for words, names in (("now", now), ("after a restart", later)):
                if names:
                    self.tell(f"no mistakes; changed, in effect {words}: {', '.join(names)}")
            if not changed:
                self.tell("no mistakes, and nothing has changed in the configuration")
            self.config = config
        self.manager.tell("READY=1")


class _reloading:  # noqa: N801 - reads as a word at the `with`
    """SIGHUP asks for another look at the configuration while the block runs."""

    def __init__(self, beat: _Beat) -> None:
        self.beat = beat
        self.number = getattr(signal, "SIGHUP", None)
        self.before: Any = None

    def __enter__(self) -> None:
        if self.number is not None:
            self.before = signal.signal(self.number, self._ask)

    def __exit__(self, *problem: object) -> None:
        if self.number is not None:
            signal.signal(self.number, self.before)

    def _ask(self, _number: int, _frame: "FrameType | None") -> None:
        self.beat.reload = True
