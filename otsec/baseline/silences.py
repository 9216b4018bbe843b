"""Which silences are news: longer than several polls that were missed, and rare for who was silent.

The longest gap that was ever seen would not do: one bad night and all that follows is normal. Each
sender is measured by what it does as a rule, and a silence is news if it is several times as long
and if it happened only a few times.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from otsec.nanoseconds import HOUR_NS, SECOND_NS
from otsec.store import Store
from otsec.store import timing as kept
from otsec.store.timing import WHOLE, Announcement, Gap, Listened, Path, Silence

LEAST_NS = 30 * SECOND_NS  # as the store keeps them
MISSED = 2.5  # times what is usual, which is the slowest poll or half as much again
PACKETS = 30  # whoever sent fewer has no rule
PRESENT = 0.6  # share of the hours in which it was heard
WATCHED_NS = HOUR_NS  # nor who was heard for less
SLOW_NS = 600 * SECOND_NS  # who is silent for longer as a rule must have been heard for a day
SLOW_WATCHED_NS = 24 * HOUR_NS
RARE = 4  # other silences, half as long or longer, that a sender may have had
SLOWEST_NS = HOUR_NS  # who is silent for longer as a rule tells nothing by it
MOST = 0.7  # share of a span

Where: TypeAlias = tuple[str, str, str]  # place, sender, receiver


class Quiet(NamedTuple):
    """A span in which a path was silent; ``end_time`` 0: it still is."""

    path: Path
    begin_time: int
    begin_packet: int
    end_time: int
    end_packet: int
    usual_ns: int  # how long it is silent as a rule

    def until(self, now: int) -> int:
        """Its end, or the end of what was heard."""
        return self.end_time or now


@dataclass(frozen=True)
class Followed:
    """The paths of one source that may have a rule, with their silences."""

    source: Listened
    gaps: tuple[Gap, ...]
    paths: Mapping[Where, Path]  # also what went the other way, and who was sent to
    silences: Mapping[Where, Sequence[Silence]]
    announced: Mapping[tuple[str, str], Sequence[Announcement]]  # by place and address

    @property
    def senders(self) -> Iterator[Path]:
        """The senders as a whole."""
        return (one for one in self.paths.values() if one.receiver == WHOLE)

    def towards(self, place: str, receiver: str) -> Sequence[Path]:
        """Who sends to an address."""
        return self._towards.get((place, receiver), ())

    @cached_property
    def _towards(self) -> Mapping[tuple[str, str], Sequence[Path]]:
        found: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for one in self.paths.values():
            if one.receiver != WHOLE:
                found[one.place, one.receiver].append(one)
        return found

    def usual_ns(self, path: Path) -> int:
        """How long a path is silent as a rule, at most; no less than half a minute."""
        return path.least_ns

    def steady(self, path: Path, begin: int) -> bool:
        """Whether a path had a rule by then, and is there more often than not."""
        span = (path.last_time - path.first_time) // HOUR_NS + 1
        often = path.packets >= PACKETS and path.hours >= PRESENT * span
        watched = WATCHED_NS if self.usual_ns(path) <= SLOW_NS else SLOW_WATCHED_NS
        return often and begin - path.first_time >= watched

    def quiet(self, path: Path) -> Iterator[Quiet]:
        """The silences of a path that are news, the open one too."""
        usual = self.usual_ns(path)
        if usual > SLOWEST_NS:
            return
        mine = self.silences.get(_where(path), ())
        rows = [(one.begin_time, one.begin_packet, one.end_time, one.end_packet) for one in mine]
        now = self.source.last_time
        if now - path.last_time > LEAST_NS and not self._stepped(path.last_time):
            rows.append((path.last_time, path.last_packet, 0, 0))
        lengths = [(end or now) - begin for begin, _, end, _ in rows]
        for row, length in zip(rows, lengths, strict=True):
            often = sum(2 * other >= length for other in lengths) - 1
            if length >= MISSED * usual and often <= RARE and self.steady(path, row[0]):
                yield Quiet(path, *row, usual)

    def _stepped(self, time: int) -> bool:
        """Whether the clock stepped, or nothing was heard, since a time: then nobody knows."""
        return any(max(one.begin_time, one.end_time) >= time for one in self.gaps)

    def silent(self, path: Path, begin: int, end: int) -> bool:
        """Whether a path was silent for most of a span."""
        rows = [(one.begin_time, one.end_time) for one in self.silences.get(_where(path), ())]
        rows += [(path.last_time, max(end, path.last_time)), (0, path.first_time)]
        most = max(min(last, end) - max(first, begin) for first, last in rows)
        return most >= MOST * (end - begin)

    def tells(self, path: Path, begin: int, end: int) -> bool:
        """Whether it would have been noticed if a path was silent in a span."""
        usual = self.usual_ns(path)
        known = self.steady(path, begin)
        return known and usual <= SLOWEST_NS and end - begin >= MISSED * usual


def _where(path: Path) -> Where:
    return path.place, path.sender, path.receiver


def followed(store: Store) -> list[Followed]:
    """What is known of the paths of each source, but for those that have no rule."""
    paths: dict[int, dict[Where, Path]] = defaultdict(dict)
    silences: dict[int, dict[Where, list[Silence]]] = defaultdict(lambda: defaultdict(list))
    gaps: dict[int, list[Gap]] = defaultdict(list)
    for one in kept.paths(store, PACKETS):
        paths[one.source][_where(one)] = one
    for silence in kept.silences(store):
        where = (silence.place, silence.sender, silence.receiver)
        silences[silence.source][where].append(silence)
    announced: dict[int, dict[tuple[str, str], list[Announcement]]]
    announced = defaultdict(lambda: defaultdict(list))
    for told in kept.announcements(store):
        announced[told.source][told.place, told.address].append(told)
    for gap in kept.gaps(store):
        gaps[gap.source].append(gap)
    return [
        Followed(
            source,
            tuple(gaps[source.source]),
            paths[source.source],
            silences[source.source],
            announced[source.source],
        )
        for source in kept.listened(store)
    ]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Senders that may have fallen silent at one moment."""

    quiet: tuple[Quiet, ...]
    begin: int  # the latest that it may have begun
    slack_ns: int  # how sure its begin is

    def together_again(self, now: int) -> bool:
        """Whether all of them may have been heard again at one moment."""
        ends = [(one.until(now), one.usual_ns) for one in self.quiet]
        return max(end - usual for end, usual in ends) <= min(end for end, _ in ends)


def clusters(found: Iterable[Quiet]) -> list[Cluster]:
    """Silences that may have begun at one moment.

    That is after the last packet of all of them, and before the next one of any was due.
    """
    made: list[Cluster] = []
    mine: list[Quiet] = []
    low = high = 0

    def close() -> None:
        if mine:
            made.append(Cluster(tuple(mine), low, max(high - low, 0)))
            mine.clear()

    for one in sorted(found, key=lambda one: (one.begin_time, one.begin_packet, one.path)):
        due = one.begin_time + one.usual_ns
        if mine and one.begin_time <= high:
            low, high = one.begin_time, min(high, due)
        else:
            close()
            low, high = one.begin_time, due
        mine.append(one)
    close()
    return made
