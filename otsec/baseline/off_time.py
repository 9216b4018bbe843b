"""What deviates in time: answers late, missing or too soon, polls, loads, bursts, odd hours.

Each hour is measured against what was learned. A slow drift is found by the running sum of what is
beyond it (CUSUM); no single hour counts for more than a few, so it takes several to tell.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from functools import cached_property
from math import exp, log
from typing import NamedTuple

import numpy as np

from otsec.baseline import timing_kinds as kinds
from otsec.baseline.barred import OWN
from otsec.baseline.kinds import Kind
from otsec.baseline.learning import Baseline
from otsec.baseline.model import Key, Sight, Thing
from otsec.baseline.outages import Outage
from otsec.baseline.spread import Reals, drift, sums
from otsec.baseline.text import hour_text
from otsec.baseline.timing import (
    DAY_HOURS,
    LATE,
    MISSED,
    Carried,
    Hours,
    Timed,
    any_device,
    beyond,
    changes,
    missed,
)
from otsec.baseline.weeks import MORE, Usual, far_more, usual
from otsec.baseline.words import lasting
from otsec.columns import I64, Mask
from otsec.detect import telling
from otsec.detect.model import LEVELS, Level
from otsec.nanoseconds import HOUR_NS
from otsec.store.findings import Finding, Packet

JUDGED_DAYS = 14  # back from the newest hour
SLOWER, POLLS = log(1.3), log(1.5)  # so much other it must be
STEADY = 6  # hours over which that is measured
FASTER = log(2)  # below the fastest answer that was learned
SOON, SOON_SHARE = 20, 0.5  # answers of an hour that came so soon
LOST, LOST_ALARM, LOST_HOURS = 0.03, 8.0, 3  # share that is no news; requests, polls; hours
LATER = log(3)  # than the median: no answer that is only slow
LOADS, LOAD_BYTES = 10, 5_000_000  # so many times the busiest hour, and so much more
BURSTS, BURST_CHANGES = 10, 60  # so many times the busiest hour, and so many more
NEAR_HOURS = 2  # around an hour in which something was changed

Found = tuple[Finding, tuple[Packet, ...]]


class Trouble(NamedTuple):
    """What went wrong in an hour, and how much could have."""

    hour: int
    gone: int
    asked: int


class Off(NamedTuple):
    """Hours of one thing that deviate."""

    kind: Kind
    thing: Thing
    begin: int  # hours since 1970
    end: int  # the last of them
    times: int
    learned: str
    seen: str
    servers: tuple[str, ...] = ()  # that it is about, where they are several
    level: Level | None = None  # None: that of its kind


def off_time(
    base: Baseline, out: Sequence[Outage], zone: tzinfo = UTC
) -> list[tuple[Found, tuple[Thing, ...]]]:
    """What deviates, as findings with the things that each tells of; ``zone``: of the site."""
    look = _Look(base, tuple(out), zone)
    groups: dict[telling.Key, list[Off]] = defaultdict(list)
    for one in look.found():
        groups[_key(one)].append(one)
    made = []
    often: dict[str, int] = defaultdict(int)
    for key, some in sorted(groups.items(), key=lambda one: (min(o.begin for o in one[1]), one[0])):
        often[key.rule] += 1
        if often[key.rule] <= telling.MOST:
            found = _finding(base, key, some)
            made.append((found, tuple(one.thing for one in some)))
    return made


def _key(one: Off) -> telling.Key:
    """Answers are grouped by who gives them, all else by both; bursts by the device they meet."""
    key, by_server = one.thing.key, one.kind in kinds.OF_SERVERS
    client = "" if by_server else one.thing.client
    server = "" if one.kind is kinds.ODD_HOUR else one.thing.server
    device = key.device if by_server or one.kind is kinds.BURST else ""
    return telling.Key(key.site, key.group, key.place, one.kind.id, client, server, "", device)


@dataclass(frozen=True)
class _Look:
    base: Baseline
    out: tuple[Outage, ...]
    zone: tzinfo

    @cached_property
    def timed(self) -> Timed:
        return self.base.shown.timed(JUDGED_DAYS * DAY_HOURS)

    @cached_property
    def writing(self) -> set[tuple[str, ...]]:
        """Who is known to change whom."""
        return {key[1:6] for key in self.base.known if key.kind == "writer"}

    @cached_property
    def things(self) -> Mapping[Key, Thing]:
        return self.base.shown.by_key

    def found(self) -> Iterator[Off]:
        """All hours that deviate, by thing and kind."""
        if not any(key.kind in kinds.LEARNED for key in self.base.known):
            return
        lost = missed(self.timed.measured)
        failing: dict[Key, set[int]] = defaultdict(set)
        for one in self.timed.measured.get("response_us", ()):
            for off in self._answers(one, lost.get(one.key, {})):
                if off.kind is kinds.LINK:
                    failing[one.key].update(range(off.begin, off.end + 1))
                yield off
        for one in self.timed.measured.get("interval_us", ()):
            answered = {hour for hour, (gone, all_) in lost.get(one.key, {}).items() if gone < all_}
            yield from self._polls(one, answered - failing[one.key])
        for path in self.timed.carried:
            yield from self._loads(path)
            yield from self._odd_loads(path)
        for one in self.timed.measured.get("changes", ()):
            yield from self._bursts(one)
        for key, some in changes(self.timed.measured.get("changes", ())).items():
            yield from self._odd_hours(key, some)

    def _judged(
        self, key: Key, one: Hours | Carried | None = None
    ) -> tuple[Thing, list[float], int] | None:
        """The thing of a key, what was learned of it, and the first hour that is judged.

        ``one``: what is measured of it now, for a cycle that is none any more is no thing.
        """
        line, thing = self.base.known.get(key), self.things.get(key)
        if line is None or line.how == "forgotten":
            return None
        if thing is None:
            if not isinstance(one, Hours):
                return None
            scope = self.base.shown.scope(key[1:4], one.client, one.server)
            begin, end_ = (int(one.hour[at]) * HOUR_NS for at in (0, -1))
            seen = Sight(line.times, one.source, one.point, begin, 0, end_, 0, ())
            parent = Key("conversation", *key[1:8])
            thing = Thing(key, scope, seen, (parent,), line.detail, one.client, one.server)
        end = self.base.end(thing.scope)
        if end is None:
            return None
        return thing, json.loads(line.detail), -(-max(end.ended, line.since) // HOUR_NS)

    # ------------------------------------------------------------------------- answers

    def _answers(self, one: Hours, lost: Mapping[int, tuple[int, int]]) -> Iterator[Off]:
        found = self._judged(one.key, one)
        if found is None:
            return
        thing, (middle, spread, least, limit, missing), since = found
        late = one.among(np.flatnonzero(one.hour >= since))
        if not len(late.hour):
            return
        hours, medians = late.hour, late.spreads.medians()
        for begin, end, change in _drifts(medians, log(middle), spread, SLOWER, (1,)):
            seen = f"{lasting(middle * exp(change))} in the hours from {hour_text(hours[begin])} on"
            yield Off(
                *(kinds.DRIFT, thing, int(hours[begin]), int(hours[end]), end - begin + 1),
                *(lasting(middle), seen),
            )
        soon = late.spreads.below(log(max(least, 1)) - FASTER)
        rows = np.flatnonzero((soon >= SOON) & (soon >= SOON_SHARE * late.spreads.total))
        if len(rows):
            seen = f"{int(soon[rows].sum())} answers in less than {lasting(least / 2)}"
            yield Off(
                *(kinds.COLLAPSE, thing, int(hours[rows[0]]), int(hours[rows[-1]])),
                *(int(soon[rows].sum()), f"no less than {lasting(least)}", seen),
            )
        yield from self._losses(late, medians, lost, thing, (log(middle), log(limit), missing))

    def _losses(
        self,
        late: Hours,
        medians: Reals,
        lost: Mapping[int, tuple[int, int]],
        thing: Thing,
        learned: tuple[float, float, float],
    ) -> Iterator[Off]:
        """Answers that are missing, or come so late that they were asked for again."""
        middle, limit, missing = learned
        limits = np.maximum(limit, medians + max(limit - middle, LATER))
        slow = late.spreads.above(limits)
        blind = self._blind(thing)
        rows = [
            Trouble(hour, gone + int(slow[at]), asked)
            for at, hour in enumerate(late.hour.tolist())
            for gone, asked in (lost.get(hour, (0, int(late.spreads.total[at]))),)
            if hour not in blind
        ]
        mine = _troubled(rows, missing)
        if not mine:
            return
        trouble, asked = _summed(mine)
        seen = f"{trouble} of {asked} requests were answered late or not at all"
        learned_text = (
            f"{missing / 1e4:.1f} % are missing, and none takes longer than {lasting(exp(limit))}"
        )
        yield Off(kinds.LINK, thing, mine[0].hour, mine[-1].hour, trouble, learned_text, seen)

    def _blind(self, thing: Thing) -> set[int]:
        """Hours in which an outage tells why there was no answer."""
        hours: set[int] = set()
        names = {thing.client, thing.server}
        for one in self.out:
            if (one.site, one.group) != thing.scope[:2]:
                continue
            mine = names.intersection(device.address for device in one.devices)
            if mine or not one.devices:
                last = one.end or thing.last_time + HOUR_NS
                hours.update(range(one.begin // HOUR_NS, last // HOUR_NS + 1))
        return hours

    # --------------------------------------------------------------------------- polls

    def _polls(self, one: Hours, heard: set[int]) -> Iterator[Off]:
        """Another pace, or polls left out; ``heard``: hours in which the device answered them."""
        found = self._judged(one.key._replace(kind="cycle"), one)
        if found is None:
            return
        thing, (middle, spread, *tail), since = found
        late = one.among(np.flatnonzero(one.hour >= since))
        paced: set[int] = set()
        for begin, end, change in _drifts(
            late.spreads.medians(), log(middle), spread, POLLS, (1, -1)
        ):
            paced.update(range(int(late.hour[begin]), int(late.hour[end]) + 1))
            seen = (
                f"about every {lasting(middle * exp(change))} since {hour_text(late.hour[begin])}"
            )
            yield Off(
                *(kinds.POLL, thing, int(late.hour[begin]), int(late.hour[end]), end - begin + 1),
                *(f"About every {lasting(middle)}", seen),
            )

        if tail and len(late.hour):  # lines of older versions have none
            yield from self._missed(late, heard - paced, thing, (middle, tail[0], tail[1]))

    def _missed(
        self, late: Hours, heard: set[int], thing: Thing, learned: tuple[float, float, float]
    ) -> Iterator[Off]:
        """Polls that come later than the tail allows, or are missed more often than they were."""
        middle, limit, missing = learned
        told, asked = heard - self._blind(thing), late.spreads.total.tolist()
        tail = max(log(max(limit, 1) / middle), LATE)
        for apart, usual_, words in (
            (tail, 0, "hardly ever after more than {later}"),
            (MISSED, missing, "even in bad hours {percent:.1f} % after more than {later}"),
        ):
            gone = beyond(late.spreads, log(middle), apart).tolist()
            rows = map(Trouble, late.hour.tolist(), gone, asked)
            mine = _troubled([row for row in rows if row.hour in told], usual_)
            if not mine:
                continue
            count, of = _summed(mine)
            later = lasting(middle * exp(apart))
            seen = f"{count} of {of} polls came more than {later} after the one before, in "
            seen += f"{len(mine)} hours from {hour_text(mine[0].hour)} on"
            usually = words.format(later=later, percent=missing / 1e4)
            yield Off(
                *(kinds.MISSED, thing, mine[0].hour, mine[-1].hour, count),
                *(f"About every {lasting(middle)}, {usually}", seen),
            )
            return

    def _loads(self, one: Carried) -> Iterator[Off]:
        found = self._judged(one.key)
        if found is None:
            return
        thing, (most, usual, hours), since = found
        rows = np.flatnonzero((one.hour >= since) & _much_more(one.bytes, most))
        if len(rows):
            seen = f"{_bytes(int(one.bytes[rows].max()))} within an hour"
            learned = f"{_bytes(int(most))} at most, {_bytes(int(usual))} as a rule"
            learned += f", in {int(hours)} hours"
            span = (int(one.hour[rows[0]]), int(one.hour[rows[-1]]))
            yield Off(kinds.LOAD, thing, *span, len(rows), learned, seen)

    def _odd_loads(self, one: Carried) -> Iterator[Off]:
        """Hours that carry far more than that hour of the week does, and not more than any did."""
        found = self._judged(one.key._replace(kind="week"))
        if found is None:
            return
        thing, detail, since = found
        whole = self._judged(one.key)
        rows = (one.hour >= since) & (one.bytes > MORE)
        if whole is not None:
            rows &= ~_much_more(one.bytes, whole[1][0])
        odd: list[tuple[int, int, Usual]] = []
        for at in np.flatnonzero(rows):
            hour, size = int(one.hour[at]), int(one.bytes[at])
            known = usual(list(map(int, detail)), hour, self.zone)
            if known is not None and far_more(size, known):
                odd.append((hour, size, known))
        if odd:
            hour, size, known = max(odd, key=lambda one: one[1])
            learned = f"{_bytes(known.most)} at most {known.when}, in {known.times} "
            learned += "weeks" if known.exact else "days"
            seen = f"{_bytes(size)} in the hour of {hour_text(hour)}"
            level: Level = "medium" if any(one[2].exact for one in odd) else "low"
            span = (odd[0][0], odd[-1][0])
            yield Off(kinds.LOAD_HOUR, thing, *span, len(odd), learned, seen, level=level)

    def _bursts(self, one: Hours) -> Iterator[Off]:
        """Hours in which a client changes a device far more often than it ever did."""
        found = self._judged(one.key._replace(kind="changes"), one)
        whole = found is None and one.key[1:6] in self.writing
        if whole:
            found = self._judged(any_device(one.key))
        if found is None:
            return
        thing, (most, usual, hours), since = found
        if whole:
            parents = (Key("conversation", *one.key[1:8]),)
            thing = replace(thing, parents=parents, client=one.client, server=one.server)
        times = one.spreads.total
        rows = np.flatnonzero(
            (one.hour >= since) & (times > BURSTS * most) & (times > most + BURST_CHANGES)
        )
        if len(rows):
            peak = rows[np.argmax(times[rows])]
            seen = f"{int(times[peak])} times in the hour of {hour_text(one.hour[peak])}"
            learned = f"{int(most)} times an hour at most, {int(usual)} as a rule"
            learned += f", in {int(hours)} hours{' of all devices that it changes' * whole}"
            span = (int(one.hour[rows[0]]), int(one.hour[rows[-1]]))
            yield Off(kinds.BURST, thing, *span, int(times[rows].sum()), learned, seen)

    def _odd_hours(self, key: Key, some: Sequence[Hours]) -> Iterator[Off]:
        """Changes at an hour of the day around which the client never changed anything."""
        found = self._judged(key)
        if found is None:
            return
        thing, by_hour, since = found
        usual = {at for at, count in enumerate(by_hour) if count}
        near = {(at + by) % DAY_HOURS for at in usual for by in range(-NEAR_HOURS, NEAR_HOURS + 1)}
        odd: list[tuple[int, str, int]] = []
        for one in some:
            rows = np.flatnonzero(one.hour >= since)
            times = zip(one.hour[rows].tolist(), one.spreads.total[rows].tolist(), strict=True)
            odd += [(hour, one.server, n) for hour, n in times if hour % DAY_HOURS not in near]
        if odd:
            servers = tuple(sorted({server for _, server, _ in odd}))
            names = ", ".join(servers[: telling.KEPT])
            at = ", ".join(dict.fromkeys(hour_text(hour) for hour, _, _ in sorted(odd)[:4]))
            learned = f"only from {_ranges(usual)} o'clock UTC, in {sum(map(int, by_hour))} hours"
            count = sum(n for _, _, n in odd)
            span = (min(odd)[0], max(odd)[0])
            seen = f"{names} in the hour of {at}"
            yield Off(kinds.ODD_HOUR, thing, *span, count, learned, seen, servers)


def _troubled(rows: Sequence[Trouble], usual: float) -> list[Trouble]:
    """The hours of trouble that is more than usual, hour after hour (CUSUM); else none.

    ``usual``: how many of a million were in trouble while learning.
    """
    share = usual / 1e6 + LOST
    more = [row.gone - row.asked * share for row in rows]
    running = sums(more)
    above = [at for at, total in enumerate(running) if total >= LOST_ALARM]
    if not above:
        return []
    begin = max((at + 1 for at in range(above[0]) if not running[at]), default=0)
    span = range(begin, above[-1] + 1)
    if sum(more[at] > 0 for at in span) < LOST_HOURS:
        return []
    return [rows[at] for at in span if rows[at].gone]


def _summed(rows: Sequence[Trouble]) -> tuple[int, int]:
    """All that went wrong, and all that could have."""
    return sum(row.gone for row in rows), sum(row.asked for row in rows)


def _much_more(sizes: I64, most: float) -> Mask:
    """Which hours carry far more than the busiest that was learned."""
    return np.asarray((sizes > LOADS * most) & (sizes > most + LOAD_BYTES), np.bool_)


def _drifts(
    values: Reals, middle: float, spread: float, least: float, ways: Iterable[int]
) -> Iterator[tuple[int, int, float]]:
    """Where values have gone away for good: first and last position, and by how much at the end."""
    for way in ways:
        off = way * (values - middle)
        steady = [float(np.median(off[max(at - STEADY + 1, 0) : at + 1])) for at in range(len(off))]
        sure = [at + 1 >= STEADY and by >= least for at, by in enumerate(steady)]
        found = drift(off / spread, sure)
        if found is not None:
            yield *found, way * steady[found[1]]


# ------------------------------------------------------------------------------- the finding


def _finding(base: Baseline, key: telling.Key, some: Sequence[Off]) -> Found:
    first = min(some, key=lambda one: (one.begin, one.thing.key))
    worst = max(some, key=lambda one: (one.times, one.thing.key))
    kind, thing = first.kind, first.thing
    clients = _distinct(one.thing.client for one in some)
    words = {
        "client": clients[0] if len(clients) == 1 else f"{len(clients)} clients",
        "server": thing.server,
        "at": f"{thing.server} ({key.device})" if key.device else thing.server,
        "learned": worst.learned,
        "seen": worst.seen,
        "ids": telling.listed([one.thing.id for one in some]),
    }
    sights = [base.shown.by_key[one] for one in thing.parents if one in base.shown.by_key]
    seen = sights[0].seen if sights else thing.seen
    begin, end = first.begin * HOUR_NS, (max(one.end for one in some) + 1) * HOUR_NS - 1
    levels = [one.level or kind.level for one in some]
    finding = telling.finding(key, kind, OWN)._replace(
        level=max(levels, key=LEVELS.index),
        client=clients[0] if len(clients) == 1 else telling.MANY,
        protocol=thing.key.protocol,
        times=max(one.times for one in some),
        source=thing.seen.source,
        first_time=begin,
        first_packet=seen.first_packet,
        last_time=end,
        last_packet=seen.last_packet,
        objects=telling.distinct(name for one in some for name in one.servers),
        seen=kind.seen.format_map(words),
        expected=kind.expected.format_map(words),
        why=kind.why,
        next=kind.next.format_map(words),
        doubt="Times are told by the hour",
    )
    what = "of the conversation"
    shown = {seen.first_packet: seen.first_time, seen.last_packet: seen.last_time}
    if seen.source != finding.source or not sights:
        return finding, ()
    return finding, tuple(
        Packet(seen.source, finding.id, packet, time, what)
        for packet, time in shown.items()
        if begin <= time <= end  # others show the conversation, not these hours of it
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def _bytes(size: int) -> str:
    for least, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= least:
            return f"{size / least:.3g} {unit}"
    return f"{size} bytes"


def _ranges(hours: Iterable[int]) -> str:
    """Hours of the day as `6 to 21`."""
    told: list[list[int]] = []
    for hour in sorted(hours):
        if told and hour == told[-1][1] + 1:
            told[-1][1] = hour
        else:
            told.append([hour, hour])
    return ", ".join(f"{first} to {last + 1}" for first, last in told)
