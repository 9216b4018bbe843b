"""Who talks to whom as a drawing: a lane for each Purdue level, lines by what is done.

Only numbers are worked out here; `formats.svg` writes them, and escapes all text.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Literal, TypeAlias

Weight: TypeAlias = Literal["change", "write", "read", "other"]
WEIGHTS: tuple[Weight, ...] = ("change", "write", "read", "other")  # the gravest first

WIDTH = 1120
NAME = 132  # of the lane, at its left
BOX, BOX_HEIGHT, GAP, LANE_GAP = 150, 38, 14, 34
PER_ROW = (WIDTH - NAME) // (BOX + GAP)
ROWS = 2  # of boxes in a lane; others are drawn as one
MOST_LINES = 160
FOOT = 22  # below the last lane, for arcs
MOST_LETTERS = 17


@dataclass(frozen=True, slots=True)
class Node:
    """Somebody who talks."""

    key: str
    name: str
    about: str  # role
    level: str  # name of its lane


@dataclass(frozen=True, slots=True)
class Flow:
    """What one asks of another."""

    source: str  # keys of nodes
    target: str
    weight: Weight
    packets: int
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn."""

    x: float
    y: float
    name: str
    about: str
    title: str
    more: bool  # it stands for several


@dataclass(frozen=True, slots=True)
class Line:
    """A flow as it is drawn."""

    path: str  # of an SVG path, numbers alone
    weight: Weight
    width: float
    source: str  # names of its ends
    target: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A level as it is drawn."""

    y: float
    height: float
    name: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it."""

    width: int
    height: float
    lanes: tuple[Lane, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    left_out: int  # flows that are not drawn


def drawing(nodes: Sequence[Node], flows: Sequence[Flow], lanes: Sequence[str]) -> Drawing:
    """The drawing of some nodes in lanes, the first at the top."""
    busy: dict[str, int] = defaultdict(int)
    for flow in flows:
        busy[flow.source] += flow.packets
        busy[flow.target] += flow.packets
    by_lane: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.key in busy:
            by_lane[node.level].append(node)
    shown, stands_for = _shown(by_lane, lanes, busy)
    merged = _merged(flows, stands_for)
    kept = merged[:MOST_LINES]
    order = _ordered(shown, kept)
    places, boxes, drawn, height = _placed(order, by_lane, stands_for)
    names = {node.key: node.name for nodes in order.values() for node in nodes}
    lines = tuple(_line(one, places, names) for one in reversed(kept))  # the gravest on top
    return Drawing(WIDTH, height, drawn, boxes, lines, len(merged) - len(kept))


def _shown(
    by_lane: Mapping[str, list[Node]], lanes: Sequence[str], busy: Mapping[str, int]
) -> tuple[dict[str, list[Node]], dict[str, str]]:
    """The nodes that are drawn in each lane, the busiest; whom each node is drawn as."""
    room = PER_ROW * ROWS
    shown: dict[str, list[Node]] = {}
    stands_for: dict[str, str] = {}
    for lane in lanes:
        nodes = sorted(by_lane.get(lane, ()), key=lambda one: (-busy[one.key], one.name, one.key))
        if not nodes:
            continue
        keep = nodes if len(nodes) <= room else nodes[: room - 1]
        rest = nodes[len(keep) :]
        stands_for.update((one.key, one.key) for one in keep)
        if rest:
            others = Node(f"more:{lane}", f"{len(rest)} more", _roles(rest), lane)
            keep = [*keep, others]
            stands_for.update((one.key, others.key) for one in rest)
        shown[lane] = keep
    return shown, stands_for


def _roles(nodes: Iterable[Node]) -> str:
    return ", ".join(sorted({one.about for one in nodes}))


def _merged(flows: Iterable[Flow], stands_for: Mapping[str, str]) -> list[Flow]:
    """Flows between boxes, those of one pair together, the gravest and busiest first."""
    pairs: dict[tuple[str, str], list[Flow]] = defaultdict(list)
    for flow in flows:
        source, target = stands_for.get(flow.source), stands_for.get(flow.target)
        if source is not None and target is not None and source != target:
            pairs[source, target].append(flow)
    merged = [
        Flow(
            *pair,
            weight=min((one.weight for one in group), key=WEIGHTS.index),
            packets=sum(one.packets for one in group),
            label="; ".join(sorted({one.label for one in group})),
        )
        for pair, group in pairs.items()
    ]
    return sorted(
        merged,
        key=lambda one: (WEIGHTS.index(one.weight), -one.packets, one.source, one.target),
    )


def _ordered(shown: Mapping[str, list[Node]], flows: Sequence[Flow]) -> dict[str, list[Node]]:
    """The nodes of each lane so that lines cross less: each near the middle of its peers."""
    order = {lane: list(nodes) for lane, nodes in shown.items()}
    peers: dict[str, list[str]] = defaultdict(list)
    for flow in flows:
        peers[flow.source].append(flow.target)
        peers[flow.target].append(flow.source)
    for _ in range(4):
        at = {
            node.key: (number % PER_ROW) / max(min(len(nodes), PER_ROW), 1)
            for nodes in order.values()
            for number, node in enumerate(nodes)
        }
        for lane, nodes in order.items():
            middle = {
                node.key: sum(at[peer] for peer in peers[node.key]) / len(peers[node.key])
                if peers[node.key]
                else at[node.key]
                for node in nodes
            }
            order[lane] = sorted(nodes, key=lambda one: (middle[one.key], one.name, one.key))
    return order


def _placed(
    order: Mapping[str, list[Node]],
    by_lane: Mapping[str, list[Node]],
    stands_for: Mapping[str, str],
) -> tuple[dict[str, tuple[float, float]], tuple[Box, ...], tuple[Lane, ...], float]:
    """Where the middle of each box is, the boxes, the lanes, and the height of all."""
    places: dict[str, tuple[float, float]] = {}
    boxes: list[Box] = []
    lanes: list[Lane] = []
    y = 4.0
    for lane, nodes in order.items():
        rows = -(-len(nodes) // PER_ROW)
        height = rows * (BOX_HEIGHT + GAP) + GAP
        lanes.append(Lane(y, height, lane))
        each = -(-len(nodes) // rows)  # in a row
        for number, node in enumerate(nodes):
            row, column = divmod(number, each)
            here = min(each, len(nodes) - row * each)
            room = WIDTH - NAME
            left = NAME + (room - here * (BOX + GAP) + GAP) / 2
            x = left + column * (BOX + GAP)
            top = y + GAP + row * (BOX_HEIGHT + GAP)
            places[node.key] = (x + BOX / 2, top + BOX_HEIGHT / 2)
            more = node.key.startswith("more:")
            names = [one.name for one in by_lane[lane] if stands_for[one.key] == node.key]
            title = ", ".join(names) if more else f"{node.name}: {node.about}"
            boxes.append(
                Box(x, top, _cut(node.name, MOST_LETTERS), _cut(node.about, 24), title, more)
            )
        y += height + LANE_GAP
    return places, tuple(boxes), tuple(lanes), max(y - LANE_GAP + FOOT, 8)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _line(flow: Flow, places: Mapping[str, tuple[float, float]], names: Mapping[str, str]) -> Line:
    """A bent line from the edge of one box to the edge of another."""
    (x1, y1), (x2, y2) = places[flow.source], places[flow.target]
    half = BOX_HEIGHT / 2
    if abs(y1 - y2) < 1:  # side by side: an arc below
        dip = half + 10 + min(abs(x1 - x2) / 14, 16)
        path = (
            f"M{x1:.1f} {y1 + half:.1f}C{x1:.1f} {y1 + dip:.1f} {x2:.1f} {y2 + dip:.1f} "
            f"{x2:.1f} {y2 + half:.1f}"
        )
    else:
        down = 1 if y2 > y1 else -1
        begin, end = y1 + down * half, y2 - down * half
        bend = (begin + end) / 2
        path = f"M{x1:.1f} {begin:.1f}C{x1:.1f} {bend:.1f} {x2:.1f} {bend:.1f} {x2:.1f} {end:.1f}"
    width = round(min(1 + log10(max(flow.packets, 1)) / 2, 4), 2)
    return Line(path, flow.weight, width, names[flow.source], names[flow.target], flow.label)
