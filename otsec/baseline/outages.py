"""What went out, told apart: the tap, a VLAN of the mirror, power, a switch, one device, the clock.

Who falls silent at one moment has one cause. Which one is told by who else was heard meanwhile,
whether those who ask went on asking (then the devices are gone, not their picture in the mirror),
whether they announced themselves when they were back, and whether they were back at one moment.
Each outage says what speaks for it and how sure that is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from otsec.baseline.presence import comes_and_goes
from otsec.baseline.restarts import together
from otsec.baseline.silences import Cluster, Followed, Quiet, clusters, followed
from otsec.detect.telling import few
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.model import Asset, Node
from otsec.nanoseconds import DAY_NS, SECOND_NS
from otsec.store import Store
from otsec.store.queries import is_device
from otsec.store.timing import Announcement, Path, Volume, loud

Kind: TypeAlias = Literal[
    "tap-outage",
    "sensor-overload",
    "clock-step",
    "vlan-lost",
    "switch-lost",
    "power-lost",
    "network-storm",
    "device-restarts",
    "device-silent",
    "peer-silent",
]
ALL = 0.9  # share of those who could be noticed: then it was all of them
SEVERAL = 2
NEAR_NS = 15 * SECOND_NS  # between an announcement and what else is heard of a device
SURE_OF_POWER = 0.8  # at least, if several announced themselves of whom some were missed
OFTEN = 8  # announcements within a day of one that means nothing then
RESTARTS = 3  # so often a device went and came: it does so again and again
FEEDS = ("feed", "cabinet")  # attributes by which people say what is on one supply
ROUGH_NS = 300 * SECOND_NS  # who fell silent within so long need not have one cause
STORM_PACKETS = 360_000  # to everybody within one hour: 100 a second
STORM_TIMES = 20  # so many times what is usual
DROPS_NEAR_NS = 60 * SECOND_NS  # losses that follow one another so soon are one
STEPS = 3  # of the clock; more are one thing


class Device(NamedTuple):
    """Who was silent."""

    address: str
    name: str
    asset: str  # its id; empty: none
    begin_time: int  # of its last packet before
    end_time: int  # of its first packet behind; 0: it is still silent
    announced: bool  # the first that was heard of it was an announcement to everybody


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that was out, from when to when, and why it is taken for what it is."""

    kind: Kind
    site: str
    group: str
    point: str
    source: int
    place: str
    begin: int  # ns by the capture's clock
    end: int  # 0: it goes on
    packet: int  # the last before it
    end_packet: int
    devices: tuple[Device, ...]
    confidence: float
    reasons: tuple[str, ...]
    feed: str = ""  # as people named it; `proposed`: the devices may be on one
    times: int = 1
    unseen: bool = False  # too short for silences; that devices announced themselves tells of it

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return not self.end


def outages(store: Store, found: Inventory | None = None) -> list[Outage]:
    """All outages, in order of their begin; ``found``: who is there, if that is known already."""
    by_hour: dict[int, list[Volume]] = defaultdict(list)
    for one in loud(store, STORM_PACKETS):
        if not is_device(one.receiver):
            by_hour[one.source].append(one)
    who = (lambda: found) if found is not None else cache(lambda: inventory(store))
    told: list[Outage] = []
    for heard in followed(store):
        told += _Look(heard, who).outages(by_hour[heard.source.source])
    return sorted(told, key=lambda one: (one.begin, one.source, one.kind, one.place, one.packet))


@dataclass(frozen=True)
class _Look:
    heard: Followed
    who: Callable[[], Inventory]  # asked only if there is something to tell

    @property
    def found(self) -> Inventory:
        """Who is there."""
        return self.who()

    def outages(self, by_hour: Sequence[Volume]) -> Iterator[Outage]:
        yield from self._gaps()
        yield from self._storms(by_hour)
        quiet = [one for path in self.heard.senders for one in self.heard.quiet(path)]
        quiet = [one for one in quiet if is_device(one.path.sender) and self._missed(one.path)]
        told = [made for one in clusters(quiet) for made in self._told(one)]
        for some in together(self.heard):
            told = self._restarted(told, some)
        yield from _repeated(told)
        yield from self._peers(told)

    @property
    def now(self) -> int:
        """The end of what was heard."""
        return self.heard.source.last_time

    # ------------------------------------------------------------------- what gaps say

    def _gaps(self) -> Iterator[Outage]:
        lost: list[Outage] = []
        steps: list[Outage] = []
        for gap in self.heard.gaps:
            if gap.kind == "outage":
                why = f"the sensor says so: {gap.detail}" if gap.detail else "the sensor says so"
                made = self._made("tap-outage", gap.begin_time, gap.end_time, 1.0, why)
            elif gap.kind == "drops":
                why = f"the sensor says that it lost {gap.detail}"
                made = self._made("sensor-overload", gap.begin_time, gap.end_time, 1.0, why)
                if lost and made.begin - lost[-1].end <= DROPS_NEAR_NS:
                    before = lost[-1]
                    times = before.times + 1
                    why = f"the sensor says {times} times that it lost packets"
                    lost[-1] = replace(before, end=made.end, times=times, reasons=(why,))
                    continue
                lost.append(made)
                continue
            else:
                by_s = (gap.end_time - gap.begin_time) / SECOND_NS
                way = "back" if by_s < 0 else "ahead"
                why = f"from one packet to the next the time goes {way} by {abs(by_s):.0f} s"
                made = self._made("clock-step", gap.begin_time, gap.end_time, 1.0, why)
                made = replace(made, begin=min(made.begin, made.end), end=max(made.begin, made.end))
            made = replace(made, packet=max(gap.packet - 1, 0), end_packet=gap.packet)
            if made.kind == "clock-step":
                steps.append(made)
            else:
                yield made
        yield from lost
        if len(steps) > STEPS:
            reasons = (
                f"the time steps {len(steps)} times",
                "captures of different times or machines were joined, or the clock is set by hand",
            )
            last = max(steps, key=lambda one: one.end)
            made = replace(steps[0], times=len(steps), reasons=reasons)
            steps = [replace(made, end=last.end, end_packet=last.end_packet)]
        yield from steps

    def _storms(self, by_hour: Sequence[Volume]) -> Iterator[Outage]:
        """Hours in which somebody sends to everybody as nobody does."""
        sent: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for one in by_hour:
            sent[one.place, one.sender][one.hour] += one.packets
        for (place, sender), hours in sorted(sent.items()):
            for hour, packets in sorted(hours.items()):
                rest = sorted(count for other, count in hours.items() if other != hour)
                usual = rest[len(rest) // 2] if rest else 0
                if packets < max(STORM_PACKETS, STORM_TIMES * usual):
                    continue
                begin = hour * 3600 * SECOND_NS
                why = (
                    f"{packets} packets to everybody within an hour; {usual} are usual",
                    "a loop, or a device that is broken or attacks",
                )
                made = self._made("network-storm", begin, begin + 3600 * SECOND_NS, 0.8, *why)
                path = self.heard.paths.get((place, sender, ""))
                packet = path.first_packet if path else 0
                device = self._device(place, sender, begin, made.end, announced=False)
                yield replace(
                    made, place=place, devices=(device,), packet=packet, end_packet=packet
                )

    # ------------------------------------------------------------------ what silences say

    def _told(self, one: Cluster) -> Iterator[Outage]:
        """What a cluster tells: one outage, or if they have nothing in common one a device."""
        end = min(quiet.until(self.now) for quiet in one.quiet)
        rest = list(self._others(one, end))
        devices = self._devices(one.quiet)
        count = len(devices) + len({self._name(path) for path in rest})
        share = len(devices) / count
        if len(devices) >= SEVERAL and share >= ALL:
            yield self._tap(one, devices, rest)
            return
        for place, quiet in _by_place(one.quiet).items():
            mine = self._devices(quiet)
            others = [path for path in rest if path.place == place]
            cluster = replace(one, quiet=tuple(quiet))
            if len(mine) < SEVERAL:
                yield from (self._single(each) for each in quiet if self._first(each, quiet))
            else:
                yield self._several(cluster, mine, others, elsewhere=len(rest) > len(others))

    def _first(self, one: Quiet, quiet: Sequence[Quiet]) -> bool:
        """Whether it is the first of the addresses of its device."""
        name = self._name(one.path)
        return one is next(each for each in quiet if self._name(each.path) == name)

    def _others(self, one: Cluster, end: int) -> Iterator[Path]:
        """Senders that were heard meanwhile, of those whose silence would have been noticed."""
        silent = {quiet.path for quiet in one.quiet}
        names = {self._name(path) for path in silent}
        for path in self.heard.senders:
            if path in silent or self._name(path) in names or not is_device(path.sender):
                continue
            if path.last_time <= one.begin or not self.heard.tells(path, one.begin, end):
                continue
            if not self.heard.silent(path, one.begin, end):
                yield path

    def _tap(self, one: Cluster, devices: Sequence[Device], rest: Sequence[Path]) -> Outage:
        again = one.together_again(self.now)
        reasons = [f"all {len(devices)} devices that are heard all the time fell silent at once"]
        if rest:
            reasons = [f"{len(devices)} of {len(devices) + len(rest)} devices fell silent at once"]
        open_ = any(not quiet.end_time for quiet in one.quiet)
        if not open_:
            reasons.append(
                "they were heard again at once" if again else "not all came back at once"
            )
        told = sum(device.announced for device in devices)
        if told > len(devices) / 2:
            reasons.append(f"{told} announced themselves: it may have been power, of all of them")
        sure = 0.95 if again and not rest and told <= len(devices) / 2 else 0.7
        sure = _rough(one, sure, reasons)
        return self._outage("tap-outage", one, devices, "", sure, reasons)

    def _several(
        self, one: Cluster, devices: Sequence[Device], others: Sequence[Path], *, elsewhere: bool
    ) -> Outage:
        """Some devices of one VLAN."""
        place = one.quiet[0].path.place
        asked, unasked = self._asked(one)
        told = [device for device in devices if device.announced]
        again = one.together_again(self.now)
        reasons = [f"{len(devices)} devices fell silent within {_seconds(one)} s"]
        if asked:
            reasons.append(f"{few(asked)} went on asking them: they were gone, not only unseen")
        if told:
            reasons.append(f"{few([one.name for one in told])} announced themselves when back")
        if not asked and not told and not others and elsewhere:
            what = f"VLAN {place}" if place else "what is untagged"
            reasons += [f"nothing of {what} was heard, and others were"]
            reasons += ["nobody was heard asking them either"] if unasked else []
            sure = _rough(one, (0.95 if unasked else 0.9) if again else 0.7, reasons)
            return self._outage("vlan-lost", one, devices, place, sure, reasons)
        feed, missing = self._feed(devices)
        if feed and not missing:
            reasons.append(f"they are all that is on {feed}")
        if told or (feed and not missing):
            sure = 0.6 + 0.2 * (2 * len(told) > len(devices)) + 0.15 * bool(feed and not missing)
            sure = _rough(one, min(sure + 0.1 * bool(asked), 0.95), reasons)
            made = self._outage("power-lost", one, devices, place, sure, reasons)
            return replace(made, feed=feed or "proposed")
        reasons.append("none announced itself when it was back: it had power")
        sure = _rough(one, (0.7 if asked else 0.5) if again else 0.4, reasons)
        return self._outage("switch-lost", one, devices, place, sure, reasons)

    def _restarted(self, told: Sequence[Outage], some: Sequence[Announcement]) -> list[Outage]:
        """What was told, and that these were restarted at once; what they are part of grows."""
        devices = {
            one.name: one
            for one in (
                self._device(each.place, each.address, each.time, each.time, announced=True)
                for each in some
            )
        }
        part = [
            one
            for one in told
            if one.begin <= some[-1].time
            and (one.end or self.now) >= some[0].time - NEAR_NS
            and not devices.keys().isdisjoint(device.name for device in one.devices)
        ]
        rest = [one for one in told if one not in part]
        for device in (each for one in part for each in one.devices):
            told_too = device.announced or device.name in devices
            devices[device.name] = device._replace(announced=told_too)
        members = sorted(devices.values(), key=lambda one: (one.begin_time, one.address))
        whole = [one for one in part if one.kind != "device-silent"]
        if not whole:
            return [*rest, self._power(some, tuple(members), part)]
        if len(whole) > 1 or whole[0].kind != "power-lost":
            return list(told)
        sure = max(whole[0].confidence, SURE_OF_POWER)
        return [*rest, replace(whole[0], devices=tuple(members), confidence=sure)]

    def _power(
        self, some: Sequence[Announcement], members: tuple[Device, ...], silent: Sequence[Outage]
    ) -> Outage:
        """Devices that announced themselves at once; of some of them a silence was seen."""
        begin, end = some[0], some[-1]
        seconds = max((end.time - begin.time) // SECOND_NS, 1)
        reasons = [
            f"{len(some)} devices announced themselves within {seconds} s, and seldom do else",
            "they were restarted, or their switch was",
        ]
        if not silent:
            reasons.append("they were gone for less than the time between two polls")
        feed, missing = self._feed(members)
        known = bool(feed and not missing)
        reasons += [f"they are all that is on {feed}"] if known else []
        sure = round(0.6 + 0.15 * known + 0.1 * bool(silent), 2)
        first = min(silent, key=lambda one: one.begin, default=None)
        since = first.begin if first else begin.time
        made = self._made("power-lost", since, end.time, sure, *reasons)
        return replace(
            made,
            place=begin.place,
            devices=members,
            packet=first.packet if first else begin.packet,
            end_packet=end.packet,
            feed=feed or "proposed",
            unseen=not silent,
        )

    def _single(self, one: Quiet) -> Outage:
        device = self._devices([one])[0]
        cluster = Cluster((one,), one.begin_time, one.usual_ns)
        asked, unasked = self._asked(cluster)
        times = (one.until(self.now) - one.begin_time) / one.usual_ns
        reasons = [f"silent for {times:.1f} times as long as it is as a rule"]
        if asked:
            reasons.append(f"{few(asked)} went on asking it")
        elif unasked:
            reasons.append(f"{few(unasked)} stopped asking it")
        if device.announced:
            reasons.append("it announced itself when it was back: it had been restarted")
        sure = 0.9 if asked or device.announced else 0.6
        return self._outage("device-silent", cluster, [device], one.path.place, sure, reasons)

    def _asked(self, one: Cluster) -> tuple[list[str], list[str]]:
        """Who went on sending to those who were silent, and who stopped."""
        silent = {(quiet.path.place, quiet.path.sender) for quiet in one.quiet}
        asked: set[str] = set()
        unasked: set[str] = set()
        for quiet in one.quiet:
            begin, end = quiet.begin_time, quiet.until(self.now)
            for path in self.heard.towards(quiet.path.place, quiet.path.sender):
                if (path.place, path.sender) in silent or not self.heard.tells(path, begin, end):
                    continue
                kept = self.heard.silent(path, begin, end)
                (unasked if kept else asked).add(self._name(path))
        return sorted(asked), sorted(unasked - asked)

    # ----------------------------------------------------------------------------- peers

    def _peers(self, told: Iterable[Outage]) -> Iterator[Outage]:
        """Who stopped asking a device although both are there; unless it is part of what is told."""
        spans = [(one.begin, one.end or self.now, one) for one in told]
        for path in self.heard.paths.values():
            if not path.receiver or not (is_device(path.sender) and is_device(path.receiver)):
                continue
            for one in self.heard.quiet(path):
                begin, end = one.begin_time, one.until(self.now)
                if self._outlived(path, begin, end) or self._part(path, begin, end, spans):
                    continue
                yield self._peer(one)

    def _outlived(self, path: Path, begin: int, end: int) -> bool:
        """Whether either end was silent as well, or answers still came."""
        for sender in (path.sender, path.receiver):
            whole = self.heard.paths.get((path.place, sender, ""))
            if whole is None or self.heard.silent(whole, begin, end):
                return True
        back = self.heard.paths.get((path.place, path.receiver, path.sender))
        if back is None or back.first_packet < path.first_packet:
            return True  # the one who spoke first tells
        return not self.heard.silent(back, begin, end)

    def _part(
        self, path: Path, begin: int, end: int, spans: Sequence[tuple[int, int, Outage]]
    ) -> bool:
        for first, last, one in spans:
            near = first - 2 * NEAR_NS <= end and begin <= last + 2 * NEAR_NS
            names = {device.address for device in one.devices}
            if near and (one.kind == "tap-outage" or not names.isdisjoint(path[2:4])):
                return True
        return False

    def _peer(self, one: Quiet) -> Outage:
        path = one.path
        times = (one.until(self.now) - one.begin_time) / one.usual_ns
        name = self._name(path)
        reasons = (
            f"{name} stopped asking for {times:.1f} times as long as it pauses as a rule",
            "both were heard meanwhile",
        )
        stop = one.until(self.now)
        device = self._device(path.place, path.receiver, one.begin_time, stop, announced=False)
        made = self._made("peer-silent", one.begin_time, one.end_time, 0.7, *reasons)
        asker = self._device(path.place, path.sender, one.begin_time, stop, announced=False)
        return replace(
            made,
            place=path.place,
            devices=(asker, device),
            packet=one.begin_packet,
            end_packet=one.end_packet or one.begin_packet,
        )

    # ---------------------------------------------------------------------------- devices

    def _asset(self, place: str, address: str) -> Asset | None:
        source = self.heard.source
        return self.found.at(Node(source.site, source.group, place, address))

    def _missed(self, path: Path) -> bool:
        """Whether somebody should be there."""
        asset = self._asset(path.place, path.sender)
        return asset is None or not comes_and_goes(asset)

    def _name(self, path: Path) -> str:
        asset = self._asset(path.place, path.sender)
        return asset.name if asset is not None else path.sender

    def _device(self, place: str, address: str, begin: int, end: int, *, announced: bool) -> Device:
        asset = self._asset(place, address)
        name, id_ = (asset.name, asset.id) if asset is not None else (address, "")
        return Device(address, name, id_, begin, end, announced)

    def _devices(self, quiet: Iterable[Quiet]) -> list[Device]:
        """The devices of some silences, each once: by the address that came back first."""
        made: dict[str, Device] = {}
        for one in sorted(quiet, key=lambda one: (one.until(self.now), one.path)):
            device = self._device(
                one.path.place,
                one.path.sender,
                one.begin_time,
                one.end_time,
                announced=self._announced(one),
            )
            made.setdefault(device.name, device)
        return sorted(made.values(), key=lambda device: (device.begin_time, device.address))

    def _announced(self, one: Quiet) -> bool:
        """Whether an address of it was announced when it came back, and seldom is otherwise.

        A host may start, announce itself and wait until it is asked; that is no longer than usual.
        """
        if not one.end_time:
            return False
        asset = self._asset(one.path.place, one.path.sender)
        mine = [] if asset is None else [each.text for each in asset.addresses]
        begin = max(one.begin_time, one.end_time - one.usual_ns - NEAR_NS)
        for address in dict.fromkeys([one.path.sender, *mine]):
            times = self.heard.announced.get((one.path.place, address), ())
            near = sum(begin < each.time <= one.end_time + NEAR_NS for each in times)
            day = sum(abs(each.time - one.end_time) <= DAY_NS for each in times)
            if near and day < OFTEN:
                return True
        return False

    def _feed(self, devices: Sequence[Device]) -> tuple[str, int]:
        """The feed that people say all these devices are on, and how many others are on it."""
        names = [self._fed(device) for device in devices]
        feed = names[0] if names else ""
        if not feed or any(name != feed for name in names):
            return "", 0
        silent = {device.asset for device in devices}
        members = {
            asset.id
            for asset in self.found.assets
            if any(asset.value(one) and f"{one} {asset.value(one)}" == feed for one in FEEDS)
        }
        return feed, len(members - silent)

    def _fed(self, device: Device) -> str:
        for asset in self.found.assets:
            if asset.id == device.asset:
                for attribute in FEEDS:
                    if asset.value(attribute):
                        return f"{attribute} {asset.value(attribute)}"
        return ""

    # ----------------------------------------------------------------------------- making

    def _made(self, kind: Kind, begin: int, end: int, sure: float, *reasons: str) -> Outage:
        source = self.heard.source
        return Outage(
            kind=kind,
            site=source.site,
            group=source.group,
            point=source.point,
            source=source.source,
            place="",
            begin=begin,
            end=end,
            packet=0,
            end_packet=0,
            devices=(),
            confidence=sure,
            reasons=reasons,
        )

    def _outage(
        self,
        kind: Kind,
        one: Cluster,
        devices: Sequence[Device],
        place: str,
        sure: float,
        reasons: Sequence[str],
    ) -> Outage:
        last = max(one.quiet, key=lambda quiet: (quiet.begin_time, quiet.begin_packet))
        back = min(one.quiet, key=lambda quiet: (quiet.until(self.now), quiet.end_packet))
        made = self._made(kind, last.begin_time, back.end_time, sure, *reasons)
        return replace(
            made,
            place=place,
            devices=tuple(devices),
            packet=last.begin_packet,
            end_packet=back.end_packet or last.begin_packet,
        )


def _by_place(quiet: Iterable[Quiet]) -> Mapping[str, list[Quiet]]:
    found: dict[str, list[Quiet]] = defaultdict(list)
    for one in quiet:
        found[one.path.place].append(one)
    return found


def _repeated(told: Sequence[Outage]) -> Iterator[Outage]:
    """Those of one device as one, if it goes and comes again and again."""
    alone: dict[tuple[str, str], list[Outage]] = defaultdict(list)
    for one in told:
        if one.kind == "device-silent":
            alone[one.place, one.devices[0].name].append(one)
        else:
            yield one
    for some in alone.values():
        if len(some) < RESTARTS:
            yield from some
            continue
        restarted = sum(one.devices[0].announced for one in some)
        why = f"it was silent {len(some)} times, and announced itself {restarted} times"
        yield replace(
            some[0],
            kind="device-restarts",
            end=some[-1].end,
            end_packet=some[-1].end_packet,
            times=len(some),
            confidence=0.8 if restarted else 0.6,
            reasons=(why, "supply, connector or watchdog" if restarted else "cable or connector"),
        )


def _seconds(one: Cluster) -> int:
    """How close to each other they fell silent, as far as packets tell."""
    begins = [quiet.begin_time for quiet in one.quiet]
    apart = max(begins) - min(begins)
    usual = max(quiet.usual_ns for quiet in one.quiet)
    return max(min(apart, usual) // SECOND_NS, 1)


def _rough(one: Cluster, sure: float, reasons: list[str]) -> float:
    """How sure it is that they fell silent at once, if all of them are heard seldom."""
    if one.slack_ns <= ROUGH_NS:
        return round(sure, 2)
    minutes = one.slack_ns // (60 * SECOND_NS)
    reasons.append(f"when is known to {minutes} min only: none of them is heard more often")
    return round(sure - 0.1, 2)
