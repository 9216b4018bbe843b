"""The ordered half: checks what the columns assumed, and sends what fails down the plain path.

Sees the batches of one source in order. For each connection it knows what must come next; a flow
whose lanes continue exactly there stays in columns, any other is reassembled packet by packet.
Both give the same units, so the result does not depend on batch borders.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from otsec.columns import I64, Bytes, Mask
from otsec.model import FIN, RST, SYN, TICK_NS, Packets
from otsec.streams.claim import Registry
from otsec.streams.clock import Times
from otsec.streams.connections import Connections, idle_ticks
from otsec.streams.cut import Frames, Segments, Status, cut, give_up
from otsec.streams.flows import Flows, higher_speaks
from otsec.streams.found import Found, Speculation, View, data_segments
from otsec.streams.judge import judge
from otsec.streams.messages import Messages
from otsec.streams.openings import must_join
from otsec.streams.owners import ALL, FlowClaims, Owners
from otsec.streams.plain import PlainPath
from otsec.streams.traffic import Traffic


class Streams:
    """Ordered: turns flows into units of protocols, and keeps the connections of one source."""

    def __init__(
        self,
        registry: Registry,
        connections: Connections,
        *,
        name: Callable[[I64, I64], None],
        leave: Callable[[I64], None],
        claimed: Callable[[I64, I64], None],
        settle: Callable[[], None],
        held_cap: int,
        all_plain: bool = False,
    ) -> None:
        """Who is told of what, by slots.

        ``name(slots, rows)``: connections that begin anew on known ports, with their first packets;
        ``claimed(slots, rows)``: those whose protocol was found, with the packets that showed it;
        ``settle()``: that this is all for the batch; ``leave(slots)``: those that ended.
        """
        self.connections = connections
        self.owners = Owners(registry, connections, claimed)
        self.traffic = Traffic(held_cap)
        self.plain = PlainPath(connections, self.owners, name, self.traffic)
        self.messages = Messages(registry, self.traffic)
        self._settle, self._leave = settle, leave
        self.all_plain = all_plain
        self.plain_flows = 0

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
        slots, fresh = slots.copy(), fresh.copy()
        view = View(buffer, packets, flows, times, slots, fresh, ordinal)
        self._begin_anew(view)
        plain = self._must_be_plain(view) & (slots >= 0)
        quick = (slots >= 0) & ~plain
        joined = quick & np.isin(slots, self.plain.begun)
        claims, speaker = self._ask_quick(view, quick & ~joined)
        in_pieces = np.flatnonzero(quick & claims.in_pieces)
        if len(in_pieces):
            joined[must_join(self.owners, view, in_pieces, self.traffic)] = True
        self._claim_quick(view, quick & ~joined, claims, speaker)
        headed = self._has_head(view, quick, claims)
        found, broken = self._cut_quick(view, quick & ~joined & ~headed, claims, speculations)
        joined |= headed & self._is_heard(view)
        if len(broken):
            joined[broken] = True
            for parts in found.values():
                parts[:] = [part.take(~np.isin(part.slot, slots[broken])) for part in parts]
        self._settle_quick(view, quick)
        chosen = np.flatnonzero(plain)
        self.plain_flows += len(chosen)
        slow = [
            self.plain.join(view, np.flatnonzero(joined), claims),
            self.plain.apply(view, chosen),
        ]
        for number, parts in (pair for one in slow for pair in one.items()):
            found.setdefault(number, []).extend(parts)
        self._settle()
        for number, parts in found.items():
            whole = judge(parts, self.connections, self._disown, self.messages.note_broken)
            found[number] = self.messages.apply(number, whole, self.connections, view)
        self._pass_by(view)
        return found

    def _pass_by(self, view: View) -> None:
        """Leave the batch: tell what came too late, drop what would."""
        self.plain.gave_up += self.traffic.end(view)
        if self.traffic.must_sweep():
            self.plain.sweep()
            self.messages.sweep()

    def _begin_anew(self, view: View) -> None:
        """Known flows that open another connection with their first packet are new ones.

        Of those of which something is held the plain path settles what becomes of it.
        """
        table, first = self.connections.table, view.flows.flow_first
        opens = (view.packets.flags[first] & SYN != 0) & view.tcp_flow & ~view.fresh
        chosen = np.flatnonzero(opens & (view.slots >= 0))
        if not len(chosen) or self.all_plain:
            return
        slots, rows = view.slots[chosen], first[chosen]
        expected = table["next"][slots, higher_speaks(view.packets, rows).astype(np.int64)]
        anew = (expected >= 0) & (view.packets.seq[rows] + 1 & 0xFFFFFFFF != expected)
        held = np.union1d(self.plain.disordered, self.plain.begun)
        anew &= ~np.isin(slots, held)
        chosen = chosen[anew][np.argsort(rows[anew], kind="stable")]
        view.slots[chosen] = self.plain.reuse(view, view.slots[chosen], first[chosen])
        view.fresh[chosen] = True

    def _must_be_plain(self, view: View) -> Mask:
        flows, slots = view.flows, view.slots
        plain = np.full(len(slots), self.all_plain)
        table, tcp = self.connections.table, flows.lane_tcp
        lane_slot = np.maximum(slots[flows.lane_flow], 0)
        old = ~view.fresh[flows.lane_flow]
        expected = table["next"][lane_slot, flows.lane_side]
        wrong = ~flows.lane_in_order
        wrong |= old & ((flows.lane_flags & SYN) != 0)
        wrong |= old & (expected >= 0) & (flows.lane_seq >= 0) & (flows.lane_seq != expected)
        plain[flows.lane_flow[wrong & tcp]] = True
        waiting = self.plain.disordered
        if len(waiting):
            plain |= np.isin(slots, waiting)
        self._mark_silent(view, plain)
        return plain

    def _mark_silent(self, view: View, plain: Mask) -> None:
        """Flows that may have ended in between: judged exactly on the plain path."""
        flows, tick = view.flows, view.times.tick
        table, safe = self.connections.table, np.maximum(view.slots, 0)
        begin = np.where(view.fresh, tick[flows.flow_first], table["steady"][safe] // TICK_NS)
        brief = (table["closed"][safe] != 0) | ~table["content"][safe] | view.fresh
        brief[flows.lane_flow[(flows.lane_flags & (FIN | RST)) != 0]] = True
        limit = idle_ticks(view.tcp_flow, brief)
        suspects = np.flatnonzero((tick[flows.flow_last] - begin > limit) & ~plain)
        if not len(suspects):
            return
        suspected = np.zeros(len(plain), np.bool_)
        suspected[suspects] = True
        lanes = np.flatnonzero(suspected[flows.lane_flow])
        lane_rows, position = flows.rows_of_lanes(lanes)
        flow = flows.lane_flow[lanes][position]
        order = np.lexsort((lane_rows, flow))
        flow, when = flow[order], tick[lane_rows[order]]
        before = np.empty_like(when)
        before[1:] = when[:-1]
        heads = np.flatnonzero(np.diff(flow, prepend=-1))
        before[heads] = begin[flow[heads]]
        plain[flow[when - before > limit[flow]]] = True

    def _ask_quick(self, view: View, quick: Mask) -> tuple[FlowClaims, I64]:
        """Owners of the flows, and the side that sent the segment by which each was found."""
        flows = view.flows
        claims = self.owners.known(view.slots, flows.key)
        speaker = np.zeros(len(view.slots), np.int64)
        lanes = np.flatnonzero((quick & self.owners.open(claims))[flows.lane_flow])
        if len(lanes):
            segments = data_segments(view.buffer, view.packets, flows, lanes)
            self.owners.ask(segments, flows.lane_flow[segments.lane], claims)
            new = np.flatnonzero(claims.by >= 0)
            speaker[new] = flows.lane_side[segments.lane[claims.by[new]]]
        return claims, speaker

    def _has_head(self, view: View, quick: Mask, claims: FlowClaims) -> Mask:
        """Flows whose protocol reads their beginnings alone: nothing else of them is cut."""
        heads = self.owners.head < ALL
        if not heads.any():
            return np.zeros(len(quick), np.bool_)
        return np.asarray(quick & view.tcp_flow & heads[np.maximum(claims.protocol, 0)], np.bool_)

    def _is_heard(self, view: View) -> Mask:
        """Whether any side of each flow is still within the beginning that its protocol reads."""
        table, safe = self.connections.table, np.maximum(view.slots, 0)
        head = self.owners.head[np.maximum(table["protocol"][safe], 0)]
        return np.asarray(table["heard"][safe].min(axis=1) < head, np.bool_)

    def _cut_quick(
        self,
        view: View,
        quick: Mask,
        claims: FlowClaims,
        speculations: list[Speculation],
    ) -> tuple[dict[int, list[Found]], I64]:
        """Units of the flows in columns, and the flows in which a frame crosses a segment."""
        flows = view.flows
        found: dict[int, list[Found]] = {}
        broken: list[I64] = []
        done = np.zeros(len(view.slots), np.bool_)
        for guess in speculations:
            right = quick & (claims.protocol == guess.number) & (claims.framing == 0)
            right &= claims.hint == guess.number  # the others were not cut in advance
            done |= right
            part, open_ = self._keep(view, 0, guess.segments, guess.frames, right, claims)
            found.setdefault(guess.number, []).append(part)
            broken.append(open_)
        rest = quick & (claims.protocol > 0) & ~done
        for number, framing in sorted(
            set(zip(claims.protocol[rest].tolist(), claims.framing[rest].tolist(), strict=True))
        ):
            chosen = rest & (claims.protocol == number) & (claims.framing == framing)
            lanes = np.flatnonzero(chosen[flows.lane_flow])
            segments = data_segments(view.buffer, view.packets, flows, lanes)
            frames = cut(segments, self.owners.protocol(number).framings[framing].base)
            part, open_ = self._keep(view, framing, segments, frames, chosen, claims)
            found.setdefault(number, []).append(part)
            broken.append(open_)
        return found, np.unique(np.concatenate(broken)) if broken else np.empty(0, np.int64)

    def _keep(
        self,
        view: View,
        framing: int,
        segments: Segments,
        frames: Frames,
        chosen: Mask,
        claims: FlowClaims,
    ) -> tuple[Found, I64]:
        """The frames of some flows, and the flows in which a frame crosses a segment."""
        flows = view.flows
        flow = flows.lane_flow[segments.lane]
        wanted = chosen[flow] & (segments.row >= claims.from_row[flow])
        open_ = np.flatnonzero(wanted & (frames.exit < segments.stop))
        tcp = flows.lane_tcp[segments.lane[open_]]
        frames = give_up(frames, segments, open_[~tcp], Status.MALFORMED)  # ends with its datagram
        if not wanted.all():
            frames = frames.take(np.flatnonzero(wanted[frames.segment]))
        lane = segments.lane[frames.segment]
        count = len(lane)
        part = Found(
            view.buffer,
            frames.start,
            frames.end,
            frames.status,
            segments.row[frames.segment],
            view.slots[flows.lane_flow[lane]],
            flows.lane_side[lane],
            np.full(count, framing),
            np.zeros(count, np.uint8),
        )
        return part, flow[open_[tcp]]

    def _settle_quick(self, view: View, quick: Mask) -> None:
        """Write down what the flows in columns leave behind."""
        flows, table, times = view.flows, self.connections.table, view.times
        chosen = np.flatnonzero(quick)
        slots = view.slots[chosen]
        lanes = np.flatnonzero(quick[flows.lane_flow])
        lane_slot, side = view.slots[flows.lane_flow[lanes]], flows.lane_side[lanes]
        counted = np.stack(  # as COUNTS begins; each slot and side comes once
            [flows.lane_count[lanes], flows.lane_bytes[lanes], flows.lane_payload[lanes]], axis=1
        )
        table["counts"][lane_slot, side, :3] += counted
        table["heard"][lane_slot, side] += flows.lane_payload[lanes]
        tcp = lanes[flows.lane_tcp[lanes]]
        self.connections.follow(flows, tcp, view.slots[flows.lane_flow[tcp]])
        content = np.zeros(len(quick), np.bool_)
        content[flows.lane_flow[lanes[flows.lane_payload[lanes] > 0]]] = True
        table["content"][slots] |= content[chosen]
        last = flows.flow_last[chosen]
        table["steady"][slots] = times.steady[last]
        table["last"][slots, 0] = view.packets.time[last]
        table["last"][slots, 1] = view.ordinal + view.packets.row[last]

    def _claim_quick(self, view: View, quick: Mask, claims: FlowClaims, speaker: I64) -> None:
        """Write down what asking gave."""
        self.connections.table["tried"][view.slots[quick]] = claims.tried[quick]
        new = np.flatnonzero(quick & (claims.by >= 0))
        if len(new):
            self.owners.own(view.slots[new], claims, new, speaker[new])

    def finish(self) -> None:
        """Free what ended within the batch, after its units were used."""
        if self.plain.orphans:
            self.messages.forget(np.array(self.plain.orphans))
        self.plain.finish(self._leave)
        self.messages.finish()

    def _disown(self, slot: int, row: int) -> None:
        """Drop the open frames and messages of a connection whose claim was withdrawn."""
        self.traffic.forget_late(slot, row)
        self.plain.forget_frames(np.array([slot]))
        self.messages.forget(np.array([slot]))

    def forget(self, slots: I64) -> None:
        """Drop what is held for connections that ended."""
        held = np.union1d(self.plain.disordered, self.plain.begun)
        self.plain.forget(np.intersect1d(slots, held))
        self.messages.forget(slots)

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from, between two batches."""
        return {
            "plain": self.plain.dump(),
            "messages": self.messages.dump(),
            "passed": self.traffic.passed,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.plain.load(state["plain"])
        self.messages.load(state["messages"])
        self.traffic.passed = state["passed"]
