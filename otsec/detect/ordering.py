"""Commands whose selection was left out, where the point is always selected first.

Select before operate is a guard against noise and slips: a point is selected, the device says so,
and only then is it commanded. It is a habit of a point, so it is learned from what was seen of
it. Judged is only what surely had no selection: on TCP without a hole, with a minute in front of
it that was captured without a break.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from otsec.nanoseconds import SECOND_NS
from otsec.store.judged import Break, Command

BEFORE_NS = 60 * SECOND_NS  # devices forget a selection sooner
BEHIND_NS = SECOND_NS // 10  # packets may change places on their way to a port
HABIT = 2  # so often was a point selected before it was commanded

Point = tuple[int, str, str, str, str]  # source, server, place, device, object without its value


def _dnp3(command: Command) -> tuple[str, bool]:
    """[1815] 4.4.4: the same object; its first two words name the point."""
    words = command.object.split(" ")
    name = " ".join(words[:2]) if command.operation in {"select", "operate"} else ""
    return name, command.operation == "select"


def _iec104(command: Command) -> tuple[str, bool]:
    """[101] 7.2.6.26: the same type with S/E; deactivations and reports are no commands."""
    operation = command.operation.removesuffix("_select")
    selects = operation != command.operation
    named = operation.startswith("c_") and operation.count("_") == 3
    return (command.object if named else ""), selects


_POINTS: Mapping[str, Callable[[Command], tuple[str, bool]]] = {"dnp3": _dnp3, "iec104": _iec104}


def unselected(
    commands: Iterable[Command], breaks: Sequence[Break], began: Mapping[int, int]
) -> Mapping[tuple[int, int], int]:
    """How often each behaviour, by source and number, commanded a point that was not selected."""
    selects: dict[Point, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    orders: dict[Point, list[Command]] = defaultdict(list)
    counted: set[Point] = set()
    for one in commands:
        name, selecting = _POINTS[one.protocol](one)
        point = (one.source, one.server, one.place, one.device, name)
        if not name:
            continue
        if one.capped:
            counted.add(point)
        elif selecting:
            selects[point][one.client].append(one.time)
        else:
            orders[point].append(one)
    found: Counter[tuple[int, int]] = Counter()
    blind = _Blind(breaks, began)
    for point in selects.keys() - counted:
        found.update(_of_point(orders[point], selects[point], blind))
    return found


class _Blind:
    """Since when each source was captured without a break."""

    def __init__(self, breaks: Iterable[Break], began: Mapping[int, int]) -> None:
        self.began = began
        self.packets: dict[int, list[int]] = defaultdict(list)
        self.ends: dict[int, list[int]] = defaultdict(list)
        for one in sorted(breaks, key=lambda one: one.packet):
            self.packets[one.source].append(one.packet)
            self.ends[one.source].append(one.end_time)

    def since(self, source: int, packet: int) -> int:
        """The time from which on nothing is missing in front of a packet."""
        passed = bisect_right(self.packets[source], packet)
        return self.ends[source][passed - 1] if passed else self.began[source]


def _of_point(
    orders: Sequence[Command], selects: Mapping[str, Sequence[int]], blind: _Blind
) -> Counter[tuple[int, int]]:
    """The commands of one point that had no selection; none where that is no habit."""
    without: Counter[tuple[int, int]] = Counter()
    habit = 0
    for order in orders:
        begin = order.time - BEFORE_NS
        times = sorted(selects.get(order.client, ()))
        at = bisect_left(times, begin)
        if at < len(times) and times[at] <= order.time + BEHIND_NS:
            habit += 1
        elif blind.since(order.source, order.packet) <= begin:
            without[order.source, order.behaviour] += 1
    return without if habit >= HABIT else Counter()
