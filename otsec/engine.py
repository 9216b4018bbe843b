"""The engine of one source: from batches of packets to what is known, and back to go on.

`columnar` is the half that is a pure function of a batch; `Engine` is the half that sees the
batches of one source in order and holds all state.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np

from otsec.aggregates.acknowledgements import Acknowledgements
from otsec.aggregates.addresses import is_group
from otsec.aggregates.announcements import Announcements
from otsec.aggregates.answers import Answers
from otsec.aggregates.behaviours import open_rows
from otsec.aggregates.contents import Contents, Heard
from otsec.aggregates.conversations import Conversations
from otsec.aggregates.counters import Row
from otsec.aggregates.dialogues import Dialogues
from otsec.aggregates.following import Losses
from otsec.aggregates.hearing import Hearing
from otsec.aggregates.held import Watch, Watched
from otsec.aggregates.lookups import Lookups
from otsec.aggregates.paths import Paths
from otsec.aggregates.phrases import Phrases
from otsec.aggregates.sequences import Sequences
from otsec.aggregates.singles import Singles
from otsec.aggregates.span import sights
from otsec.aggregates.stamps import Stamps
from otsec.aggregates.stations import Stations
from otsec.aggregates.totals import Plan, Share, Sums, Totals
from otsec.capture import Drops, Tick
from otsec.columns import I64, Bytes, Mask
from otsec.config import Caps
from otsec.dissect import (
    DuplicateTail,
    Fragments,
    Repeats,
    arp,
    dissect,
    dissect_datagrams,
    openings,
    repeated,
)
from otsec.exchanges.cache import Cache
from otsec.exchanges.calls import PART_BITS, Calls, Occurrences, Window
from otsec.exchanges.pairing import Exchanges
from otsec.model import (
    MINUTE_TICKS,
    TCP,
    TICK_NS,
    PacketBatch,
    Packets,
    Problem,
)
from otsec.protocols.api import Side
from otsec.state import VERSION, Unlike
from otsec.streams.claim import Registry
from otsec.streams.clock import Clock, Times
from otsec.streams.connections import COUNTS, SPARE, Connections, key_bytes
from otsec.streams.flows import BROADCAST, Flows, find_flows, higher_speaks
from otsec.streams.found import Found, Speculation, speculate
from otsec.streams.ordered import Streams

# What is paired, decoded and counted at once: a batch may be cut into ten times as many units as
# it has packets, or items, and each takes a kilobyte on its way. No ordinary batch weighs as much.
SHARE = 1 << 20
UNIT_WEIGHT = 4
BYTES_BITS, LISTED_BITS = 5, 2  # 32 bytes of a unit, or 4 where it lists items, weigh as one


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine works; none of it may change what it finds."""

    seed: int
    hash_bits: int = 64  # 8: collisions abound
    cache_off: bool = False
    all_plain: bool = False
    share: int = SHARE


@dataclass(slots=True)
class Columnar:
    """What the columnar half makes of a batch."""

    packets: Packets
    flows: Flows
    speculations: list[Speculation]
    repeats: Repeats  # of frames in it, which were left out
    seen: Counter[str]  # tunnels, tags and the like, by name


def columnar(batch: PacketBatch, registry: Registry, settings: Settings) -> Columnar:
    """The half that needs no state: may run in any process."""
    seen: Counter[str] = Counter()
    packets = dissect(batch, seen)
    repeats = repeated(batch, settings.seed, settings.hash_bits)
    if len(repeats.row):
        packets = packets.take(np.delete(np.arange(len(batch)), repeats.row))
    flows, speculations = _streams(batch.buffer, packets, registry, settings)
    return Columnar(packets, flows, speculations, repeats, seen)


def _streams(
    buffer: Bytes, packets: Packets, registry: Registry, settings: Settings
) -> tuple[Flows, list[Speculation]]:
    flows = find_flows(packets, settings.seed, settings.hash_bits)
    return flows, speculate(buffer, packets, flows, registry)


class Engine:
    """Ordered: one source."""

    def __init__(
        self,
        registry: Registry,
        caps: Caps,
        settings: Settings,
        totals: Sums | None = None,
        watch: Watch | None = None,
    ) -> None:
        """``totals``: where they are, if not here; ``watch``: the element that they follow."""
        self.registry, self.caps, self.settings = registry, caps, settings
        self.clock = Clock()
        self.packets = 0
        self.first_time = self.last_time = 0
        self.tail = DuplicateTail()
        self.fragments = Fragments(most_bytes=caps.fragments_bytes)
        self.connections = Connections(caps.connections)
        singles = Singles(caps.events_per_hour, self.connections, registry.sessions)
        self.conversations = Conversations(
            caps.conversations, self.connections, registry.listened, singles
        )
        self.stations = Stations(caps.stations)
        self.lookups = Lookups(caps.stations)
        self.announcements = Announcements(caps.stations)
        self.paths = Paths(caps.conversations, caps.stations)
        self.sequences, self.stamps = Sequences(), Stamps(caps.facts)
        self.losses = Losses()
        self.acknowledgements = Acknowledgements(self.sequences, self.losses)
        self.dialogues = Dialogues(self.sequences, self.losses)
        self.answers = Answers(self.sequences, self.losses)
        self.numbering = [
            (number, protocol)
            for number, protocol in enumerate(registry.protocols, 1)
            if protocol.numbering is not None
        ]
        self.phrases = Phrases(caps.behaviours)
        plan = Plan(caps, settings.seed, registry.routine, registry.telling)
        self.totals: Sums = totals or Totals(plan)
        self.watched = Watched(watch, self.conversations.parties)
        self.void: list[str] = []  # protocols whose contents were forgotten since the last share
        self.shared: Counter[str] = Counter()  # contents that shares have told, by protocol
        self.hearing = Hearing(caps.gaps, self.phrases.note_gap)
        self.contents = {
            protocol.name: Contents(protocol.name, protocol.transfers)
            for protocol in registry.protocols
            if protocol.transfers is not None
        }
        self.purged_minute = -1
        self.units = 0  # since the last checkpoint
        self.live = 0  # connections when those that ended were last let go
        self.streams = Streams(
            registry,
            self.connections,
            name=self._name,
            leave=self._leave,
            claimed=self._claimed,
            settle=self.conversations.settle,
            held_cap=caps.reassembly_bytes,
            all_plain=settings.all_plain,
        )
        self.exchanges = [
            Exchanges(
                Cache(protocol, caps.cached_messages, off=settings.cache_off),
                settings.seed,
                settings.hash_bits,
            )
            for protocol in registry.protocols
        ]
        self._now: Packets | None = None  # the batch at hand, for connections that begin in it
        self._ordinal = 0
        self._steady = np.empty(0, np.int64)

    @property
    def tables(self) -> set[str]:
        """Of the store, those whose rows `restore` wants."""
        return {*TABLES, *self.totals.tables}

    def dissolve(self) -> None:
        """Take it apart when its source is done: its streams know it, so it would stay a while."""
        del self.streams

    # ------------------------------------------------------------------ one batch

    def apply(self, batch: PacketBatch, prepared: Columnar, drops: Sequence[Drops] = ()) -> None:
        """Take the next batch of the source, and what was lost between its packets."""
        times = self.clock.advance(batch.time)
        ordinal = self.packets
        self._note_batch(batch, times, drops)
        packets, flows, speculations = prepared.packets, prepared.flows, prepared.speculations
        amended = self._amend(batch, packets, prepared.repeats, prepared.seen)
        buffer = batch.buffer
        if amended is not None:
            buffer, packets = amended
            flows, speculations = _streams(buffer, packets, self.registry, self.settings)
        self.hearing.dissected(batch, packets, ordinal, prepared.seen)
        self._note_stations(batch, packets, flows, ordinal)
        self.paths.add(packets, flows, times, ordinal)
        self._flow(_Stretch(buffer, packets, flows, speculations, times, ordinal))
        self.phrases.leave()
        self.packets += len(batch)
        if len(self.connections) > 2 * self.live + SPARE:
            self._let_go()

    def _note_batch(self, batch: PacketBatch, times: Times, drops: Sequence[Drops]) -> None:
        before = self.last_time
        if self.packets == 0:
            self.first_time = int(batch.time[0])
        self.last_time = int(batch.time[-1])
        self.hearing.add(batch, self.packets, before, drops, times.steps)

    def _note_stations(
        self, batch: PacketBatch, packets: Packets, flows: Flows, ordinal: int
    ) -> None:
        self.stations.add(packets, flows, ordinal)
        self.stations.opened(packets, openings(batch.buffer, packets))
        said = arp(batch.buffer, packets)
        self.lookups.add(said, packets, ordinal)
        self.announcements.add(said, packets, ordinal)

    def _amend(
        self, batch: PacketBatch, packets: Packets, repeats: Repeats, seen: Counter[str]
    ) -> tuple[Bytes, Packets] | None:
        """Drop what repeats frames of the batch before, add datagrams joined from fragments.

        ``seen``, where what they came in is counted too.
        """
        repeated, copies = self.tail.check(batch)
        copy = repeats.among(len(batch), repeated, copies)
        self.tail.remember(batch, copy)
        self.hearing.copied(batch, self.packets, copy)
        pieces = np.flatnonzero(packets.problem == Problem.FRAGMENT)
        if len(repeated):
            packets = packets.take(np.flatnonzero(~np.isin(packets.row, repeated)))
            pieces = np.flatnonzero(packets.problem == Problem.FRAGMENT)
        if not len(pieces):
            return (batch.buffer, packets) if len(repeated) else None
        self.hearing.tell("fragments", batch, self.packets, packets.row[pieces])
        joined = self.fragments.add(packets, pieces, batch.buffer)
        self.hearing.joined(self.fragments)
        if not joined:
            return (batch.buffer, packets) if len(repeated) else None
        rows = np.array([row for row, _ in joined])
        size = np.array([len(data) for _, data in joined])
        end = len(batch.buffer) + np.cumsum(size)
        blob = np.frombuffer(b"".join(data for _, data in joined), np.uint8)
        buffer = np.concatenate([batch.buffer, blob])
        whole = dissect_datagrams(buffer, end - size, end, packets.take(rows), seen)
        # one packet, one row: the datagram stands for the fragment that completed it
        packets = packets.take(np.delete(np.arange(len(packets)), rows)).join(whole)
        return buffer, packets.take(np.argsort(packets.row, kind="stable"))

    def _flow(self, here: "_Stretch") -> None:
        self._now, self._ordinal, self._steady = here.packets, here.ordinal, here.times.steady
        keys = _key_bytes(here.flows)
        slots = self.connections.find(keys)
        room = self.connections.cap - len(self.connections)
        if int((slots < 0).sum()) <= room:
            self._work(here, slots, self._admit(keys, here.flows, slots))
        else:
            self._flow_by_minutes(here)

    def _flow_by_minutes(self, whole: "_Stretch") -> None:
        """There is no room for all connections: make room, once a minute of capture time."""
        packets, times = whole.packets, whole.times
        minutes = times.tick[packets.row] // MINUTE_TICKS
        bounds = [0, *(np.flatnonzero(np.diff(minutes)) + 1).tolist(), len(packets)]
        for begin, end in pairwise(bounds):
            if begin == end:
                continue
            part, flows, speculations = packets, whole.flows, whole.speculations
            if end - begin < len(packets):
                part = packets.take(np.arange(begin, end))
                flows, speculations = _streams(whole.buffer, part, self.registry, self.settings)
            self._now = part
            keys = _key_bytes(flows)
            slots = self.connections.find(keys)
            slots = self._make_room(keys, flows, slots, int(minutes[begin]))
            fresh = self._admit(keys, flows, slots)
            self._count_untracked(part, flows, slots, whole.ordinal)
            # What comes in later minutes has not come yet: requests go on waiting for it.
            stop = int(packets.row[end]) if end < len(packets) else len(times.steady)
            known = replace(times, epoch=times.epoch[:stop], steady=times.steady[:stop])
            here = _Stretch(whole.buffer, part, flows, speculations, known, whole.ordinal)
            self._work(here, slots, fresh)

    def _make_room(self, keys: list[bytes], flows: Flows, slots: I64, minute: int) -> I64:
        """Let go of ended connections when the first new one finds the table full."""
        new = np.flatnonzero(slots < 0)
        room = self.connections.cap - len(self.connections)
        if len(new) <= room or self.purged_minute >= minute:
            return slots
        self.purged_minute = minute
        order = new[np.argsort(flows.flow_first[new], kind="stable")]
        moment = flows.flow_first[order[room]]
        touched = slots[(slots >= 0) & (flows.flow_first < moment)]
        gone = self.connections.purge(minute * MINUTE_TICKS, touched, self._leave)
        self.streams.forget(gone)
        return self.connections.find(keys)

    def _admit(self, keys: list[bytes], flows: Flows, slots: I64) -> Mask:
        """Enter new connections in order of their first packets; fills in their slots."""
        fresh = slots < 0
        new = np.flatnonzero(fresh)
        if len(new):
            new = new[np.argsort(flows.flow_first[new], kind="stable")]
            slots[new] = self.connections.enter(
                [keys[flow] for flow in new.tolist()], flows.key[new]
            )
            new = new[slots[new] >= 0]
            self._enter(slots[new], flows.flow_first[new])
        return np.asarray(fresh & (slots >= 0), np.bool_)

    def _enter(self, slots: I64, rows: I64) -> None:
        if self._now is not None:
            self.conversations.enter(slots, self._now, rows, self._ordinal)
            self.connections.table["steady"][slots] = self._steady[self._now.row[rows]]

    def _name(self, slots: I64, rows: I64) -> None:
        if self._now is not None:
            self.conversations.name(slots, self._now, rows)

    def _claimed(self, slots: I64, rows: I64) -> None:
        if self._now is not None:
            self.conversations.turn(slots, sights(self._now, rows, self._ordinal))

    def _leave(self, slots: I64) -> None:
        self.conversations.fold(slots)
        self.losses.forget(self.connections.table["serial"][slots])

    def _work(self, work: "_Stretch", slots: I64, fresh: Mask) -> None:
        """``slots``: of the connection of each flow; ``fresh``: those that begin here."""
        buffer, packets, times, ordinal = work.buffer, work.packets, work.times, work.ordinal
        mine = replace(times, epoch=times.epoch[packets.row], steady=times.steady[packets.row])
        found = self.streams.apply(
            buffer, packets, work.flows, mine, slots, fresh, ordinal, work.speculations
        )
        self._note_losses(packets, ordinal)
        stops = self._shares(found, packets, len(times.steady))
        for begin, stop in pairwise([0, *stops, len(times.steady)]):
            rows = np.searchsorted(packets.row, (begin, stop))
            share = _between(found, *rows) if stops else found
            # What comes in later shares has not come yet: requests go on waiting for it.
            window = Window(times.steady[:stop], times.epoch[:stop], ordinal)
            here = packets.take(np.arange(*rows)) if stops else packets
            calls = {
                number: [self._calls(part, packets, mine, ordinal) for part in parts if len(part)]
                for number, parts in share.items()
            }
            self._share(calls, window, Heard(buffer, here, ordinal))
        self.losses.leave()
        self.streams.finish()

    def _shares(self, found: dict[int, list[Found]], packets: Packets, rows: int) -> list[int]:
        """Where a batch of so many rows is cut, so that not too many units are at hand."""
        most = self.settings.share
        weights = [
            (part, self._weight(number, part)) for number, parts in found.items() for part in parts
        ]
        if sum(int(weight.sum()) for _, weight in weights) < most:
            return []
        total = np.zeros(rows, np.int64)
        for part, weight in weights:
            np.add.at(total, packets.row[part.row], weight)
        cuts: list[int] = (np.flatnonzero(np.diff(np.cumsum(total) // most)) + 1).tolist()
        return cuts

    def _weight(self, number: int, part: Found) -> I64:
        """How much room each unit of a protocol takes, about."""
        listed = self.registry.protocols[number - 1].items is not None
        return UNIT_WEIGHT + (part.end - part.start >> (LISTED_BITS if listed else BYTES_BITS))

    def _share(self, calls: dict[int, list[Calls]], window: Window, heard: Heard) -> None:
        """Exchange what was said in a batch, or in a part of one that is cut into very many."""
        told = {self.registry.protocols[number - 1].name for number in calls}
        self._exchange_all(calls, window, heard)
        for name, contents in self.contents.items():
            if contents.asides.streams and name not in told:
                contents.add([], self.connections.table, heard)

    def _exchange_all(
        self, calls: dict[int, list[Calls]], window: Window, heard: Heard | None = None
    ) -> None:
        """Pair and count what was said; ``calls``: by number of the protocol.

        Requests may run out of time without any unit of their protocol.
        """
        found = []
        for number, exchanges in enumerate(self.exchanges, 1):
            if number in calls or (exchanges.waiting is not None and len(exchanges.waiting)):
                here = heard if number in calls else None
                some = self._exchange(number, calls.pop(number, []), window, here)
                found.append((exchanges.protocol.name, some))
        self._tell(found)

    def _tell(self, found: list[tuple[str, Occurrences]]) -> None:
        """Add what was exchanged to the totals."""
        void, self.void = self.void, []
        contents = {}
        for exchanges in self.exchanges:
            name, known = exchanges.protocol.name, exchanges.cache.contents
            if name in void:
                self.shared[name] = 0
            if len(known) > 1 and len(known) > self.shared[name]:
                contents[name], self.shared[name] = known[self.shared[name] :], len(known)
        watched = self.watched.among(some.conversation for _, some in found)
        self.totals.take(Share(void, contents, found, self.phrases.take(), watched))

    def _calls(self, part: Found, packets: Packets, times: Times, ordinal: int) -> Calls:
        table = self.connections.table
        row = packets.row[part.row]
        rank = _rank_within(part, packets)
        client = table["client"][part.slot]
        side = np.where(part.side == client, Side.REQUEST, Side.RESPONSE)
        side = np.where(client < 0, Side.UNKNOWN, side)
        count = len(row)
        return Calls(
            part.buffer,
            part.start,
            part.end,
            part.framing.astype(np.uint8),
            part.kind,
            side.astype(np.uint8),
            table["serial"][part.slot],
            part.slot,
            table["conversation"][part.slot],
            table["single"][part.slot],
            (ordinal + row << PART_BITS) | rank,
            packets.time[part.row],
            times.steady[part.row],
            times.epoch[part.row],
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
            _aloud(packets, part.row),
        )

    def _exchange(
        self, number: int, calls: list[Calls], window: Window, heard: Heard | None
    ) -> Occurrences:
        exchanges, name = self.exchanges[number - 1], self.registry.protocols[number - 1].name
        if exchanges.cache.full:
            exchanges.cache.clear()
            self.void.append(name)
            self.phrases.forget_keys(name)
        found, bad, cut, work = exchanges.apply(calls, self.connections.table, window)
        self.units += sum(len(part) for part in calls)
        for slots, _ in bad:
            none = np.zeros(len(slots), np.int64)
            self.connections.count(slots, none, "malformed", none + 1)
        self.sequences.add(exchanges.protocol, cut, self.connections.table)
        if work is not None:
            self.phrases.add(exchanges, work, self.connections.table, self.settings.seed)
        self.stamps.add(exchanges.protocol, cut)
        self.acknowledgements.add(exchanges.protocol, cut, self.connections.table)
        self.dialogues.add(exchanges.protocol, calls, self.connections.table)
        self.answers.add(exchanges.protocol, calls, self.connections.table)
        if (contents := self.contents.get(name)) is not None:
            contents.add(cut, self.connections.table, heard)
        for left in found.left:
            kinds = exchanges.cache.leavings.kinds
            self.hearing.left(name, left, kinds, found.time, found.ordinal)
        return found

    def _note_losses(self, packets: Packets, ordinal: int) -> None:
        """Where the capture lacks something of connections: order is not judged across it."""
        table, plain, messages = self.connections.table, self.streams.plain, self.streams.messages
        if plain.breaks:
            slot, side, row = np.array(plain.breaks).T
            self.phrases.note_breaks(table["serial"][slot] << 1 | side, ordinal + packets.row[row])
        if missing := plain.breaks + messages.broken:
            slot, side, row = np.array(missing).T
            told = np.where(side == table["client"][slot], Side.REQUEST, Side.RESPONSE)
            position = ordinal + packets.row[row] << PART_BITS
            self.losses.note(table["serial"][slot], told, position)
        for number, protocol in self.numbering if messages.odd else ():
            odd = [one for one in messages.odd if one.protocol == number]
            self.dialogues.judge_pieces(protocol.name, odd, table)

    # ------------------------------------------------------------------ between batches

    def lost(self, drops: Sequence[Drops]) -> None:
        """The capturing machine says that it lost packets, and there is no batch at hand."""
        for drop in drops:
            self.hearing.drop(drop, self.last_time, self.packets)

    def tick(self, tick: Tick) -> None:
        """Time went by without a packet: it was quiet, or nothing could be heard."""
        last = self.clock.last
        if tick.outage:
            times = self.clock.skip(tick.time)
            if last is not None:
                self.hearing.gap("outage", last, tick.time, self.packets, tick.outage, heard=False)
        else:
            times = self.clock.advance(np.array([tick.time], np.int64))
            for step in times.steps:
                self.hearing.gap(step.kind, step.begin, step.end, self.packets, "", heard=False)
        self._exchange_all({}, Window(times.steady, times.epoch, self.packets))

    def _count_untracked(self, packets: Packets, flows: Flows, slots: I64, ordinal: int) -> None:
        """Flows without a place among the connections count for one of many, packet by packet."""
        lanes = np.flatnonzero(slots[flows.lane_flow] < 0)
        if not len(lanes):
            return
        rows, position = flows.rows_of_lanes(lanes)
        order = np.argsort(rows, kind="stable")
        rows, lane = rows[order], lanes[position[order]]
        side = flows.lane_side[lane]
        counts = np.zeros((len(rows), 2, len(COUNTS)), np.int64)
        ones = np.ones(len(rows), np.int64)
        for at, column in enumerate((ones, packets.wire[rows], packets.payload_wire[rows])):
            counts[np.arange(len(rows)), side, at] = column
        seen = np.stack([packets.time[rows], ordinal + packets.row[rows]], axis=1)
        aloud = packets.mac_target[rows] == BROADCAST
        self.conversations.untracked(
            flows.key[flows.lane_flow[lane]], side, packets.flags[rows], aloud, counts, seen, seen
        )
        first, last = (tuple(seen[at].tolist()) for at in (0, -1))
        self.hearing.counters.add("cap:connections", len(rows), first, last)

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int) -> dict[str, Iterable[Row]]:
        """All rows that changed since the last call, by table; drawn before the next batch."""
        self._let_go()
        self._note_caps()
        self._tell([])  # where something was missing since the last share
        names = self.registry.names
        rows: dict[str, Iterable[Row]] = {
            "clock": [
                (
                    source, self.packets, self.first_time, self.last_time,
                    self.clock.epoch, self.clock.steady,
                )
            ],
            "station": self.stations.take_rows(source),
            "connection": self.conversations.take_singles(source),
            "conversation": self.conversations.take_rows(source, names, self.packets),
            "sequence": self.sequences.take_rows(source),
            "stamp": self.stamps.take_rows(source),
            "content": [
                row for contents in self.contents.values() for row in contents.take_rows(source)
            ],
            **self.hearing.take_rows(source),
            "lookup": self.lookups.take_rows(source),
            "announcement": self.announcements.take_rows(source),
            **self.paths.take_rows(source),
        }  # fmt: skip
        waiting = self._waiting_rows(source)
        told = self.totals.take_rows(source)
        both = {
            name: chain(rows[name], told[name]) if name in rows else told[name] for name in told
        }
        return {**rows, **both, "behaviour": chain(told.get("behaviour", ()), waiting)}

    def _waiting_rows(self, source: int) -> list[Row]:
        """Requests that wait for their responses, as behaviours."""
        rows: list[Row] = []
        for protocol, exchanges in zip(self.registry.protocols, self.exchanges, strict=True):
            contents, waiting = exchanges.cache.contents, exchanges.open()
            rows += open_rows(source, protocol.name, contents, waiting, len(rows))
        return rows

    def _let_go(self) -> None:
        """Forget connections that have ended: a packet on their ports begins another one.

        As of the minute's beginning, as `_make_room` does, so that it does not matter when.
        """
        tick = self.clock.steady // TICK_NS // MINUTE_TICKS * MINUTE_TICKS
        gone = self.connections.purge(tick, np.empty(0, np.int64), self._leave)
        self.streams.forget(gone)
        self.live = len(self.connections)

    def _note_caps(self) -> None:
        """Tell how often each cap was hit; set back, so that nothing counts twice.

        Wrappings (tunnels, tags) are counted over whole batches, so they count from the first
        packet of the source to the last.
        """
        begin, here = (self.first_time, 0), (self.last_time, max(self.packets - 1, 0))
        self.hearing.summed(begin, here)
        for name in ("conversations", "stations", "lookups", "stamps", "paths"):
            self.hearing.counters.capped(name, getattr(self, name).refused)
        for contents in self.contents.values():
            self.hearing.counters.capped("transfers", contents.refused)
        for met in self.streams.plain.gave_up:
            self.hearing.counters.add("cap:reassembly", 1, met, met)
        self.streams.plain.gave_up = []
        plain, self.streams.plain_flows = self.streams.plain_flows, 0
        decoded = sum(exchanges.cache.decoded for exchanges in self.exchanges)
        for exchanges in self.exchanges:
            exchanges.cache.decoded = 0
        units, self.units = self.units, 0
        for name, count in (("plain_flows", plain), ("units", units), ("decoded", decoded)):
            if count:
                self.hearing.counters.add(f"engine:{name}", count, begin, here)

    def dump(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The state of each part, to go on from: one after the other, for some are large."""
        yield (
            "engine",
            {
                "version": VERSION,
                "purged_minute": self.purged_minute,
                "protocols": self.registry.names,
                **self.hearing.dump(),
            },
        )
        for name in PARTS:
            yield name, getattr(self, name).dump()
        yield from self.totals.dump().items()
        yield "contents", {name: contents.dump() for name, contents in self.contents.items()}
        for protocol, exchanges in zip(self.registry.protocols, self.exchanges, strict=True):
            yield f"exchanges:{protocol.name}", exchanges.dump()

    def load(self, state: dict[str, dict[str, Any]], rows: dict[str, list[Row]]) -> None:
        """Go on from a checkpoint: what `dump` gave, and the rows in the store by table.

        Raises Unlike where another version of otsec gave the state; it may be half taken then.
        """
        told = state.get("engine", {}).get("version")
        if told != VERSION:
            raise Unlike(f"it is of version {told}")
        self.restore(rows)
        try:
            self._load(state)
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            raise Unlike(f"{type(problem).__name__}: {problem}") from problem

    def restore(self, rows: dict[str, list[Row]]) -> None:
        """Take back what is in the rows whole."""
        for _, packets, first, last, *_ in rows["clock"]:
            self.packets, self.first_time, self.last_time = int(packets), int(first), int(last)
        self.lookups.restore(rows["lookup"])
        self.hearing.counters.restore(rows["counter"])
        self.sequences.restore(rows["sequence"])
        self.stamps.restore(rows["stamp"])
        for contents in self.contents.values():
            contents.restore(rows["content"])
        self.totals.restore(rows)

    def _load(self, state: dict[str, dict[str, Any]]) -> None:
        """Take up what was under way, behind `restore`."""
        for name, contents in self.contents.items():
            if name in state.get("contents", {}):
                contents.load(state["contents"][name])
        for name in PARTS:
            getattr(self, name).load(state[name])
        self.totals.load(state)
        for table in (self.connections.table, self.conversations.table):
            table["protocol"] = self.registry.renumber(
                state["engine"]["protocols"], table["protocol"]
            )
        self.hearing.load(state["engine"])
        self.purged_minute = state["engine"]["purged_minute"]
        for protocol, exchanges in zip(self.registry.protocols, self.exchanges, strict=True):
            exchanges.load(state.get(f"exchanges:{protocol.name}", {}))


PARTS = (
    *("clock", "tail", "fragments", "connections", "conversations", "stations", "streams"),
    *("sequences", "losses", "acknowledgements", "dialogues", "answers"),
    *("paths", "announcements"),
)  # of the engine, whose state is kept; in the order in which they are taken up again
TABLES = ("clock", "lookup", "counter", "sequence", "stamp", "content")  # taken back whole


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What is worked on at once: a batch, or a minute of one."""

    buffer: Bytes
    packets: Packets
    flows: Flows
    speculations: list[Speculation]
    times: Times  # of all rows up to its end
    ordinal: int  # of row 0


def _key_bytes(flows: Flows) -> list[bytes]:
    return key_bytes(flows.key)


def _aloud(packets: Packets, rows: I64) -> Mask:
    """Which packets are for everybody or a group: by address, or by MAC where it is a network's."""
    aloud = np.zeros(len(rows), np.bool_)
    some = np.flatnonzero(packets.protocol[rows] != TCP)
    if len(some):
        at = rows[some]
        aloud[some] = is_group(packets.kind[at], packets.target_hi[at], packets.target_lo[at])
        aloud[some] |= packets.mac_target[at] == BROADCAST
    return aloud


def _between(found: dict[int, list[Found]], begin: int, stop: int) -> dict[int, list[Found]]:
    """What was found in some of the packets."""
    some = {
        number: [
            part.take(np.flatnonzero((part.row >= begin) & (part.row < stop))) for part in parts
        ]
        for number, parts in found.items()
    }
    return {number: parts for number, parts in some.items() if any(map(len, parts))}


def _rank_within(part: Found, packets: Packets) -> I64:
    """The number of each unit within its packet, by offset.

    Behind those of the other side, which its acknowledgement proves to have come before.
    """
    row = packets.row[part.row]
    rank = np.zeros(len(row), np.int64)
    shared = np.bincount(row) > 1 if len(row) else np.zeros(0, np.bool_)
    some = np.flatnonzero(shared[row])
    if len(some):
        own = part.side[some] == higher_speaks(packets, part.row[some])
        order = some[np.lexsort((part.start[some], own, row[some]))]
        heads = np.flatnonzero(np.diff(row[order], prepend=-1))
        rank[order] = np.arange(len(order)) - np.repeat(heads, np.diff(heads, append=len(order)))
    return rank
