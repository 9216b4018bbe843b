"""Packets as a person looks at them: who to whom, what otsec reads in them, what tshark does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otsec import __version__
from otsec.aggregates.addresses import address_text, mac_text, service_text
from otsec.dissect import dissect
from otsec.evidence import deep, pcapng
from otsec.evidence.captures import Frame, Library
from otsec.evidence.gather import Gathered
from otsec.evidence.said import Said, batches, plain
from otsec.model import Kind, Packets, Problem, place_text

TELLING = ("request of", "response of", "message:", "piece of", "fragment of")  # reasons
PROBLEMS = {
    Problem.CUT: "the capture ends inside a header",
    Problem.MALFORMED: "a header contradicts its standard",
    Problem.FRAGMENT: "a fragment of a datagram",
    Problem.UNKNOWN_LINK: "of a link type that otsec does not read",
    Problem.TOO_DEEP: "wrapped more often than otsec follows",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that is in a packet."""

    part: str  # request, response, message
    said: Said
    other: str  # the packet of the other half, `POINT:PACKET`; empty without one


@dataclass(frozen=True, slots=True)
class View:
    """One packet."""

    id: str  # POINT:PACKET
    time: int
    source: str  # address, with port where it has one
    target: str
    transport: str  # tcp, udp, icmp, or the ethertype
    place: str
    wire: int
    captured: int
    capture: str  # name of the file
    frame: int | None  # number in the file
    problem: str
    why: tuple[str, ...]
    named: bool
    data: bytes
    payload: int  # offset of the first byte behind the last header that otsec reads
    heard: tuple[Heard, ...]
    layers: tuple[deep.Layer, ...] | None  # of tshark; None: not dissected

    @property
    def telling(self) -> bool:
        """Whether it is more than set-up or surroundings: named, or part of such an exchange."""
        return self.named or any(one.startswith(TELLING) for one in self.why)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "time_ns": self.time,
            "source": self.source,
            "target": self.target,
            "transport": self.transport,
            "vlan": self.place,
            "length": self.wire,
            "captured": self.captured,
            "capture": self.capture,
            "frame": self.frame,
            "problem": self.problem,
            "named": self.named,
            "why": list(self.why),
            "otsec": [
                {
                    "part": one.part,
                    "other": one.other,
                    "response_us": max(one.said.took_ns // 1000, 0) if one.other else None,
                    **plain(one.said),
                }
                for one in self.heard
            ],
            "tshark": None
            if self.layers is None
            else [
                {
                    "name": layer.name,
                    "fields": [{"name": n, "shown": shown} for n, shown in layer.fields],
                    "left_out": layer.more,
                }
                for layer in self.layers
            ],
            "bytes": self.data.hex(),
        }


def views(library: Library, gathered: Sequence[Gathered]) -> list[View]:
    """All packets in order of time, not yet dissected by tshark."""
    names = {
        capture.id: library.path(capture).name
        for capture in library.store.all_captures()
        if any(frame.capture == capture.id for one in gathered for frame in one.frames)
    }
    rows = [
        ((frame.time, order, frame.ordinal), view)
        for order, one in enumerate(gathered)
        for frame, view in zip(one.frames, _of_source(one, names), strict=True)
    ]
    return [view for _, view in sorted(rows, key=lambda row: row[0])]


def _of_source(one: Gathered, names: dict[int, str]) -> list[View]:
    ids = [f"{one.tap.name}:{frame.ordinal}" for frame in one.frames]
    heard: list[list[Heard]] = [[] for _ in ids]
    for said in one.said:
        for part, mine in said.halves():
            other = said.response if mine is said.request else said.request
            there = "" if other is None else ids[other.frame]
            heard[mine.frame].append(Heard(part, said, there))
    found: list[View] = []
    for batch in batches(one.frames):
        packets = dissect(batch)
        for row in range(len(packets)):
            at = len(found)
            view = _view(one.frames[at], ids[at], packets, row, int(batch.offset[row]))
            found.append(
                replace(
                    view,
                    capture=names[one.frames[at].capture],
                    why=one.why[at],
                    named=at in one.named,
                    heard=tuple(heard[at]),
                )
            )
    return found


def _view(frame: Frame, name: str, packets: Packets, row: int, start: int) -> View:
    kind, protocol = int(packets.kind[row]), int(packets.protocol[row])
    ends = []
    for hi, lo, port, mac in (
        (packets.source_hi, packets.source_lo, packets.source_port, packets.mac_source),
        (packets.target_hi, packets.target_lo, packets.target_port, packets.mac_target),
    ):
        ends.append(_end(kind, int(hi[row]), int(lo[row]), int(port[row]), int(mac[row])))
    return View(
        id=name,
        time=frame.time,
        source=ends[0],
        target=ends[1],
        transport=_transport(kind, protocol),
        place=place_text(int(packets.place[row])),
        wire=frame.wire,
        captured=len(frame.data),
        capture="",
        frame=frame.number,
        problem=PROBLEMS.get(Problem(int(packets.problem[row])), ""),
        why=(),
        named=False,
        data=frame.data,
        payload=int(np.clip(packets.payload[row] - start, 0, len(frame.data))),
        heard=(),
        layers=None,
    )


def _transport(kind: int, protocol: int) -> str:
    """The word in front of the port, for those that have any."""
    return "" if kind == Kind.NONE else service_text(kind, protocol, -1).removesuffix("/many")


def _end(kind: int, high: int, low: int, port: int, mac: int) -> str:
    if kind == Kind.NONE:
        return mac_text(mac) if mac else ""
    address = address_text(kind, high, low)
    if not port:
        return address
    return f"[{address}]:{port}" if kind == Kind.IPV6 else f"{address}:{port}"


def dissected(
    rows: Sequence[View], gathered: Sequence[Gathered], **how: Any
) -> tuple[list[View], deep.Dissection]:
    """The same packets with what tshark makes of them.

    All are given to it, so that it sees the beginning of each session, too.
    """
    links = {f"{g.tap.name}:{f.ordinal}": f.link for g in gathered for f in g.frames}
    kinds = list(dict.fromkeys(links.values()))
    interfaces = [pcapng.Interface(link, "", "") for link in kinds]
    packets = [
        pcapng.Packet(kinds.index(links[one.id]), one.time, one.wire, one.data, ()) for one in rows
    ]
    capture = pcapng.capture(f"otsec {__version__}", [], interfaces, packets)
    found = deep.dissect(capture, len(packets), **how)
    given = [*found.packets, *[None] * (len(rows) - len(found.packets))]
    return [replace(row, layers=one) for row, one in zip(rows, given, strict=False)], found
