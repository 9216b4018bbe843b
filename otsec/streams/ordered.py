"""The ordered half: checks what the columns assumed, and sends what fails down the plain path.

Sees the batches of one source in order. For each connection it knows what must come next; a flow
whose lanes continue exactly there stays in columns, any other is reassembled packet by packet.
Both give the same units, so the result does not depend on batch borders.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.columns import I64, Bytes, Ints, Mask, ranges
from otsec.model import ACK, FIN, RST, SYN, TCP, TICK_NS, Packets
from otsec.protocols.api import Protocol, Side
from otsec.streams.claim import TRIES, Registry, ask, units_of
from otsec.streams.clock import Times
from otsec.streams.connections import (
    CLOSED_TICKS,
    COUNTS,
    IDLE_TICKS,
    REASONS,
    RESET,
    UNCLAIMED,
    WITHDRAWN,
    Connections,
)
from otsec.streams.cut import Frames, Segments, Status, cut, cut_runs
from otsec.streams.flows import Flows
from otsec.streams.reassembly import Assembly, Delivery, Segment

BAD_RUN = 8  # malformed units in a row that disprove a claim


@dataclass(frozen=True, slots=True)
class Found:
    """Frames of one protocol over one buffer, with where they came from."""

    buffer: Bytes
    start: I64
    end: I64
    status: Ints
    row: I64
    slot: I64
    side: I64  # of the flow that sent it
    framing: I64

    def take(self, keep: Mask | I64) -> "Found":
        """Some of the rows."""
        columns = (self.start, self.end, self.status, self.row, self.slot, self.side, self.framing)
        return Found(self.buffer, *(column[keep] for column in columns))


@dataclass(frozen=True, slots=True)
class Speculation:
    """Frames cut in advance, for flows whose ports suggest a protocol."""

    number: int  # of the protocol
    segments: Segments  # lane: number of the lane in Flows
    frames: Frames


@dataclass(slots=True)
class Run:
    """Bytes of one side that lie behind one another."""

    slot: int
    side: int
    prefix: bytes = b""
    prefix_missing: int = -1  # where in the prefix the first byte lacks, -1 for none
    pieces: list[Delivery] = field(default_factory=list)
    ended: bool = False  # another run of the side follows: an open frame will not be completed


def data_segments(buffer: Bytes, packets: Packets, flows: Flows, lanes: I64) -> Segments:
    """The payloads of some lanes, as segments that stand alone, lane by lane in row order."""
    rows, position = flows.rows_of_lanes(lanes)
    start, wire = packets.payload[rows], packets.payload_wire[rows]
    full = np.flatnonzero((wire > 0) & (start >= 0))
    rows, position, start, wire = rows[full], position[full], start[full], wire[full]
    end = np.minimum(packets.payload_end[rows], start + wire)
    behind = start + wire
    return Segments(buffer, rows, lanes[position], start, end, behind, behind)


def speculate(
    buffer: Bytes, packets: Packets, flows: Flows, registry: Registry
) -> list[Speculation]:
    """Cut the segments of all flows whose ports suggest a protocol, by its first framing."""
    hint = registry.hint(flows.key)[flows.lane_flow] if len(flows.key) else np.empty(0, np.int64)
    found = []
    for number in np.unique(hint[hint > 0]).tolist():
        lanes = np.flatnonzero(hint == number)
        segments = data_segments(buffer, packets, flows, lanes)
        framing = registry.protocols[number - 1].framings[0]
        found.append(Speculation(number, segments, cut(segments, framing)))
    return found


class Streams:
    """Ordered: turns flows into units of protocols, and keeps the connections of one source."""

    def __init__(
        self,
        registry: Registry,
        connections: Connections,
        *,
        enter: Callable[[I64, I64], None],
        leave: Callable[[I64], None],
        claimed: Callable[[I64], None],
        all_plain: bool = False,
    ) -> None:
        """``enter(slots, rows)`` is told of new connections with their first packets,
        ``leave(slots)`` of those that ended, ``claimed(slots)`` when a protocol was found.
        """
        self.registry = registry
        self.connections = connections
        self.assemblies: dict[int, Assembly] = {}
        self.partial: dict[tuple[int, int], tuple[bytes, int]] = {}
        self.orphans: list[int] = []
        self._enter, self._leave, self._claimed = enter, leave, claimed
        self.all_plain = all_plain
        self.plain_flows = 0

    # ---------------------------------------------------------------- one batch

    def apply(
        self,
        buffer: Bytes,
        packets: Packets,
        flows: Flows,
        times: Times,
        slots: I64,
        fresh: Mask,
        ordinal: int,
        speculations: list[Speculation],
    ) -> dict[int, list[Found]]:
        """Take one batch; gives the units by protocol number.

        ``slots``: connection of each flow, -1 where there was no room; ``fresh``: whether it was
        entered with this batch; ``ordinal``: of row 0.
        """
        view = View(buffer, packets, flows, times, slots, fresh, ordinal)
        held = slots >= 0
        plain = self._must_be_plain(view) & held
        quick = held & ~plain
        claims = self._ask_quick(view, quick)
        found, broken = self._cut_quick(view, quick, claims, speculations)
        if len(broken):
            plain[broken] = True
            quick[broken] = False
            for parts in found.values():
                parts[:] = [part.take(~np.isin(part.slot, slots[broken])) for part in parts]
        self._settle_quick(view, quick, claims)
        self.plain_flows += int(plain.sum())
        if plain.any():
            self._plain(view, np.flatnonzero(plain), found)
        return self._judge(found)

    def finish(self) -> None:
        """Free what ended within the batch, after its units were used."""
        if self.orphans:
            gone = np.array(self.orphans)
            self._leave(gone)
            self.connections.table["alive"][gone] = False
            self.connections.free.extend(self.orphans)
            self.orphans = []

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        for slot in slots.tolist():
            self.assemblies.pop(slot, None)
            self.partial.pop((slot, 0), None)
            self.partial.pop((slot, 1), None)

    # ---------------------------------------------------------------- checks

    def _must_be_plain(self, view: "View") -> Mask:
        flows, slots = view.flows, view.slots
        plain = np.zeros(len(slots), np.bool_)
        tcp = flows.lane_tcp
        if not tcp.any():
            return plain
        if self.all_plain:
            plain[flows.lane_flow[tcp]] = True
            return plain
        table = self.connections.table
        lane_slot = np.maximum(slots[flows.lane_flow], 0)
        old = ~view.fresh[flows.lane_flow]
        expected = table["next"][lane_slot, flows.lane_side]
        wrong = ~flows.lane_in_order
        wrong |= old & ((flows.lane_flags & SYN) != 0)
        wrong |= old & (expected >= 0) & (flows.lane_seq >= 0) & (flows.lane_seq != expected)
        plain[flows.lane_flow[wrong & tcp]] = True
        waiting = set(self.assemblies) | {slot for slot, _ in self.partial}
        if waiting:
            plain |= np.isin(slots, np.fromiter(waiting, np.int64, len(waiting)))
        self._mark_silent(view, plain)
        return plain

    def _mark_silent(self, view: "View", plain: Mask) -> None:
        """Flows that may have ended in between: judged exactly on the plain path."""
        flows, tick = view.flows, view.times.tick
        table, safe = self.connections.table, np.maximum(view.slots, 0)
        begin = np.where(view.fresh, tick[flows.flow_first], table["steady"][safe] // TICK_NS)
        brief = (table["closed"][safe] != 0) | ~table["content"][safe] | view.fresh
        brief[flows.lane_flow[(flows.lane_flags & (FIN | RST)) != 0]] = True
        limit = np.where(brief, CLOSED_TICKS, IDLE_TICKS)
        suspects = np.flatnonzero((tick[flows.flow_last] - begin > limit) & ~plain & view.tcp_flow)
        if not len(suspects):
            return
        lanes = np.flatnonzero(np.isin(flows.lane_flow, suspects))
        lane_rows, position = flows.rows_of_lanes(lanes)
        flow = flows.lane_flow[lanes][position]
        order = np.lexsort((lane_rows, flow))
        flow, when = flow[order], tick[lane_rows[order]]
        before = np.empty_like(when)
        before[1:] = when[:-1]
        heads = np.flatnonzero(np.diff(flow, prepend=-1))
        before[heads] = begin[flow[heads]]
        plain[flow[when - before > limit[flow]]] = True

    # ---------------------------------------------------------------- in columns

    def _ask_quick(self, view: "View", quick: Mask) -> "FlowClaims":
        table, flows = self.connections.table, view.flows
        safe = np.maximum(view.slots, 0)
        claims = FlowClaims(
            protocol=table["protocol"][safe].astype(np.int64),
            framing=table["framing"][safe].astype(np.int64),
            tried=table["tried"][safe].astype(np.int64),
            from_row=np.zeros(len(safe), np.int64),
            by=np.full(len(safe), -1, np.int64),
            hint=self.registry.hint(flows.key),
        )
        open_ = quick & (claims.protocol == UNCLAIMED) & (claims.tried < TRIES) & view.askable
        lanes = np.flatnonzero(open_[flows.lane_flow])
        if len(lanes):
            segments = data_segments(view.buffer, view.packets, flows, lanes)
            flow = flows.lane_flow[segments.lane]
            tcp = flows.lane_tcp[segments.lane]
            self._ask(segments, flow, claims, tcp)
        return claims

    def _ask(self, segments: Segments, flow: I64, claims: "FlowClaims", tcp: Mask) -> None:
        """Ask about the first segments of each flow, in row order; the first claim holds."""
        order = np.lexsort((segments.start, segments.row, flow))
        flow = flow[order]
        heads = np.flatnonzero(np.diff(flow, prepend=-1))
        counts = np.diff(heads, append=len(flow))
        rank = np.arange(len(flow)) - np.repeat(heads, counts)
        asked = np.flatnonzero(rank < TRIES - claims.tried[flow])
        if not len(asked):
            return
        picked = order[asked]
        answer = ask(self.registry, segments.take(picked), claims.hint[flow[asked]], tcp[picked])
        mine = np.flatnonzero(answer.protocol)
        owner = flow[asked[mine]]
        first = mine[np.flatnonzero(np.diff(owner, prepend=-1))]
        owner = flow[asked[first]]
        tried = np.bincount(flow[asked], minlength=len(claims.tried))
        tried[owner] = rank[asked[first]]
        claims.tried += tried
        claims.protocol[owner] = answer.protocol[first]
        claims.framing[owner] = answer.framing[first]
        claims.from_row[owner] = segments.row[picked[first]]
        claims.from_start[owner] = segments.start[picked[first]]
        claims.by[owner] = segments.lane[picked[first]]

    def _cut_quick(
        self,
        view: "View",
        quick: Mask,
        claims: "FlowClaims",
        speculations: list[Speculation],
    ) -> tuple[dict[int, list[Found]], I64]:
        """Units of the flows in columns, and the flows in which a frame crosses a segment."""
        flows = view.flows
        found: dict[int, list[Found]] = {}
        broken: list[I64] = []
        done = np.zeros(len(view.slots), np.bool_)
        for guess in speculations:
            right = quick & (claims.protocol == guess.number) & (claims.framing == 0)
            done |= right
            self._keep(view, guess.number, 0, guess.segments, guess.frames, right, claims, found, broken)
        rest = quick & (claims.protocol > 0) & ~done
        for number, framing in {
            (int(a), int(b))
            for a, b in zip(claims.protocol[rest], claims.framing[rest], strict=True)
        }:
            chosen = rest & (claims.protocol == number) & (claims.framing == framing)
            lanes = np.flatnonzero(chosen[flows.lane_flow])
            segments = data_segments(view.buffer, view.packets, flows, lanes)
            frames = cut(segments, self._protocol(number).framings[framing])
            self._keep(view, number, framing, segments, frames, chosen, claims, found, broken)
        return found, np.unique(np.concatenate(broken)) if broken else np.empty(0, np.int64)

    def _keep(
        self,
        view: "View",
        number: int,
        framing: int,
        segments: Segments,
        frames: Frames,
        chosen: Mask,
        claims: "FlowClaims",
        found: dict[int, list[Found]],
        broken: list[I64],
    ) -> None:
        flows = view.flows
        flow = flows.lane_flow[segments.lane]
        wanted = chosen[flow] & (segments.row >= claims.from_row[flow])
        open_ = np.flatnonzero(wanted & (frames.exit < segments.stop))
        if len(open_):
            tcp = flows.lane_tcp[segments.lane[open_]]
            broken.append(flow[open_[tcp]])
            frames = _close_datagrams(frames, segments, open_[~tcp])
        at = np.flatnonzero(wanted[frames.segment]) if not wanted.all() else slice(None)
        segment = frames.segment[at]
        lane = segments.lane[segment]
        count = len(segment)
        found.setdefault(number, []).append(
            Found(
                view.buffer,
                frames.start[at],
                frames.end[at],
                frames.status[at],
                segments.row[segment],
                view.slots[flow[segment]],
                flows.lane_side[lane],
                np.full(count, framing),
            )
        )

    def _settle_quick(self, view: "View", quick: Mask, claims: "FlowClaims") -> None:
        """Write down what the flows in columns leave behind."""
        flows, table, times = view.flows, self.connections.table, view.times
        chosen = np.flatnonzero(quick)
        slots = view.slots[chosen]
        lanes = np.flatnonzero(quick[flows.lane_flow])
        lane_slot, side = view.slots[flows.lane_flow[lanes]], flows.lane_side[lanes]
        counts = table["counts"]
        counts[lane_slot, side, 0] += flows.lane_count[lanes]
        counts[lane_slot, side, 1] += flows.lane_bytes[lanes]
        counts[lane_slot, side, 2] += flows.lane_payload[lanes]
        tcp = lanes[flows.lane_tcp[lanes]]
        self.connections.follow(flows, tcp, view.slots[flows.lane_flow[tcp]])
        content = np.zeros(len(quick), np.bool_)
        content[flows.lane_flow[lanes[flows.lane_payload[lanes] > 0]]] = True
        table["content"][slots] |= content[chosen]
        last = flows.flow_last[chosen]
        table["steady"][slots] = times.steady[last]
        table["last"][slots, 0] = view.packets.time[last]
        table["last"][slots, 1] = view.ordinal + view.packets.row[last]
        table["tried"][slots] = np.minimum(claims.tried[chosen], TRIES)
        new = np.flatnonzero(quick & (claims.by >= 0))
        if len(new):
            self._own(
                view.slots[new],
                claims.protocol[new],
                claims.framing[new],
                flows.lane_side[claims.by[new]],
                self._side_of_first(view, new, claims),
            )

    def _side_of_first(self, view: "View", flows: I64, claims: "FlowClaims") -> I64:
        """By its content, the Side of the unit by which each flow was claimed."""
        packets, rows = view.packets, claims.from_row[flows]
        start = claims.from_start[flows]
        end = np.minimum(packets.payload_end[rows], start + packets.payload_wire[rows])
        behind = start + packets.payload_wire[rows]
        segments = Segments(view.buffer, rows, rows, start, end, behind, behind)
        return self._sides(segments, claims.protocol[flows], claims.framing[flows])

    def _sides(self, segments: Segments, protocol: I64, framing: I64) -> I64:
        sides = np.full(len(segments), Side.UNKNOWN, np.int64)
        for number, which in set(zip(protocol.tolist(), framing.tolist(), strict=True)):
            mine = np.flatnonzero((protocol == number) & (framing == which))
            owner = self._protocol(number)
            frames = cut(segments.take(mine), owner.framings[which])
            heads = np.flatnonzero(np.diff(frames.segment, prepend=-1))
            first = Frames(*(getattr(frames, n)[heads] for n in _FRAME), frames.exit)
            units = units_of(segments.buffer, first, which)
            sides[mine[first.segment]] = owner.sides(units)
        return sides

    def _own(self, slots: I64, protocol: I64, framing: I64, speaker: I64, side: I64) -> None:
        """A protocol was found: note it, and who the client is by its word if no SYN told."""
        table = self.connections.table
        table["protocol"][slots] = protocol
        table["framing"][slots] = framing
        told = np.where(side == Side.REQUEST, speaker, 1 - speaker)
        known = table["reason"][slots] == REASONS.index("syn")
        unclear = side == Side.UNKNOWN
        told = np.where(unclear & (table["client"][slots] < 0), speaker, told)
        turn = ~known & (~unclear | (table["client"][slots] < 0))
        table["client"][slots[turn]] = told[turn]
        table["reason"][slots[turn]] = REASONS.index("protocol")
        self._claimed(slots)

    def _protocol(self, number: int) -> Protocol:
        return self.registry.protocols[number - 1]

    # ---------------------------------------------------------------- the plain path

    def _plain(self, view: "View", flows: I64, found: dict[int, list[Found]]) -> None:
        runs: list[Run] = []
        for flow in flows.tolist():
            self._assemble(view, flow, runs)
        runs = [run for run in runs if run.pieces]
        if not runs:
            return
        segments, run = _lay_out(runs)
        slot = np.array([one.slot for one in runs])[run]
        side = np.array([one.side for one in runs])[run]
        self._ask_plain(segments, slot, side)
        table = self.connections.table
        protocol = table["protocol"][slot].astype(np.int64)
        framing = table["framing"][slot].astype(np.int64)
        wanted = (protocol > 0) & (segments.row >= self._claim_row(slot))
        for number, which in set(
            zip(protocol[wanted].tolist(), framing[wanted].tolist(), strict=True)
        ):
            mine = np.flatnonzero(wanted & (protocol == number) & (framing == which))
            part, part_run = segments.take(mine), run[mine]
            frames = cut_runs(part, part_run, self._protocol(number).framings[which])
            frames = self._open_frames(part, part_run, frames, runs)
            segment = mine[frames.segment]
            found.setdefault(number, []).append(
                Found(
                    segments.buffer,
                    frames.start,
                    frames.end,
                    frames.status,
                    segments.row[segment],
                    slot[segment],
                    side[segment],
                    np.full(len(segment), which),
                )
            )
        self._claim_rows = {}

    def _assemble(self, view: "View", flow: int, runs: list[Run]) -> None:
        """Feed one flow's packets; adds its runs and settles its row of the table."""
        connections = self.connections
        slot = int(view.slots[flow])
        row = connections.table[slot]
        assembly = self.assemblies.pop(slot, None) or Assembly(
            (int(row["next"][0]), int(row["next"][1]))
        )
        mine = self._open_runs(slot)
        for segment in view.segments_of(flow):
            if self._has_ended(row, segment.steady) or assembly.begins_anew(segment):
                self._close(slot, assembly, mine, runs)
                slot = self._reuse(slot, segment.row)
                row = connections.table[slot]
                assembly, mine = Assembly(), self._open_runs(slot)
            _count_packet(row, segment, view)
            for delivery in assembly.feed(segment):
                run = mine[delivery.side]
                if delivery.broken:
                    run.ended = True
                    runs.append(run)
                    run = mine[delivery.side] = Run(slot, delivery.side)
                run.pieces.append(delivery)
        self._close(slot, assembly, mine, runs)
        if assembly.waits or any(stream.broken for stream in assembly.streams):
            self.assemblies[slot] = assembly

    def _open_runs(self, slot: int) -> list[Run]:
        return [Run(slot, side, *self.partial.get((slot, side), (b"", -1))) for side in (0, 1)]

    def _close(self, slot: int, assembly: Assembly, mine: list[Run], runs: list[Run]) -> None:
        row = self.connections.table[slot]
        for side, stream in enumerate(assembly.streams):
            row["next"][side] = stream.next
            row["counts"][side, COUNTS.index("lost")] += stream.lost
            row["counts"][side, COUNTS.index("resent")] += stream.resent
            stream.lost = stream.resent = 0
        runs += mine

    def _has_ended(self, row: Any, steady: int) -> bool:
        brief = row["closed"] or not row["content"]
        silent = steady // TICK_NS - int(row["steady"]) // TICK_NS
        return bool(silent > (CLOSED_TICKS if brief else IDLE_TICKS))

    def _reuse(self, slot: int, row: int) -> int:
        """Another connection on the same ports: a slot of its own, the old one is left behind."""
        connections = self.connections
        key = connections.table["key"][slot].copy()
        del connections.index[key.tobytes()]
        self.orphans.append(slot)
        self.forget(np.array([slot]))
        # The place of the one left behind is free for it, so the table cannot be full here.
        new = connections.enter([key.tobytes()], key[None, :])
        self._enter(new, np.array([row]))
        return int(new[0])

    def _ask_plain(self, segments: Segments, slot: I64, side: I64) -> None:
        table = self.connections.table
        self._claim_rows: dict[int, int] = {}
        open_ = (table["protocol"][slot] == UNCLAIMED) & (table["tried"][slot] < TRIES)
        chosen = np.flatnonzero(open_)
        if not len(chosen):
            return
        names, number = np.unique(slot[chosen], return_inverse=True)
        claims = FlowClaims(
            protocol=np.zeros(len(names), np.int64),
            framing=np.zeros(len(names), np.int64),
            tried=table["tried"][names].astype(np.int64),
            from_row=np.zeros(len(names), np.int64),
            by=np.full(len(names), -1, np.int64),
            hint=self.registry.hint(table["key"][names]),
        )
        part = segments.take(chosen)
        alone = Segments(part.buffer, part.row, chosen, part.start, part.end, part.stop, part.stop)
        alone = Segments(
            part.buffer, part.row, chosen, part.start, np.minimum(part.end, part.stop), part.stop, part.stop
        )
        self._ask(alone, number, claims, np.ones(len(chosen), np.bool_))
        table["tried"][names] = np.minimum(claims.tried, TRIES)
        new = np.flatnonzero(claims.by >= 0)
        if not len(new):
            return
        by = claims.by[new]
        sides = self._sides(
            Segments(
                segments.buffer, segments.row[by], by, segments.start[by],
                np.minimum(segments.end[by], segments.stop[by]), segments.stop[by], segments.stop[by],
            ),
            claims.protocol[new],
            claims.framing[new],
        )  # fmt: skip
        self._own(names[new], claims.protocol[new], claims.framing[new], side[by], sides)
        self._claim_rows = dict(
            zip(names[new].tolist(), claims.from_row[new].tolist(), strict=True)
        )

    def _claim_row(self, slot: I64) -> I64:
        if not self._claim_rows:
            return np.zeros(len(slot), np.int64)
        rows = self._claim_rows
        return np.fromiter((rows.get(one, 0) for one in slot.tolist()), np.int64, len(slot))

    def _open_frames(
        self, segments: Segments, run: I64, frames: Frames, runs: list[Run]
    ) -> Frames:
        """Keep the frame that is open at the end of each run for what comes, or give it up."""
        for number in np.unique(run).tolist():
            one = runs[number]
            self.partial.pop((one.slot, one.side), None)
        open_ = np.flatnonzero(frames.exit < segments.stop)
        cut_off: list[int] = []
        for position in open_.tolist():
            one = runs[int(run[position])]
            begin, end = int(frames.exit[position]), int(segments.limit[position])
            if one.ended or one.slot in self.orphans:
                cut_off.append(position)
                continue
            missing = int(segments.end[position])
            lacks = missing - begin if missing < end else -1
            self.partial[one.slot, one.side] = (segments.buffer[begin:end].tobytes(), lacks)
        return _give_up(frames, segments, np.array(cut_off, np.int64))

    # ---------------------------------------------------------------- malformed units

    def _judge(self, found: dict[int, list[Found]]) -> dict[int, list[Found]]:
        """Count what is not whole, withdraw claims that are disproved, keep the whole units."""
        table = self.connections.table
        result = {}
        for number, parts in found.items():
            parts = self._withdraw(parts)
            for part in parts:
                whole = part.status == Status.WHOLE
                size = part.end - part.start
                counts = table["counts"]
                np.add.at(counts, (part.slot, part.side, 6), np.where(whole, size, 0))
                if not whole.all():
                    bad = np.flatnonzero(part.status == Status.MALFORMED)
                    np.add.at(counts, (part.slot[bad], part.side[bad], 7), 1)
                    less = np.flatnonzero(part.status == Status.TRUNCATED)
                    np.add.at(counts, (part.slot[less], part.side[less], 8), 1)
            result[number] = [part.take(part.status == Status.WHOLE) for part in parts]
        return result

    def _withdraw(self, parts: list[Found]) -> list[Found]:
        table = self.connections.table
        suspects: set[int] = set()
        for part in parts:
            bad = part.slot[part.status == Status.MALFORMED]
            suspects.update(np.unique(bad).tolist())
            suspects.update(np.unique(part.slot[table["bad_run"][part.slot] > 0]).tolist())
        for slot in suspects:
            parts = self._follow_bad_run(slot, parts)
        return parts

    def _follow_bad_run(self, slot: int, parts: list[Found]) -> list[Found]:
        rows, starts, statuses = [], [], []
        for part in parts:
            mine = np.flatnonzero(part.slot == slot)
            rows.append(part.row[mine])
            starts.append(part.start[mine])
            statuses.append(part.status[mine])
        row, start, status = (np.concatenate(column) for column in (rows, starts, statuses))
        order = np.lexsort((start, row))
        run = int(self.connections.table["bad_run"][slot])
        for position in order.tolist():
            if status[position] == Status.WHOLE:
                run = 0
            elif status[position] == Status.MALFORMED:
                run += 1
            if run >= BAD_RUN:
                self.connections.table["protocol"][slot] = WITHDRAWN
                self.forget(np.array([slot]))
                last = int(row[position])
                return [part.take((part.slot != slot) | (part.row <= last)) for part in parts]
        self.connections.table["bad_run"][slot] = run
        return parts

    # ---------------------------------------------------------------- state

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
        self.partial = {
            (slot, side): (bytes.fromhex(data), lacks)
            for slot, side, data, lacks in state["partial"]
        }


_FRAME = ("segment", "start", "end", "status")


@dataclass(slots=True)
class FlowClaims:
    """What is known of the owner of each flow while a batch is worked on."""

    protocol: I64
    framing: I64
    tried: I64
    from_row: I64  # row of the segment by which it was claimed now; 0 if it was before
    by: I64  # lane of that segment, -1 if it was not claimed now
    hint: I64
    from_start: I64 = field(init=False)

    def __post_init__(self) -> None:
        self.from_start = np.zeros(len(self.protocol), np.int64)


@dataclass(slots=True)
class View:
    """One batch, as the ordered half looks at it."""

    buffer: Bytes
    packets: Packets
    flows: Flows
    times: Times
    slots: I64
    fresh: Mask
    ordinal: int
    tcp_flow: Mask = field(init=False)
    askable: Mask = field(init=False)  # flows of a transport on which protocols stand

    def __post_init__(self) -> None:
        what = self.flows.key[:, 0]
        protocol = what >> np.uint64(32) & np.uint64(0xFFFF)
        has_ip = what >> np.uint64(48) != 2
        self.tcp_flow = np.asarray(has_ip & (protocol == TCP), np.bool_)
        self.askable = np.asarray(has_ip & ((protocol == TCP) | (protocol == 17)), np.bool_)

    def segments_of(self, flow: int) -> list[Segment]:
        """The packets of one flow in order, for the plain path."""
        packets = self.packets
        lanes = self.flows.flow_lanes[flow]
        rows, position = self.flows.rows_of_lanes(lanes[lanes >= 0])
        side = self.flows.lane_side[lanes[lanes >= 0]][position]
        order = np.argsort(rows, kind="stable")
        rows, side = rows[order], side[order]
        buffer = self.buffer
        columns = zip(
            rows.tolist(), side.tolist(), self.times.steady[rows].tolist(),
            packets.seq[rows].tolist(), packets.ack[rows].tolist(), packets.flags[rows].tolist(),
            packets.payload[rows].tolist(), packets.payload_end[rows].tolist(),
            packets.payload_wire[rows].tolist(),
            strict=True,
        )  # fmt: skip
        return [
            Segment(
                row, who, steady, seq, ack, flags,
                buffer[start : min(end, start + size)].tobytes() if size else b"", size,
            )
            for row, who, steady, seq, ack, flags, start, end, size in columns
        ]  # fmt: skip


def _count_packet(row: Any, segment: Segment, view: View) -> None:
    side, number = segment.side, segment.row
    counts = row["counts"]
    counts[side, 0] += 1
    counts[side, 1] += view.packets.wire[number]
    counts[side, 2] += segment.size
    if segment.size:
        row["content"] = True
    if segment.flags & FIN:
        row["closed"] |= 1 << side
    if segment.flags & RST:
        row["closed"] |= RESET
    if segment.flags & ACK:
        before = int(row["ack"][side])
        moved = segment.ack - before if before >= 0 else 0
        counts[1 - side, 3] += (moved + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
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
        chunks.append(run.prefix)
        at += len(run.prefix)
        first = len(columns)
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
    row, lane, start_, end_, stop_, limit = (np.array(column) for column in zip(*columns, strict=True))
    return Segments(buffer, row, lane, start_, end_, stop_, limit), np.array(owner)


def _close_datagrams(frames: Frames, segments: Segments, open_: I64) -> Frames:
    """A frame that does not end with its datagram is malformed, to the end of the datagram."""
    return _give_up(frames, segments, open_, Status.MALFORMED)


def _give_up(
    frames: Frames, segments: Segments, open_: I64, status: Status = Status.TRUNCATED
) -> Frames:
    """Turn the open frame at the exit of each of some segments into one of the given status."""
    if not len(open_):
        return frames
    segment = np.concatenate([frames.segment, open_])
    order = np.argsort(segment, kind="stable")
    end = np.minimum(segments.limit[open_], segments.end[open_])
    return Frames(
        segment[order],
        np.concatenate([frames.start, frames.exit[open_]])[order],
        np.concatenate([frames.end, end])[order],
        np.concatenate([frames.status, np.full(len(open_), status, np.uint8)])[order],
        frames.exit,
    )


__all__ = ["Found", "Speculation", "Streams", "data_segments", "ranges", "speculate"]
