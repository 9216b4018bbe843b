"""The plain path over one batch: flows that are not in order, as segments that are.

What it holds between batches: segments behind holes, and frames that are not complete.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.columns import I64, Mask
from otsec.model import ACK, FIN, RST
from otsec.protocols.api import Framing
from otsec.streams.connections import COUNTS, RESET, Connections
from otsec.streams.cut import Frames, Segments, Status, cut_runs, give_up
from otsec.streams.found import Found, View, data_segments
from otsec.streams.openings import NOTHING, Runs, ask_runs
from otsec.streams.owners import FlowClaims, Owners
from otsec.streams.reassembly import Assembly, Delivery, Segment, distance
from otsec.streams.runs import Held, Laid, Run, break_before, lay_lanes, lay_out, settled, too_late
from otsec.streams.traffic import Traffic


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
        traffic: Traffic,
    ) -> None:
        """``name(slots, rows)`` is told of connections that begin anew on known ports.

        ``traffic``: its cap is also that of the bytes that may wait behind holes.
        """
        self.connections, self.owners, self._name = connections, owners, name
        self._unnamed: list[tuple[int, int]] = []
        self.traffic, self.held = traffic, 0
        self.gave_up: list[tuple[int, int]] = []  # time and ordinal of packets that met the cap
        self.assemblies: dict[int, Assembly] = {}
        self.open: dict[tuple[int, int], list[Held]] = {}  # by slot and side
        self.orphans: list[int] = []
        self.breaks: list[tuple[int, int, int]] = []  # slot, side, row behind bytes that are lost

    @property
    def disordered(self) -> I64:
        """Slots of the connections of which segments wait behind holes."""
        return np.fromiter(self.assemblies, np.int64, len(self.assemblies))

    @property
    def begun(self) -> I64:
        """Slots of the connections of which a frame is open, or may be."""
        slots = {slot for slot, _ in self.open}
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
        self._name_new()
        runs = [run for run in runs if run.counts]
        for run in runs:
            self.open.pop((run.slot, run.side), None)
        return self._frames(lay_out(runs, self.traffic.upto(view)), runs) if runs else {}

    def join(self, view: View, flows: I64, claims: FlowClaims) -> dict[int, list[Found]]:
        """Frames of flows that are in order, but whose frames cross segments or batches.

        ``claims``: of all flows of the batch; those that are settled are written down.
        """
        lanes = np.sort(view.flows.flow_lanes[flows].ravel())
        segments = data_segments(view.buffer, view.packets, view.flows, lanes[lanes >= 0])
        lanes, run = np.unique(segments.lane, return_inverse=True)
        flow, side = view.flows.lane_flow[lanes], view.flows.lane_side[lanes]
        ends = list(zip(view.slots[flow].tolist(), side.tolist(), strict=True))
        runs = [Run(*end, self.open.pop(end, [])) for end in ends]
        heard = self._heard(view, segments, lanes, run)
        protocol = np.maximum(self.connections.table["protocol"][view.slots[flow]], 0)
        behind = heard >= self.owners.head[protocol][run]
        _end(runs, run[behind])
        since = np.where(protocol > 0, claims.from_row[flow], 0)
        rows = np.flatnonzero(~behind & (segments.row >= since[run]))
        if not len(rows):
            return {}
        segments, run, heard = segments.take(rows), run[rows], heard[rows]
        runs += self._silent_ends(ends)
        return self._frames(lay_lanes(segments, runs, run, heard, self.traffic.upto(view)), runs)

    def _silent_ends(self, ends: list[tuple[int, int]]) -> list[Run]:
        """What is held of the sides that say nothing now: a claim decides of it, too."""
        others = [(slot, 1 - side) for slot, side in ends]
        silent = [end for end in others if end in self.open]
        return [Run(*end, self.open.pop(end)) for end in silent]

    def _heard(self, view: View, segments: Segments, lanes: I64, run: I64) -> I64:
        """Bytes of its side that were heard before each segment; the batch is written down."""
        slots = view.slots[view.flows.lane_flow[lanes]]
        behind = self.connections.table["heard"][slots, view.flows.lane_side[lanes]]
        size = segments.stop - segments.start
        done = np.cumsum(size) - size
        heads = np.flatnonzero(np.diff(run, prepend=-1))
        first = behind - view.flows.lane_payload[lanes]
        return np.asarray((first - done[heads])[run] + done)

    def _frames(self, laid: Laid, runs: list[Run]) -> dict[int, list[Found]]:
        """The frames of some runs, by protocol number; what is open at their ends is kept."""
        slot = np.array([run.slot for run in runs])[laid.run]
        side = np.array([run.side for run in runs])[laid.run]
        wanted = self._ask(laid, runs, slot, side)
        table = self.connections.table
        protocol = np.where(wanted, table["protocol"][slot], 0).astype(np.int64)
        framing = table["framing"][slot].astype(np.int64)
        protocol[self._behind_heads(laid, runs, protocol)] = 0
        owned = protocol > 0
        found: dict[int, list[Found]] = {}
        for number, which in _pairs(protocol[owned], framing[owned]):
            mine = np.flatnonzero((protocol == number) & (framing == which))
            base = self.owners.protocol(number).framings[which].base
            part, frames = self._cut(laid.take(mine).ended(), runs, base)
            frames = self._open_frames(part, frames, runs, table["stream"][slot[mine]])
            segment = mine[frames.segment]
            found.setdefault(number, []).append(
                Found(
                    laid.segments.buffer,
                    frames.start,
                    frames.end,
                    frames.status,
                    settled(part, frames, runs),
                    slot[segment],
                    side[segment],
                    np.full(len(segment), which),
                    np.zeros(len(segment), np.uint8),
                )
            )
        return found

    def _cut(self, laid: Laid, runs: list[Run], framing: Framing) -> tuple[Laid, Frames]:
        """Cut runs, and break them where a frame is open for too long."""
        while True:
            frames = cut_runs(laid.segments, laid.run, framing)
            late = too_late(laid, frames, self.traffic.cap)
            if not late:
                return laid, frames
            for segment in late:
                self.traffic.note_late(
                    runs[int(laid.run[segment])].slot, int(laid.segments.row[segment])
                )
                laid = break_before(laid, runs, segment)

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
            work.slot = self._reuse(work.slot, segment.row, view)
            work.assembly, work.open = Assembly(), self._open_runs(work.slot)
        _count_packet(self.connections.table[work.slot], segment, view)
        if not work.stream:
            work.deliver(_datagram(segment))
            return
        before = work.assembly.held_bytes
        self._deliver(work, work.assembly.feed(segment))
        self.held += work.assembly.held_bytes - before
        if self.held > self.traffic.cap and work.assembly.waits:
            self.held -= work.assembly.held_bytes
            self._deliver(work, work.assembly.give_up(segment))
            time = int(view.packets.time[segment.row])
            self.gave_up.append((time, view.ordinal + int(view.packets.row[segment.row])))

    def _deliver(self, work: Work, deliveries: list[Delivery]) -> None:
        heard = self.connections.table["heard"][work.slot]
        for delivery in deliveries:
            delivery.at = int(heard[delivery.side])
            heard[delivery.side] += delivery.size
            if delivery.broken:
                self.breaks.append((work.slot, delivery.side, delivery.row))
        work.deliver(deliveries)

    def _behind_heads(self, laid: Laid, runs: list[Run], protocol: I64) -> I64:
        """Segments that nobody looks at, behind the beginnings that their protocols read."""
        behind = np.flatnonzero(laid.heard >= self.owners.head[protocol])
        _end(runs, laid.run[behind])
        return behind

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
        return [Run(slot, side, list(self.open.get((slot, side), ()))) for side in (0, 1)]

    def reuse(self, view: View, slots: I64, rows: I64) -> I64:
        """Slots for other connections on the same ports, which begin at some packets.

        Nothing is held of the old ones.
        """
        pairs = zip(slots.tolist(), rows.tolist(), strict=True)
        new = np.array([self._reuse(slot, row, view) for slot, row in pairs], np.int64)
        self._name_new()
        return new

    def _reuse(self, slot: int, row: int, view: View) -> int:
        """Another connection on the same ports: a slot of its own, the old one is left behind."""
        self.orphans.append(slot)
        self.assemblies.pop(slot, None)
        self.open.pop((slot, 0), None)
        self.open.pop((slot, 1), None)
        new = self.connections.replace(slot)
        entry = self.connections.table[new]
        entry["steady"] = view.times.steady[row]
        entry["first"] = view.packets.time[row], view.ordinal + view.packets.row[row]
        self._unnamed.append((new, row))
        return new

    def _name_new(self) -> None:
        """Tell of the connections that began anew."""
        if self._unnamed:
            slots, rows = np.array(self._unnamed).T
            self._name(slots, rows)
            self._unnamed = []

    def _ask(self, laid: Laid, runs: list[Run], slot: I64, side: I64) -> Mask:
        """Ask about connections that nobody owns; gives the segments that count for an owner."""
        table = self.connections.table
        wanted = np.ones(len(slot), np.bool_)
        names, number = np.unique(slot, return_inverse=True)
        claims = self.owners.known(names, table["key"][names])
        chosen = np.flatnonzero(self.owners.open(claims)[number])
        if not len(chosen):
            return wanted
        some, flow = laid.take(chosen), number[chosen]
        opened = ask_runs(
            self.owners,
            Runs(some.segments, some.run, flow, side[chosen], some.when),
            claims,
            self.traffic.cap,
        )
        wanted[chosen] = opened.wanted
        table["tried"][names] = claims.tried
        new = np.flatnonzero(claims.by >= 0)
        if len(new):
            self.owners.own(names[new], claims, new, side[chosen[claims.by[new]]])
        goes_on = opened.waiting != NOTHING
        goes_on &= self.owners.open(claims)[flow] & (some.segments.stop == some.segments.limit)
        for last in np.flatnonzero(goes_on).tolist():
            run = runs[int(some.run[last])]
            if not run.ended:
                self._hold(run, some.take(np.arange(opened.waiting[last], last + 1)))
        return wanted

    def _hold(self, run: Run, laid: Laid) -> None:
        """Keep segments from which on a first unit may come."""
        segments = laid.segments
        self.open[run.slot, run.side] = [
            Held(segments.buffer[begin:end].tobytes(), -1, when)
            for begin, end, when in zip(
                segments.start.tolist(), segments.stop.tolist(), laid.when.tolist(), strict=True
            )
        ]

    def _open_frames(self, laid: Laid, frames: Frames, runs: list[Run], stream: Mask) -> Frames:
        """Keep the frame that is open at the end of each run for what comes, or give it up."""
        segments = laid.segments
        datagram = np.flatnonzero((frames.exit < segments.stop) & ~stream)
        frames = give_up(frames, segments, datagram, Status.MALFORMED)
        open_ = np.flatnonzero((frames.exit < segments.stop) & stream)
        cut_off: list[int] = []
        for position in open_.tolist():
            one = runs[int(laid.run[position])]
            begin, end = int(frames.exit[position]), int(segments.limit[position])
            if one.ended:
                if not one.silent:
                    cut_off.append(position)
                continue
            missing = int(segments.end[position])
            lacks = missing - begin if missing < end else -1
            data = segments.buffer[begin:end].tobytes()
            self.open[one.slot, one.side] = [Held(data, lacks, int(laid.when[position]))]
        return give_up(frames, segments, np.array(cut_off, np.int64))

    def sweep(self) -> None:
        """Drop the bytes of what is too old; one stays, so that it is told when more comes."""
        for held in self.open.values():
            old = [one for one in held if self.traffic.is_old(one.when)]
            for number, one in enumerate(old):
                held[number] = Held(one.data[:1], -1, one.when)

    def finish(self, leave: Callable[[I64], None]) -> None:
        """Free what was left behind within the batch, after its units were used."""
        if self.orphans:
            gone = np.array(self.orphans)
            leave(gone)
            self.connections.table["alive"][gone] = False
            self.connections.free.extend(self.orphans)
            self.orphans = []
        self.breaks = []

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        for slot in slots.tolist():
            gone = self.assemblies.pop(slot, None)
            self.held -= gone.held_bytes if gone else 0
        self.forget_frames(slots)

    def forget_frames(self, slots: I64) -> None:
        """Drop the open frames of connections that nobody owns any more."""
        for slot in slots.tolist():
            self.open.pop((slot, 0), None)
            self.open.pop((slot, 1), None)

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from, between two batches."""
        return {
            "assemblies": [[slot, held.dump()] for slot, held in self.assemblies.items()],
            "open": [
                [
                    slot,
                    side,
                    *(
                        [self.owners.scrubbed(one.data).hex(), one.missing, one.when]
                        for one in held
                    ),
                ]
                for (slot, side), held in self.open.items()
            ],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.assemblies = {slot: Assembly.load(held) for slot, held in state["assemblies"]}
        self.held = sum(assembly.held_bytes for assembly in self.assemblies.values())
        self.open = {
            (slot, side): [Held(bytes.fromhex(data), *numbers) for data, *numbers in held]
            for slot, side, *held in state["open"]
        }


def _end(runs: list[Run], numbers: I64) -> None:
    """End some runs without a word about what is open: nobody waits for more of it."""
    for number in np.unique(numbers).tolist():
        runs[number].ended = runs[number].silent = True


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


def _pairs(one: I64, other: I64) -> list[tuple[int, int]]:
    """The distinct pairs of two columns."""
    return sorted(set(zip(one.tolist(), other.tolist(), strict=True)))
