"""The plain path over one batch: flows that are not in order, as segments that are.

What it holds between batches: segments behind holes, and frames that are not complete.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.columns import I64
from otsec.model import ACK, FIN, RST
from otsec.streams.connections import COUNTS, RESET, Connections
from otsec.streams.cut import Frames, Segments, Status, cut_runs, give_up
from otsec.streams.found import Found, View
from otsec.streams.owners import Owners
from otsec.streams.reassembly import Assembly, Delivery, Segment, distance


@dataclass(slots=True)
class Run:
    """Bytes of one side that lie behind one another."""

    slot: int
    side: int
    prefix: bytes = b""
    prefix_missing: int = -1  # where in the prefix the first byte lacks, -1 for none
    pieces: list[Delivery] = field(default_factory=list)
    ended: bool = False  # nothing follows: an open frame will not be completed
    silent: bool = False  # it ended in silence: what is open is forgotten, as when it is let go
    row: int = 0  # the packet that ended it


@dataclass(slots=True)
class Work:
    """One flow while a batch is worked on."""

    slot: int
    stream: bool
    assembly: Assembly
    open: list[Run]  # of each side, the one that goes on
    runs: list[Run] = field(default_factory=list)  # those that have ended

    def deliver(self, deliveries: list[Delivery]) -> None:
        """Put what can be delivered into its runs; what is broken begins another one."""
        for delivery in deliveries:
            run = self.open[delivery.side]
            if delivery.broken:
                run.ended = True
                run.row = delivery.row if self.stream else run.row
                self.runs.append(run)
                run = self.open[delivery.side] = Run(self.slot, delivery.side, row=delivery.row)
            run.pieces.append(delivery)


class PlainPath:
    """Ordered: reassembles connections packet by packet."""

    def __init__(
        self,
        connections: Connections,
        owners: Owners,
        name: Callable[[I64, I64], None],
        held_cap: int,
    ) -> None:
        """``name(slots, rows)`` is told of connections that begin anew on known ports.

        ``held_cap``: bytes that may wait behind holes, of all connections together.
        """
        self.connections, self.owners, self._name = connections, owners, name
        self._unnamed: list[tuple[int, int]] = []
        self.held, self.held_cap = 0, held_cap
        self.gave_up: list[tuple[int, int]] = []  # time and ordinal of packets that met the cap
        self.assemblies: dict[int, Assembly] = {}
        self.partial: dict[tuple[int, int], tuple[bytes, int]] = {}
        self.orphans: list[int] = []

    @property
    def waiting(self) -> I64:
        """Slots of the connections of which something is held."""
        slots = set(self.assemblies) | {slot for slot, _ in self.partial}
        return np.fromiter(slots, np.int64, len(slots))

    def apply(self, view: View, flows: I64) -> dict[int, list[Found]]:
        """Reassemble some flows; gives their frames by protocol number."""
        works = {flow: self._begin(view, flow) for flow in flows.tolist()}
        for flow, packet in view.segments_of(flows):
            self._feed(view, works[flow], packet)
        runs: list[Run] = []
        for work in works.values():
            self._close(work)
            runs += work.runs
        if self._unnamed:
            slots, rows = np.array(self._unnamed).T
            self._name(slots, rows)
            self._unnamed = []
        runs = [run for run in runs if run.pieces or (run.ended and run.prefix and not run.silent)]
        if not runs:
            return {}
        segments, run = _lay_out(runs)
        slot = np.array([one.slot for one in runs])[run]
        side = np.array([one.side for one in runs])[run]
        from_row = self._ask(segments, slot, side)
        table = self.connections.table
        protocol = table["protocol"][slot].astype(np.int64)
        framing = table["framing"][slot].astype(np.int64)
        wanted = (protocol > 0) & (segments.row >= from_row)
        found: dict[int, list[Found]] = {}
        for number, which in _pairs(protocol[wanted], framing[wanted]):
            mine = np.flatnonzero(wanted & (protocol == number) & (framing == which))
            part, part_run = segments.take(mine), run[mine]
            frames = cut_runs(part, part_run, self.owners.protocol(number).framings[which].base)
            frames = self._open_frames(part, part_run, frames, runs)
            segment = mine[frames.segment]
            found.setdefault(number, []).append(
                Found(
                    segments.buffer,
                    frames.start,
                    frames.end,
                    frames.status,
                    _settled(part, part_run, frames, runs),
                    slot[segment],
                    side[segment],
                    np.full(len(segment), which),
                    np.zeros(len(segment), np.uint8),
                )
            )
        return found

    def _begin(self, view: View, flow: int) -> Work:
        slot = int(view.slots[flow])
        row = self.connections.table[slot]
        expected = int(row["next"][0]), int(row["next"][1])
        assembly = self.assemblies.get(slot) or Assembly(expected)
        return Work(slot, bool(row["stream"]), assembly, self._open_runs(slot))

    def _feed(self, view: View, work: Work, segment: Segment) -> None:
        """The next packet of a flow.

        Packets of all flows come in order, so that the cap of what is held hits the same ones
        wherever batches end.
        """
        silent = self.connections.has_ended(work.slot, segment.steady)
        if silent or work.assembly.begins_anew(segment):
            for run in work.open:
                run.ended, run.silent = True, silent
                run.row = segment.row if work.stream else run.row
            self.held -= work.assembly.held_bytes
            self._settle(work)
            work.slot = self._reuse(work.slot, segment, view)
            work.assembly, work.open = Assembly(), self._open_runs(work.slot)
        _count_packet(self.connections.table[work.slot], segment, view)
        if not work.stream:
            work.deliver(_datagram(segment))
            return
        before = work.assembly.held_bytes
        work.deliver(work.assembly.feed(segment))
        self.held += work.assembly.held_bytes - before
        if self.held > self.held_cap and work.assembly.waits:
            self.held -= work.assembly.held_bytes
            work.deliver(work.assembly.give_up(segment))
            time = int(view.packets.time[segment.row])
            self.gave_up.append((time, view.ordinal + int(view.packets.row[segment.row])))

    def _close(self, work: Work) -> None:
        self._settle(work)
        assembly = work.assembly
        self.assemblies.pop(work.slot, None)
        if assembly.waits or any(stream.broken for stream in assembly.streams):
            self.assemblies[work.slot] = assembly

    def _settle(self, work: Work) -> None:
        """Write down what one connection leaves behind, and end its runs."""
        for side, stream in enumerate(work.assembly.streams):
            self.connections.table["next"][work.slot, side] = stream.next
            self.connections.count_one(work.slot, side, "lost", stream.lost)
            self.connections.count_one(work.slot, side, "resent", stream.resent)
            stream.lost = stream.resent = 0
        work.runs += work.open

    def _open_runs(self, slot: int) -> list[Run]:
        return [Run(slot, side, *self.partial.get((slot, side), (b"", -1))) for side in (0, 1)]

    def _reuse(self, slot: int, segment: Segment, view: View) -> int:
        """Another connection on the same ports: a slot of its own, the old one is left behind."""
        self.orphans.append(slot)
        self.assemblies.pop(slot, None)
        self.partial.pop((slot, 0), None)
        self.partial.pop((slot, 1), None)
        new = self.connections.replace(slot)
        row = self.connections.table[new]
        row["steady"] = segment.steady
        row["first"] = view.packets.time[segment.row], view.ordinal + view.packets.row[segment.row]
        self._unnamed.append((new, segment.row))
        return new

    def _ask(self, segments: Segments, slot: I64, side: I64) -> I64:
        """Ask about connections that nobody owns; gives the first row that counts, by segment."""
        table = self.connections.table
        names, number = np.unique(slot, return_inverse=True)
        claims = self.owners.known(names, table["key"][names])
        chosen = np.flatnonzero(self.owners.open(claims)[number])
        if not len(chosen):
            return np.zeros(len(slot), np.int64)
        alone = segments.take(chosen).alone()
        self.owners.ask(alone, number[chosen], claims)
        table["tried"][names] = claims.tried
        new = np.flatnonzero(claims.by >= 0)
        if len(new):
            speaker = side[chosen[claims.by[new]]]
            self.owners.own(
                names[new], claims.protocol[new], claims.framing[new], speaker, claims.side[new]
            )
        return claims.from_row[number]

    def _open_frames(self, segments: Segments, run: I64, frames: Frames, runs: list[Run]) -> Frames:
        """Keep the frame that is open at the end of each run for what comes, or give it up."""
        for number in np.unique(run).tolist():
            one = runs[number]
            self.partial.pop((one.slot, one.side), None)
        slots = np.array([one.slot for one in runs])[run]
        stream = self.connections.table["stream"][slots]
        datagram = np.flatnonzero((frames.exit < segments.stop) & ~stream)
        frames = give_up(frames, segments, datagram, Status.MALFORMED)
        open_ = np.flatnonzero((frames.exit < segments.stop) & stream)
        cut_off: list[int] = []
        for position in open_.tolist():
            one = runs[int(run[position])]
            begin, end = int(frames.exit[position]), int(segments.limit[position])
            if one.ended:
                if not one.silent:
                    cut_off.append(position)
                continue
            missing = int(segments.end[position])
            lacks = missing - begin if missing < end else -1
            self.partial[one.slot, one.side] = (segments.buffer[begin:end].tobytes(), lacks)
        return give_up(frames, segments, np.array(cut_off, np.int64))

    def finish(self, leave: Callable[[I64], None]) -> None:
        """Free what was left behind within the batch, after its units were used."""
        if self.orphans:
            gone = np.array(self.orphans)
            leave(gone)
            self.connections.table["alive"][gone] = False
            self.connections.free.extend(self.orphans)
            self.orphans = []

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        for slot in slots.tolist():
            gone = self.assemblies.pop(slot, None)
            self.held -= gone.held_bytes if gone else 0
        self.forget_frames(slots)

    def forget_frames(self, slots: I64) -> None:
        """Drop the open frames of connections that nobody owns any more."""
        for slot in slots.tolist():
            self.partial.pop((slot, 0), None)
            self.partial.pop((slot, 1), None)

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from, between two batches."""
        return {
            "assemblies": [[slot, held.dump()] for slot, held in self.assemblies.items()],
            "partial": [
                [slot, side, data.hex(), lacks]
                for (slot, side), (data, lacks) in self.partial.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.assemblies = {slot: Assembly.load(held) for slot, held in state["assemblies"]}
        self.held = sum(assembly.held_bytes for assembly in self.assemblies.values())
        self.partial = {
            (slot, side): (bytes.fromhex(data), lacks)
            for slot, side, data, lacks in state["partial"]
        }


def _datagram(segment: Segment) -> list[Delivery]:
    """A datagram stands alone: nothing goes on in it, and it goes on in nothing."""
    if not segment.size:
        return []
    return [Delivery(segment.side, segment.row, segment.data, segment.size, broken=True)]


def _count_packet(row: Any, segment: Segment, view: View) -> None:
    side, number = segment.side, segment.row
    counts = row["counts"]
    counts[side, :3] += (1, view.packets.wire[number], segment.size)  # as COUNTS begins
    if segment.size:
        row["content"] = True
    if segment.flags & FIN:
        row["closed"] |= 1 << side
    if segment.flags & RST:
        row["closed"] |= RESET
    if segment.flags & ACK:
        before = int(row["ack"][side])
        if before >= 0:
            counts[1 - side, COUNTS.index("acked")] += distance(segment.ack, before)
        row["ack"][side] = segment.ack
    row["steady"] = segment.steady
    row["last"] = (view.packets.time[number], view.ordinal + view.packets.row[number])


def _lay_out(runs: list[Run]) -> tuple[Segments, I64]:
    """All runs in one buffer, as segments, and the run of each segment."""
    chunks: list[bytes] = []
    columns: list[tuple[int, int, int, int, int, int]] = []
    owner: list[int] = []
    at = 0
    for number, run in enumerate(runs):
        begin = start = at
        lacking = [begin + run.prefix_missing] if run.prefix_missing >= 0 else []
        first = len(columns)
        if run.prefix:
            chunks.append(run.prefix)
            at += len(run.prefix)
            row = run.pieces[0].row if run.pieces else run.row
            columns.append((row, number, start, 0, at, 0))
            owner.append(number)
            start = at
        for piece in run.pieces:
            chunks.append(piece.data)
            if len(piece.data) < piece.size:
                lacking.append(at + len(piece.data))
                chunks.append(bytes(piece.size - len(piece.data)))
            at += piece.size
            columns.append((piece.row, number, start, 0, at, 0))
            owner.append(number)
            start = at
        lacks = np.array([*lacking, at])
        for position in range(first, len(columns)):
            row, lane, start, _, stop, _ = columns[position]
            end = int(lacks[np.searchsorted(lacks, start)])
            columns[position] = (row, lane, start, end, stop, at)
    buffer = np.frombuffer(b"".join(chunks), np.uint8)
    return Segments(buffer, *np.array(columns, np.int64).T), np.array(owner)


def _settled(segments: Segments, run: I64, frames: Frames, runs: list[Run]) -> I64:
    """Row of the packet that completed each frame, or with which it was given up.

    Where the frame began does not matter: that may have been in an earlier batch.
    """
    segment = frames.segment
    behind = frames.exit[segment]
    inner = np.flatnonzero(segment[1:] == segment[:-1])
    behind[inner] = frames.start[inner + 1]
    row = segments.row[np.searchsorted(segments.stop, behind)]
    given_up = np.flatnonzero(frames.start == frames.exit[segment])
    row[given_up] = [runs[number].row for number in run[segment[given_up]].tolist()]
    return row


def _pairs(one: I64, other: I64) -> list[tuple[int, int]]:
    """The distinct pairs of two columns."""
    return sorted(set(zip(one.tolist(), other.tolist(), strict=True)))
